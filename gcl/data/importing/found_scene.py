"""What all readers share: the scene that a reader makes of a record, and the fields that every format has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from gcl.data.annotations import Record, shown, text_field
from gcl.data.importing import fields
from gcl.data.importing.layout import ByColumn, Mapping
from gcl.data.importing.paths import Paths, contents, is_address, plain, written
from gcl.experiment.actions import label_of
from gcl.experiment.dialogue import Dialogue

# Question (None: the data has none, config.yaml's wording is used) and answer.
Words = tuple[str | None, str]


@dataclass(frozen=True)
class Picture:
    """A picture as the data names it, and where it is.

    Attributes:
        path: as the data writes it; None if it has no name.
        place: relative to the source; None if the data embeds it, or the path is an address.
        data: its contents, if the data embeds it.
    """

    path: str | None
    place: PurePosixPath | None = None
    data: bytes | None = None


@dataclass(frozen=True)
class Scene:
    """A scene as far as it could be read: parts at fault are None or absent, and the problems say why.

    Attributes:
        where: the place of its record, for messages.
        id: unique within the data set.
        picture: what the robot sees.
        turns: question and answer by turn.
        label: action label, if the data has one beside the answer.
        split: what the data itself says: "train", "test", None for left out, or "" where it does not say.
    """

    where: str
    id: str | None
    picture: Picture | None
    turns: Map[str, Words]
    label: str | None = None
    split: str | None = ""


@dataclass
class Reading:
    """One import's state: what readers are told, and what they report.

    Attributes:
        source: folder of the download.
        mapping: how to read it.
        mapping_name: of the mapping's file, for messages.
        dialogue: the turns that are looked for, and which of them names actions.
        problems: one line for each mistake.
        notes: what was dropped or changed, and how often.
        unknown: wordings of questions that the mapping does not know.
        numbered: records that got their number as id, in all files.
        records: how many were read, in all files.
        also_read: files beside those that the mapping names, relative to the source.
        file: the annotation file that is being read, relative to the source.
        left_out: word of each record that the mapping leaves out for its split, by the record's place.
        named: the first picture of each name.
    """

    source: Path
    mapping: Mapping
    mapping_name: str
    dialogue: Dialogue
    problems: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    numbered: int = 0
    records: int = 0
    also_read: list[str] = field(default_factory=list)
    file: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    named: dict[str, PurePosixPath] = field(default_factory=dict)

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records; how many there were is known afterwards."""
        for record in records:
            self.records += 1
            yield record

    @cached_property
    def paths(self) -> Paths:
        """Where picture paths of the data lead."""
        return Paths(self.source, self.mapping.images)

    @cached_property
    def _turns(self) -> dict[str, str | None]:
        return {" ".join(wording.split()): turn for wording, turn in self.mapping.turns.items()}

    def turn_of(self, wording: str, where: str) -> str | None:
        """The turn of a question by its wording; None where the mapping does not use it, "" where it is not known.

        A wording that is not known becomes a problem once, not in each record.
        """
        wording = " ".join(wording.split())
        if wording not in self._turns:
            if wording not in self.unknown:
                remedy = f"add it to turns in {self.mapping_name}, with null if it is not used"
                self.problems.append(f"{where}: unknown question {wording!r}; {remedy}")
            self.unknown.add(wording)
            return ""
        return self._turns[wording]

    def is_unknown(self, wording: str) -> bool:
        """Whether `turn_of` did not know this wording."""
        return " ".join(wording.split()) in self.unknown

    def count_unread(self, record: Record, names: Iterable[str | None]) -> None:
        """Count the fields of a record that are none of those that were read."""
        rule = self.mapping.split
        known = {name for name in names if name is not None} | ({rule.column} if isinstance(rule, ByColumn) else set())
        for name in fields.unread(record.fields, known):
            self.notes[f"records whose {shown(name)[1:-1]} is not read"] += 1

    def translated(self, label: str) -> str:
        """A label as the closed list has it, where the mapping says so."""
        actions = self.mapping.actions
        known = label_of(label, list(actions)) if actions else None
        return label if known is None else actions[known]


def id_of(record: Record, name: str, problems: list[str]) -> str | None:
    """An id, which may be a whole number."""
    return _number_or_text(record, name, problems)


def action_of(record: Record, name: str, reading: Reading) -> str | None:
    """The one answer to the action question, which may be a whole number that the mapping translates."""
    if reading.mapping.actions and not isinstance(field_value(record, name), list | str):
        return _number_or_text(record, name, reading.problems)
    return fields.one_action(record, name, reading.problems)


