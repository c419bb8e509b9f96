"""What a task is: `open_task(experiment, dataset)` gives one, `make_feed(run, task)` what a run learns from.

A task has items: scenes, or states of planning tasks. It asks questions about them, which are named: the turns of a
dialogue, or the views of a state.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from gcl.data.scenario import Exchange, Query
from gcl.errors import DataError
from gcl.experiment.data_spec import data_spec
from gcl.experiment.places import PLANNING, places
from gcl.experiment.runs import ReferenceFeed, RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Pictures
from gcl.training.feeds import Feed, References
from gcl.training.member_file import Questions


class Task(Protocol):
    """Items of a data set, and what is asked about them."""

    def items(self, split: str) -> Sequence[Any]:
        """All items of a split; raises DataError if its files are missing or damaged."""

    def ids(self, split: str) -> list[str]:
        """Ids of all items of a split."""

    def queries(self, split: str, turns: Sequence[str], pictures: Pictures) -> list[Query]:
        """All questions about a split, turn by turn; raises DataError if pictures cannot be exchanged."""

    def exchange(self, item: Any, question: str) -> Exchange:
        """A question about an item, with the reference answer."""

    def data_sha256(self, split: str) -> str:
        """Hash of a split: items and pictures."""

    def judge(self, item: Any, text: str) -> Mapping[str, int]:
        """Counts of what a text is as an answer, for the log of a training in which members answer."""

    def asked(self, run: RunSpec, member: int) -> Questions:
        """What a member is asked about any picture after its training."""


def open_task(experiment: Experiment, dataset: str) -> Task:
    """The task of a data set of config.yaml, or planning tasks."""
    here = places(experiment)
    if dataset == PLANNING:
        from gcl.tasks.planning_task import PlanningTask

        return PlanningTask(experiment.planning.evaluation, here.states, here.state_pictures)
    from gcl.tasks.social_task import SocialTask

    return SocialTask(experiment.evaluation, data_spec(experiment, dataset), here.manifests(dataset))


def make_feed(run: RunSpec, task: Task, rollouts: str = "plain") -> Feed:
    """The samples of a training.

    Args:
        run: the training.
        task: of its data set.
        rollouts: what draws answers where members answer: "plain" or "vllm".

    Raises:
        DataError: if the training split is empty.
    """
    items, feed = task.items("train"), run.feed
    if not items:
        raise DataError(f"{run.id}: the training split is empty; check the data of {run.dataset}")
    if isinstance(feed, ReferenceFeed):
        return References(
            [
                task.exchange(item, question)
                for shown in feed.shown
                for item in _spread(items, shown.count)
                for question in shown.questions
            ]
        )
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
    """So many of the items, from all parts of the list."""
    if count is None or count >= len(items):
        return items
    return [items[k * len(items) // count] for k in range(count)]
