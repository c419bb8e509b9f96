"""Tables 1, 2 and 3: `component_table()` and `group_table()` build them, `write_table()` writes one in four files.

Columns follow one convention, which markup.py turns into cells: `x` with `x_low` and `x_high` is a score with its
interval; `x_gain` with `x_gain_low` and `x_gain_high` is its paired difference to the same model's SFT control; `x_paper`
and `x_difference` (ours - paper) exist only where paper values are shown. `runs` names all runs behind a row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from gcl.evaluation.metric_registry import scores_of
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Pictures
from gcl.files import write_json, write_text
from gcl.reporting.estimates import ROLES, Estimate, Metrics, gcl_estimate, sft_estimate
from gcl.reporting.metrics import check_consistent
from gcl.reporting.paper_values import ComponentValue, paper_component, paper_group, paper_values_shown
from gcl.reporting.tables.markup import as_shown, markdown, tex

METHODS = {
    "sft": "SFT",
    "gsl": "GCL: GSL",
    "drl": "GCL: DRL",
    "gco": "GCL: GSL + DRL",
    "full": "GCL: GSL + DRL + AGO",
}
# Who is asked once more with the pictures of other scenes (`gcl.experiment.grid.exchanged_runs`).
EXCHANGED = {variant: f"{METHODS[variant]}, pictures exchanged" for variant in ("sft", "full")}
# What tells one row from another; the order is that of the tables.
_IDENTITY = ("dataset", "encoder", "regime", "arm", "lr_ratio", "method", "model", "role", "learner", "guide")


def component_table(
    experiment: Experiment, datasets: Sequence[str], metrics: Metrics, exchanged: bool = False
) -> pd.DataFrame:
    """Table 2: what each part of the objective adds, one row per data set, method and role.

    Args:
        metrics: of all seeds, as `load_metrics` returns them.
        exchanged: add rows of members that saw the pictures of other scenes, each compared with the same member on its own
            pictures. Only a model that looks is worse there.

    Raises:
        DataError: if the runs are not comparable.
    """
    names = scores_of(experiment, *datasets)
    rows = [
        _component_row(experiment, metrics, dataset, variant, role, names)
        for dataset in datasets
        for variant in ("sft", *experiment.components.rows.value)
        for role in ROLES
    ]
    if exchanged:
        rows += [
            _exchanged_row(experiment, metrics, dataset, variant, role, names)
            for dataset in datasets
            for variant in EXCHANGED
            for role in ROLES
        ]
    return _checked(rows, metrics)


def group_table(experiment: Experiment, dataset: str, metrics: Metrics) -> pd.DataFrame:
    """Table 1 or 3: the ranking score of every group's members, alone (SFT) and in competition (GCL), one row per group.

    Args:
        metrics: of all seeds, as `load_metrics` returns them.

    Raises:
        DataError: if the runs are not comparable.
    """
    shown, resamples = paper_values_shown(experiment), experiment.evaluation.bootstrap.value
    rows = []
    for group in experiment.groups[dataset].value:
        sft = {role: sft_estimate(experiment, metrics, dataset, getattr(group, role)) for role in ROLES}
        gcl = {role: gcl_estimate(experiment, metrics, dataset, group, "full", role) for role in ROLES}
        cells: dict[str, Any] = {"tau_learner": group.tau[0], "tau_guide": group.tau[1]}
        for method, scores in (("sft", sft), ("gcl", gcl)):
            for role in ROLES:
                name, ours = f"{method}_{role}", scores[role]
                cells |= _score(name, ours) if method == "sft" else score_cells(name, ours, sft[role], resamples)
                if shown:
                    cells |= _paper(f"{method}_{role}", scores[role], paper_group(dataset, group, method, role))
        cells |= {f"gain_{role}": gcl[role].mean - sft[role].mean for role in ROLES}
        identity = {"dataset": dataset, "regime": group.regime, "learner": group.learner, "guide": group.guide}
        rows.append(_row(experiment, identity, cells, [*sft.values(), *gcl.values()]))
    return _checked(rows, metrics)


def write_table(
    frame: pd.DataFrame, stem: Path, title: str, notes: Sequence[str], provenance: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write `stem`.csv for programs, .md for people, .tex for a paper, .provenance.json for where numbers come from and
    what people see of them, which is what the page of all results shows.

    Args:
        frame: from one of the functions above.
        notes: printed below the table, after what the table itself needs explained.
        provenance: one record per run, from `gcl.reporting.metrics.sources`.
    """
    write_text(f"{stem}.csv", frame.round(4).to_csv(index=False, lineterminator="\n"))
    write_text(f"{stem}.md", markdown(frame, title, notes))
    write_text(f"{stem}.tex", tex(frame, title, notes))
    seen = as_shown(frame, notes)
    rows = [
        {
            "row": {name: row[name] for name in _IDENTITY if name in row},
            "cells": cells,
            "sources": [provenance[run] for run in row["runs"].split()],
        }
        for row, cells in zip(frame.to_dict("records"), seen.pop("cells"), strict=True)
    ]
    write_json(f"{stem}.provenance.json", {"title": title, "scale": frame["scale"].iloc[0], **seen, "rows": rows})


