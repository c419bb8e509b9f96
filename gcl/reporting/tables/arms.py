"""A table of arms: `arms_table()` compares each arm with others.

The builders of arms are in controls.py (`controls`, `controls_best`, `rates`) and planning_table.py (`planning`).
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import PooledScore
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.assemble import result_table, row, score_cell
from gcl.reporting.tables.result_table import Cell, ResultColumn, ResultTable


@dataclass(frozen=True)
class ArmRow:
    """One row of a table of arms.

    Attributes:
        cells: words and numbers that are no scores, by column.
        scores: by metric; None where the arm has none.
        against: keys of the arms that it is compared with, by comparison; None, or nothing, where there is none. The first
            one marks its scores.
        paper: published values by metric.
        seeds: how many trainings it stands for.
    """

    cells: Mapping[str, Cell]
    scores: Mapping[str, PooledScore | None]
    seeds: int
    against: Mapping[str, Hashable | None] = field(default_factory=dict)
    paper: Mapping[str, float | None] = field(default_factory=dict)


def arms_table(
    experiment: Experiment,
    name: str,
    columns: Sequence[ResultColumn],
    arms: Mapping[Hashable, ArmRow],
    metrics: Metrics,
    notes: Sequence[str],
    *,
    tested: str | None = None,
    unmarked: Sequence[str] = (),
) -> ResultTable:
    """One row per arm.

    Args:
        columns: all that are shown. Those of tests are `gain_<comparison>` and `p_<comparison>`.
        tested: metric whose paired difference in every comparison is shown. Beside it stands a two-sided bootstrap p,
            corrected by Holm over all arms of the column.
        unmarked: metrics that are compared with nothing, since more of them is not better.
    """
    resamples = experiment.evaluation.bootstrap.value
    labels = dict.fromkeys(label for arm in arms.values() for label in arm.against) if tested else ()
    tests = [_tests(arms, label, tested, resamples) for label in labels]
    rows = []
    for key, arm in arms.items():
        others = [arms[other] for other in arm.against.values() if other is not None]
        marking = arms.get(next(iter(arm.against.values()), None))
        cells = {name: cell for found in tests for name, cell in found[key].items()} | arm.cells
        for metric, ours in arm.scores.items():
            control = marking.scores[metric] if marking and ours and metric not in unmarked else None
            control = control.for_seeds(len(ours.scores)) if control else None
            cells[metric] = score_cell(ours, control, resamples, arm.paper.get(metric))
        behind = [score for one in (arm, *others) for score in one.scores.values()]
        rows.append(row(cells, behind, arm.seeds))
    return result_table(experiment, name, columns, rows, metrics, notes)


def tested_columns(label: str, header: str, p_header: str) -> list[ResultColumn]:
    """The columns of one comparison that is tested."""
    return [
        ResultColumn(name=f"gain_{label}", header=header, kind="gain"),
        ResultColumn(name=f"p_{label}", header=p_header, kind="p"),
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of one family of comparisons; missing values stay missing and do not count."""
    known = sorted((p, k) for k, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, k) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[k] = largest
    return corrected


def _tests(arms: Mapping[Hashable, ArmRow], label: str, metric: str, resamples: int) -> dict[Hashable, dict[str, Cell]]:
    """The cells of one comparison, by arm: the difference, and its p corrected over all arms that have one."""
    gains = {}
    for key, arm in arms.items():
        other = arms.get(arm.against.get(label))
        gains[key] = arm.scores[metric].gain_over(other.scores[metric], resamples) if other else None
    corrected = holm([gain.p if gain else math.nan for gain in gains.values()])
    return {
        key: {f"gain_{label}": gain, f"p_{label}": p if gain else None}
        for (key, gain), p in zip(gains.items(), corrected, strict=True)
    }
