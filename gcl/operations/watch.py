"""Training curves in the terminal, for `gcl watch`: `watch(runs, rates)` until all are done, `snapshot(runs, rates)` once.

rich lays the screen out, and plotext draws the curves. watched_run.py reads the logs.
"""

import math
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import plotext
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from gcl.operations.watched_run import STATES, WatchedRun

EVERY = 0.5  # seconds between two looks at the logs
PANELS = {
    "sft": "supervised loss",
    "gsl": "GSL",
    "drl": "DRL",
    "norm": "gradient norm",
    "val": "held-out losses",
    "lr": "learning rate",
}
COLOURS = ("orange", "blue", "green", "red", "cyan", "magenta", "white", "gray")
_ALL = "loss"  # the sum of the losses with their weights
PANEL_WIDTH, PANEL_HEIGHT = 44, 11
Rates = Callable[[WatchedRun], Mapping[str, Sequence[float]]]


def watch(runs: Sequence[WatchedRun], rates: Rates) -> None:
    """Show the runs until all are done, or q or Ctrl-C is pressed; the last state stays on the terminal.

    Args:
        runs: to be followed.
        rates: learning rates of a run by role, at the steps of its records.
    """
    console = Console()
    with (
        _keys() as pressed,
        suppress(KeyboardInterrupt),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            for run in runs:
                run.refresh()
            live.update(_screen(runs, rates, console.width, console.height), refresh=True)
            if all(run.state == "done" for run in runs) or pressed(EVERY) in ("q", "Q"):
                break
    console.print(_table(runs, rates))


def snapshot(runs: Sequence[WatchedRun], rates: Rates) -> None:
    """Print the present state once, also where the output is no terminal."""
    for run in runs:
        run.refresh()
    console = Console()
    console.print(_table(runs, rates))
    for panel in _panels(runs, rates, min(console.width, 2 * PANEL_WIDTH), PANEL_HEIGHT):
        console.print(panel)


def _screen(runs: Sequence[WatchedRun], rates: Rates, width: int, height: int) -> Group:
    """The table, and as many panels as fit below it."""
    across = max(width // PANEL_WIDTH, 1)
    room = height - len(runs) - 5
    panels = _panels(runs, rates, width // across - 1, PANEL_HEIGHT)[: across * max(room // PANEL_HEIGHT, 0)]
    grid = Table.grid(padding=(0, 1))
    for start in range(0, len(panels), across):
        grid.add_row(*panels[start : start + across])
    return Group(_table(runs, rates), grid, Text("q ends the watching, not the training", style="dim"))


def _table(runs: Sequence[WatchedRun], rates: Rates) -> Table:
    """A line for each run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in ("state", "step", "steps/s", "left", "losses", "learning rates"):
        table.add_column(name, overflow="fold")
    for run, colour in zip(runs, _cycle(COLOURS), strict=False):
        last = run.records[-1] if run.records else {}
        shown = {name: last[name] for name in last if name == _ALL or name.partition("_")[0] in ("sft", "gsl", "drl")}
        now = {role: values[-1] for role, values in rates(run).items() if values}
        table.add_row(
            Text(run.name, style={"orange": "dark_orange", "gray": "grey50"}.get(colour, colour)),
            Text(run.state, style="red" if run.state in STATES[2:4] else ""),
            f"{run.step} of {run.steps}" if run.steps else str(run.step),
            "–" if run.speed is None else f"{run.speed:.2f}",
            "–" if run.left is None else tqdm.format_interval(run.left),
            ", ".join(f"{name} {value:.3g}" for name, value in shown.items()) or "–",
            ", ".join(f"{role} {value:.2e}" for role, value in now.items()) or "–",
        )
    return table


def _panels(runs: Sequence[WatchedRun], rates: Rates, width: int, height: int) -> list[Text]:
    """One chart per component that some run has, with a line for each run and role."""
    learning = [rates(run) for run in runs]
    panels = []
    for component, title in PANELS.items():
        lines = []
        for run, by_role in zip(runs, learning, strict=True):
            steps = [record["step"] for record in run.records]
            if component == "lr":
                lines += [(run, role, steps, list(values)) for role, values in by_role.items()]
                continue
            names = dict.fromkeys(name for record in run.records for name in record)
            for name in (name for name in names if name.partition("_")[0] == component):
                lines.append((run, name.partition("_")[2], steps, [record.get(name) for record in run.records]))
        if any(values for *_, values in lines):
            panels.append(_panel(title, runs, lines, width, height))
    return panels


def _panel(
    title: str,
    runs: Sequence[WatchedRun],
    lines: Sequence[tuple[WatchedRun, str, list[float], list[float | None]]],
    width: int,
    height: int,
) -> Text:
    """A chart. With one run roles have a colour each, with several runs the runs."""
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.title(title)
    positive = True
    for number, (run, role, steps, values) in enumerate(lines):
        known = [(s, v) for s, v in zip(steps, values, strict=True) if v is not None and math.isfinite(v)]
        points = _thinned(known, 2 * width)
        if not points:
            continue
        positive &= min(value for _, value in points) > 0
        place = number if len(runs) == 1 else runs.index(run)
        label = role if len(runs) == 1 and role else None
        plotext.plot(*zip(*points, strict=True), color=COLOURS[place % len(COLOURS)], marker="braille", label=label)
    if positive and title != PANELS["lr"]:  # a loss falls by an order of magnitude in the first steps
        plotext.yscale("log")
    return Text.from_ansi(plotext.build())


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points, each the mean of its neighbours."""
    size = -(-len(points) // most) if points else 1
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [tuple(sum(values) / len(part) for values in zip(*part, strict=True)) for part in parts]


def _cycle(values: Sequence[str]) -> Iterator[str]:
    while True:
        yield from values


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits so many seconds for a key, and gives it, or "" without one."""
    if not sys.stdin.isatty():

        def wait(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield wait
        return
    stdin, before = sys.stdin.fileno(), termios.tcgetattr(sys.stdin)

    def read(seconds: float) -> str:
        return sys.stdin.read(1) if select.select([stdin], [], [], seconds)[0] else ""

    try:
        tty.setcbreak(stdin)
        yield read
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
