"""A look at an annotation file: `looks(source, index, dialogue)` says what the fields of its first records hold.

What the fields might mean is not decided here: gcl/data/importing/guesses.py does that.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gcl.data.annotations import KEY, VALUE, Record
from gcl.data.importing import chat
from gcl.data.importing.fields import decoded, joined
from gcl.data.importing.paths import Index, contents, is_address, looks_like_picture, plain, written
from gcl.data.importing.sources import FILE, SAVED, SUFFIXES, SourceFile, read_records
from gcl.experiment.dialogue import Dialogue

SAMPLE = 1000  # records that are looked at in each file
_WHOLE = 2**28  # bytes of a JSON file that is searched for the place of its records
_MANY = 3  # records that are tried at such a place
_DEPTH = 3


@dataclass
class Column:
    """What a field holds in the records that were looked at.

    Attributes:
        count: records with a value.
        pictures: records of which it could be the picture.
        named: records in which a picture without its suffix is called so.
        several: whether some have several pictures.
        paths: paths of pictures.
        addresses: whether some of them are addresses.
        texts: records of which it could be an answer.
        values: different short values: texts, numbers, true and false.
        asked: whether it holds question and answer.
        longest: words in the longest text.
    """

    count: int = 0
    pictures: int = 0
    named: int = 0
    several: bool = False
    paths: list[str] = field(default_factory=list)
    addresses: bool = False
    texts: int = 0
    values: dict[str, int] = field(default_factory=dict)
    asked: bool = False
    longest: int = 0


@dataclass
class Look:
    """What the first records of an annotation file have.

    Attributes:
        file: the file; for many files of one record the first.
        names: of all files that are read alike, relative to the source.
        sought: the turns that scenes should have.
        records: number looked at.
        fields: how many of them have each field.
        columns: what the fields hold, nested ones by dotted names.
        sample: the first record.
        dialogue: field with the dialogue, if there is one.
        rounds: how many dialogues have so many rounds.
        wordings: questions at each place of a dialogue.
        pictured: dialogues with pictures inside their messages.
        problems: what could not be read.
    """

    file: SourceFile
    names: list[str]
    sought: Dialogue
    records: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Column] = field(default_factory=dict)
    sample: Record | None = None
    dialogue: str | None = None
    rounds: Counter[int] = field(default_factory=Counter)
    wordings: list[Counter[str]] = field(default_factory=list)
    pictured: int = 0
    problems: list[str] = field(default_factory=list)


def looks(source: Path, index: Index, dialogue: Dialogue) -> list[Look]:
    """What there is to read in a download; small files of one record each in a folder count as one.

    Args:
        source: its folder, or one annotation file.
        index: the pictures in it.
        dialogue: the turns that scenes should have.
    """
    root = source if source.is_dir() and not (source / SAVED).is_file() else source.parent
    result: dict[tuple[str, str], Look] = {}
    for path in _candidates(source):
        for file in _parts(path, path.relative_to(root).as_posix(), index):
            look = _look(file, index, dialogue)
            single = look.records == 1 and file.records is None and file.path.suffix.lower() == ".json"
            key = (str(path.parent), ",".join(look.fields)) if single else (file.name, str(file.records))
            if key in result:
                _absorb(result[key], look)
            else:
                result[key] = look
    return list(result.values())


def _candidates(source: Path) -> Iterator[Path]:
    """Annotation files and folders of saved data sets; hidden ones and what lies in saved data sets left out."""
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
    if path.suffix.lower() != ".json" or path.stat().st_size > _WHOLE:
        yield SourceFile(path, name)
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError):
        yield SourceFile(path, name)
        return
    found = list(_places(content, "", index)) if isinstance(content, dict) else []
    if found:
        yield from (SourceFile(path, name, records=at) for at in found)
    else:
        yield SourceFile(path, name)


def _places(content: Mapping[str, Any], at: str, index: Index) -> Iterator[str]:
    """Where records are in an object: lists of them, or objects that have them by name; the innermost that there are."""
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
    """Whether objects could be records: each has a picture, and something is said of it."""
    for entry in entries[:_MANY]:
        if not isinstance(entry, dict):
            return False
        flat = dict(flattened(entry))
        said = chat.dialogue_field(entry) is not None or chat.is_prompt_completion(entry)
        texts = [name for name, value in flat.items() if isinstance(joined(value), str) or _asked(value)]
        pictures = [name for name, value in flat.items() if _is_picture(value, index)]
        if not said and (not pictures or len(texts) < 3):
            return False
        if said and not pictures and not _has_pictures_inside(entry):
            return False
    return bool(entries)


def _has_pictures_inside(entry: Mapping[str, Any]) -> bool:
    dialogue = chat.read_dialogue(Record("", entry), chat.dialogue_field(entry), [])
    return bool(dialogue and dialogue.pictures)


def _look(file: SourceFile, index: Index, dialogue: Dialogue) -> Look:
    look = Look(file, [file.name], dialogue)
    for record in islice(read_records(file, look.problems), SAMPLE):
        look.records += 1
        look.fields.update(name for name in record.fields if name != FILE)
        if look.sample is None:
            look.sample, look.dialogue = record, _dialogue_of(record.fields)
        for name, value in flattened(record.fields):
            _add(look.columns.setdefault(name, Column()), value, index)
        if look.dialogue:
            _add_rounds(look, record)
    return look


def _dialogue_of(fields: Mapping[str, Any]) -> str | None:
    if chat.is_prompt_completion(fields):
        return "prompt"
    if (name := chat.dialogue_field(fields)) is not None:
        return name
    pair = next((pair for pair in chat.PAIRS if set(pair) <= set(fields)), None)
    return pair[0] if pair and decoded(fields.get("history")) else None


def flattened(fields: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Fields with nested ones by dotted names; what holds a picture, or question and answer, stays whole."""
    for name, value in fields.items():
        path, inner = written(value)
        if (
            isinstance(value, dict)
            and value
            and depth < _DEPTH
            and not _asked(value)
            and (path is None and inner is value)
        ):
            yield from ((f"{name}.{more}", part) for more, part in flattened(value, depth + 1))
        else:
            yield name, value


