"""`gcl data import`: from a download and a mapping to the canonical raw folder, whole or not at all.

`import_source(kind, source, mapping_file, to, dialogue)` reads all scenes, decides their splits and writes scenarios.jsonl.
Pictures are stored on the way. Only words stay in memory.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from gcl.data import raw
from gcl.data.annotations import shown
from gcl.data.importing.collect import FORMATS, Kept, collect, read_scenes, told
from gcl.data.importing.copied_pictures import Pictures
from gcl.data.importing.layout import ByFile, Seeded
from gcl.data.importing.listed import listed_scenes
from gcl.data.importing.mapping import read_mapping
from gcl.data.importing.reading import Reading
from gcl.data.importing.sources import SourceFile, find_files
from gcl.data.importing.splits import draw_split
from gcl.data.problem import GeneralProblem, Problem
from gcl.data.scenario import SPLITS
from gcl.data.similar import scene_groups
from gcl.errors import ConfigError, DataError, raise_all
from gcl.experiment.dialogue import Dialogue
from gcl.files import atomic_folder, sha256_file, write_jsonl, write_text

RECORD = "import.yaml"
# Layouts that a kind of data can have. Those of SNEI and MUSON are not described in public.
KINDS = {
    "snei": ("conversations", "questions", "table"),
    "muson": ("table", "conversations", "questions"),
    "llava": ("conversations",),
    "socialnav-sub": ("socialnav-sub",),
}


@dataclass(frozen=True)
class ImportSummary:
    """The results of an import. `str()` says them in a few lines."""

    to: Path  # the raw folder
    scenes: dict[str, int]  # number in each split
    left_out: int  # scenes that are in neither
    pictures: int  # number of picture files
    notes: list[str]  # lines on changed or dropped parts
    seconds: float  # how long it took

    def __str__(self) -> str:
        count = sum(self.scenes.values())
        splits = ", ".join(f"{number} {split}" for split, number in self.scenes.items())
        rate = (count + self.left_out) / self.seconds
        lines = [f"{self.to}: {count} scenes ({splits}), {self.pictures} pictures"]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join([*lines, f"  {self.seconds:.1f} s, {rate:.0f} scenes a second"])


def import_source(
    kind: str, source: Path, mapping_file: Path, to: Path, dialogue: Dialogue, show: int = 20
) -> ImportSummary:
    """Make a raw folder of a download.

    Args:
        kind: a data set of config.yaml, "llava" or "socialnav-sub".
        source: folder of the download, or a file in it.
        mapping_file: how to read it (gcl/data/importing/mapping.py).
        to: raw folder to be made; must not exist.
        dialogue: the turns that each scene has to have, and which of them names actions.
        show: number of mistakes that an error lists.

    Raises:
        ConfigError: if the mapping is wrong or does not fit.
        DataError: listing the mistakes in the data, one a line.
    """
    start = time.monotonic()
    mapping = read_mapping(mapping_file, dialogue.names)
    formats = KINDS.get(kind, tuple(FORMATS))
    if mapping.format not in formats:
        raise ConfigError(f"{mapping_file}: format: {mapping.format} does not fit {kind}; use {' or '.join(formats)}")
    source = source.parent if source.is_file() else source
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; name the folder of the download")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise DataError(f"{to}: exists already; remove it, or choose another folder")
    with atomic_folder(to, replace=False) as work:
        reading = Reading(source, mapping, mapping_file.name, dialogue)
        files = find_files(source, mapping, reading.problems)
        pictures = Pictures(source, work, hashed=isinstance(mapping.split, Seeded))
        found = collect(
            tqdm(read_scenes(files, reading), desc="importing", unit="scene", mininterval=2), reading, pictures
        )
        reading.problems = told(found, reading, len(pictures.known))
        scenes = found.kept
        if not reading.problems:
            _decide(scenes, reading, pictures)
        raise_all(reading.problems, str(source), show)
        used = [scene for scene in scenes if scene.split]
        write_jsonl(work / raw.FILE, [scene.record | {"split": scene.split} for scene in used])
        numbers = {number for scene in used for number in scene.pictures}
        pictures.remove_unused(numbers)
        counts = {split: sum(scene.split == split for scene in used) for split in SPLITS}
        left_out, notes = len(scenes) - len(used), _notes(reading, pictures, len(scenes) - len(used))
        summary = ImportSummary(to, counts, left_out, len(numbers), notes, time.monotonic() - start)
        _write_record(work / RECORD, kind, files, reading, summary)
    return summary


def kind_of_import(folder: Path) -> str:
    """The kind of data that a raw folder was imported as; a `DataError` if nothing in it says so."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name one that `gcl data import` has made")
    remedy = "name its data set: gcl data validate DATASET --folder DIR"
    if not (folder / RECORD).exists():
        raise DataError(f"{folder}: no {RECORD} in it; import the download first with `gcl data import`, or {remedy}")
    try:
        return str(yaml.safe_load((folder / RECORD).read_text(encoding="utf-8"))["kind"])
    except OSError as error:
        raise DataError(f"{folder / RECORD}: cannot be read ({error.strerror}); {remedy}") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError):
        raise DataError(f"{folder / RECORD}: does not say what kind of data it is; {remedy}") from None