def label_in(record: Record, name: str | None, reading: Reading) -> str | None:
    """The action label of a record, which may be a whole number; None where the data has none."""
    if name is None:
        return None
    value = field_value(record, name)
    read = fields.one_action if isinstance(value, list | str) else _number_or_text
    label = read(record, name, reading.problems)
    return None if label is None else reading.translated(label)


def scene_id(record: Record, name: str, picture: Picture | None, reading: Reading) -> str | None:
    """A scene's id, from where the mapping says: the field `name`, the picture's name, or the record's number."""
    if reading.mapping.ids == "field":
        return id_of(record, name, reading.problems)
    if reading.mapping.ids == "row":
        reading.numbered += 1
        return str(reading.numbered)
    return picture_id(record, picture, reading, "ids: field or ids: row")


def picture_id(record: Record, picture: Picture | None, reading: Reading, other: str) -> str | None:
    """The name of a picture as an id; with its folder where another folder had a picture of this name before.

    Args:
        record: of the scene.
        picture: of the scene, None if it could not be read.
        reading: gets a line for a picture without a name.
        other: the mapping's lines that would do without names.
    """
    if picture is None:
        return None
    if picture.path is None:
        remedy = f"write {other} in {reading.mapping_name}"
        reading.problems.append(f"{record.where}: id: the picture has no name that could be the id; {remedy}")
        return None
    place = picture.place or PurePosixPath(picture.path)
    if reading.named.setdefault(place.stem, place) == place:
        return place.stem
    # Without a folder its name is all that tells it from the first.
    return str(place.with_suffix("")) if place.parent.parts else place.name


def picture_of(record: Record, names: Sequence[str], reading: Reading, beside: Sequence[Any] = ()) -> Picture | None:
    """A scene's picture, from the first of the fields that is there.

    A list of one picture counts as the picture. Hugging Face data sets hold {"bytes": ..., "path": ...}.

    Args:
        record: of the scene.
        names: of the fields.
        reading: gets one line for each flaw.
        beside: pictures that the record has elsewhere, which count if there is no such field.
    """
    name = next((name for name in names if field_value(record, name) is not None), names[0])
    value = fields.decoded(field_value(record, name))
    if value is None and beside:
        value = list(beside)
    place = f"{record.where}: {name}"
    if isinstance(value, list):
        value = _one(value, place, reading)
        if value is None:
            return None
    path, value = written(value)
    try:
        data = contents(value)
    except ValueError:
        reading.problems.append(f"{place}: {shown(value)} is no picture as text; fetch the file again")
        return None
    if data is not None:
        return Picture(plain(path) if isinstance(path, str) else None, None, data)
    there = {} if value is None and not fields.field(record.fields, name) else {name: value}
    path = text_field(there, name, record.where, reading.problems)
    if path is None:
        return None
    if is_address(path):
        return Picture(path)
    return Picture(plain(path), reading.paths.place(path, reading.file))


def field_value(record: Record, name: str) -> Any:
    """The value of a field, None where it is missing."""
    return fields.field(record.fields, name).get(name)


def split_of(record: Record, reading: Reading) -> str | None:
    """What a record says of its split; "" where the mapping does not ask it or the word is unknown."""
    rule = reading.mapping.split
    if not isinstance(rule, ByColumn):
        return ""
    value = field_value(record, rule.column)
    word = str(value).lower() if isinstance(value, bool) else _number_or_text(record, rule.column, reading.problems)
    if word is None:
        return ""
    if word not in rule.words:
        remedy = f"add it to split.words in {reading.mapping_name}, with null if such scenes are left out"
        reading.problems.append(f"{record.where}: {rule.column}: unknown word {shown(word)}; {remedy}")
        return ""
    if rule.words[word] is None:
        reading.left_out[record.where] = word
    return rule.words[word]


def _number_or_text(record: Record, name: str, problems: list[str]) -> str | None:
    value = field_value(record, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return fields.text(record, name, problems)


def _one(values: list[Any], place: str, reading: Reading) -> Any:
    """Of several pictures the one that the mapping says; the same one twice is one."""
    values = [value for value in values if value is not None]
    different = list({repr(written(value)): value for value in values}.values())
    if len(different) == 1:
        return different[0]
    rule = reading.mapping.picture
    number = {"first": 1, "last": len(values), None: 0}.get(rule, rule)
    if 1 <= number <= len(values):
        reading.notes["records of which one picture of several is used"] += 1
        return values[number - 1]
    remedy = f"write picture: last, first or a number in {reading.mapping_name}" if values else "add it"
    reading.problems.append(f"{place}: {len(different)} pictures instead of one; {remedy}")
    return None