def _asked(value: Any) -> bool:
    return isinstance(value, dict) and "answer" in value and set(value) <= {"question", "answer", "turn", "id"}


def _is_picture(value: Any, index: Index) -> bool:
    if looks_like_picture(value):
        return True
    _, value = written(value)
    return isinstance(value, str) and 0 < len(value) < 200 and plain(value).rpartition("/")[2] in index


def _add(column: Column, value: Any, index: Index) -> None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return
    column.count += 1
    value = decoded(value)
    if _is_picture(value, index):
        sure = looks_like_picture(value)
        column.pictures += sure
        column.named += not sure
        several = value if isinstance(value, list) else [value]
        column.several = column.several or len({repr(written(one)) for one in several}) > 1
        for one in several:
            path, inner = written(one)
            path = inner if isinstance(inner, str) and contents(inner) is None else path
            if isinstance(path, str) and contents(inner) is None:
                column.paths.append(path)
                column.addresses = column.addresses or is_address(path)
    if _asked(value):
        column.asked, value = True, value["answer"]
    text = joined(value)
    if isinstance(text, str):
        column.texts += 1
        column.longest = max(column.longest, len(text.split()))
    if isinstance(text, str | int) and len(column.values) <= SAMPLE:
        key = (str(text).lower() if isinstance(text, bool) else str(text)).strip()[:200]
        column.values[key] = column.values.get(key, 0) + 1


def _add_rounds(look: Look, record: Record) -> None:
    name = None if look.dialogue == "prompt" or look.dialogue in chat.LISTS else look.dialogue
    name = None if any(look.dialogue == pair[0] and set(pair) <= set(record.fields) for pair in chat.PAIRS) else name
    dialogue = chat.read_dialogue(record, name, look.problems)
    rounds = dialogue.rounds if dialogue else []
    look.rounds[len(rounds)] += 1
    look.pictured += bool(dialogue and dialogue.pictures)
    for place, (_, question, _) in enumerate(rounds):
        if place == len(look.wordings):
            look.wordings.append(Counter())
        look.wordings[place][question] += 1


def _absorb(look: Look, other: Look) -> None:
    """Take what another file of one record holds."""
    look.names += other.names
    look.records += other.records
    look.fields.update(other.fields)
    look.rounds.update(other.rounds)
    look.pictured += other.pictured
    look.problems += other.problems
    for name, column in other.columns.items():
        own = look.columns.setdefault(name, Column())
        own.count, own.texts = own.count + column.count, own.texts + column.texts
        own.pictures, own.named = own.pictures + column.pictures, own.named + column.named
        own.several, own.addresses = own.several or column.several, own.addresses or column.addresses
        own.asked, own.longest = own.asked or column.asked, max(own.longest, column.longest)
        own.paths += column.paths
        for value, count in column.values.items():
            own.values[value] = own.values.get(value, 0) + count
    for place, wordings in enumerate(other.wordings):
        if place == len(look.wordings):
            look.wordings.append(Counter())
        look.wordings[place].update(wordings)
