"""Dot plots of arms: `components_figure()` is Table 2 as a plot, `planning_figure()` that of MGSD.

Each arm has a row. Each series of arms, such as a role or a model, has its own mark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from gcl.evaluation.metric_registry import ranking
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import METHODS, ROLES, PooledScore, check_used, member_score
from gcl.reporting.figures.canvas import GREY, LOOKS, arm_rows, canvas, cross, cross_note
from gcl.reporting.metrics import Metrics
from gcl.reporting.paper_values import paper_component, paper_values_shown
from gcl.reporting.tables.planning_table import planning_arms

_COLOURS, _MARKERS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7"), "osD^"


@dataclass(frozen=True)
class _Series:
    """Scores by row, and published values by row; the marks stand `offset` rows below their row."""

    label: str
    colour: str
    marker: str
    offset: float
    scores: Mapping[int, PooledScore]
    published: Mapping[int, float | None]


def components_figure(experiment: Experiment, dataset: str, metrics: Metrics, stem: Path) -> None:
    """Table 2 as a dot plot: one row per method, both members, dashed lines at their SFT scores."""
    pair, shown = experiment.components.pair.value, paper_values_shown(experiment)
    variants = ["sft", *experiment.components.rows.value]
    drawn = []
    for role, offset in zip(ROLES, (-0.13, 0.13), strict=True):
        scores = [member_score(experiment, metrics, dataset, pair, variant, role) for variant in variants]
        published = [paper_component(dataset, v, pair, role, "action_f1") if shown else None for v in variants]
        by_row = dict(enumerate(scores)), dict(enumerate(published))
        drawn.append(_Series(role, LOOKS[role].colour, LOOKS[role].marker, offset, *by_row))
    sft = {series.label: series.scores[0] for series in drawn}
    estimates = [score for series in drawn for score in series.scores.values()]
    check_used(metrics, estimates)
    notes = cross_note({series.label: list(series.published.values()) for series in drawn})
    with canvas(stem, (5.2, 3.0), experiment, estimates, notes) as figure:
        axes = figure.add_subplot()
        for role in ROLES:
            axes.axvline(sft[role].mean, color=LOOKS[role].colour, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        _dots(axes, drawn)
        _label_baselines(axes, {role: f"{role} {getattr(pair, role)}, SFT" for role in ROLES}, sft)
        arm_rows(axes, [METHODS[variant] for variant in variants])
        axes.set_xlabel(f"{ranking(experiment, dataset)[1]} on {dataset} (0 to 1)")


def planning_figure(experiment: Experiment, metrics: Metrics, stem: Path) -> None:
    """Success of every arm, and how many pictures it reads without a mistake, each model with its own mark."""
    panels = {"success": "plans that reach the goal", "reading": "pictures read without a mistake"}
    arms, names = planning_arms(experiment, metrics, list(panels)), [a.name for a in experiment.planning.arms.value]
    models = experiment.planning.models.value
    drawn = {panel: [] for panel in panels}
    for number, model in enumerate(models):
        own = {names.index(name): arm for (its, name), arm in arms.items() if its == model}
        look = _COLOURS[number % 4], _MARKERS[number % 4], 0.22 * (number - (len(models) - 1) / 2)
        for panel, series in drawn.items():
            scores = {place: arm.scores[panel] for place, arm in own.items() if arm.scores[panel]}
            series.append(_Series(model, *look, scores, {place: own[place].paper.get(panel) for place in scores}))
    estimates = [score for listed in drawn.values() for series in listed for score in series.scores.values()]
    check_used(metrics, estimates)
    notes = ["Macro means over the tasks; readings are asked of the main arms that see pictures."]
    with canvas(stem, (6.8, 0.9 + 0.24 * len(names)), experiment, estimates, notes) as figure:
        both = figure.subplots(1, 2, sharey=True)
        for axes, (panel, title) in zip(both, panels.items(), strict=True):
            _dots(axes, drawn[panel])
            axes.set_title(title)
            axes.set_xlim(-0.02, 1.02)
            axes.grid(axis="x", color="0.9", linewidth=0.5)
            axes.tick_params(axis="y", length=0)
        arm_rows(both[0], names)
        handles, labels = both[0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(unique.values(), unique, loc="outside upper right", ncols=2, frameon=False, labelcolor=GREY)


def _dots(axes: Axes, drawn: Sequence[_Series]) -> None:
    """A mark and its interval for every score, and a cross where the paper has a value."""
    for series in drawn:
        for place, score in series.scores.items():
            y = place + series.offset
            axes.plot([score.low, score.high], [y, y], color=series.colour)
            look = {"color": series.colour, "marker": series.marker, "linestyle": "none"}
            axes.plot(score.mean, y, label=series.label, **look)
            if (published := series.published[place]) is not None:
                cross(axes, published, y)


def _label_baselines(axes: Axes, labels: dict[str, str], sft: dict[str, PooledScore]) -> None:
    """Names above the dashed lines; the left line's name ends there and the right one's begins, so they never meet."""
    left, right = sorted(ROLES, key=lambda role: sft[role].mean)
    for role, side, gap in ((left, "right", -2), (right, "left", 2)):
        axes.annotate(
            labels[role],
            (sft[role].mean, 1),
            (gap, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            color=LOOKS[role].colour,
            fontsize=7,
        )
