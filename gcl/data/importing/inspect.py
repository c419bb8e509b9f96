"""`gcl data inspect`: the content of a download, and a mapping to check or the reason why there is none.

`inspect_source(source, dialogue, known, name)` reads the first records of each annotation file. It writes CHOOSE where it
cannot tell a value. `gcl data import` refuses that word.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.data.annotations import shown
from gcl.data.importing.guesses import format_of
from gcl.data.importing.look import SAMPLE, Look, looks
from gcl.data.importing.mapping_text import as_text
from gcl.data.importing.missing import archives
from gcl.data.importing.paths import index_of, pictures_in
from gcl.data.importing.proposal import Known, propose
from gcl.data.importing.sources import FILE, SAVED, SUFFIXES
from gcl.errors import DataError
from gcl.experiment.dialogue import Dialogue

_LIMIT = 12  # lines of a kind that are shown


@dataclass(frozen=True)
class Inspection:
    """The findings in a download: its annotation files, and its picture files by folder and suffix."""

    source: Path
    looks: Sequence[Look]
    pictures: Counter[str]
    mapping: str | None  # the proposed one as YAML; None if none works
    reason: str | None  # for which none works, in one line

    def text(self) -> str:
        """The findings for people, the proposed mapping last."""
        lines = [f"{self.source}, pictures: {self.pictures.total()}"]
        lines += _limited([f"  {count} {where}" for where, count in sorted(self.pictures.items())])
        others = []
        for look in self.looks:
            format = format_of(look)
            if format:
                lines += _described(look, format)
            else:
                others.append(f"  {_name(look)}: {_unknown(look)}")
        if others:
            lines += ["", "files of no known format:", *_limited(others)]
        return "\n".join([*lines, "", self.mapping.rstrip("\n")] if self.mapping else lines)


def inspect_source(
    source: Path, dialogue: Dialogue, known: Mapping[str, Known] | None = None, name: str | None = None
) -> Inspection:
    """Look into a download.

    Args:
        source: its folder, or one annotation file.
        dialogue: the turns that scenes should have. Its questions are known wordings.
        known: facts from config.yaml about its data sets.
        name: the data set that the download is to be, if somebody says it.

    Raises:
        DataError: if there is nothing that could be annotations.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; name what was downloaded")
    root = source if source.is_dir() and not (source / SAVED).is_file() else source.parent
    pictures = list(pictures_in(root))
    index = index_of(pictures)
    found = looks(source, index, dialogue)
    if not found:
        packed = archives(root)
        remedy = (
            f"; unpack it first: {packed[0]}" if packed else f"; known are {', '.join(SUFFIXES)} and saved data sets"
        )
        raise DataError(f"{source}: no annotations{remedy}")
    counts = Counter(f"({path.suffix.lower()}) in {path.parent}" for path in pictures)
    proposal = propose(root, found, index, known or {}, name, dialogue)
    if isinstance(proposal, str):
        return Inspection(root, found, counts, None, proposal)
    return Inspection(root, found, counts, as_text(proposal), None)


def _described(look: Look, format: str) -> list[str]:
    more = "the first " if look.records == SAMPLE else ""
    lines = ["", f"{_name(look)}: {more}{look.records} records, looks like {format}"]
    width = max(map(len, look.fields))
    for name, count in look.fields.items():
        seldom = "" if count == look.records else f"  (in {count} records)"
        lines.append(
            f"  {name if name.isprintable() else shown(name):<{width}}  {_abridged(look.sample.fields.get(name))}{seldom}"
        )
    if look.rounds:
        lines.append("  rounds in a dialogue: " + ", ".join(f"{n} in {c}" for n, c in sorted(look.rounds.items())))
    for place, wordings in enumerate(look.wordings[:_LIMIT], start=1):
        lines += [f"  question {place}: {shown(text)}, {count} times" for text, count in wordings.most_common(5)]
    return lines + [f"  problem: {problem}" for problem in look.problems[:3]]


def _name(look: Look) -> str:
    place = f", records at {look.file.records}" if look.file.records else ""
    return look.file.name + (f" and {len(look.names) - 1} more" if len(look.names) > 1 else "") + place


def _unknown(look: Look) -> str:
    if look.problems:
        return str(look.problems[0]).removeprefix(f"{look.file.name}: ")
    return f"{look.records} records with {', '.join(shown(name) for name in look.fields if name != FILE)}"


def _limited(lines: list[str]) -> list[str]:
    rest = len(lines) - _LIMIT
    return lines[:_LIMIT] + ([f"  ... and {rest} more"] if rest > 0 else [])


def _abridged(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 90 else f"{text[:87]}..."
