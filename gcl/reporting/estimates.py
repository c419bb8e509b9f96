"""One number with its interval, for a model on a data set: `member_score()`, or `pooled()` of any metrics files.

With one seed it is the interval in the run's metrics file. With several, trainings and scenarios are both drawn again. The
extremes of the seeds' own intervals would be no interval of anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gcl.errors import DataError
from gcl.evaluation.bootstrap import group_weights, mean_interval, paired_difference, per_token
from gcl.evaluation.forgetting import HELD_OUT
from gcl.evaluation.metric_registry import ranking, scores_of
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.methods.competition import group_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.schema import Experiment, Pair
from gcl.experiment.types import Pictures
from gcl.reporting.metrics import Metrics, check_consistent
from gcl.reporting.metrics_file import Item, MemberMetrics
from gcl.reporting.tables.result_table import Difference

ROLES = ("learner", "guide")
LESS_IS_BETTER = ("held_out_cross_entropy",)
BASE = {"base": "base model"}  # nothing is trained
METHODS = {"sft": "SFT", "gsl": "GCL: GSL", "drl": "GCL: DRL", "gco": "GCL: GSL + DRL", "full": "GCL: GSL + DRL + AGO"}
# Variants whose members also see the pictures of other scenes (`gcl.experiment.grid.exchanged_runs`).
EXCHANGED = {variant: f"{METHODS[variant]}, pictures exchanged" for variant in ("sft", "full")}


@dataclass(frozen=True)
class PooledScore:
    """A mean over seeds and scenarios, its 95 % interval, its runs, and each run's scores in order of scenario ids.

    Of `less_is_better` a smaller one is better.
    """

    mean: float
    low: float
    high: float
    scenarios: int
    runs: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...] = field(repr=False)
    less_is_better: bool = False

    @classmethod
    def of(cls, runs: Iterable[str], scores: Iterable[Sequence[float]], resamples: int) -> "PooledScore":
        """Draw the interval from scores, of each run those of all scenarios."""
        scores = tuple(map(tuple, scores))
        value = mean_interval(scores, resamples)
        return cls(value["mean"], value["low"], value["high"], value["n"], tuple(runs), scores)

    def for_seeds(self, seeds: int) -> "PooledScore":
        """The same for so many seeds, where one run serves them all."""
        return replace(self, scores=self.scores * seeds) if len(self.scores) == 1 else self

    def gain_over(self, control: "PooledScore", resamples: int) -> Difference:
        """Mean difference to a control on the same scenarios, with interval and p value of the *paired* differences.

        The scores of two models on one scenario go together, so their difference is far surer than either mean. Seeds are
        paired, too: one seed gives one order of the data.
        """
        if [len(row) for row in self.scores] != [len(row) for row in control.scores]:
            raise DataError(
                f"{self.runs[0]} and {control.runs[0]} were not evaluated on the same scenarios, or not with as many seeds; "
                "make both again"
            )
        pairs = zip(self.scores, control.scores, strict=True)
        found = paired_difference([[x - y for x, y in zip(a, b, strict=True)] for a, b in pairs], resamples)
        span = {name: found[name] for name in ("mean", "low", "high", "p")}
        return Difference(**span, less_is_better=self.less_is_better)


def member_score(
    experiment: Experiment,
    metrics: Metrics,
    dataset: str,
    pair: Pair,
    variant: str,
    role: str,
    metric: str | None = None,
    pictures: Pictures = "own",
    seeds: Sequence[int] | None = None,
) -> PooledScore | None:
    """One member of a pair over some seeds, or all; None where the data set has no such score.

    Args:
        variant: of the group's run; "sft" for the member's model trained alone, "base" for it before any training.
        metric: a score; None takes the first one.
    """
    seeds = experiment.seeds.value if seeds is None else seeds
    metric = metric or ranking(experiment, dataset)[0]
    if metric not in scores_of(experiment, dataset) and (metric not in HELD_OUT or pictures != "own"):
        return None
    if variant == "base":
        runs = [base_run(experiment, dataset, getattr(pair, role))]
    elif variant == "sft":
        runs = [sft_run(experiment, dataset, getattr(pair, role), seed) for seed in seeds]
    else:
        runs = [group_run(experiment, dataset, pair.models, variant, seed) for seed in seeds]
    names = [run.evaluation(pictures) for run in runs]
    resamples = experiment.evaluation.bootstrap.value
    return pooled(metrics, names, "solo" if variant in ("base", "sft") else role, metric, resamples)


def pooled(
    metrics: Metrics, names: Sequence[str], role: str, metric: str, resamples: int, group: str | None = None
) -> PooledScore:
    """One member in metrics files that differ in their seed; a macro mean where items have groups.

    Args:
        names: of the files.
        group: take the items of this group alone.

    Raises:
        DataError: if a file lacks the metric or the group, or they are of different scenarios.
    """
    if metric in HELD_OUT:
        return _held_out(metrics, names, role, metric, resamples)
    members = [metrics[name].member(role) for name in names]
    by_run = [_items(name, member, metric, group) for name, member in zip(names, members, strict=True)]
    for name, items in zip(names, by_run, strict=True):
        if [item.id for item in items] != [item.id for item in by_run[0]]:
            raise DataError(
                f"{names[0]} and {name} were not evaluated on the same scenarios; make both again with snakemake"
            )
    scores = tuple(_weighted(items, metric) for items in by_run)
    known = members[0].summary.get(metric) if len(members) == 1 and group is None else None
    if known:
        return PooledScore(known.mean, known.low, known.high, known.n, tuple(names), scores)
    return PooledScore.of(names, scores, resamples)


def _held_out(metrics: Metrics, names: Sequence[str], role: str, metric: str, resamples: int) -> PooledScore:
    """A mean per token on held-out questions; `scenarios` are these questions."""
    found = {name: metrics[name].member(role).held_out for name in names}
    for name, kept in found.items():
        if kept is None:
            raise DataError(f"{name}: its metrics have no held-out questions; answer and score it again with snakemake")
    tables = [kept.items for kept in found.values() if kept]
    if any([item.id for item in items] != [item.id for item in tables[0]] for items in tables):
        raise DataError(f"{names[0]} and others were asked other held-out questions; make them again with snakemake")
    scores = [
        per_token([getattr(item, HELD_OUT[metric]) for item in items], [item.tokens for item in items])
        for items in tables
    ]
    return replace(PooledScore.of(names, scores, resamples), less_is_better=metric in LESS_IS_BETTER)


def check_used(metrics: Metrics, scores: Iterable[PooledScore | None]) -> None:
    """Refuse to put scores side by side whose runs are not comparable (see `check_consistent`)."""
    used = dict.fromkeys(run for score in scores if score for run in score.runs)
    check_consistent({run: metrics[run] for run in used})


def _items(name: str, member: MemberMetrics, metric: str, group: str | None) -> list[Item]:
    """Items of a group, or all of them, in order of ids; each has the metric."""
    items = sorted((item for item in member.items if group in (None, item.group)), key=lambda item: item.id)
    if not items:
        listed = ", ".join(sorted({str(item.group) for item in member.items}))
        raise DataError(f"{name}: no states of {group}, only of {listed}; make it anew")
    if any(metric not in item.scores for item in items):
        raise DataError(f"{name}: its metrics have no {metric}; score it again with snakemake")
    return items


def _weighted(items: Sequence[Item], metric: str) -> tuple[float, ...]:
    """Scores whose mean is the macro mean over groups; without groups the scores themselves."""
    weights = group_weights([item.group for item in items])
    return tuple(weight * item.scores[metric] for weight, item in zip(weights, items, strict=True))
