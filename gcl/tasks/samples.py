"""The samples of a training: `make_feed(run, task)` makes them from a task's items. Answers and scores need none."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gcl.data.held_out import hold_out
from gcl.data.scenario import Exchange
from gcl.data.spread import spread
from gcl.errors import ConfigError, DataError
from gcl.experiment.places import SCENES, kind_of
from gcl.experiment.runs import ReferenceFeed, RolloutFeed, RunSpec, Shown
from gcl.tasks.task import Task
from gcl.training.feeds import Feed, References


def make_feed(run: RunSpec, task: Task, rollouts: str = "plain") -> Feed:
    """The samples of a training.

    Args:
        run: the training.
        task: of its data set.
        rollouts: "plain" or "vllm", the engine that draws answers where members answer.

    Raises:
        DataError: if the training split is empty, or cannot be divided for a validation.
        ConfigError: if a validation is asked for, but not on scenes, or more scenes than it leaves.
    """
    feed, validation = run.feed, run.training.validation
    if validation and kind_of(run.dataset) != SCENES:
        raise ConfigError(f"{run.id}: training.validation is for data sets of scenes; use null")
    items = task.items("train")
    if not items:
        raise DataError(f"{run.id}: the training split is empty; check the data of {run.dataset}")
    if isinstance(feed, RolloutFeed):
        from gcl.training.answering import Draws
        from gcl.training.on_policy import OnPolicy

        return OnPolicy(
            [[task.exchange(item, view) for item in items] for view in feed.views],
            Draws(feed.temperature, feed.max_new_tokens, rollouts),
            author=feed.author,
            supervised=run.members[feed.author].frozen,
            judge=partial(_judged, task, items),
        )
    held_out = hold_out(items, validation.share) if validation else set()
    left = [item for item in items if item.id not in held_out]
    if validation and (more := [one.count for one in feed.shown if one.count and one.count > len(left)]):
        raise ConfigError(f"{run.id}: {more[0]} scenes, but training.validation leaves {len(left)}; use fewer")
    whole = [Shown(questions=one.questions) for one in feed.shown]
    _, validated = _asked(task.exchange, whole, [item for item in items if item.id in held_out])
    about, asked = _asked(task.exchange, feed.shown, left)
    if isinstance(feed, ReferenceFeed):
        return References(asked, validated)
    from gcl.training.own_answers import OwnAnswers

    _, judged = _asked(partial(task.judged, view=feed.view), feed.shown, left)
    return OwnAnswers(asked, judged, feed, rollouts, partial(_judged, task, about), validated)


def _asked(
    ask: Callable[[Any, str], Exchange | None], shown: Sequence[Shown], items: Sequence[Any]
) -> tuple[list[Any], list[Exchange]]:
    """The questions about these items, with their answers, item by item; before them, the item of each."""
    pairs = (
        (item, ask(item, question)) for one in shown for item in spread(items, one.count) for question in one.questions
    )
    possible = [(item, exchange) for item, exchange in pairs if exchange is not None]
    return [item for item, _ in possible], [exchange for _, exchange in possible]


def _judged(task: Task, items: Sequence[Any], index: int, text: str) -> Mapping[str, int]:
    return task.judge(items[index], text)
