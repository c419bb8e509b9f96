"""Losses of trainings: `curves(runs, results)` draws one small picture per run and component.

It reads results/<scale>/checkpoints/<run>/losses.jsonl, which goes with the checkpoints if `execution.retain` is "none".
All panels of one component share their scale, so that runs can be compared. One panel has all seeds of a run. Losses on
held-out samples are dots in the panel of the same loss.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gcl.data.html import data_uri
from gcl.experiment.places import results_at
from gcl.experiment.runs import RunSpec
from gcl.files import read_jsonl
from gcl.reporting.figures.canvas import GREY, LOOKS, STYLE

# Names in losses.jsonl begin like this; the rest, if any, is the member's role.
COMPONENTS = {
    "sft": "supervised loss",
    "gsl": "GSL, before its weight",
    "drl": "DRL, before its weight",
    "norm": "gradient norm, before clipping",
    "rollout": "share of the student's answers",
}
_HELD_OUT = "val_"  # before the name of a component, on held-out samples
_SHARES = "rollout"  # of plans, between 0 and 1; how long answers are is logged beside them
POINTS = 200  # of a line: more than a small panel has pixels to show
# A baseline's only member looks like none of a pair's.
_SOLO, _SHARED = "#000000", "#009E73"
_LINES = {"learner": "-", "guide": (0, (4, 1.5)), "solo": "-", "": "-", "success": "-", "parsed": (0, (4, 1.5))}
Series = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Panel:
    """One small picture: an SVG as data URI, and the same in words."""

    title: str
    uri: str
    alt: str


@dataclass(frozen=True)
class CurveRow:
    """One run, all its seeds: its id without the seed, and a panel per component."""

    run: str
    panels: Sequence[Panel]


def losses_path(results: Path, scale: str, run: str) -> Path:
    """Where the losses of a finished run are."""
    return results_at(scale, results).checkpoints(run) / "losses.jsonl"


def curves(runs: Iterable[RunSpec], results: Path) -> tuple[list[CurveRow], list[str]]:
    """Draw the losses of some runs. A base model has none.

    Returns:
        Rows in the order of the runs, and the ids of runs whose losses are not there.
    """
    rows: dict[str, list[Series]] = {}
    missing = []
    for run in (run for run in runs if run.feed is not None):
        path = losses_path(results, run.scale, run.id)
        if path.is_file():
            rows.setdefault(run.id.rpartition("/")[0], []).append(_read(path))
        else:
            missing.append(run.id)
    limits = {name: _limits(name, rows.values()) for name in COMPONENTS}
    return [
        CurveRow(run, [_panel(run, name, seeds, limits[name]) for name in COMPONENTS if _members(seeds[0], name)])
        for run, seeds in rows.items()
    ], missing


def _read(path: Path) -> Series:
    """Every value over steps; NaN where a step has none, such as a gradient norm after an overflow."""
    records = read_jsonl(path)
    names = dict.fromkeys(name for record in records for name in record)
    return {name: np.array([record.get(name, np.nan) for record in records], dtype=float) for name in names}


def _members(series: Series, component: str) -> list[str]:
    """Roles that a component is logged for; the empty one where it belongs to the whole group."""
    return [
        name.partition("_")[2]
        for name in series
        if name.partition("_")[0] == component and name != "rollout_tokens" and np.isfinite(series[name]).any()
    ]


def _thin(series: Series, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, both as means over neighbouring steps, at most `POINTS` of them."""
    known = np.isfinite(series[name])
    both = [np.array_split(values[known], min(POINTS, known.sum())) for values in (series["step"], series[name])]
    steps, values = (np.array([part.mean() for part in parts]) for parts in both)
    return steps, values


def _smooth(values: np.ndarray) -> np.ndarray:
    """Means over a window that shrinks at both ends, so that the ends are not pulled to zero."""
    half = max(len(values) // 40, 1)
    return np.array([values[max(k - half, 0) : k + half + 1].mean() for k in range(len(values))])


def _limits(component: str, rows: Iterable[Sequence[Series]]) -> tuple[float, float]:
    """One scale for all panels of a component: the middle 99 %, so that no single step flattens the rest."""
    values = [
        values[np.isfinite(values) & (values > 0)]
        for seeds in rows
        for series in seeds
        for name, values in series.items()
        if name.removeprefix(_HELD_OUT).partition("_")[0] == component
    ]
    if not values or not sum(map(len, values)):
        return 0.1, 1.0
    low, high = np.quantile(np.concatenate(values), (0.005, 0.995))
    return float(low) / 1.2, float(high) * 1.2


def _panel(run: str, component: str, seeds: Sequence[Series], limits: tuple[float, float]) -> Panel:
    words = []
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(2.5, 1.75), layout="constrained")
        axes = figure.add_subplot()
        for role in _members(seeds[0], component):
            name = f"{component}_{role}" if role else component
            colour = LOOKS[role].colour if role in LOOKS else _SHARED if not role else _SOLO
            for series in seeds:
                steps, values = _thin(series, name)
                axes.plot(steps, values, color=colour, linewidth=0.5, alpha=0.25)
                axes.plot(steps, _smooth(values), color=colour, linestyle=_LINES.get(role, ":"), label=role)
            first, last = (np.mean([_smooth(_thin(series, name)[1])[k] for series in seeds]) for k in (0, -1))
            words.append(f"{role + ' ' if role else ''}from {first:.3g} to {last:.3g}")
            words += _held_out(axes, seeds, f"{_HELD_OUT}{name}", colour)
        if component == _SHARES:
            axes.set_ylim(-0.02, 1.02)
        else:
            # A loss falls by an order of magnitude in the first steps. The rest would be a flat line.
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(left=0)
        axes.set_title(COMPONENTS[component])
        axes.set_xlabel("step", color=GREY)
        axes.tick_params(colors=GREY, labelcolor="0.25")
        if len(words) > 1:
            handles, labels = axes.get_legend_handles_labels()
            unique = dict(zip(labels, handles, strict=True))
            axes.legend(unique.values(), unique, frameon=False, fontsize=7, handlelength=2.2)
        stream = BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    alt = f"{run}: {COMPONENTS[component]} over {len(seeds[0]['step'])} steps, smoothed: {'; '.join(words)}."
    return Panel(COMPONENTS[component], data_uri("image/svg+xml", stream.getvalue()), alt)


def _held_out(axes: Axes, seeds: Sequence[Series], name: str, colour: str) -> list[str]:
    """Draw the losses on held-out samples, if there are some; returns them in words."""
    ends = []
    for series in (series for series in seeds if name in series):
        known = np.isfinite(series[name])
        axes.plot(series["step"][known], series[name][known], ".", color=colour, markersize=3, label="held out")
        ends.append(series[name][known][[0, -1]])
    if not ends:
        return []
    first, last = np.mean(ends, axis=0)
    return [f"held out from {first:.3g} to {last:.3g}"]
