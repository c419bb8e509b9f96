"""All results on one HTML page that needs nothing else, for `gcl report page`: `page(experiment, results)`.

It shows all that has been built and names the rest, so it can be made at any time. The template is page.html.j2, with
page.css and page.js.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gcl.data.html import data_uri, fill
from gcl.evaluation.metric_registry import ranking
from gcl.experiment.grid import all_runs
from gcl.experiment.load import settings
from gcl.experiment.places import results_at
from gcl.experiment.planning_arms import rows
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.experiment.types import ORIGINS
from gcl.reporting.figures.arrows import MARKS
from gcl.reporting.figures.curves import curves
from gcl.reporting.figures.gallery import KINDS, RULE, GalleryScene, gallery, gallery_datasets
from gcl.reporting.metrics import Metrics
from gcl.reporting.page.compared_table import compared_rows
from gcl.reporting.page.making import facts, metrics_there, versions
from gcl.reporting.page.page_tables import page_table
from gcl.reporting.page.pull_table import LOSSES, pull_rows
from gcl.reporting.page.summary import summary
from gcl.reporting.tables.result_table import ResultTable, read_table
from gcl.workflow.plan import Plan
from gcl.workflow.targets import PLANNING_FIGURE, PLANNING_TABLE, TARGETS


@dataclass(frozen=True)
class FigureView:
    """One figure as data URI, with a sentence about it, and all its numbers as a table with headers."""

    name: str
    title: str
    uri: str
    alt: str
    columns: tuple[str, str, str]
    numbers: Sequence[tuple[str, str, str]]


def page(experiment: Experiment, results: Path) -> str:
    """Fill the page's template from the files of one scale.

    Raises:
        DataError: if a file is there but broken or of an earlier version.
    """
    plan, scale = Plan(experiment), experiment.scale
    tables = {name: table for name in plan.tables if (table := read_table(results, scale, name))}
    metrics = metrics_there(experiment, results)
    drawn = [figure for name in plan.figures if (figure := _figure(plan, name, results, metrics, tables))]
    curve_rows, lost = curves(_curve_runs(plan), results)
    chosen = {dataset: gallery(experiment, dataset, results) for dataset in gallery_datasets(experiment, results)}
    return fill(
        Path(__file__).with_suffix(".html.j2"),
        scale=scale,
        warning=SCALES[scale],
        sentences=summary(experiment, list(tables.values())),
        tables=[page_table(table) for table in tables.values()],
        absent_tables=[name for name in plan.tables if name not in tables],
        figures=drawn,
        absent_figures=[name for name in plan.figures if name not in {figure.name for figure in drawn}],
        curve_rows=curve_rows,
        curves_lost=lost,
        pulls=pull_rows(_curve_runs(plan), results),
        pull_losses=list(LOSSES.values()),
        compared=compared_rows(all_runs(experiment).values(), results),
        planning=PLANNING_TABLE in plan.tables,
        retain=experiment.execution.retain.value,
        rule=RULE,
        kinds=KINDS,
        marks=MARKS,
        chosen=chosen,
        gallery_runs={dataset: [run.id for run in plan.gallery_runs(dataset)] for dataset in chosen},
        outcomes=_outcomes(chosen),
        scene_pages=scene_pages(chosen, results, scale),
        settings=[(name, json.dumps(value, ensure_ascii=False), *rest) for name, value, *rest in settings(experiment)],
        origins=ORIGINS,
        costs=_costs(results, scale),
        versions=versions(metrics),
        facts=facts(experiment, results, metrics),
    )


def _curve_runs(plan: Plan) -> list[RunSpec]:
    """The headline's runs, and of MGSD the stages of all models."""
    runs = TARGETS["headline"].runs(plan.experiment)
    if PLANNING_TABLE not in plan.tables:
        return runs
    main = set(plan.experiment.planning.main.value)
    stages = {run for row in rows(plan.experiment) if row.arm.name in main for run in row.runs}
    return [*runs, *(run for name, run in all_runs(plan.experiment).items() if name in stages)]


def _figure(
    plan: Plan, name: str, results: Path, metrics: Metrics, tables: Mapping[str, ResultTable]
) -> FigureView | None:
    """One figure; None if it has not been drawn."""
    path, target = results_at(plan.scale, results).figure(name, ".svg"), TARGETS[name]
    if not path.is_file():
        return None
    columns = ("Run", "Member", ranking(plan.experiment, next(iter(plan.experiment.groups)))[1])
    if name == PLANNING_FIGURE:
        columns, numbers = ("Model", "Arm", "Success"), _planning_numbers(tables.get(PLANNING_TABLE))
    else:
        numbers = [
            (run.id, f"{member.role} {member.model}", str(next(iter(member.summary.values()))))
            for run in target.runs(plan.experiment)
            if run.id in metrics
            for member in metrics[run.id].members
        ]
    uri = data_uri("image/svg+xml", path.read_bytes())
    return FigureView(name, target.title, uri, _alt(target.title, columns, numbers), columns, numbers)


def _planning_numbers(table: ResultTable | None) -> list[tuple[str, str, str]]:
    """Model, arm and success with its interval: the table's own."""
    listed = [row.cells for row in table.rows] if table else []
    found = [(cells["model"], cells["arm"], cells["success"]) for cells in listed]
    return [(model, arm, f"{s.mean:.3f} [{s.low:.3f}, {s.high:.3f}]") for model, arm, s in found]


def _alt(title: str, columns: tuple[str, str, str], numbers: Sequence[tuple[str, str, str]]) -> str:
    """A sentence about a figure's subject, lowest and highest number."""
    if not numbers:
        return f"{title}. Its metrics files are not here."
    low, high = (find(numbers, key=lambda row: row[2]) for find in (min, max))
    return (
        f"{title}: {columns[2]} of {len(numbers)} {columns[1].lower()}s. Lowest {low[2]} ({low[1]} in {low[0]}), "
        f"highest {high[2]} ({high[1]} in {high[0]}). All numbers are in the table below the figure."
    )


def _outcomes(chosen: Mapping[str, Iterable[GalleryScene]]) -> list[str]:
    """The filters of scenes: outcomes that some scene has."""
    scenes = [scene for group in chosen.values() for scene in group]
    known = ("gained", "lost", "equal", "both right", "both wrong", "only SFT right", "only GCL right")
    return [outcome for outcome in known if any(outcome in (scene.outcome, scene.correct) for scene in scenes)]


def scene_pages(chosen: Mapping[str, Iterable[GalleryScene]], results: Path, scale: str) -> dict[tuple[str, str], str]:
    """By data set and scene, the address of its own page, seen from results/<scale>/; "" where `gcl show` made none."""
    here = results_at(scale, results)
    pages = {
        (scene.dataset, scene.id): here.scene(scene.dataset, scene.id) for group in chosen.values() for scene in group
    }
    return {key: quote(path.relative_to(here.root).as_posix()) if path.is_file() else "" for key, path in pages.items()}


def _costs(results: Path, scale: str) -> list[list[str]]:
    """The table of costs as text, its header first; empty if it has not been built."""
    path = results_at(scale, results).table("costs", ".csv")
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
