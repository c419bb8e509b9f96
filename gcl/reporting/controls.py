"""Where does the gain come from? `controls_table()`: every arm of `controls` against SFT, and against SFT at its own rate.

The paper's learner has up to twice the rate of the SFT that it is compared with, so the rate alone could be what helps. The
second comparison takes it out: an arm differs from its control in the exchange alone. One row per arm, its first member.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from gcl.reporting.estimates import METRICS, Estimate, Metrics, run_estimate
from gcl.reporting.metrics import check_consistent
from gcl.runs import RunSpec, arm_runs
from gcl.schema import Experiment


def controls_table(experiment: Experiment, metrics: Metrics) -> pd.DataFrame:
    """One row per arm of `controls`.

    Columns as in tables.py, and: `lr_ratio`, the member's rate in units of `lr_sft`; `gain_sft` and `gain_rate`, paired
    differences in Action-F1 to the first arm and to SFT at the same rate, with `_low`, `_high`; `p_sft` and `p_rate`, their
    two-sided bootstrap p values, corrected by Holm over all arms of the column.

    Args:
        metrics: of all arms and seeds, as `load_metrics` returns them.

    Raises:
        DataError: if the runs are not comparable.
    """
    controls, resamples = experiment.controls, experiment.evaluation.bootstrap.value
    check_consistent(metrics)
    runs = {arm.name: arm_runs(experiment, arm.run) for arm in controls.arms.value}
    names = [name for name in METRICS if name != "action_accuracy" or _closed(experiment)]
    scores = {arm: {name: run_estimate(metrics, own, name, resamples) for name in names} for arm, own in runs.items()}
    first, *_ = runs
    alone = {_ratio(experiment, own[0]): arm for arm, own in runs.items() if _plain(own[0])}
    rows = []
    for arm, own in runs.items():
        ratio = _ratio(experiment, own[0])
        same_rate = None if _plain(own[0]) else alone.get(ratio)
        against = {"sft": first if arm != first else None, "rate": same_rate}
        cells: dict[str, Any] = {"lr_ratio": ratio}
        for name in names:
            control = None if arm == first else scores[first][name]
            cells |= _score(name, scores[arm][name], control, resamples)
        for label, control in against.items():
            other = None if control is None else scores[control]["action_f1"]
            cells |= _difference(label, scores[arm]["action_f1"], other, resamples)
        behind = [own, runs[first], *([runs[same_rate]] if same_rate else [])]
        rows.append(
            {"scale": experiment.scale, "dataset": controls.dataset.value, "arm": arm, **cells}
            | {"seeds": len(own), "scenarios": scores[arm]["action_f1"].scenarios}
            | {"runs": " ".join(dict.fromkeys(run.id for runs in behind for run in runs))}
        )
    frame = pd.DataFrame(rows)
    for label in ("sft", "rate"):
        frame[f"p_{label}"] = holm(frame[f"p_{label}"].tolist())
    return frame


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; missing values stay missing and do not count.

    Args:
        p_values: of one family of comparisons.
    """
    known = sorted((p, k) for k, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, k) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[k] = largest
    return corrected


def _plain(run: RunSpec) -> bool:
    """Whether a run is SFT with nothing changed but its rate."""
    return run.method == "sft" and not run.variant.startswith("epochs")


def _ratio(experiment: Experiment, run: RunSpec) -> float:
    return float(f"{run.members[0].lr / experiment.training.lr_sft.value:g}")


def _closed(experiment: Experiment) -> bool:
    return experiment.datasets[experiment.controls.dataset.value].actions.value is not None


def _score(name: str, ours: Estimate, control: Estimate | None, resamples: int) -> dict[str, float]:
    cells = {name: ours.mean, f"{name}_low": ours.low, f"{name}_high": ours.high}
    gain = ours.gain_over(control, resamples) if control else {}
    parts = (("gain", "mean"), ("gain_low", "low"), ("gain_high", "high"))
    return cells | {f"{name}_{column}": gain.get(part, math.nan) for column, part in parts}


def _difference(label: str, ours: Estimate, control: Estimate | None, resamples: int) -> dict[str, float]:
    gain = ours.gain_over(control, resamples) if control else {}
    columns = {f"gain_{label}": "mean", f"gain_{label}_low": "low", f"gain_{label}_high": "high", f"p_{label}": "p"}
    return {column: gain.get(part, math.nan) for column, part in columns.items()}
