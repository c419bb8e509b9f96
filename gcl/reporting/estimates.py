"""One number with its interval, for a model on a data set: `sft_estimate()` and `gcl_estimate()`.

With one seed it is what the run's metrics file says. With several, trainings and scenarios are both drawn again: the
extremes of the seeds' own intervals would be no interval of anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcl.errors import DataError
from gcl.evaluation.bootstrap import mean_interval, paired_difference
from gcl.evaluation.metric_registry import ranking, scores_of
from gcl.experiment.methods.competition import group_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment, Pair
from gcl.experiment.types import Pictures
from gcl.reporting.metrics import check_consistent

Metrics = Mapping[str, Mapping[str, Any]]

ROLES = ("learner", "guide")


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and scenarios, its 95 % interval, the runs it comes from, and of each run every scenario's score, in
    order of ids."""

    mean: float
    low: float
    high: float
    scenarios: int
    runs: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...] = field(repr=False)

    def gain_over(self, control: "Estimate", resamples: int) -> dict[str, float | int]:
        """Mean difference to a control on the same scenarios, with interval and p value of the *paired* differences.

        The scores of two models on one scenario go together, so their difference is far surer than either mean. Seeds are
        paired, too: the same seed means the same order of the data.
        """
        if [len(row) for row in self.scores] != [len(row) for row in control.scores]:
            raise DataError(
                f"{self.runs[0]} and {control.runs[0]} were not evaluated on the same scenarios, or not with as many seeds; "
                "make both again"
            )
        pairs = zip(self.scores, control.scores, strict=True)
        return paired_difference([[x - y for x, y in zip(a, b, strict=True)] for a, b in pairs], resamples)


def sft_estimate(
    experiment: Experiment,
    metrics: Metrics,
    dataset: str,
    model: str,
    metric: str | None = None,
    pictures: Pictures = "own",
) -> Estimate | None:
    """A supervised baseline over all seeds, by its first score if none is named; None where it has no such score."""
    runs = [sft_run(experiment, dataset, model, seed) for seed in experiment.seeds.value]
    metric = metric or ranking(experiment, dataset)[0]
    if metric not in scores_of(experiment, dataset):
        return None
    return _estimate(metrics, runs, "solo", metric, experiment.evaluation.bootstrap.value, pictures)


def gcl_estimate(
    experiment: Experiment,
    metrics: Metrics,
    dataset: str,
    pair: Pair,
    variant: str,
    role: str,
    metric: str | None = None,
    pictures: Pictures = "own",
) -> Estimate | None:
    """The learner or the guide of a group over all seeds, otherwise as `sft_estimate`."""
    runs = [group_run(experiment, dataset, pair.models, variant, seed) for seed in experiment.seeds.value]
    metric = metric or ranking(experiment, dataset)[0]
    if metric not in scores_of(experiment, dataset):
        return None
    return _estimate(metrics, runs, role, metric, experiment.evaluation.bootstrap.value, pictures)


def run_estimate(metrics: Metrics, runs: Sequence[RunSpec], metric: str, resamples: int) -> Estimate:
    """The first member of runs that differ in their seed alone."""
    return _estimate(metrics, runs, runs[0].members[0].role, metric, resamples)


def check_used(metrics: Metrics, estimates: Iterable[Estimate | None]) -> None:
    """Refuse to put estimates side by side whose runs are not comparable (see `check_consistent`)."""
    used = dict.fromkeys(run for estimate in estimates if estimate for run in estimate.runs)
    check_consistent({run: metrics[run] for run in used})


def _estimate(
    metrics: Metrics, runs: Sequence[RunSpec], role: str, metric: str, resamples: int, pictures: Pictures = "own"
) -> Estimate:
    names = tuple(run.evaluation(pictures) for run in runs)
    members = [next(m for m in metrics[name]["members"] if m["role"] == role) for name in names]
    for run, member in zip(names, members, strict=True):
        if metric not in member["summary"]:
            raise DataError(f"{run}: its metrics have no {metric}; score it again with snakemake")
    scores = _scores(members, metric, names)
    summary = members[0]["summary"][metric] if len(members) == 1 else mean_interval(scores, resamples)
    return Estimate(summary["mean"], summary["low"], summary["high"], summary["n"], names, scores)


def _scores(members: Sequence[Mapping[str, Any]], metric: str, runs: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """For each seed every scenario's score, in the order of scenario ids."""
    scores = [{item["id"]: item[metric] for item in member["items"]} for member in members]
    for run, by_id in zip(runs, scores, strict=True):
        if by_id.keys() != scores[0].keys():
            raise DataError(
                f"{runs[0]} and {run} were not evaluated on the same scenarios; make both again with snakemake"
            )
    return tuple(tuple(by_id[scenario] for scenario in sorted(by_id)) for by_id in scores)
