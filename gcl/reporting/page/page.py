"""All results on one HTML page that needs nothing else: `page(experiment, results)`; what `gcl report page` writes.

It shows what has been built and says what has not, so it can be made at any time. The template is page.html.j2.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gcl import __version__
from gcl.evaluation.metric_registry import ranking
from gcl.experiment.closure import code_sha256
from gcl.experiment.grid import all_runs, scored_as
from gcl.experiment.load import settings
from gcl.experiment.planning_arms import all_asked, rows, trainings
from gcl.experiment.provenance import environment, git_state
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.experiment.types import ORIGINS
from gcl.files import read_json
from gcl.operations.costs import read_records
from gcl.reporting.figures.arrows import MARKS
from gcl.reporting.figures.curves import curves
from gcl.reporting.figures.gallery import KINDS, RULE, gallery, gallery_datasets
from gcl.reporting.metrics import metrics_path
from gcl.reporting.page.page_tables import Table, read_table, table_path
from gcl.reporting.page.summary import summary
from gcl.workflow.plan import PLANNING_FIGURE, PLANNING_TABLE, Plan

_FIGURES = {
    "components": "What each part of the objective adds (Table 2 as a figure)",
    "fig2": "Weights of GSL and DRL (Fig. 2)",
    "fig3": "Ratio of the learning rates (Fig. 3)",
    "fig4": "Temperatures of a large gap (Fig. 4)",
    "fig7": "Temperatures of a small gap (Fig. 7)",
    "plans": "MGSD: plans and readings of planning tasks",
}
# Parts of the pipeline whose code decides a method's results.
_CODE = {
    "GCL": {"training": ("training",), "evaluation": ("generation", "scoring")},
    "MGSD": {"training": ("planning",), "evaluation": ("answering", "plans")},
}


@dataclass(frozen=True)
class FigureView:
    """One figure as data URI, what it shows in a sentence with numbers, and all its numbers as a table.

    Attributes:
        columns: headers of the numbers: whose it is in two parts, and the score.
    """

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
    tables = [table for name in plan.tables if (table := read_table(results, scale, name))]
    figures = [figure for name in plan.figures if (figure := _figure(plan, name, results))]
    curve_rows, lost = curves(_curve_runs(plan), results)
    chosen = {dataset: gallery(experiment, dataset, results) for dataset in gallery_datasets(experiment, results)}
    environment_ = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment_.get_template("page.html.j2").render(
        scale=scale,
        warning=SCALES[scale],
        sentences=summary(experiment, results, tables),
        tables=tables,
        absent_tables=_absent(plan.tables, tables),
        figures=figures,
        absent_figures=_absent(plan.figures, figures),
        curve_rows=curve_rows,
        curves_lost=lost,
        planning=PLANNING_TABLE in plan.tables,
        retain=experiment.execution.retain.value,
        rule=RULE,
        kinds=KINDS,
        marks=MARKS,
        chosen=chosen,
        gallery_runs={dataset: [run.id for run in plan.gallery_runs(dataset)] for dataset in chosen},
        outcomes=_outcomes(chosen),
        settings=_settings(experiment),
        origins=ORIGINS,
        costs=_costs(results, scale),
        versions=_versions(experiment, results),
        facts=_facts(experiment, results),
    )


def _curve_runs(plan: Plan) -> list[RunSpec]:
    """The headline's runs, and of MGSD the stages of all models."""
    runs = plan.reported_runs("headline")
    if PLANNING_TABLE not in plan.tables:
        return runs
    main = set(plan.experiment.planning.main.value)
    stages = {asked.run for row in rows(plan.experiment) if row.arm.name in main for asked in row.plans}
    return [*runs, *(spec for name, spec in trainings(plan.experiment).items() if name in stages)]


def _absent(names: Iterable[str], found: Sequence[Table] | Sequence[FigureView]) -> list[str]:
    there = {each.name for each in found}
    return [name for name in names if name not in there]


def _figure(plan: Plan, name: str, results: Path) -> FigureView | None:
    """One figure; None if it has not been drawn."""
    path = results / plan.scale / "figures" / f"{name}.svg"
    if not path.is_file():
        return None
    uri = f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
    title, columns = (
        _FIGURES.get(name, name),
        ("Run", "Member", ranking(plan.experiment, next(iter(plan.experiment.groups)))[1]),
    )
    if name == PLANNING_FIGURE:
        columns, numbers = ("Model", "Arm", "Success"), list(_planning_numbers(results, plan.scale))
    else:
        numbers = list(_numbers(plan.reported_runs(name), results))
    return FigureView(name, title, uri, _alt(title, columns, numbers), columns, numbers)


def _numbers(runs: Iterable[RunSpec], results: Path) -> Iterable[tuple[str, str, str]]:
    """Run, member and first score with its interval of everything that a figure draws, seed by seed."""
    for run in runs:
        path = metrics_path(results, run.scale, run.id)
        for member in read_json(path)["members"] if path.is_file() else []:
            score = next(iter(member["summary"].values()))
            shown = f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
            yield run.id, f"{member['role']} {member['model']}", shown