def _component_row(
    experiment: Experiment, metrics: Metrics, dataset: str, variant: str, role: str, names: Sequence[str]
) -> dict[str, Any]:
    pair, shown = experiment.components.pair.value, paper_values_shown(experiment)
    model = getattr(pair, role)
    cells, estimates = {}, []
    for name in names:
        control = sft_estimate(experiment, metrics, dataset, model, name)
        ours = control
        if variant != "sft":
            ours = gcl_estimate(experiment, metrics, dataset, pair, variant, role, name)
        resamples = experiment.evaluation.bootstrap.value
        cells |= score_cells(name, ours, control if variant != "sft" else None, resamples)
        if shown and name in ComponentValue.model_fields:
            cells |= _paper(name, ours, paper_component(dataset, variant, pair, role, name))
        estimates += [ours, control]
    identity = {"dataset": dataset, "method": METHODS[variant], "model": model, "role": role}
    return _row(experiment, identity, cells, estimates)


def _exchanged_row(
    experiment: Experiment, metrics: Metrics, dataset: str, variant: str, role: str, names: Sequence[str]
) -> dict[str, Any]:
    """The scores of one member on exchanged pictures, and their differences to those on its own."""
    pair, resamples = experiment.components.pair.value, experiment.evaluation.bootstrap.value
    model = getattr(pair, role)
    cells, estimates = {}, []
    for name in names:
        seen = {
            pictures: sft_estimate(experiment, metrics, dataset, model, name, pictures)
            if variant == "sft"
            else gcl_estimate(experiment, metrics, dataset, pair, variant, role, name, pictures)
            for pictures in get_args(Pictures)
        }
        cells |= score_cells(name, seen["exchanged"], seen["own"], resamples)
        estimates += [seen["exchanged"], seen["own"]]
    identity = {"dataset": dataset, "method": EXCHANGED[variant], "model": model, "role": role}
    return _row(experiment, identity, cells, estimates)


def _checked(rows: Sequence[dict[str, Any]], metrics: Metrics) -> pd.DataFrame:
    """The rows as a frame, unless the runs behind them must not stand in one table."""
    check_consistent({run: metrics[run] for row in rows for run in row["runs"].split()})
    return pd.DataFrame(rows)


def _row(
    experiment: Experiment, identity: dict[str, Any], cells: dict[str, Any], estimates: Sequence[Estimate | None]
) -> dict[str, Any]:
    known = [estimate for estimate in estimates if estimate]
    runs = dict.fromkeys(run for estimate in known for run in estimate.runs)
    counts = {"seeds": len(experiment.seeds.value), "scenarios": known[0].scenarios}
    return {"scale": experiment.scale, **identity, **cells, **counts, "runs": " ".join(runs)}


def score_cells(name: str, ours: Estimate | None, control: Estimate | None, resamples: int) -> dict[str, float]:
    """A score with its interval, and its paired difference to a control where there is one."""
    gain = ours.gain_over(control, resamples) if ours and control else {}
    columns = {f"{name}_gain": "mean", f"{name}_gain_low": "low", f"{name}_gain_high": "high"}
    return _score(name, ours) | {column: gain.get(part, float("nan")) for column, part in columns.items()}


def _score(name: str, ours: Estimate | None) -> dict[str, float]:
    values = (ours.mean, ours.low, ours.high) if ours else (float("nan"),) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _paper(name: str, ours: Estimate | None, published: float | None) -> dict[str, float]:
    value = float("nan") if published is None else published
    return {f"{name}_paper": value, f"{name}_difference": (ours.mean if ours else float("nan")) - value}
