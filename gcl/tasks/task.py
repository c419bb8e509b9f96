"""The interface of a task, `Task`; `open_task(experiment, dataset)` gives one.

A task has items: scenes, or states of planning tasks. It asks named questions about them: the turns of a dialogue, or the
views of a state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gcl.data.scenario import Exchange, Query
from gcl.experiment.data_spec import data_spec
from gcl.experiment.places import INSTRUCTIONS, PLANNING, PLANNING_TUNING, kind_of, places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Context, Pictures
from gcl.training.member_file import Questions


class Task(Protocol):
    """Items of a data set, and the questions about them."""

    def items(self, split: str) -> Sequence[Any]:
        """All items of a split. Raises DataError if its files are missing or damaged."""

    def ids(self, split: str) -> list[str]:
        """Ids of all items of a split."""

    def queries(self, split: str, turns: Sequence[str], pictures: Pictures) -> list[Query]:
        """All questions about a split, turn by turn. Raises DataError if pictures cannot be exchanged."""

    def exchange(self, item: Any, question: str) -> Exchange | None:
        """A question about an item, with the reference answer; None where it cannot be asked about this item."""

    def judged(self, item: Any, question: str, view: str) -> Exchange | None:
        """The same question as a judge of answers sees it, by the name of its view; `SAME`: as its author does."""

    def data_sha256(self, split: str) -> str:
        """Hash of a split: items and pictures."""

    def judge(self, item: Any, text: str) -> Mapping[str, int]:
        """Counts about a text as an answer, for the log of a training in which members answer."""

    def asked(self, run: RunSpec, member: int) -> Questions:
        """The questions to a member about any picture after its training."""


def open_task(experiment: Experiment, dataset: str, context: Context = "none") -> Task:
    """The task of a data set of config.yaml, planning tasks, or instructions.

    Args:
        experiment: says where data lies.
        dataset: its name.
        context: what a question about a scene says of those before it.
    """
    here = places(experiment)
    if kind_of(dataset) == PLANNING:
        from gcl.tasks.planning_task import PlanningTask

        tested = "val" if dataset == PLANNING_TUNING else "test"
        return PlanningTask(experiment.planning.evaluation, here.states, here.state_pictures, tested)
    if kind_of(dataset) == INSTRUCTIONS:
        from gcl.tasks.instruction_task import InstructionTask

        return InstructionTask(experiment.evaluation, here.instructions)
    from gcl.tasks.social_task import SocialTask

    return SocialTask(experiment.evaluation, data_spec(experiment, dataset), here.manifests(dataset), context)
