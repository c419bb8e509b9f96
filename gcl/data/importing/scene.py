"""What all readers share: the scene that a reader makes of a record, and the fields that every format has."""

from collections import Counter
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from gcl.data.importing.mapping import ByColumn, Mapping
from gcl.data.records import Record, shown, text_field
from gcl.data.scenario import TURNS

# Question (None: the data has none, config.yaml's wording is used) and answer.
Words = tuple[str | None, str]


@dataclass(frozen=True)
class Picture:
    """A picture's path as the data writes it, if it has one, and its contents, if the data embeds them."""

    path: str | None
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
        problems: one line for each mistake.
        notes: what was dropped or changed, and how often.
        unknown: wordings of questions that the mapping does not know.
        numbered: records that got their number as id, in all files.
        also_read: files beside those that the mapping names, relative to the source.
    """

    source: Path
    mapping: Mapping
    mapping_name: str
    problems: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    numbered: int = 0
    also_read: list[str] = field(default_factory=list)

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
        if self._turns[wording] is None:
            self.notes["questions left out, as the mapping does not use them"] += 1
        return self._turns[wording]

    def is_unknown(self, wording: str) -> bool:
        """Whether `turn_of` did not know this wording."""
        return " ".join(wording.split()) in self.unknown

    def add_turn(self, turns: dict[str, Words], turn: str, words: Words, where: str) -> None:
        """Take a turn, of which there must be only one."""
        if turn in turns:
            self.problems.append(f"{where}: a second question on {turn}; keep one")
        turns[turn] = words

    def check_complete(self, turns: Map[str, Words], where: str) -> None:
        """Complain of turns that a scene lacks."""
        missing = [turn for turn in TURNS if turn not in turns]
        if missing:
            self.problems.append(f"{where}: no question on {', '.join(missing)}; add it, or remove the scene")


def id_of(record: Record, name: str, problems: list[str]) -> str | None:
    """An id, which may be a whole number."""
    value = record.fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_field(record.fields, name, record.where, problems)


def scene_id(record: Record, name: str | None, picture: Picture | None, reading: Reading) -> str | None:
    """A scene's id, from where the mapping says: the field `name`, the picture's name, or the record's number."""
    if reading.mapping.ids == "field":
        return id_of(record, name, reading.problems)
    if reading.mapping.ids == "row":
        reading.numbered += 1
        return str(reading.numbered)
    if picture is None:
        return None
    if picture.path is None:
        remedy = f"write ids: field or ids: row in {reading.mapping_name}"
        reading.problems.append(f"{record.where}: id: the picture has no name that could be the id; {remedy}")
        return None
    return PurePosixPath(picture.path).stem


def picture_of(record: Record, names: Sequence[str], problems: list[str]) -> Picture | None:
    """A scene's picture, from the first of the fields that is there.

    A list of one picture counts as the picture. Hugging Face data sets hold {"bytes": ..., "path": ...}.
    """
    name = next((name for name in names if record.fields.get(name) is not None), names[0])
    value = record.fields.get(name)
    if isinstance(value, list):
        if len(value) != 1:
            problems.append(f"{record.where}: {name}: {len(value)} pictures instead of one; choose one")
            return None
        value = value[0]
    path = None
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        path, value = value["path"], value["path"] if value["bytes"] is None else value["bytes"]
    if isinstance(value, bytes):
        return Picture(path if isinstance(path, str) else None, value)
    path = text_field({name: value} if name in record.fields else {}, name, record.where, problems)
    return None if path is None else Picture(path)


def split_of(record: Record, reading: Reading) -> str | None:
    """What a record says of its split; "" where the mapping does not ask it or the word is unknown."""
    rule = reading.mapping.split
    if not isinstance(rule, ByColumn):
        return ""
    word = text_field(record.fields, rule.column, record.where, reading.problems)
    if word is None:
        return ""
    if word not in rule.words:
        remedy = f"add it to split.words in {reading.mapping_name}, with null if such scenes are left out"
        reading.problems.append(f"{record.where}: {rule.column}: unknown word {shown(word)}; {remedy}")
        return ""
    if rule.words[word] is None:
        reading.notes[f"scenes left out, their {rule.column} being {shown(word)}"] += 1
    return rule.words[word]
