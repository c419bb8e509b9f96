"""The paper's sweeps from our runs: weights (Fig. 2), rate ratios (Fig. 3), temperatures (Figs. 4 and 7).

Every function takes the metrics of all seeds and writes `stem`.png, .svg and .pdf.

Published values appear as grey crosses, only where the paper prints both the value and its place (see paper_values.py).
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from gcl.evaluation.metric_registry import ranking
from gcl.experiment.grid import sweep_points, sweep_seeds
from gcl.experiment.schema import Experiment, Sweep
from gcl.reporting.estimates import ROLES, PooledScore, check_used, member_score
from gcl.reporting.figures.canvas import GREY, LOOKS, canvas, cross, cross_note, error_bars
from gcl.reporting.metrics import Metrics
from gcl.reporting.paper_values import paper_point, paper_values_shown

# All sweeps are on this data set (gcl/experiment/grid.py).
SWEEP_DATASET = "snei"
# The label below each sweep of a figure of lines.
_LABELS = {
    "fig2": {"fig2a": r"GSL weight $\lambda_\mathrm{GSL}$", "fig2b": r"DRL weight $\lambda_\mathrm{DRL}$"},
    "fig3": dict.fromkeys(("fig3a", "fig3b"), "Learning rate, learner : guide"),
}


def temperature_figure(experiment: Experiment, name: str, metrics: Metrics, stem: Path) -> None:
    """Fig. 4 or 7: Action-F1 of both members over both temperatures; a frame marks AGO's choice.

    Args:
        name: "fig4" or "fig7".
    """
    sweep = experiment.sweeps[name]
    points = sweep_points(experiment, sweep)
    scores = {role: _sweep_scores(experiment, metrics, sweep, role) for role in ROLES}
    published = {role: _published(experiment, name, role) for role in ROLES}
    estimates = [estimate for role in ROLES for estimate in scores[role]]
    check_used(metrics, estimates)
    means = [estimate.mean for estimate in estimates]
    # One norm for both panels: equal scores have equal colours.
    norm = Normalize(min(means), max(means))
    size = len(sweep.values.value)
    notes = ["Frame: the temperatures that AGO assigns.", *cross_note(published)]
    with canvas(stem, (6.3, 3.5), experiment, estimates, notes) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, role in zip(panels, ROLES, strict=True):
            grid = [[scores[role][size * a + b].mean for b in range(size)] for a in range(size)]
            mesh = axes.pcolormesh(grid, cmap="cividis", norm=norm, edgecolors="white", linewidth=1)
            for k, (score, value) in enumerate(zip(scores[role], published[role], strict=True)):
                _write_cell(axes, mesh, divmod(k, size), score, value)
                if points[k][1] == "full":
                    frame = Rectangle((k % size + 0.05, k // size + 0.05), 0.9, 0.9, fill=False)
                    frame.set(edgecolor=_ink(mesh, score.mean), linewidth=1.2)
                    axes.add_patch(frame)
            ticks = [position + 0.5 for position in range(size)]
            axes.set_xticks(ticks, [f"{tau:g}" for tau in sweep.values.value])
            axes.set_yticks(ticks, [f"{tau:g}" for tau in sweep.values.value])
            axes.tick_params(length=0)
            axes.set_xlabel("$τ$ of the guide")
            axes.set_title(f"{role} {getattr(sweep.pair.value, role)}", color=LOOKS[role].colour, fontweight="bold")
            axes.set_aspect("equal")
        panels[0].set_ylabel("$τ$ of the learner")
        bar = figure.colorbar(
            mesh, ax=panels, label=f"{ranking(experiment, SWEEP_DATASET)[1]} on {SWEEP_DATASET}", shrink=0.8
        )
        bar.solids.set(rasterized=False, edgecolor="face")  # by default a picture, in a figure of vectors


def line_figure(experiment: Experiment, name: str, metrics: Metrics, stem: Path) -> None:
    """Fig. 2: Action-F1 over the weights of GSL (a) and DRL (b).

    Fig. 3: over the ratio of learning rates, for a large (a) and a small gap between members (b).

    Args:
        name: "fig2" or "fig3".
    """
    labels = _LABELS[name]
    scores = {
        (sweep, role): _sweep_scores(experiment, metrics, experiment.sweeps[sweep], role)
        for sweep in labels
        for role in ROLES
    }
    published = {key: _published(experiment, *key) for key in scores}
    estimates = [estimate for line in scores.values() for estimate in line]
    check_used(metrics, estimates)
    with canvas(stem, (6.6, 3.0), experiment, estimates, cross_note(published)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, letter, (name, label) in zip(panels, "ab", labels.items(), strict=True):
            sweep = experiment.sweeps[name]
            values = sweep.values.value
            # Side by side, or intervals of the two members would hide each other.
            shift = 0.008 * (max(values) - min(values))
            for role, step in zip(ROLES, (-shift, shift), strict=True):
                error_bars(axes, [value + step for value in values], scores[name, role], role)
                _cross_points(axes, values, published[name, role], role)
            axes.set_xticks(values, [f"{value:g}" for value in values])
            axes.set_xlabel(label)
            axes.set_title(
                f"({letter}) learner {sweep.pair.value.learner}, guide {sweep.pair.value.guide}", fontsize=7.5
            )
        for axes, name in zip(panels, labels, strict=True):
            _label_ends(axes, experiment.sweeps[name].values.value[-1], {r: scores[name, r][-1].mean for r in ROLES})
        panels[0].set_ylabel(f"{ranking(experiment, SWEEP_DATASET)[1]} on {SWEEP_DATASET} (0 to 1)")


def _sweep_scores(experiment: Experiment, metrics: Metrics, sweep: Sweep, role: str) -> list[PooledScore]:
    return [
        member_score(
            experiment, metrics, SWEEP_DATASET, sweep.pair.value, variant, role, seeds=sweep_seeds(experiment, sweep)
        )
        for _, variant in sweep_points(experiment, sweep)
    ]


def _published(experiment: Experiment, name: str, role: str) -> list[float | None]:
    """The paper's value of each point of a sweep, where there is one to be shown."""
    sweep, shown = experiment.sweeps[name], paper_values_shown(experiment)
    points = sweep_points(experiment, sweep)
    return [paper_point(name, sweep.pair.value, place, role) if shown else None for place, _ in points]


