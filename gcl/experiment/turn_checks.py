"""Mistakes in the turns of data sets: `turn_problems(experiment)`, for gcl/experiment/checks.py."""

import re
from collections.abc import Iterator
from pathlib import Path

from gcl.experiment.dialogue import CHOOSING, scored_by
from gcl.experiment.marks import marks
from gcl.experiment.schema import Experiment, TurnSetting

# A metric is a file there, and called like it.
METRICS = Path(__file__).parents[1] / "evaluation/scorers"
# Names of other parts of a scene, in mappings and for `gcl data inspect`; and beginnings of other columns.
TAKEN = ("id", "image", "split", "question", "answer", "dialogue", "label", "turn", "gain", "p", "tau")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def turn_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Yield (path, message) for each mistake."""
    for dataset, setting in experiment.datasets.items():
        path = ["datasets", dataset, "turns"]
        if setting.turns is not None:
            yield from _own_problems([*path, "value"], setting.turns.value)
        elif setting.like is None:
            yield path, "missing; name the turns of its dialogue, each with a question and metrics"
            continue
        elif setting.like.value not in experiment.datasets:
            continue  # said of `like`
        elif experiment.datasets[setting.like.value].turns is None:
            yield [*path[:2], "like", "value"], f"{setting.like.value} has no turns of its own; name one that has"
            continue
        if setting.actions.value and not scored_by(experiment, dataset, CHOOSING):
            what = (
                f"none of its turns has the metric {CHOOSING}; add it to that whose answers name actions, or write null"
            )
            yield [*path[:2], "actions", "value"], what


def _own_problems(path: list[str], turns: dict[str, TurnSetting]) -> Iterator[tuple[list[str], str]]:
    if not turns:
        yield path, "no turn; name at least one, with a question and metrics"
        return
    known = sorted(file.stem for file in METRICS.glob("[!_]*.py"))
    for name, turn in turns.items():
        below = [*path, name]
        if not _NAME.fullmatch(name):
            what = "cannot be in names of columns; use at most 40 small letters, digits and _, a letter first"
            yield below, f"{name!r} {what}"
        elif name in TAKEN:
            yield below, f"{name!r} is the name of something else in mappings or tables; name the turn otherwise"
        if not turn.question.strip():
            yield [*below, "question"], "empty; write the question"
        for word in marks(turn.question):
            what = f"{word!r} is a sign that models do not read as text; remove it, pictures are placed anyway"
            yield [*below, "question"], what
        for k, metric in enumerate(turn.metrics):
            if metric not in known:
                yield [*below, "metrics", str(k)], f"no metric {metric!r}; use some of {', '.join(known)}"
            elif metric in turn.metrics[:k]:
                yield [*below, "metrics", str(k)], f"{metric!r} stands there twice; remove one"
    if not any(turn.metrics for turn in turns.values()):
        yield path, f"no turn has a metric, so nothing could be scored; add one: {', '.join(known)}"
    choosing = [name for name, turn in turns.items() if CHOOSING in turn.metrics]
    if len(choosing) > 1:
        what = "a scene has one action, so one turn alone can name it; remove it from the others"
        yield path, f"{', '.join(choosing)} have the metric {CHOOSING}; {what}"
