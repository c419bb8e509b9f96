"""The gain of GCL over the number of training scenes, and over the guide's lead: `gains_figure()`."""

from pathlib import Path

from matplotlib.axes import Axes

from gcl.evaluation.metric_registry import ranking
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import ROLES, check_used, member_score
from gcl.reporting.figures.canvas import GREY, LOOKS, canvas
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.result_table import Difference
from gcl.reporting.tables.scaling import scaling_arms

_LEAD_DATASET = "snei"  # Table 1's


def gains_figure(experiment: Experiment, metrics: Metrics, stem: Path) -> None:
    """(a) The gain of both members over the number of training scenes. (b) The learner's in each group of Table 1, over the
    guide's lead: how much better the guide is alone.
    """
    scaling, resamples = experiment.scaling, experiment.evaluation.bootstrap.value
    name, label = ranking(experiment, str(scaling.dataset.value))
    arms = scaling_arms(experiment, metrics, [name])
    groups = experiment.groups[_LEAD_DATASET].value
    alone, full = (
        [[member_score(experiment, metrics, _LEAD_DATASET, group, variant, role) for role in ROLES] for group in groups]
        for variant in ("sft", "full")
    )
    estimates = [arm.scores[name] for arm in arms.values()]
    leads = [score for pairs in (alone, full) for pair in pairs for score in pair]
    check_used(metrics, estimates)
    check_used(metrics, leads)
    pair, notes = scaling.pair.value, ["Gains are over SFT of the same model."]
    with canvas(stem, (6.6, 3.0), experiment, estimates, notes) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for role, shift in zip(ROLES, (0.97, 1.03), strict=True):
            for scenes in scaling.scenes.value:
                ours, control = (arms[scenes, role, method].scores[name] for method in ("full", "sft"))
                _gain(left, scenes * shift, ours.gain_over(control, resamples), role)
        for (learner, guide), (guided, _) in zip(alone, full, strict=True):
            _gain(right, guide.mean - learner.mean, guided.gain_over(learner, resamples), "learner")
        left.set_xscale("log")
        left.minorticks_off()
        left.set_xticks(scaling.scenes.value, [str(scenes) for scenes in scaling.scenes.value])
        left.set_xlabel("Training scenes")
        left.set_ylabel(f"Gain in {label}")
        left.set_title(f"(a) learner {pair.learner}, guide {pair.guide}")
        right.set_xlabel(f"The guide's lead alone, in {label}")
        right.set_title(f"(b) learners of all groups on {_LEAD_DATASET}")
        right.axvline(0, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        for axes in (left, right):
            axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
        handles, labels = left.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        left.legend(unique.values(), unique, frameon=False, labelcolor=GREY)


def _gain(axes: Axes, x: float, gain: Difference, role: str) -> None:
    look = LOOKS[role]
    axes.plot([x, x], [gain.low, gain.high], color=look.colour, linewidth=0.9)
    axes.plot(x, gain.mean, color=look.colour, marker=look.marker, linestyle="none", label=role)
