"""Instructions: questions of many kinds about scenes, states and words, each with one right answer."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from gcl.data.scenario import Exchange, Query
from gcl.errors import ConfigError
from gcl.experiment.methods.pretraining import TEXT
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Evaluation
from gcl.experiment.types import Pictures
from gcl.tasks.instructions.read import InstructionItem, instructions_sha256, read_instructions
from gcl.training.member_file import Questions


class InstructionTask:
    """An instruction set.

    Args:
        settings: how members are asked.
        folder: as `gcl.tasks.instructions.write` makes it.
    """

    def __init__(self, settings: Evaluation, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.items = cache(self._items)

    def _items(self, split: str) -> Sequence[InstructionItem]:
        return read_instructions(self.folder, split)

    def ids(self, split: str) -> list[str]:
        """Ids of a split in the order of the file."""
        return [item.id for item in self.items(split)]

    def queries(self, split: str, turns: Sequence[str], pictures: Pictures) -> list[Query]:
        """All instructions of a split. Means are taken over their kinds."""
        if pictures != "own":
            raise ConfigError("pictures of instructions are not exchanged; use --pictures own")
        return [
            Query(turn, item.id, item.exchange, {"group": item.kind}) for turn in turns for item in self.items(split)
        ]

    def exchange(self, item: InstructionItem, question: str) -> Exchange | None:
        """The instruction itself; None if only those about words alone are asked for, and it is not one."""
        return None if question == TEXT and not item.kind.startswith("text/") else item.exchange

    def judged(self, item: InstructionItem, question: str, view: str) -> Exchange | None:
        """The instruction; there is one view of it."""
        return self.exchange(item, question)

    def data_sha256(self, split: str) -> str:
        """Hash of the whole set."""
        return instructions_sha256(self.folder)

    def judge(self, item: InstructionItem, text: str) -> Mapping[str, int]:
        """Nothing is counted: members do not answer in this training."""
        return {}

    def asked(self, run: RunSpec, member: int) -> Questions:
        """No fixed questions: a base model follows any instruction."""
        return Questions(
            about="instructions about drawn scenes, planning states and words",
            questions={},
            batch_size=self.settings.batch_size.value,
            max_new_tokens=self.settings.max_new_tokens.value,
        )
