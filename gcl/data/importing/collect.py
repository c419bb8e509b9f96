"""Scenes of a download, read and checked: `read_scenes(files, reading)` yields them, `collect(...)` keeps the sound ones.

The import and the trial of a proposed mapping share it, so that both find the same mistakes.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any

from gcl.data import raw
from gcl.data.annotations import Record, shown
from gcl.data.images import PictureError
from gcl.data.importing import formats, socialnav
from gcl.data.importing.copied_pictures import Pictures
from gcl.data.importing.guesses import split_said
from gcl.data.importing.layout import ByColumn
from gcl.data.importing.missing import Failure, explained
from gcl.data.importing.reading import ImportedScene, Reading
from gcl.data.importing.rounds import whole
from gcl.data.importing.sources import SourceFile, read_records
from gcl.data.problem import GeneralProblem, Problem

FORMATS = {
    "conversations": formats.conversations,
    "questions": formats.questions,
    "table": formats.table,
    "socialnav-sub": socialnav.scenes,
}
_ALIKE = 3  # records with the same mistake that are listed one by one
_NAMED = 5  # places in a note


@dataclass
class Kept:
    """A sound scene. Its record for scenarios.jsonl lacks only the split. `action` is "" if it teaches none."""

    where: str
    id: str
    action: str
    pictures: list[int]
    path: str | None  # of the last picture, as the data writes it
    split: str | None
    record: dict[str, Any]


@dataclass
class Scenes:
    """The results of reading: sound scenes, the places of all scenes, and pictures that cannot be used."""

    kept: list[Kept] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


def read_scenes(files: Sequence[SourceFile], reading: Reading, limit: int | None = None) -> Iterator[ImportedScene]:
    """All scenes, each with the split that its file or record says. At most `limit` records of each file are read."""
    skip, used = set(reading.mapping.skip or ()), set()
    for split, group in groupby(files, key=lambda file: file.split):
        found = whole(_unskipped(_read(group, reading, limit, skip, used), reading, skip, used), reading)
        yield from (replace(scene, split=split) if split else scene for scene in found)
    for name in skip - used:
        what = f"{shown(name)} is no record of the data"
        remedy = "write its place, like train.json:17, or its id"
        reading.problems.append(GeneralProblem(reading.mapping_name, "skip", what, remedy))
    reading.notes["records left out, as skip names them"] += len(used)


def collect(found: Iterable[ImportedScene], reading: Reading, pictures: Pictures) -> Scenes:
    """Check the scenes and store their pictures. After a mistake the rest is read only to find more mistakes."""
    scenes, problems = Scenes(), reading.problems
    first: dict[str, str] = {}
    void: list[str] = []
    for scene in found:
        scenes.places.add(scene.where)
        if scene.split is None and isinstance(reading.mapping.split, ByColumn):
            word = shown(reading.left_out.get(scene.where, ""))
            reading.notes[f"scenes left out, their {reading.mapping.split.column} being {word}"] += 1
        turns = _translated(scene, reading)
        answer = turns.get(reading.dialogue.action or "", (None, None))[1]
        label = raw.action_of(scene.label, answer, reading.dialogue.actions, scene.where, problems)
        for turn, (question, answer) in turns.items():
            problems += raw.text_problems(question, answer, scene.where, turn)
            void += [f"{scene.where} {turn}"] * raw.is_placeholder(answer)
        problems += raw.unfit(scene.id, "id", scene.where)
        numbers = []
        for picture in scene.pictures or ():
            problems += raw.unfit(picture.path, "image", scene.where)
            try:
                numbers.append(pictures.take(picture))
            except PictureError as error:
                scenes.failures.append(Failure(scene.where, reading.file, picture, error.what, error.remedy))
        other = scene.where if scene.id is None else first.setdefault(scene.id, scene.where)
        if other != scene.where:
            what = f"{shown(scene.id)} is a duplicate (see {other})"
            problems.append(Problem(scene.where, "id", what, "give each scene its own id"))
        if not problems and not scenes.failures:
            own = label if scene.label is not None else None
            seen = [(pictures.names[n], p.name) for n, p in zip(numbers, scene.pictures, strict=True)]
            record = raw.scene_record(scene.id, seen, "", turns, own)
            path = scene.pictures[-1].path if scene.pictures else None
            scenes.kept.append(Kept(scene.where, scene.id, label or "", numbers, path, scene.split, record))
    if void:
        more = f" and {len(void) - _NAMED} more" if len(void) > _NAMED else ""
        what = f"answers that only say nan, none, null or the like ({', '.join(void[:_NAMED])}{more})"
        reading.notes[what] = len(void)
    return scenes


def told(scenes: Scenes, reading: Reading, tried: int) -> list[Problem]:
    """The problems of an import, each cause once; `tried` is the number of different pictures."""
    return [*explained(scenes.failures, tried, reading), *_once(reading.problems, scenes.places, reading.records)]


def _read(
    files: Iterable[SourceFile], reading: Reading, limit: int | None, skip: set[str], used: set[str]
) -> Iterator[ImportedScene]:
    """The scenes in the records of these files."""
    for file in files:
        reading.file = file.name
        records = islice(read_records(file, reading.problems, skip, used), limit)
        yield from FORMATS[reading.mapping.format](_counted(records, file.split, reading), reading)


def _counted(records: Iterable[Record], split: str | None, reading: Reading) -> Iterator[Record]:
    """The same records. Count them, and those that say another split than their file."""
    for record in records:
        reading.records += 1
        for name, value in record.fields.items() if split else ():
            if split_said(name, value) not in (None, split):
                reading.notes[f"records read for {split} whose {name} says {shown(str(value))}"] += 1
        yield record


def _unskipped(
    found: Iterable[ImportedScene], reading: Reading, skip: set[str], used: set[str]
) -> Iterator[ImportedScene]:
    """All scenes but those whose id the mapping skips. Mistakes of these are dropped, too."""
    before = len(reading.problems)
    for part in found:
        name = part.id
        if name not in skip and name and name.isdecimal():
            name = name.lstrip("0") or "0"  # YAML reads 003 as the number 3
        if name in skip:
            used.add(name)
            del reading.problems[before:]
        else:
            yield part
        before = len(reading.problems)


def _translated(scene: ImportedScene, reading: Reading) -> dict[str, tuple[str | None, str]]:
    """The turns. An action that the data calls otherwise is written as in the closed list."""
    turns, action = dict(scene.turns), reading.dialogue.action
    if action in turns:
        question, answer = turns[action]
        label = reading.translated(answer)
        reading.notes["answers written as actions in the mapping says"] += label != answer
        turns[action] = (question, label)
    return turns


def _once(problems: Sequence[Problem], scenes: Set[str], records: int) -> Iterator[Problem]:
    """The problems. One that all records or scenes have is told once: the mapping or the whole file is at fault.

    A scene of several records has the place of the first.
    """
    places: dict[Problem, set[str]] = {}
    for problem in problems:
        places.setdefault(replace(problem, place=""), set()).add(problem.place)
    said = set()
    for problem in problems:
        alike = replace(problem, place="")
        count = len(places[alike])
        every = len(scenes) if places[alike] <= scenes else records
        if isinstance(problem, GeneralProblem) or count <= _ALIKE or count < every:
            yield problem
        elif alike not in said:
            said.add(alike)
            what = f"{problem.what}, as in all {count} records"
            yield GeneralProblem(problem.place, problem.field, what, problem.remedy)
