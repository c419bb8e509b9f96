"""`gcl data import`: from a download and a mapping to the canonical raw folder, whole or not at all.

`import_source(kind, source, mapping_file, to, actions)` streams: of all records only ids, labels and hashes stay in memory.
Scenes go to a temporary file first; once all are known, their splits are decided and scenarios.jsonl is written.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from gcl.data import raw
from gcl.data.images import PictureError
from gcl.data.importing import conversations, questions, socialnav, table
from gcl.data.importing.mapping import ByFile, Seeded, read_mapping
from gcl.data.importing.pictures import Pictures
from gcl.data.importing.scene import Reading, Scene
from gcl.data.importing.sources import SourceFile, find_files, read_records
from gcl.data.importing.splits import draw_split, read_test_ids
from gcl.data.records import shown
from gcl.data.scenario import SPLITS
from gcl.data.similar import near_groups
from gcl.errors import ConfigError, DataError, raise_all
from gcl.files import atomic_folder, sha256_file, write_text

RECORD = "import.yaml"
READERS = {
    "conversations": conversations.scenes,
    "questions": questions.scenes,
    "table": table.scenes,
    "socialnav-sub": socialnav.scenes,
}
# Layouts that a kind of data can have. Those of SNEI and MUSON are not described in public.
FORMATS = {
    "snei": ("conversations", "questions", "table"),
    "muson": ("table", "conversations", "questions"),
    "llava": ("conversations",),
    "socialnav-sub": ("socialnav-sub",),
}


@dataclass(frozen=True)
class Summary:
    """What an import did; `str()` says it in a few lines.

    Attributes:
        to: the raw folder.
        scenes: number in each split.
        left_out: scenes that are in neither.
        pictures: number of picture files.
        notes: what was changed or dropped, one a line.
        seconds: how long it took.
    """

    to: Path
    scenes: dict[str, int]
    left_out: int
    pictures: int
    notes: list[str]
    seconds: float

    def __str__(self) -> str:
        count = sum(self.scenes.values())
        splits = ", ".join(f"{number} {split}" for split, number in self.scenes.items())
        rate = (count + self.left_out) / self.seconds
        lines = [f"{self.to}: {count} scenes ({splits}), {self.pictures} pictures"]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join([*lines, f"  {self.seconds:.1f} s, {rate:.0f} scenes a second"])


@dataclass
class _Scenes:
    """What is kept of the scenes while the rest waits in a file: lists with one entry for each."""

    ids: list[str] = field(default_factory=list)
    wheres: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)


def import_source(
    kind: str, source: Path, mapping_file: Path, to: Path, actions: Sequence[str] | None, show: int = 20
) -> Summary:
    """Make a raw folder of a download.

    Args:
        kind: a data set of config.yaml, "llava" or "socialnav-sub".
        source: folder of the download, or a file in it.
        mapping_file: how to read it (gcl/data/importing/mapping.py).
        to: raw folder to be made; must not exist.
        actions: closed list of action labels, or None where actions are free text.
        show: number of mistakes that an error lists.

    Raises:
        ConfigError: if the mapping is wrong or does not fit.
        DataError: listing what is wrong with the data, one mistake a line.
    """
    start = time.monotonic()
    mapping = read_mapping(mapping_file)
    formats = FORMATS.get(kind, tuple(READERS))
    if mapping.format not in formats:
        raise ConfigError(f"{mapping_file}: format: {mapping.format} does not fit {kind}; use {' or '.join(formats)}")
    source = source.parent if source.is_file() else source
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; name the folder of the download")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise DataError(f"{to}: exists already; remove it, or choose another folder")
    with atomic_folder(to, replace=False) as work:
        reading = Reading(source, mapping, mapping_file.name)
        files = find_files(source, mapping, reading.problems)
        pictures = Pictures(source, mapping.images, work, hashed=isinstance(mapping.split, Seeded))
        waiting = work / ".scenes.jsonl"
        scenes = _collect(files, reading, pictures, actions, waiting)
        if not reading.problems:
            _decide(scenes, reading, pictures)
        raise_all(reading.problems, str(source), show)
        _write(work, waiting, scenes)
        used = {picture for picture, split in zip(scenes.pictures, scenes.splits, strict=True) if split}
        pictures.remove_unused(used)
        counts = {split: scenes.splits.count(split) for split in SPLITS}
        notes = _notes(reading, pictures, scenes)
        summary = Summary(to, counts, scenes.splits.count(None), len(used), notes, time.monotonic() - start)
        _write_record(work / RECORD, kind, files, reading, summary)
    return summary


def _collect(
    files: Sequence[SourceFile], reading: Reading, pictures: Pictures, actions: Sequence[str] | None, waiting: Path
) -> _Scenes:
    """Read, check and store everything but the splits; scenes wait in a file."""
    scenes, problems = _Scenes(), reading.problems
    first: dict[str, str] = {}
    with waiting.open("w", encoding="utf-8", newline="\n") as stream:
        for scene, split in tqdm(_read(files, reading), desc="importing", unit="scene", mininterval=2):
            label = _label(scene, actions, problems)
            for turn, (question, answer) in scene.turns.items():
                problems += raw.text_problems(question, answer, f"{scene.where}: turns.{turn}")
            problems += raw.unfit(scene.id, "id", scene.where)
            problems += raw.unfit(scene.picture and scene.picture.path, "image", scene.where)
            picture = _take(scene, pictures, problems)
            other = scene.where if scene.id is None else first.setdefault(scene.id, scene.where)
            if other != scene.where:
                what = f"{shown(scene.id)} is a duplicate (see {other}); give each scene its own id"
                problems.append(f"{scene.where}: id: {what}")
            if problems:
                continue  # nothing will be written; what follows is read only for its mistakes
            scenes.ids.append(scene.id)
            scenes.wheres.append(scene.where)
            scenes.labels.append(label)
            scenes.pictures.append(picture)
            scenes.splits.append(split)
            own = label if scene.label is not None else None
            record = raw.scene_record(scene.id, pictures.names[picture], "", scene.turns, own)
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    return scenes


def _label(scene: Scene, actions: Sequence[str] | None, problems: list[str]) -> str | None:
    """The scene's action: its label if the data has one, else what its answer names; free text as it stands."""
    answer = scene.turns["action"][1] if "action" in scene.turns else None
    if actions is None or (scene.label is None and answer is None):
        return scene.label if scene.label is not None else answer
    if scene.label is not None:
        return raw.closed_label(scene.label, actions, scene.where, problems)
    return raw.answered_label(answer, actions, scene.where, problems)


