"""`gcl data inspect`: what a download holds, and a mapping that might fit, for a person to check.

`inspect_source(source)` reads the first records of each annotation file. What it cannot tell is written as CHOOSE, which
`gcl data import` refuses. gcl/data/importing/proposal.py writes the mapping.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gcl.data.importing import conversations, socialnav
from gcl.data.importing.proposal import proposed_mapping
from gcl.data.importing.sources import SAVED, SUFFIXES, SourceFile, read_records
from gcl.data.records import Record, shown
from gcl.errors import DataError

SAMPLE = 1000  # records that are looked at in each file
_LIMIT = 12  # lines of a kind that are shown
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass
class Look:
    """What the first records of an annotation file have.

    Attributes:
        file: the file.
        format: the mapping's format that they look like, or None.
        records: number looked at.
        fields: how many of them have each field.
        sample: the first of them.
        rounds: how many dialogues have so many rounds.
        wordings: questions at each place of a dialogue.
        values: of the fields that hold few different words.
        problems: what could not be read.
    """

    file: SourceFile
    format: str | None = None
    records: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    sample: Record | None = None
    rounds: Counter[int] = field(default_factory=Counter)
    wordings: list[Counter[str]] = field(default_factory=list)
    values: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Inspection:
    """What was found in a download.

    Attributes:
        source: its folder.
        looks: its annotation files.
        pictures: number of picture files by folder and suffix.
        mapping: the proposed mapping as YAML.
    """

    source: Path
    looks: list[Look]
    pictures: Counter[str]
    mapping: str

    def text(self) -> str:
        """The findings for people, the proposed mapping last."""
        lines = [f"{self.source}, pictures: {self.pictures.total()}"]
        lines += _limited([f"  {count} {where}" for where, count in sorted(self.pictures.items())])
        for look in self.looks:
            lines += _described(look) if look.format else []
        others = [f"  {look.file.name}: {_unknown(look)}" for look in self.looks if not look.format]
        if others:
            lines += ["", "files of no known format:", *_limited(others)]
        return "\n".join([*lines, "", self.mapping.rstrip("\n")])


def inspect_source(source: Path) -> Inspection:
    """Look into a download.

    Args:
        source: its folder, or one annotation file.

    Raises:
        DataError: if there is no such folder or file, or nothing in it that could be annotations.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; name what was downloaded")
    root = source if source.is_dir() and not (source / SAVED).is_file() else source.parent
    looks = [_look(SourceFile(path, path.relative_to(root).as_posix(), None)) for path in _candidates(source)]
    if not looks:
        raise DataError(f"{source}: no annotations; known are {', '.join(SUFFIXES)} and saved data sets")
    pictures = Counter(
        f"({path.suffix.lower()}) in {path.parent.relative_to(root).as_posix()}"
        for path in root.rglob("*")
        if path.suffix.lower() in _PICTURES
    )
    return Inspection(root, looks, pictures, proposed_mapping(root, looks))


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
        elif path.suffix.lower() in SUFFIXES and path.name != "dataset_dict.json":
            yield path


def _look(file: SourceFile) -> Look:
    look = Look(file)
    for record in islice(read_records(file, look.problems), SAMPLE):
        look.records += 1
        look.fields.update(list(record.fields))
        look.sample = look.sample or record
        look.format = look.format or _format_of(record)
        _add_rounds(look, record)
        for name, value in record.fields.items():
            if isinstance(value, str) and len(look.values.setdefault(name, set())) <= 12:
                look.values[name].add(value[:80])
    return look


def _format_of(record: Record) -> str | None:
    if {socialnav.ANSWERS, socialnav.FRAMES} <= set(record.fields):
        return "socialnav-sub"
    if any(isinstance(record.fields.get(name), list) for name in conversations.LISTS):
        return "conversations"
    if {"question_id", "text"} <= set(record.fields):
        return "questions"
    return "table" if len(record.fields) > 5 else None


def _add_rounds(look: Look, record: Record) -> None:
    if look.format == "conversations":
        rounds = conversations.rounds(record, look.problems) or []
        look.rounds[len(rounds)] += 1
        texts = [question for _, question, _ in rounds]
    elif look.format == "questions" and isinstance(record.fields.get("text"), str):
        texts = [conversations.without_tag(record.fields["text"])]
    else:
        return
    for place, text in enumerate(texts):
        if place == len(look.wordings):
            look.wordings.append(Counter())
        look.wordings[place][text] += 1


def _described(look: Look) -> list[str]:
    more = "the first " if look.records == SAMPLE else ""
    lines = ["", f"{look.file.name}: {more}{look.records} records, looks like {look.format}"]
    width = max(map(len, look.fields))
    for name, count in look.fields.items():
        seldom = "" if count == look.records else f"  (in {count} records)"
        lines.append(
            f"  {name if name.isprintable() else shown(name):<{width}}  {_abridged(look.sample.fields.get(name))}{seldom}"
        )
    if look.rounds:
        lines.append("  rounds in a dialogue: " + ", ".join(f"{n} in {c}" for n, c in sorted(look.rounds.items())))
    for place, wordings in enumerate(look.wordings[:_LIMIT], start=1):
        number = f" {place}" if look.format == "conversations" else ""
        lines += [f"  question{number}: {shown(text)}, {count} times" for text, count in wordings.most_common(5)]
    return lines + [f"  problem: {problem}" for problem in look.problems[:3]]


def _unknown(look: Look) -> str:
    if look.problems:
        return look.problems[0].removeprefix(f"{look.file.name}: ")
    return f"{look.records} records with {', '.join(map(shown, look.fields))}"


def _limited(lines: list[str]) -> list[str]:
    rest = len(lines) - _LIMIT
    return lines[:_LIMIT] + ([f"  ... and {rest} more"] if rest > 0 else [])


def _abridged(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 90 else f"{text[:87]}..."
