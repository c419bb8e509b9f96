"""One import's state, `Reading`, and a record while it is read, `Row`: the fields that every format has.

Readers of the formats (formats.py, socialnav.py) ask a `Row` for fields and make an `ImportedScene` of it.
Each flaw becomes one of `reading.problems`. `reading.notes` counts the fields that nobody asked for.
"""

import re
from collections import Counter
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from gcl.data.annotations import Record, shown, text_field
from gcl.data.importing.fields import decoded, field_of, joined, unread
from gcl.data.importing.layout import ByColumn, Mapping, TurnWords
from gcl.data.importing.paths import Paths, contents, is_address, plain, written
from gcl.data.problem import Problem
from gcl.experiment.actions import label_of
from gcl.experiment.dialogue import Dialogue

# Question and answer. The question is None where the data has none: then config.yaml's wording is used.
Words = tuple[str | None, str]
_QUESTION_ID = re.compile(r"(.+)_q(\d+)")


@dataclass(frozen=True)
class SourcePicture:
    """A picture as the data names it, and its place."""

    path: str | None  # as the data writes it; None if it has no name
    place: PurePosixPath | None = None  # relative to the source; None if the data embeds it, or the path is an address
    data: bytes | None = None  # its contents, if the data embeds it
    name: str | None = None  # among several, such as "rear camera"


class Round(NamedTuple):
    """A question with its answer."""

    where: str  # the place of its record, for messages
    field: str  # its message in the record, for messages
    question: str
    answer: str
    number: int | None  # by the suffix of its id
    word: str | None  # that names its turn


@dataclass(frozen=True)
class ImportedScene:
    """A scene, or one record's part of it, as far as it could be read. Parts at fault are None or absent."""

    where: str  # the place of its record, for messages
    id: str | None
    pictures: tuple[SourcePicture, ...] | None
    label: str | None  # of the action, if the data has one beside the answer
    split: str | None  # "train", "test", None for left out, or "" where the record does not say
    sound: bool  # whether all of the record could be read
    rounds: Sequence[Round] = ()  # questions and answers whose turns are not told yet
    turns: Map[str, Words] = field(default_factory=dict)


@dataclass
class Reading:
    """One import's state: the inputs of readers, and their reports."""

    source: Path
    mapping: Mapping
    mapping_name: str  # of the mapping's file, for messages
    dialogue: Dialogue
    problems: list[Problem] = field(default_factory=list)  # one for each mistake
    notes: Counter[str] = field(default_factory=Counter)  # counts of dropped or changed parts
    unknown: set[str] = field(default_factory=set)  # wordings of questions that the mapping does not know
    numbered: int = 0  # records that got their number as id, in all files
    records: int = 0  # how many were read, in all files
    # files beside those that the mapping names, relative to the source
    also_read: list[str] = field(default_factory=list)
    file: str = ""  # the annotation file that is being read, relative to the source
    # word of each record that the mapping leaves out for its split, by the record's place
    left_out: dict[str, str] = field(default_factory=dict)
    named: dict[str, PurePosixPath] = field(default_factory=dict)  # the first picture of each name

    @cached_property
    def paths(self) -> Paths:
        """The places to which picture paths of the data lead."""
        return Paths(self.source, self.mapping.images)

    @cached_property
    def turns(self) -> dict[str, str | None]:
        """The turn of each wording, white space aside."""
        return {" ".join(wording.split()): turn for wording, turn in self.mapping.turns.items()}

    def translated(self, label: str) -> str:
        """A label as the closed list has it, where the mapping says so."""
        actions = self.mapping.actions
        known = label_of(label, list(actions)) if actions else None
        return label if known is None else actions[known]

    def number(self) -> str:
        """The next number that serves as an id."""
        self.numbered += 1
        return str(self.numbered)


