"""A look at the annotation files of a download: `looks(source, index, dialogue)` describes their first records.

gcl/data/importing/guesses.py guesses the meaning of the fields.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from gcl.data.annotations import KEY, VALUE, Record
from gcl.data.importing.chat import dialogue_in, read_dialogue
from gcl.data.importing.fields import decoded, joined
from gcl.data.importing.paths import Index, contents, looks_like_picture, plain, written
from gcl.data.importing.sources import FILE, SAVED, SUFFIXES, SourceFile, read_records
from gcl.data.problem import Problem
from gcl.experiment.dialogue import Dialogue

SAMPLE = 1000  # records that are looked at in each file
_WHOLE = 2**28  # bytes of a JSON file that is searched for the place of its records
_MANY = 3  # records that are tried at such a place
_DEPTH = 3


@dataclass
class Column:
    """The values of a field in the records that were looked at."""

    count: int = 0  # records with a value
    pictures: int = 0  # records of which it could be the picture
    named: int = 0  # records whose value is a picture's name without suffix
    several: bool = False  # whether some have several pictures
    paths: list[str] = field(default_factory=list)  # of pictures
    texts: int = 0  # records of which it could be an answer
    values: Counter[str] = field(default_factory=Counter)  # short ones: texts, numbers, true and false
    longest: int = 0  # words in the longest text

    def add(self, value: Any, index: Index) -> None:
        """Look at one more value."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return
        self.count += 1
        value = decoded(value)
        if _is_picture(value, index):
            sure = looks_like_picture(value)
            self.pictures += sure
            self.named += not sure
            several = value if isinstance(value, list) else [value]
            self.several = self.several or len({repr(written(one)) for one in several}) > 1
            for path, inner in map(written, several):
                path = inner if isinstance(inner, str) else path
                if isinstance(path, str) and contents(inner) is None:
                    self.paths.append(path)
        text = joined(value["answer"] if _asked(value) else value)
        if isinstance(text, str):
            self.texts += 1
            self.longest = max(self.longest, len(text.split()))
        if isinstance(text, str | int) and len(self.values) <= SAMPLE:
            self.values[(str(text).lower() if isinstance(text, bool) else str(text)).strip()[:200]] += 1


@dataclass
class Look:
    """The first records of an annotation file. Files of one record each in a folder are one look."""

    file: SourceFile  # of many the first
    sought: Dialogue  # the turns that scenes should have
    names: list[str] = field(default_factory=list)  # of all files that are read alike, relative to the source
    records: int = 0
    fields: Counter[str] = field(default_factory=Counter)  # how many records have each
    columns: dict[str, Column] = field(default_factory=dict)  # nested ones by dotted names
    sample: Record | None = None  # the first
    dialogue: str | None = None  # the field with it
    dialogue_name: str | None = None  # the same, if it is none of the usual ones
    rounds: Counter[int] = field(default_factory=Counter)  # how many dialogues have so many
    wordings: list[Counter[str]] = field(default_factory=list)  # questions at each place of a dialogue
    pictured: int = 0  # dialogues with pictures inside their messages
    problems: list[Problem] = field(default_factory=list)  # mistakes met while reading

    def add(self, record: Record, index: Index, problems: list[Problem]) -> None:
        """Look at one more record."""
        self.records += 1
        self.fields.update(name for name in record.fields if name != FILE)
        if self.sample is None:
            self.sample = record
            self.dialogue, self.dialogue_name = dialogue_in(record.fields) or (None, None)
        for name, value in _flattened(record.fields):
            self.columns.setdefault(name, Column()).add(value, index)
        if self.dialogue:
            dialogue = read_dialogue(record, self.dialogue_name, problems)
            rounds = dialogue.rounds if dialogue else []
            self.rounds[len(rounds)] += 1
            self.pictured += bool(dialogue and dialogue.pictures)
            self.wordings += [Counter() for _ in rounds[len(self.wordings) :]]
            for wordings, (_, question, _) in zip(self.wordings, rounds, strict=False):
                wordings[question] += 1


