"""The gains of all controls over SFT as a dot plot: `control_gains_figure()`."""

from pathlib import Path

from gcl.evaluation.metric_registry import ranking
from gcl.experiment.grid import arm_runs, best_runs
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import check_used
from gcl.reporting.figures.canvas import GREY, arm_rows, canvas
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.controls import arm_score

_LOOKS = (("#D55E00", "o"), ("#0072B2", "s"))


def control_gains_figure(experiment: Experiment, metrics: Metrics, stem: Path) -> None:
    """A row for each arm of `controls`: its gain over the first arm of its series, with the interval of paired differences.

    Each arm has a mark at the paper's rates, and one at the rate that `controls.best` gives it.
    """
    controls, resamples = experiment.controls, experiment.evaluation.bootstrap.value
    name, label = ranking(experiment, controls.dataset.value)
    series = {
        "at the paper's rates": {arm.name: arm_runs(experiment, controls, arm.run) for arm in controls.arms.value}
    }
    if best := best_runs(experiment, controls):
        series["each at its own best rate"] = best
    scores = {
        which: {arm: arm_score(experiment, metrics, own, name) for arm, own in runs.items()}
        for which, runs in series.items()
    }
    control, *others = next(iter(series.values()))
    estimates = [score for arms in scores.values() for score in arms.values()]
    check_used(metrics, estimates)
    notes = [f"Gains are over {control}, paired by scene and seed."]
    with canvas(stem, (6.8, 0.9 + 0.2 * len(others)), experiment, estimates, notes) as figure:
        axes = figure.add_subplot()
        axes.axvline(0, color=GREY, linewidth=0.7, zorder=0)
        for (which, arms), (colour, marker), shift in zip(scores.items(), _LOOKS, (-0.14, 0.14), strict=False):
            against = next(iter(arms.values()))
            for place, arm in enumerate(others):
                if arm in arms:
                    gain, y = arms[arm].gain_over(against, resamples), place + shift
                    axes.plot([gain.low, gain.high], [y, y], color=colour, linewidth=0.9)
                    axes.plot(gain.mean, y, color=colour, marker=marker, linestyle="none", label=which)
        arm_rows(axes, others)
        axes.set_xlabel(f"Gain in {label} on {controls.dataset.value}")
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(unique.values(), unique, loc="outside upper right", ncols=2, frameon=False, labelcolor=GREY)