def _planning_numbers(results: Path, scale: str) -> Iterable[tuple[str, str, str]]:
    """Model, arm and success with its interval: the table's own."""
    path = table_path(results, scale, PLANNING_TABLE, ".csv")
    for row in pd.read_csv(path).itertuples() if path.is_file() else []:
        yield row.model, row.arm, f"{row.success:.3f} [{row.success_low:.3f}, {row.success_high:.3f}]"


def _alt(title: str, columns: tuple[str, str, str], numbers: Sequence[tuple[str, str, str]]) -> str:
    """A sentence that says what is shown and between which numbers it lies."""
    if not numbers:
        return f"{title}. Its metrics files are not here."
    low, high = (find(numbers, key=lambda row: row[2]) for find in (min, max))
    return (
        f"{title}: {columns[2]} of {len(numbers)} {columns[1].lower()}s. Lowest {low[2]} ({low[1]} in {low[0]}), "
        f"highest {high[2]} ({high[1]} in {high[0]}). All numbers are in the table below the figure."
    )


def _outcomes(chosen: Mapping[str, Sequence[Any]]) -> list[str]:
    """What scenes can be filtered by: only what some scene has."""
    scenes = [scene for group in chosen.values() for scene in group]
    known = ("gained", "lost", "equal", "both right", "both wrong", "only SFT right", "only GCL right")
    return [outcome for outcome in known if any(outcome in (scene.outcome, scene.correct) for scene in scenes)]


def _settings(experiment: Experiment) -> list[tuple[str, str, str, str]]:
    return [
        (name, json.dumps(value, ensure_ascii=False), origin, note)
        for name, value, origin, note in settings(experiment)
    ]


def _costs(results: Path, scale: str) -> pd.DataFrame | None:
    """The table of costs as text; None if it has not been built."""
    path = results / scale / "tables" / "costs.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else None


def _versions(experiment: Experiment, results: Path) -> list[tuple[str, str, str, str]]:
    """Package, and its versions in training, in scoring and here: several where runs differ."""
    found: dict[str, dict[str, set[str]]] = {"training": {}, "scoring": {}}
    for record in _provenance(experiment, results):
        environments = record.get("environment", {})
        for step, versions in found.items():
            for package, version in (environments.get(step) or {}).items():  # a published model had no training here
                versions.setdefault(package, set()).add(version)
    here = environment()
    names = dict.fromkeys([*here, *found["training"], *found["scoring"]])
    return [
        (name, *(", ".join(sorted(found[step].get(name, {"–"}))) for step in found), here.get(name, "–"))
        for name in names
    ]


def _facts(experiment: Experiment, results: Path) -> list[tuple[str, str]]:
    """What else decides results: code, data, machine."""
    runs = all_runs(experiment).values()
    scored = [all(_path(experiment, results, name).is_file() for name in scored_as(experiment, run)) for run in runs]
    facts = [
        ("GCL", __version__),
        ("this page from", _commit(git_state())),
        ("runs with metrics", f"{sum(scored)} of {len(scored)}"),
    ]
    for method, parts in _CODE.items():
        records = list(_provenance(experiment, results, method))
        for step, names in parts.items():
            used = sorted({record["code_sha256"][step] for record in records} - {None})
            same = "as here" if used == [code_sha256(*names)] else "not as here" if used else "no run yet"
            facts.append((f"code of {method} {step}", f"{', '.join(digest[:12] for digest in used) or '–'} ({same})"))
    attempts = [
        attempt
        for record in read_records(results, experiment.scale).values()
        for attempt in record["costs"]["attempts"]
        if "hardware" in attempt
    ]
    facts += [("trained on", words) for words in sorted({_machine(attempt["hardware"]) for attempt in attempts})]
    return facts + [("trained from", words) for words in sorted({_commit(attempt["git"]) for attempt in attempts})]


def _machine(hardware: Mapping[str, Any]) -> str:
    memory, gpus = f"{hardware['memory_mib'] / 1024:.0f} GiB", ", ".join(hardware["gpus"]) or "no GPU"
    return f"{hardware['cpu']}, {hardware['cores']} cores, {memory}, {gpus}, {hardware['system']}"


def _commit(state: Mapping[str, Any] | None) -> str:
    """A Git state in words."""
    if state is None:
        return "no Git repository"
    return f"commit {state['commit']}{', with changes that are not committed' if state['dirty'] else ''}"


def _provenance(experiment: Experiment, results: Path, *methods: str) -> Iterable[Mapping[str, Any]]:
    """What every metrics file says of its making, of one method or both."""
    names = {"GCL": list(all_runs(experiment)), "MGSD": [asked.path for asked in all_asked(experiment)]}
    for name in (name for method in methods or names for name in names[method]):
        path = _path(experiment, results, name)
        if path.is_file():
            yield read_json(path)["provenance"]


def _path(experiment: Experiment, results: Path, name: str) -> Path:
    return metrics_path(results, experiment.scale, name)
