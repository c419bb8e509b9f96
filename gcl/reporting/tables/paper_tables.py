"""Tables 1, 2 and 3 of the paper: `component_table()` is Table 2, `group_table()` Tables 1 and 3.

Each takes the metrics of all its runs and raises DataError if these are not comparable.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Literal

from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, EXCHANGED, METHODS, ROLES, PooledScore, member_score
from gcl.reporting.metrics import Metrics
from gcl.reporting.paper_values import ComponentValue, paper_component, paper_group, paper_values_shown
from gcl.reporting.tables.assemble import (
    held_out_columns,
    held_out_notes,
    identity,
    result_table,
    row,
    score_cell,
    score_column,
)
from gcl.reporting.tables.looks import looking_notes
from gcl.reporting.tables.result_table import ResultColumn, ResultRow, ResultTable


def component_table(
    experiment: Experiment, name: str, datasets: Sequence[str], metrics: Metrics, exchanged: bool = False
) -> ResultTable:
    """Table 2: the gain of each part of the objective, one row per data set, method and role, base models first.

    Args:
        exchanged: add rows of members that saw the pictures of other scenes. They are compared with the same member on its
            own pictures. Only a model that looks is worse there.
    """
    shown = paper_values_shown(experiment)
    columns = identity("dataset", "method", "model", "role") + [
        score_column(metric, str(header(metric)), paper=shown and metric in ComponentValue.model_fields)
        for metric in scores_of(experiment, *datasets)
    ]
    columns += held_out_columns(experiment)
    rows = []
    for dataset in datasets:
        score = partial(member_score, experiment, metrics, dataset, experiment.components.pair.value)
        rows += component_rows(experiment, dataset, columns, score, "base")
        rows += component_rows(experiment, dataset, columns, score)
    if exchanged:
        rows += component_rows(experiment, datasets[0], columns, score, "exchanged")
    return result_table(experiment, name, columns, rows, metrics, [*held_out_notes(experiment), *looking_notes(rows)])


def component_rows(
    experiment: Experiment,
    dataset: str,
    columns: Sequence[ResultColumn],
    score: Callable[..., PooledScore | None],
    kind: Literal["base", "own", "exchanged"] = "own",
    **words: str,
) -> list[ResultRow]:
    """A row for each method and role.

    Args:
        columns: those of kind "score" are filled.
        score: of a variant, role, metric, "own" or "exchanged" pictures, and seeds.
        kind: "own": trained models, compared with the same model's SFT. "base": base models, compared with nothing.
            "exchanged": trained models with exchanged pictures, compared with themselves on their own pictures.
        words: more cells.
    """
    pair, resamples = experiment.components.pair.value, experiment.evaluation.bootstrap.value
    methods = {"base": BASE, "own": METHODS, "exchanged": EXCHANGED}[kind]
    variants = ("sft", *experiment.components.rows.value) if kind == "own" else methods
    controls = (
        {} if kind == "base" else {v: "sft" if kind == "own" else v for v in variants if (kind, v) != ("own", "sft")}
    )
    seeds = tuple(experiment.seeds.value if kind == "own" else experiment.seeds.value[:1])
    rows = []
    for variant, role in product(variants, ROLES):
        cells = {"dataset": dataset, "method": methods[variant], "model": getattr(pair, role), "role": role} | words
        behind = []
        for column in columns:
            if column.kind == "score":
                ours = score(variant, role, column.name, "exchanged" if kind == "exchanged" else "own", seeds)
                control = score(controls[variant], role, column.name, "own", seeds) if variant in controls else None
                shown = column.paper and kind == "own"
                paper = paper_component(dataset, variant, pair, role, column.name) if shown else None
                cells[column.name] = score_cell(ours, control, resamples, paper)
                behind += [ours, control]
        rows.append(row(cells, behind, len(seeds), exchanged=kind == "exchanged"))
    return rows


def group_table(experiment: Experiment, name: str, dataset: str, metrics: Metrics) -> ResultTable:
    """Table 1 or 3: one row per group, with its members' ranking scores untrained, alone (SFT) and in competition (GCL)."""
    shown, resamples = paper_values_shown(experiment), experiment.evaluation.bootstrap.value
    columns = identity("dataset", "regime", "learner", "guide")
    columns += [ResultColumn(name=f"tau_{role}", header=f"τ {role}", kind="tau") for role in ROLES]
    columns += [score_column(f"base_{role}", f"Base {role}", compared=False) for role in ROLES]
    columns += [
        score_column(f"{method}_{role}", f"{method.upper()} {role}", compared=method == "gcl", paper=shown)
        for method in ("sft", "gcl")
        for role in ROLES
    ]
    columns += [ResultColumn(name=f"gain_{role}", header=f"Gain {role}", kind="difference") for role in ROLES]
    rows, swapped = [], []
    for group in experiment.groups[dataset].value:
        base, sft, gcl = (
            {role: member_score(experiment, metrics, dataset, group, variant, role) for role in ROLES}
            for variant in ("base", "sft", "full")
        )
        cells = {"dataset": dataset, "regime": group.regime, "learner": group.learner, "guide": group.guide}
        for place, role in enumerate(ROLES):
            paper = {m: paper_group(dataset, group, m, role) if shown else None for m in ("sft", "gcl")}
            cells[f"tau_{role}"] = group.tau[place]
            cells[f"base_{role}"] = score_cell(base[role], None, resamples, None, base[role].runs)
            cells[f"sft_{role}"] = score_cell(sft[role], None, resamples, paper["sft"], sft[role].runs)
            trained = [*gcl[role].runs, *sft[role].runs]
            cells[f"gcl_{role}"] = score_cell(gcl[role], sft[role], resamples, paper["gcl"], trained)
            cells[f"gain_{role}"] = gcl[role].mean - sft[role].mean
        rows.append(row(cells, [*base.values(), *sft.values(), *gcl.values()], len(experiment.seeds.value)))
        if sft["learner"].mean > sft["guide"].mean:  # AGO lets the worse one learn
            swapped.append(f"{group.learner} / {group.guide}")
    note = "Roles are the paper's. By the baselines measured here the learner is the better model in:"
    notes = [f"{note} {', '.join(swapped)}."] if swapped else []
    return result_table(experiment, name, columns, rows, metrics, notes)