class Row:
    """A record while it is read."""

    def __init__(self, record: Record, reading: Reading) -> None:
        self.record, self.where, self.reading = record, record.where, reading
        self.used: set[str] = set()  # fields that somebody read
        self._before = len(reading.problems)

    def wrong(self, field: str, what: str, remedy: str) -> None:
        """Add a problem of this record."""
        self.reading.problems.append(Problem(self.where, field, what, remedy))

    @property
    def names(self) -> str:
        """The fields that there are, for messages."""
        return ", ".join(shown(name) for name in self.record.fields if not name.startswith("("))

    def value(self, name: str) -> Any:
        """The value of a field, None where it is missing."""
        self.used.add(name)
        return field_of(self.record.fields, name).get(name)

    def text(self, name: str) -> str | None:
        """The text of a field, the sentences of a list joined."""
        self.used.add(name)
        found = {name: joined(value) for name, value in field_of(self.record.fields, name).items()}
        return text_field(found, name, self.where, self.reading.problems)

    def number_or_text(self, name: str) -> str | None:
        """A text, or a whole number as text."""
        value = self.value(name)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(name)

    def action(self, name: str, numbers: bool) -> str | None:
        """The text of an action, or its number. A list of several is refused."""
        value = self.value(name)
        if numbers and not isinstance(value, list | str):
            return self.number_or_text(name)
        value = decoded(value)
        if isinstance(value, list) and len(value) > 1:
            self.wrong(name, "several actions in a list", "keep one")
            return None
        return self.text(name)

    def id(self, name: str, pictures: Sequence[SourcePicture] | None) -> tuple[str | None, int | None]:
        """The scene's id, from the source that the mapping names, and the question's number, if the suffix says it."""
        mapping, id, number = self.reading.mapping, None, None
        by_suffix = mapping.turns == "by suffix"
        self.used.add(name)
        if mapping.ids == "field" or by_suffix:
            id = self.number_or_text(name)
            if id is not None and (by_suffix or mapping.format == "questions"):
                whole = id
                id, number = scene_of_question(whole)
                if mapping.ids == "field" and by_suffix and number is None:
                    last = len(self.reading.dialogue.turns)
                    remedy = f"number the questions of a scene, or write ids: picture in {self.reading.mapping_name}"
                    self.wrong(name, f"{shown(whole)} does not end with _q1 to _q{last}", remedy)
                    return None, None
        if mapping.ids == "picture":
            return self._picture_id(pictures), number
        if mapping.ids == "row":  # joined records are numbered when all of a scene are there
            return None if mapping.joins else self.reading.number(), number
        return id, number

    def _picture_id(self, pictures: Sequence[SourcePicture] | None) -> str | None:
        """The name of the last picture as an id, with its folder if a picture of another folder has the name."""
        if pictures is None:
            return None
        if not pictures:
            self.wrong("id", "no picture that could be the id", f"write ids: field in {self.reading.mapping_name}")
            return None
        picture = pictures[-1]
        if picture.path is None:
            remedy = f"write ids: field or ids: row in {self.reading.mapping_name}"
            self.wrong("id", "the picture has no name that could be the id", remedy)
            return None
        place = picture.place or PurePosixPath(picture.path)
        if self.reading.named.setdefault(place.stem, place) == place:
            return place.stem
        # Without a folder only its suffix tells it from the first.
        return str(place.with_suffix("")) if place.parent.parts else place.name

    def picture(self, names: Sequence[str], beside: Sequence[Any] = ()) -> SourcePicture | None:
        """The picture in the first of these fields that is there, or else one of those beside them."""
        self.used.update(names)
        name = next((name for name in names if self.value(name) is not None), names[0])
        value = decoded(self.value(name))
        if value is None and beside:
            value = list(beside)
        if isinstance(value, list):
            value = self._one(value, name)
            if value is None:
                return None
        return self.source_picture(name, value)

    def source_picture(self, name: str, value: Any) -> SourcePicture | None:
        """The picture that a value of a field names or holds; None, and a problem, if it does neither."""
        path, value = written(value)
        try:
            data = contents(value)
        except ValueError:
            self.wrong(name, f"{shown(value)} is no picture as text", "fetch the file again")
            return None
        if data is not None:
            return SourcePicture(plain(path) if isinstance(path, str) else None, None, data)
        there = {} if value is None and not field_of(self.record.fields, name) else {name: value}
        path = text_field(there, name, self.where, self.reading.problems)
        if path is None or is_address(path):
            return None if path is None else SourcePicture(path)
        return SourcePicture(plain(path), self.reading.paths.place(path, self.reading.file))

    def _one(self, values: Sequence[Any], name: str) -> Any:
        """The picture that the mapping says, of several. The same one twice counts as one."""
        values = [value for value in values if value is not None]
        different = list({repr(written(value)): value for value in values}.values())
        if len(different) == 1:
            return different[0]
        rule = self.reading.mapping.picture
        number = {"first": 1, "last": len(values), None: 0}.get(rule, rule)
        if 1 <= number <= len(values):
            self.reading.notes["records of which one picture of several is used"] += 1
            return values[number - 1]
        how = "picture: last, first or a number, or pictures: all"
        remedy = f"write {how} in {self.reading.mapping_name}" if values else "add it"
        self.wrong(name, f"{len(different)} pictures instead of one", remedy)
        return None

    def turn_word(self) -> str | None:
        """The word that names the turn, where the mapping has a column of them."""
        turns = self.reading.mapping.turns
        return self.text(turns.column) if isinstance(turns, TurnWords) else None

    def scene(
        self, id: str | None, pictures: tuple[SourcePicture, ...] | None, label: str | None, **words: Any
    ) -> ImportedScene:
        """The scene of the record, with its label (by the name of its field) and its split."""
        if label is not None:
            text = self.action(label, numbers=True)
            label = None if text is None else self.reading.translated(text)
        split = self._split()
        for name in unread(self.record.fields, self.used):
            self.reading.notes[f"records whose {shown(name)[1:-1]} is not read"] += 1
        return ImportedScene(
            self.where, id, pictures, label, split, len(self.reading.problems) == self._before, **words
        )

    def _split(self) -> str | None:
        rule = self.reading.mapping.split
        if not isinstance(rule, ByColumn):
            return ""
        value = self.value(rule.column)
        word = str(value).lower() if isinstance(value, bool) else self.number_or_text(rule.column)
        if word is None:
            return ""
        if word not in rule.words:
            remedy = f"add it to split.words in {self.reading.mapping_name}, with null if such scenes are left out"
            self.wrong(rule.column, f"unknown word {shown(word)}", remedy)
            return ""
        if rule.words[word] is None:
            self.reading.left_out[self.where] = word
        return rule.words[word]


def scene_of_question(id: str) -> tuple[str, int | None]:
    """The scene's id and the number of a question by its id. An id without the suffix _q<number> is a scene's."""
    match = _QUESTION_ID.fullmatch(id)
    return (match[1], int(match[2])) if match else (id, None)
