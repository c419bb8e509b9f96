"""Test scenes that a file lists: `listed_scenes(path, name, ids, pictures, problems)` finds which scenes it means.

People list ids or pictures, one a line, or keep {"train": [...], "test": [...]} in a JSON file.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gcl.data.annotations import read_json, shown, text_field, text_lines
from gcl.data.importing.paths import SUFFIXES, plain
from gcl.data.importing.reading import scene_of_question
from gcl.data.problem import Problem, ProblemError

TEST = "test"  # key of the list in a JSON file
_WHOLE = 2**26  # bytes of a JSON file that may be such a list


def listed_scenes(
    path: Path, name: str, ids: Sequence[str], pictures: Sequence[str | None], problems: list[Problem]
) -> set[int]:
    """The numbers of the scenes that a file lists by their ids or pictures (see `read_test_ids`).

    Args:
        path, name: of the file, the second in messages.
        ids, pictures: of all scenes, as the data writes them; None for a picture without a name.
        problems: gets one for each flaw, and for each entry that is no scene.
    """
    listed = read_test_ids(path, name, problems)
    by_id = {id: number for number, id in enumerate(ids)}
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        if picture is not None:
            by_name[_ending(picture)[-1]].append(number)
    found: set[int] = set()
    for text, where in listed.items():
        if text in by_id:
            found.add(by_id[text])
            continue
        own = _ending(text)
        meant = [n for n in by_name.get(own[-1] if own else "", ()) if _is_ending(own, _ending(pictures[n]))]
        if len({pictures[n] for n in meant}) == 1:
            found.update(meant)
            continue
        what = "the picture of several scenes" if meant else "no scene of the data"
        like = f"ids look like {shown(ids[0])}" if ids else "there are no ids"
        named = next((picture for picture in pictures if picture is not None), None)
        like += f", pictures like {shown(named)}" if named else ""
        problems.append(Problem(where, "", f"{shown(text)} is {what}", f"correct it: {like}"))
    return found


def read_test_ids(path: Path, name: str, problems: list[Problem]) -> dict[str, str]:
    """The entries of a file that lists test scenes, and their places in it.

    A text file has one entry a line. A JSON file has a list, or one under "test". Else records of JSON or JSONL have an id,
    or a question_id, which begins with the scene's id.
    """
    ids: dict[str, str] = {}
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        entries = _entries(path)
        if entries is not None:
            return {str(entry).strip(): f"{name}: entry {n}" for n, entry in enumerate(entries, start=1)}
        for record in read_json(path, problems, name):
            field = "question_id" if "question_id" in record.fields else "id"
            value = record.fields.get(field)
            id = str(value) if type(value) is int else text_field(record.fields, field, record.where, problems)
            if id is not None:
                ids.setdefault(scene_of_question(id)[0] if field == "question_id" else id, record.where)
        return ids
    try:
        for number, line in enumerate(text_lines(path, name), start=1):
            if line.strip():
                ids.setdefault(line.strip(), f"{name}:{number}")
    except ProblemError as error:
        problems.append(error.problem)
    return ids


def could_list(path: Path) -> bool:
    """Whether a file could list scenes. A text file could, and a JSON file that is or has a list of ids."""
    suffix = path.suffix.lower()
    return (suffix == ".txt" and path.is_file()) or (suffix == ".json" and _entries(path) is not None)


def _entries(path: Path) -> list[Any] | None:
    """The list in a JSON file, its own or that under "test"; None if it holds anything else."""
    try:
        if not path.is_file() or path.stat().st_size > _WHOLE:
            return None
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(content, dict):
        content = next((value for key, value in content.items() if key.strip().casefold() == TEST), None)
    sound = isinstance(content, list) and content and all(type(entry) in (str, int) for entry in content)
    return content if sound else None


def _ending(text: str) -> tuple[str, ...]:
    """The parts of a picture's path, without its suffix."""
    path = PurePosixPath(plain(text))
    return (path.with_suffix("") if path.suffix.lower() in SUFFIXES else path).parts or ("",)


def _is_ending(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the shorter of two paths is the end of the longer."""
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]
