"""The trade-off of deployment: `tradeoff_figure()` draws scores over the time for an action and over the disk space."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from gcl.experiment.schema import Experiment
from gcl.reporting.deployment_results import FormatResult, read_deployment
from gcl.reporting.figures.canvas import GREY, canvas

# Okabe-Ito; the marks tell formats apart, so that members and formats are both seen in grey print.
_COLOURS = ("0.55", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_MARKERS = ("o", "s", "D", "v", "^", "P", "X")


def tradeoff_figure(experiment: Experiment, results: Path, stem: Path) -> None:
    """(a) The score over the seconds for an action. (b) The score over the size on the disk.

    Raises:
        DataError: if reports of answers or measurements are missing.
    """
    found = read_deployment(experiment, results)
    names = [member.name for member in experiment.deployment.members.value]
    formats = experiment.deployment.formats.value
    settings = found.settings
    notes = [
        f"Times: 95 % over {settings['repetitions']} processes, pictures of {settings['width']} x {settings['height']}, "
        f"{settings['threads']} thread(s)."
    ]
    with canvas(stem, (6.8, 3.2), experiment, [one.score for one in found.results], notes) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for one in found.results:
            look = _COLOURS[names.index(one.member.name) % len(_COLOURS)], _MARKERS[formats.index(one.format)]
            time = one.measures["action_s"]
            if time is not None:
                _point(left, time.mean, one, *look)
                left.plot([time.low, time.high], [one.score.mean] * 2, color=look[0], linewidth=0.8)
            _point(right, one.size, one, *look)
        left.set_title("(a) from the picture to the action")
        left.set_xlabel("Seconds")
        left.set_ylabel(found.header)
        right.set_title("(b) on the disk")
        right.set_xlabel("MiB")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        for name, colour in zip(names, _COLOURS, strict=False):
            right.plot([], [], color=colour, linewidth=3, label=name)
        for name, marker in zip(formats, _MARKERS, strict=False):
            right.plot([], [], color=GREY, marker=marker, linestyle="none", label=name)
        figure.legend(loc="outside right center", frameon=False, labelcolor=GREY)


def _point(axes: Axes, x: float, one: FormatResult, colour: str, marker: str) -> None:
    axes.plot([x, x], [one.score.low, one.score.high], color=colour, linewidth=0.8)
    axes.plot(x, one.score.mean, color=colour, marker=marker, linestyle="none")