def looks(source: Path, index: Index, dialogue: Dialogue) -> list[Look]:
    """Looks at all annotation files of a download: a folder, or one file, with these pictures."""
    root = source if source.is_dir() and not (source / SAVED).is_file() else source.parent
    result: dict[tuple[str, str], Look] = {}
    for path in _candidates(source):
        for file in _parts(path, path.relative_to(root).as_posix(), index):
            problems: list[Problem] = []
            records = read_records(file, problems)
            first = list(islice(records, 2))
            single = len(first) == 1 and file.records is None and path.suffix.lower() == ".json"
            fields = ",".join(name for name in first[0].fields if name != FILE) if single else ""
            key = (str(path.parent), fields) if single else (file.name, str(file.records))
            look = result.setdefault(key, Look(file, dialogue))
            look.names.append(file.name)
            for record in islice(chain(first, records), SAMPLE):
                look.add(record, index, problems)
            look.problems += problems
    return list(result.values())


def _candidates(source: Path) -> Iterator[Path]:
    """Annotation files and folders of saved data sets, without hidden ones and the files of saved data sets."""
    if source.is_file() or (source / SAVED).is_file():
        yield source
        return
    for path in sorted(source.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _candidates(path)
        elif path.suffix.lower() in SUFFIXES and path.name not in ("dataset_dict.json", "dataset_infos.json"):
            yield path


def _parts(path: Path, name: str, index: Index) -> Iterator[SourceFile]:
    """The file, or the places in it that have records, one for each split."""
    content = None
    if path.suffix.lower() == ".json" and path.stat().st_size <= _WHOLE:
        with suppress(ValueError, RecursionError, OSError):  # reading its records says the reason
            content = json.loads(path.read_text(encoding="utf-8-sig"))
    places = list(_places(content, "", index)) if isinstance(content, dict) else []
    yield from (SourceFile(path, name, records=at) for at in places or [None])


def _places(content: Mapping[str, Any], at: str, index: Index) -> Iterator[str]:
    """The innermost places of records in an object: lists of them, or objects that have them by name."""
    deeper = []
    for key, value in content.items():
        path = f"{at}.{key}" if at else key
        if isinstance(value, dict) and path.count(".") < _DEPTH:
            deeper += _places(value, path, index)
        elif isinstance(value, list) and _are_scenes(value, index):
            deeper.append(path)
    if not deeper and content and all(isinstance(value, dict | list) for value in content.values()):
        entries = [{KEY: key, **(v if isinstance(v, dict) else {VALUE: v})} for key, v in content.items()]
        if _are_scenes(entries, index):
            yield at or "."
    yield from deeper


def _are_scenes(entries: list[Any], index: Index) -> bool:
    """Whether objects could be records: each has a picture and words about it."""
    for entry in entries[:_MANY]:
        if not isinstance(entry, dict):
            return False
        flat = dict(_flattened(entry))
        texts = [name for name, value in flat.items() if isinstance(joined(value), str) or _asked(value)]
        pictured = any(_is_picture(value, index) for value in flat.values())
        if said := dialogue_in(entry):
            dialogue = None if pictured else read_dialogue(Record("", entry), said[1], [])
            pictured = pictured or bool(dialogue and dialogue.pictures)
        if not pictured or (not said and len(texts) < 3):
            return False
    return bool(entries)


def _flattened(fields: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Fields with nested ones by dotted names. A field with a picture, or question and answer, stays whole."""
    for name, value in fields.items():
        nested = isinstance(value, dict) and value and depth < _DEPTH and not _asked(value)
        path, inner = written(value)
        if nested and path is None and inner is value:
            yield from ((f"{name}.{more}", part) for more, part in _flattened(value, depth + 1))
        else:
            yield name, value


def _asked(value: Any) -> bool:
    return isinstance(value, dict) and "answer" in value and set(value) <= {"question", "answer", "turn", "id"}


def _is_picture(value: Any, index: Index) -> bool:
    if looks_like_picture(value):
        return True
    _, value = written(value)
    return isinstance(value, str) and 0 < len(value) < 200 and plain(value).rpartition("/")[2] in index
