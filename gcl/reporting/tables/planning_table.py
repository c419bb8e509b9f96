"""MGSD and its controls: `planning_metrics()` reads what was scored, `planning_table()` and `planning_figure()` show it.

One row for each model and arm (`planning.arms`). Scores are macro means: the unweighted mean of the tasks' means, as the
paper's headline is. Differences are paired by state, to the arm that `against` names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ValidationError

from gcl.errors import DataError, raise_all
from gcl.evaluation.bootstrap import mean_interval
from gcl.experiment.methods.registry import find_run
from gcl.experiment.planning_arms import Asked, Row, all_asked, rows, trained
from gcl.experiment.schema import Experiment
from gcl.files import read_json
from gcl.planning.scoring import PLAN_SCORES, macro_weights
from gcl.reporting.estimates import Estimate, Metrics
from gcl.reporting.figures.canvas import GREY, canvas, cross
from gcl.reporting.metrics import check_consistent, metrics_path
from gcl.reporting.paper_values import paper_planning, paper_values_shown
from gcl.reporting.tables.markup import EMPTY
from gcl.reporting.tables.tables import score_cells

_COLOURS, _MARKERS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7"), "osD^"
# More is better, so a mark can say which way a difference goes.
COMPARED = {"success": "Success", "optimal": "Optimal", "parsed": "Parsed"}


class Provenance(BaseModel):
    """What the rates were made from, as far as reports depend on it."""

    training: str | None
    spec_sha256: str | None
    code_sha256: Mapping[str, str | None]
    manifests: Mapping[str, str | None]
    predictions_sha256: str
    checkpoints: Mapping[str, str]


class PlanningFile(BaseModel):
    """A metrics file of one answer file; more keys are welcome."""

    scale: str
    run: str
    view: str
    asked: str
    items: list[Mapping[str, Any]]
    provenance: Provenance


def planning_metrics(experiment: Experiment, results: Path) -> dict[str, dict[str, Any]]:
    """The metrics files of all rows, by what was asked: <training>/<question>.

    Raises:
        DataError: listing every file that is missing, broken, or made with other settings than the present ones.
    """
    found, problems = {}, []
    for asked in all_asked(experiment):
        path = metrics_path(results, experiment.scale, asked.path)
        try:
            found[asked.path] = _read(path, experiment, asked)
        except DataError as error:
            problems.append(f"{path}: {error}; make it with: snakemake --cores 2 {path}")
    raise_all(problems, "metrics")
    return found


def planning_table(experiment: Experiment, metrics: Metrics) -> pd.DataFrame:
    """One row per model and arm; columns as in tables.py.

    success, optimal, parsed, illegal: macro means; frozenlake, maze, minibehaviour: success in one task; reading: how many
    pictures were read without a mistake.

    Args:
        metrics: from `planning_metrics`.

    Raises:
        DataError: if the files are not comparable.
    """
    check_consistent(metrics)
    listed, resamples = rows(experiment), experiment.evaluation.bootstrap.value
    by_name = {(row.model, row.arm.name): row for row in listed}
    table = []
    for row in listed:
        control = by_name.get((row.model, row.arm.against or ""))
        cells: dict[str, Any] = {"against": control.arm.name if control else EMPTY}
        for name in PLAN_SCORES:
            if name == "success_staying":  # as the training reward counts; in the metrics files
                continue
            cells |= _cells(name, metrics, row, control if name in COMPARED else None, resamples)
            if name == "success" and paper_values_shown(experiment):
                value = float("nan") if (published := _published(row)) is None else published
                cells |= {"success_paper": value, "success_difference": cells["success"] - value}
        for task in experiment.planning.levels.value:
            cells |= _cells(task, metrics, row, control, resamples)
        cells |= _cells("reading", metrics, row, control, resamples)
        behind = [asked.path for one in (row, control) if one for asked in (*one.plans, *one.readings)]
        scenarios = len(metrics[row.plans[0].path]["items"])
        table.append(
            {"scale": experiment.scale, "dataset": "planning", "model": row.model, "arm": row.arm.name, **cells}
            | {"seeds": len(experiment.planning.seeds.value), "scenarios": scenarios}
            | {"runs": " ".join(dict.fromkeys(behind))}
        )
    return pd.DataFrame(table)


def planning_figure(experiment: Experiment, metrics: Metrics, stem: Path) -> None:
    """Success of every arm, and how many pictures it reads without a mistake, each model with its own mark."""
    check_consistent(metrics)
    listed, resamples = rows(experiment), experiment.evaluation.bootstrap.value
    names = [arm.name for arm in experiment.planning.arms.value]
    models = experiment.planning.models.value
    notes = ["Macro means over the tasks; readings are asked of the main arms that see pictures."]
    drawn = {
        name: [(row, score) for row in listed if (score := _estimate(name, metrics, row, resamples))]
        for name in ("success", "reading")
    }
    estimates = [score for points in drawn.values() for _, score in points]
    with canvas(stem, (6.8, 0.9 + 0.24 * len(names)), experiment, estimates, notes) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        titles = ("plans that reach the goal", "pictures read without a mistake")
        for axes, (name, points), title in zip(panels, drawn.items(), titles, strict=True):
            for row, score in points:
                number = models.index(row.model)
                y = names.index(row.arm.name) + 0.22 * (number - (len(models) - 1) / 2)
                look = {"color": _COLOURS[number % 4], "marker": _MARKERS[number % 4]}
                axes.plot([score.low, score.high], [y, y], color=look["color"])
                axes.plot(score.mean, y, linestyle="none", label=row.model, **look)
                published = _published(row) if name == "success" and paper_values_shown(experiment) else None
                if published is not None:
                    cross(axes, published, y)
            axes.set_title(title)
            axes.set_xlim(-0.02, 1.02)
            axes.grid(axis="x", color="0.9", linewidth=0.5)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(unique.values(), unique, loc="outside upper right", ncols=2, frameon=False, labelcolor=GREY)


def _read(path: Path, experiment: Experiment, asked: Asked) -> dict[str, Any]:
    if not path.is_file():
        raise DataError("no such file")
    content = read_json(path)
    try:
        file = PlanningFile.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"not a metrics file of planning tasks: {field}: {problem['msg']}") from None
    if (file.scale, file.run) != (experiment.scale, asked.path):
        raise DataError(f"of another run, {file.run} of scale {file.scale}")
    training = trained(experiment, asked.run)
    if file.provenance.spec_sha256 != (find_run(experiment, training).fingerprint if training else None):
        raise DataError("made with other settings than the present configuration")
    return content


def _published(row: Row) -> float | None:
    """The paper's success; of what is told the state it is not known."""
    return paper_planning(row.model, row.arm.run) if row.arm.view == "image" else None


