"""The samples of a training: `make_feed(run, task)` makes them from a task's items. Answers and scores need none."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gcl.errors import DataError
from gcl.experiment.runs import ReferenceFeed, RunSpec
from gcl.tasks.task import Task
from gcl.training.feeds import Feed, References


def make_feed(run: RunSpec, task: Task, rollouts: str = "plain") -> Feed:
    """The samples of a training.

    Args:
        run: the training.
        task: of its data set.
        rollouts: "plain" or "vllm", the engine that draws answers where members answer.

    Raises:
        DataError: if the training split is empty.
    """
    items, feed = task.items("train"), run.feed
    if not items:
        raise DataError(f"{run.id}: the training split is empty; check the data of {run.dataset}")
    if isinstance(feed, ReferenceFeed):
        asked = (
            task.exchange(item, question)
            for shown in feed.shown
            for item in _spread(items, shown.count)
            for question in shown.questions
        )
        return References([exchange for exchange in asked if exchange is not None])
    from gcl.training.on_policy import OnPolicy

    return OnPolicy(
        [[task.exchange(item, view) for item in items] for view in feed.views],
        temperature=feed.temperature,
        max_new_tokens=feed.max_new_tokens,
        author=feed.author,
        supervised=run.members[feed.author].frozen,
        rollouts=rollouts,
        judge=partial(_judged, task, items),
    )


def _judged(task: Task, items: Sequence[Any], index: int, text: str) -> Mapping[str, int]:
    return task.judge(items[index], text)


def _spread(items: Sequence[Any], count: int | None) -> Sequence[Any]:
    """As many items as `count`, from all parts of the list."""
    if count is None or count >= len(items):
        return items
    return [items[k * len(items) // count] for k in range(count)]
