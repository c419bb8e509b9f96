"""Parts of all figures: `canvas()` opens one and saves it as PNG, SVG and PDF. Both roles have fixed colours and marks.

The same numbers give the same bytes: no clock, no random ids, and the font that Matplotlib carries. The PDF is made of
vectors alone, and has its fonts as TrueType, as publishers want it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcl.experiment.schema import SCALES, Experiment
from gcl.files import atomic_path
from gcl.reporting.estimates import PooledScore

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "gcl",
    "pdf.fonttype": 42,  # TrueType; the usual Type 3 is refused by many publishers
}
GREY = "0.45"
# Of each format, with the metadata that would name the day or the version of Matplotlib.
FORMATS: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class RoleLook:
    """How a role is drawn everywhere. The mark's shape tells the same as its colour (Okabe-Ito), also in grey."""

    colour: str
    marker: str


LOOKS = {"learner": RoleLook("#D55E00", "o"), "guide": RoleLook("#0072B2", "s")}


@contextmanager
def canvas(
    stem: Path,
    size: tuple[float, float],
    experiment: Experiment,
    estimates: Sequence[PooledScore],
    notes: Sequence[str],
) -> Iterator[Figure]:
    """Yield an empty figure; when the block ends, save it as `stem`.png, .svg and .pdf, marked with its scale.

    Args:
        size: width and height in inches.
        estimates: the numbers in it.
        notes: small print below the figure, after that about intervals.
    """
    # From the defaults, so that nobody's own matplotlibrc changes the bytes.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        # The layout makes room for titles and labels of the whole figure; plain text would overlap the axes.
        if warning := SCALES[experiment.scale]:
            figure.suptitle(warning, x=0.01, ha="left", fontsize=7, fontweight="bold", color="0.25")
        small = " ".join([_intervals(estimates), *notes])
        figure.supxlabel(small, x=0.01, ha="left", fontsize=6.5, color="0.25")
        for suffix, metadata in FORMATS.items():
            with atomic_path(f"{stem}{suffix}") as temporary:
                figure.savefig(temporary, dpi=200, metadata=metadata)


def error_bars(axes: Axes, x: Sequence[float], estimates: Sequence[PooledScore], role: str) -> None:
    """Connected points with vertical intervals."""
    look = LOOKS[role]
    means = [estimate.mean for estimate in estimates]
    spans = [[e.mean - e.low for e in estimates], [e.high - e.mean for e in estimates]]
    axes.errorbar(x, means, yerr=spans, color=look.colour, marker=look.marker, capsize=2, elinewidth=0.8, capthick=0.8)


def arm_rows(axes: Axes, names: Sequence[str]) -> None:
    """One row per arm, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)


def cross(axes: Axes, x: float, y: float) -> None:
    """A published value."""
    axes.plot(x, y, marker="x", color=GREY, markersize=4.5, markeredgewidth=1, linestyle="none", zorder=5)


def cross_note(published: Mapping[Any, Sequence[float | None]]) -> list[str]:
    """The note about crosses, if there are some."""
    found = any(value is not None for values in published.values() for value in values)
    return ["×: printed in the paper."] if found else []


def _intervals(estimates: Sequence[PooledScore]) -> str:
    seeds = max(len(estimate.scores) for estimate in estimates)
    return f"Intervals: 95 % bootstrap over {estimates[0].scenarios} test scenarios, {seeds} seed{'s'[: seeds > 1]}."