def _cells(name: str, metrics: Metrics, row: Row, control: Row | None, resamples: int) -> dict[str, float]:
    ours = _estimate(name, metrics, row, resamples)
    other = _estimate(name, metrics, control, resamples) if control else None
    if ours and other and len(other.scores) == 1:  # a base model is the same for all seeds
        other = Estimate(
            other.mean, other.low, other.high, other.scenarios, other.runs, other.scores * len(ours.scores)
        )
    return score_cells(name, ours, other, resamples)


def _estimate(name: str, metrics: Metrics, row: Row, resamples: int) -> Estimate | None:
    """One score of one row over all seeds; None where nothing is read.

    Args:
        name: a score, a task, or "reading".
    """
    asked: Sequence[Asked] = row.readings if name == "reading" else row.plans
    if not asked:
        return None
    scores = []
    for one in asked:
        items = sorted(metrics[one.path]["items"], key=lambda item: item["id"])
        if name in (tasks := {item["task"] for item in items}):
            scores.append(tuple(item["success"] for item in items if item["task"] == name))
            continue
        if name not in (*PLAN_SCORES, "reading"):
            raise DataError(f"{one.path}: no states of {name}, only of {', '.join(sorted(tasks))}; make it anew")
        field = "all" if name == "reading" else name
        weights = macro_weights([item["task"] for item in items])
        scores.append(tuple(weight * item[field] for weight, item in zip(weights, items, strict=True)))
    value = mean_interval(scores, resamples)
    runs = tuple(one.path for one in asked)
    return Estimate(value["mean"], value["low"], value["high"], value["n"], runs, tuple(scores))
