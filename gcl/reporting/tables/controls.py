"""Where does the gain come from? Three tables about the arms of `controls`, each arm by its first member:

    controls_table        as they are: against SFT, and against SFT at the arm's own rate
    rates_table           every arm at a few rates, on data that is for choosing them alone
    best_controls_table   every arm at its best rate, against SFT at its best rate

The paper's learner has up to twice the rate of the SFT that it is compared with, so the rate alone could be what helps.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from gcl.errors import ConfigError
from gcl.evaluation.metric_registry import ranking, scores_of
from gcl.experiment.grid import arm_runs, best_runs, rate_runs
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import Estimate, Metrics, run_estimate
from gcl.reporting.metrics import check_consistent
from gcl.reporting.tables.tables import score_cells


def controls_table(experiment: Experiment, metrics: Metrics) -> pd.DataFrame:
    """One row per arm of `controls`.

    Columns as in tables.py, and: `lr_ratio`, the member's rate in units of `lr_sft`; `gain_sft` and `gain_rate`, paired
    differences in the ranking score to the first arm and to SFT at the same rate, with `_low`, `_high`; `p_sft` and
    `p_rate`, their two-sided bootstrap p values, corrected by Holm over all arms of the column.

    Args:
        metrics: of all arms and seeds, as `load_metrics` returns them.

    Raises:
        DataError: if the runs are not comparable.
    """
    runs = {arm.name: arm_runs(experiment, arm.run) for arm in experiment.controls.arms.value}
    alone = {_ratio(experiment, own[0]): arm for arm, own in runs.items() if _plain(own[0])}
    same_rate = {arm: alone.get(_ratio(experiment, own[0])) for arm, own in runs.items() if not _plain(own[0])}
    return _compared(experiment, metrics, runs, {"sft": _against_first(runs), "rate": same_rate})


def best_controls_table(experiment: Experiment, metrics: Metrics) -> pd.DataFrame:
    """The same with every arm at the rate that `controls.best` gives it, against the first arm at its own.

    Raises:
        ConfigError: if it gives none.
        DataError: if the runs are not comparable.
    """
    runs = best_runs(experiment)
    if not runs:
        raise ConfigError("controls.best is empty; build table rates, then say there at which rate each arm is best")
    return _compared(experiment, metrics, runs, {"sft": _against_first(runs)})


def rates_table(experiment: Experiment, metrics: Metrics) -> pd.DataFrame:
    """One row per arm and rate, one seed. `choice` says `best` for the arm's largest ranking score, the smaller rate where
    two are equal, and `taken` for the rate in `controls.best`."""
    resamples, taken = experiment.evaluation.bootstrap.value, experiment.controls.best.value
    first = ranking(experiment, experiment.controls.tuning.value)[0]
    check_consistent(metrics)
    rows = []
    for arm, points in rate_runs(experiment).items():
        scores = {ratio: run_estimate(metrics, [run], first, resamples) for ratio, run in points.items()}
        best = max(sorted(scores), key=lambda ratio: scores[ratio].mean)
        for ratio, score in scores.items():
            words = [word for word, which in (("best", best), ("taken", taken.get(arm))) if which == ratio]
            rows.append(
                {"scale": experiment.scale, "dataset": experiment.controls.tuning.value, "arm": arm, "lr_ratio": ratio}
                | score_cells(first, score, None, resamples)
                | {"choice": ", ".join(words) or "–", "seeds": 1, "scenarios": score.scenarios, "runs": score.runs[0]}
            )
    return pd.DataFrame(rows)


def _compared(
    experiment: Experiment,
    metrics: Metrics,
    runs: Mapping[str, Sequence[RunSpec]],
    controls: Mapping[str, Mapping[str, str | None]],
) -> pd.DataFrame:
    """A row for each arm.

    Args:
        runs: by arm, one for each seed.
        controls: by label of the comparison, which arm each arm is compared with.
    """
    resamples = experiment.evaluation.bootstrap.value
    check_consistent(metrics)
    names = scores_of(experiment, experiment.controls.dataset.value)
    scores = {arm: {name: run_estimate(metrics, own, name, resamples) for name in names} for arm, own in runs.items()}
    rows = []
    for arm, own in runs.items():
        others = {label: by_arm.get(arm) for label, by_arm in controls.items()}
        cells: dict[str, Any] = {"lr_ratio": _ratio(experiment, own[0])}
        for name in names:
            cells |= score_cells(
                name, scores[arm][name], scores[others["sft"]][name] if others["sft"] else None, resamples
            )
        for label, other in others.items():
            control = scores[other][names[0]] if other else None
            cells |= _difference(label, scores[arm][names[0]], control, resamples)
        behind = [own, *(runs[other] for other in others.values() if other)]
        rows.append(
            {"scale": experiment.scale, "dataset": experiment.controls.dataset.value, "arm": arm, **cells}
            | {"seeds": len(own), "scenarios": scores[arm][names[0]].scenarios}
            | {"runs": " ".join(dict.fromkeys(run.id for runs in behind for run in runs))}
        )
    frame = pd.DataFrame(rows)
    for label in controls:
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


def _against_first(arms: Iterable[str]) -> dict[str, str]:
    first, *others = arms
    return dict.fromkeys(others, first)


def _plain(run: RunSpec) -> bool:
    """Whether a run is SFT with nothing changed but its rate."""
    return run.method == "sft" and not run.variant.startswith("epochs")


def _ratio(experiment: Experiment, run: RunSpec) -> float:
    return float(f"{run.members[0].lr / experiment.training.lr_sft.value:g}")


def _difference(label: str, ours: Estimate, control: Estimate | None, resamples: int) -> dict[str, float]:
    gain = ours.gain_over(control, resamples) if control else {}
    columns = {f"gain_{label}": "mean", f"gain_{label}_low": "low", f"gain_{label}_high": "high", f"p_{label}": "p"}
    return {column: gain.get(part, math.nan) for column, part in columns.items()}