def _read(files: Sequence[SourceFile], reading: Reading) -> Iterator[tuple[Scene, str | None]]:
    """All scenes, each with what its file or its record says of its split."""
    for file in files:
        for scene in READERS[reading.mapping.format](read_records(file, reading.problems), reading):
            yield scene, file.split if file.split else scene.split


def _take(scene: Scene, pictures: Pictures, problems: list[str]) -> int | None:
    if scene.picture is None:
        return None
    try:
        return pictures.take(scene.picture)
    except PictureError as error:
        name = shown(scene.picture.path) if scene.picture.path else "embedded"
        problems.append(f"{scene.where}: image: {name}: {error}")
        return None


def _decide(scenes: _Scenes, reading: Reading, pictures: Pictures) -> None:
    """Give each scene its split, and check that the splits can be told apart."""
    rule, problems = reading.mapping.split, reading.problems
    if isinstance(rule, ByFile):
        _decide_by_file(scenes, rule, reading)
        if problems:
            return
    elif isinstance(rule, Seeded):
        groups = near_groups(pictures.hashes)
        try:
            scenes.splits = draw_split(
                scenes.labels, [groups[picture] for picture in scenes.pictures], rule.train, rule.test, rule.seed
            )
        except DataError as error:
            problems.append(f"{reading.mapping_name}: split: {error}")
            return
    problems += [
        f"{reading.mapping_name}: split: no scene is in {split}; both splits need scenes"
        for split in SPLITS
        if split not in scenes.splits
    ]
    seen: dict[tuple[str, str], str] = {}
    for where, picture, split in zip(scenes.wheres, scenes.pictures, scenes.splits, strict=True):
        if split is None:
            continue
        opposite = "test" if split == "train" else "train"
        other = seen.get((pictures.sha256[picture], opposite))
        if other:
            what = f"{shown(pictures.names[picture])} is the same picture as in the {opposite} split"
            problems.append(f"{where}: image: {what} (see {other}); keep the scene in one split")
        seen.setdefault((pictures.sha256[picture], split), where)


def _decide_by_file(scenes: _Scenes, rule: ByFile, reading: Reading) -> None:
    ids = read_test_ids(reading.source / rule.file, rule.file, reading.problems)
    if reading.problems:
        return
    known = set(scenes.ids)
    reading.problems += [
        f"{where}: {shown(id)} is no scene of the data; correct the id" for id, where in ids.items() if id not in known
    ]
    scenes.splits = ["test" if id in ids else "train" for id in scenes.ids]


def _write(work: Path, waiting: Path, scenes: _Scenes) -> None:
    with (
        waiting.open(encoding="utf-8") as source,
        (work / raw.FILE).open("w", encoding="utf-8", newline="\n") as target,
    ):
        for line, split in zip(source, scenes.splits, strict=True):
            if split:
                target.write(json.dumps(json.loads(line) | {"split": split}, ensure_ascii=False) + "\n")
    waiting.unlink()


def _notes(reading: Reading, pictures: Pictures, scenes: _Scenes) -> list[str]:
    notes = [
        f"{count} picture{'s' * (count > 1)}: {change.replace(' its ', ' their ') if count > 1 else change}"
        for change, count in sorted(pictures.changes.items())
    ]
    notes += [f"{what}: {count}" for what, count in sorted(reading.notes.items()) if count]
    if isinstance(reading.mapping.split, Seeded) and None in scenes.splits:
        notes.append(f"scenes left out, being more than the split asks for: {scenes.splits.count(None)}")
    return notes


def _write_record(path: Path, kind: str, files: Sequence[SourceFile], reading: Reading, summary: Summary) -> None:
    """import.yaml: how the folder came about."""
    sources = {}
    rule = reading.mapping.split
    named = [(file.path, file.name) for file in files]
    also_read = [*reading.also_read, *([rule.file] if isinstance(rule, ByFile) else [])]
    for file, name in [*named, *((reading.source / name, name) for name in also_read)]:
        parts = sorted(part for part in file.rglob("*") if part.is_file()) if file.is_dir() else [file]
        sources |= {f"{name}/{part.relative_to(file)}" if part != file else name: sha256_file(part) for part in parts}
    content: dict[str, Any] = {
        "kind": kind,
        "mapping": reading.mapping.model_dump(exclude_defaults=True),
        "sources": sources,
        "scenes": summary.scenes,
        "left_out": summary.left_out,
        "pictures": summary.pictures,
        "changed": summary.notes,
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    write_text(path, "# Written by `gcl data import`: where this folder comes from. Checksums are SHA-256.\n" + text)