def _cross_points(axes: Axes, places: Sequence[float], published: Sequence[float | None], role: str) -> None:
    """Published points, each with the role's initial: grey does not tell the role."""
    gap, side = {"learner": (-4, "right"), "guide": (4, "left")}[role]
    for x, y in zip(places, published, strict=True):
        if y is None:
            continue
        cross(axes, x, y)
        initial = role[0].upper()
        at = {"textcoords": "offset points", "ha": side, "va": "center"}
        axes.annotate(initial, (x, y), (gap, 0), **at, color=GREY, fontsize=6)


def _label_ends(axes: Axes, x: float, ends: dict[str, float]) -> None:
    """Role names right of the lines' last points, pushed apart where the points are close."""
    bottom, top = axes.get_ylim()
    close = abs(ends["learner"] - ends["guide"]) < 0.07 * (top - bottom)
    higher = max(ROLES, key=ends.__getitem__)
    for role in ROLES:
        push = (5 if role == higher else -5) if close else 0
        axes.annotate(
            role,
            (x, ends[role]),
            (9, push),
            textcoords="offset points",
            va="center",
            color=LOOKS[role].colour,
            fontweight="bold",
        )


def _write_cell(axes: Axes, mesh: QuadMesh, place: Sequence[int], score: PooledScore, published: float | None) -> None:
    row, column = place
    ink = _ink(mesh, score.mean)
    small = f"[{score.low:.2f}, {score.high:.2f}]" + ("" if published is None else f"\n× {published:.3f}")
    axes.text(column + 0.5, row + 0.53, f"{score.mean:.3f}", ha="center", va="bottom", color=ink, fontweight="bold")
    axes.text(column + 0.5, row + 0.47, small, ha="center", va="top", color=ink, fontsize=6)


def _ink(mesh: QuadMesh, value: float) -> str:
    """Black or white, whichever can be read on the colour of this value."""
    red, green, blue, _ = mesh.cmap(mesh.norm(value))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
