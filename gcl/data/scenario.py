"""The record that every importer makes and everything downstream reads: pictures, turns, maybe an action label."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gcl.experiment.types import Context
from gcl.files import canonical_json, sha256_file, sha256_text

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Turn:
    """One question about the pictures and its reference answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Picture:
    """A picture and, among several, its name: a camera, such as "rear camera", or a time, such as "2 s before"."""

    path: Path
    name: str | None = None  # members read it before the picture


@dataclass(frozen=True)
class Exchange:
    """A sample of training: a question to a member, its pictures in order, and the reference answer."""

    id: str  # for messages, "<scenario>/<turn>"
    pictures: tuple[Picture, ...]  # none for words alone
    question: str
    answer: str
    earlier: tuple[Turn, ...] = ()  # what was asked and answered before; the pictures stand in the first question


class Query(NamedTuple):
    """A question about a test item."""

    turn: str  # name of the question
    id: str  # of the item
    exchange: Exchange  # the question as members see it, with the reference answer
    facts: Mapping[str, Any] = {}  # for scoring; kept in the answer's record
    earlier: tuple[str, ...] = ()  # names of the turns that stand before the question


@dataclass(frozen=True)
class Scenario:
    """One social-navigation scene."""

    id: str  # unique within its data set
    pictures: tuple[Picture, ...]  # in their order, inside the data set's folder; maybe none
    turns: Mapping[str, Turn]  # by name, in the order of the data set's dialogue
    split: str  # "train" or "test"
    action: str | None = None  # label from the data set's closed list, or None where actions are free text

    def exchange(self, turn: str, context: Context = "none") -> Exchange:
        """One turn, asked alone, after the questions before it in words, or after the whole dialogue before it."""
        asked, before = self.turns[turn], tuple(self.turns[name] for name in self.before(turn))
        question, earlier = asked.question, before if context == "full" else ()
        if context == "questions" and before:
            question = "\n".join(["Asked before:", *(turn.question for turn in before), f"Asked now: {question}"])
        return Exchange(f"{self.id}/{turn}", self.pictures, question, asked.answer, earlier)

    def before(self, turn: str) -> tuple[str, ...]:
        """Names of the turns before one."""
        names = tuple(self.turns)
        return names[: names.index(turn)]

    @property
    def text_sha256(self) -> str:
        """Hash of everything in words: questions, answers, label, and how many pictures of which names."""
        words = [{name: [turn.question, turn.answer] for name, turn in self.turns.items()}, self.action]
        names = [picture.name for picture in self.pictures]
        return sha256_text(canonical_json(words if names == [None] else [*words, names]))

    @property
    def pictures_sha256(self) -> str:
        """Hash of all pictures in their order; that of its file for a single one."""
        hashes = [sha256_file(picture.path) for picture in self.pictures]
        return hashes[0] if len(hashes) == 1 else sha256_text(canonical_json(hashes))