def _decide(scenes: Sequence[Kept], reading: Reading, pictures: Pictures) -> None:
    """Give each scene its split, and check that the splits can be told apart."""
    rule, problems = reading.mapping.split, reading.problems
    if isinstance(rule, ByFile):
        file = reading.source / rule.file
        test = listed_scenes(file, rule.file, [s.id for s in scenes], [s.path for s in scenes], problems)
        if problems:
            return
        for number, scene in enumerate(scenes):
            scene.split = "test" if number in test else "train"
    elif isinstance(rule, Seeded):
        groups = scene_groups([[pictures.hashes[number] for number in scene.pictures] for scene in scenes])
        try:
            drawn = draw_split([scene.action for scene in scenes], groups, rule.train, rule.test, rule.seed)
        except DataError as error:
            problems.append(GeneralProblem(reading.mapping_name, "split", str(error)))
            return
        for scene, split in zip(scenes, drawn, strict=True):
            scene.split = split
    there = {scene.split for scene in scenes}
    for split in (split for split in SPLITS if split not in there):
        what = f"no scene is in {split}"
        problems.append(GeneralProblem(reading.mapping_name, "split", what, "both splits need scenes"))
    seen: dict[tuple[str, str], str] = {}
    for scene in (scene for scene in scenes if scene.split):
        opposite = "test" if scene.split == "train" else "train"
        for number in dict.fromkeys(scene.pictures):
            sha256, name = pictures.sha256[number], shown(pictures.names[number])
            if other := seen.get((sha256, opposite)):
                what = f"{name} is the same picture as in the {opposite} split (see {other})"
                problems.append(Problem(scene.where, "image", what, "keep the scene in one split"))
            seen.setdefault((sha256, scene.split), scene.where)


def _notes(reading: Reading, pictures: Pictures, left_out: int) -> list[str]:
    notes = [
        f"{count} picture{'s' * (count > 1)}: {change.replace(' its ', ' their ') if count > 1 else change}"
        for change, count in sorted(pictures.changes.items())
    ]
    notes += [f"{what}: {count}" for what, count in sorted(reading.notes.items()) if count]
    if isinstance(reading.mapping.split, Seeded) and left_out:
        notes.append(f"scenes left out, being more than the split asks for: {left_out}")
    return notes


def _write_record(path: Path, kind: str, files: Sequence[SourceFile], reading: Reading, summary: ImportSummary) -> None:
    """Write import.yaml, the origin of the folder."""
    sources = {}
    rule = reading.mapping.split
    named = [(file.path, file.name) for file in files]
    also_read = [*reading.also_read, *([rule.file] if isinstance(rule, ByFile) else [])]
    for file, name in [*named, *((reading.source / name, name) for name in also_read)]:
        parts = sorted(part for part in file.rglob("*") if part.is_file()) if file.is_dir() else [file]
        sources |= {f"{name}/{part.relative_to(file)}" if part != file else name: sha256_file(part) for part in parts}
    content: dict[str, Any] = {
        "kind": kind,
        "mapping": reading.mapping.model_dump(exclude_defaults=True, by_alias=True),
        "sources": sources,
        "scenes": summary.scenes,
        "left_out": summary.left_out,
        "pictures": summary.pictures,
        "changed": summary.notes,
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    write_text(path, "# Written by `gcl data import`: where this folder comes from. Checksums are SHA-256.\n" + text)
