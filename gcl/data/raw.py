"""A data set's raw folder, as `gcl data import` writes it and people correct it: scenarios.jsonl and the pictures.

`read_raw(root, dialogue)` returns all scenes or lists all mistakes. One line of scenarios.jsonl is one scene:

    {"id": "17", "image": "images/17.png", "split": "train", "action": "Stop",
     "turns": {"perception": {"question": "What do you see?", "answer": "..."}, "prediction": ..., ...}}

A scene of several pictures has "images" instead, in their order. Names say which is which. An empty list means no picture:

    "images": [{"path": "images/17/0.png", "name": "2 s before"}, {"path": "images/17/2.png", "name": "now"}]

The turns are those of the data set in config.yaml. "action" is a label from its closed list. Without it the answer in the
turn that names actions must name one label. gcl/experiment/actions.py says how such a sentence is read.
A turn without "question" takes the wording of config.yaml. Every mistake is a `Problem`. Its line reads
"scenarios.jsonl:<line>: <field>: <what>; <remedy>".
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from gcl.data.annotations import Record, kind, read_json, shown, text_field
from gcl.data.images import PictureError, load_picture
from gcl.data.problem import Problem
from gcl.data.scenario import SPLITS, Picture, Scenario, Turn
from gcl.errors import DataError, raise_all
from gcl.experiment.actions import label_of, named_action
from gcl.experiment.dialogue import Dialogue
from gcl.experiment.marks import marks
from gcl.files import sha256_file

FILE = "scenarios.jsonl"
# Tables and programs write these for a missing text.
PLACEHOLDERS = frozenset(
    ("nan", "na", "n/a", "#n/a", "nil", "none", "null", "nat", "undefined", "tbd", "todo", "-", "--", "?", "")
)
FIELDS = ("id", "image", "images", "split", "action", "turns")


@dataclass(frozen=True)
class Draft:
    """A scene as far as it could be read. Parts at fault are None or absent; problems say why."""

    where: str
    id: str | None
    pictures: tuple[Picture, ...]  # relative to the raw folder
    split: str | None
    action: str | None
    turns: Mapping[str, Turn]


def read_raw(root: Path, dialogue: Dialogue, *, check_images: bool = True) -> list[Scenario]:
    """Read and check a data set.

    Args:
        root: its raw folder; image paths are relative to it.
        dialogue: the turns that each scene has to have, and which of them names actions.
        check_images: whether to decode every picture and compare the pictures of the two splits.

    Raises:
        DataError: listing every mistake of the data set, one a line.
    """
    problems: list[Problem] = []
    drafts = read_drafts(root, dialogue, problems)
    if check_images:
        _check_images(root, drafts, problems)
    raise_all(problems, str(root))
    return [
        Scenario(
            draft.id,
            tuple(replace(picture, path=root / picture.path) for picture in draft.pictures),
            draft.turns,
            draft.split,
            draft.action if dialogue.actions else None,
        )
        for draft in drafts
    ]


def read_drafts(root: Path, dialogue: Dialogue, problems: list[Problem]) -> list[Draft]:
    """All scenes as far as they can be read. Mistakes in their words are added to `problems`.

    Raises:
        DataError: if there is no such folder.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; `gcl data import` makes it (see docs/data.md)")
    drafts = [_draft(record, root, dialogue, problems) for record in read_json(root / FILE, problems)]
    _check_ids(drafts, problems)
    return drafts


def scene_record(
    id: str,
    pictures: Sequence[tuple[str, str | None]],
    split: str,
    turns: Mapping[str, tuple[str | None, str]],
    action: str | None,
) -> dict[str, Any]:
    """One line of scenarios.jsonl.

    Args:
        id: of the scene.
        pictures: path and name of each. A single one without a name is written as "image".
        split: "train" or "test".
        turns: question and answer. A question is None where it is as in config.yaml.
        action: a label beside the answer, if the data has one.
    """
    words = {
        turn: ({} if question is None else {"question": question}) | {"answer": answer}
        for turn, (question, answer) in turns.items()
    }
    return {
        "id": id,
        **picture_fields(pictures),
        "split": split,
        **({"action": action} if action else {}),
        "turns": words,
    }


def picture_fields(pictures: Sequence[tuple[str, str | None]]) -> dict[str, Any]:
    """The path and name of each picture as a record has them: one without a name as "image", all others as "images"."""
    if len(pictures) == 1 and pictures[0][1] is None:
        return {"image": pictures[0][0]}
    return {"images": [{"path": path} | ({"name": name} if name else {}) for path, name in pictures]}


def unfit(text: str | None, field: str, where: str) -> list[Problem]:
    """The problem of an id, or of a picture's path, that cannot stand in a line of a manifest."""
    if text is None or not any(character in text for character in "\t\n\r"):
        return []
    return [Problem(where, field, f"{shown(text)} has a tab or a line break", "rename it")]


def _draft(record: Record, root: Path, dialogue: Dialogue, problems: list[Problem]) -> Draft:
    fields, where = record.fields, record.where
    problems += [
        Problem(where, "", f"{shown(name)}: unknown field", f"remove it, or use one of {', '.join(FIELDS)}")
        for name in fields
        if name not in FIELDS
    ]
    id, split = text_field(fields, "id", where, problems), text_field(fields, "split", where, problems)
    problems += unfit(id, "id", where)
    if split is not None and split not in SPLITS:
        problems.append(Problem(where, "split", f"unknown split {shown(split)}", f"use {' or '.join(SPLITS)}"))
        split = None
    turns = dict(_turns(fields.get("turns"), dialogue.questions, where, problems))
    label = text_field(fields, "action", where, problems) if fields.get("action") is not None else None
    answer = turns[dialogue.action].answer if dialogue.action in turns and fields.get("action") is None else None
    action = action_of(label, answer, dialogue.actions, where, problems)
    return Draft(where, id, tuple(_pictures(record, root, problems)), split, action, turns)


def _turns(value: Any, questions: Mapping[str, str], where: str, problems: list[Problem]) -> Iterator[tuple[str, Turn]]:
    if not isinstance(value, dict):
        what = "missing" if value is None else f"{kind(value)} instead of an object"
        remedy = f'write {{"{next(iter(questions))}": {{"answer": ...}}, ...}}'
        problems.append(Problem(where, "turns", what, remedy))
        return
    known = ", ".join(questions)
    problems += [
        Problem(where, "turns", f"{shown(name)}: unknown turn", f"use {known}")
        for name in value
        if name not in questions
    ]
    for turn in questions:
        words, field = value.get(turn), f"turns.{turn}"
        if not isinstance(words, dict):
            what = "missing" if words is None else f"{kind(words)} instead of an object"
            problems.append(Problem(where, field, what, 'write {"answer": ...}'))
            continue
        problems += [
            Problem(where, field, f"{shown(name)}: unknown field", "use question and answer")
            for name in words
            if name not in ("question", "answer")
        ]
        own = words.get("question") is not None
        question = text_field(words, "question", where, problems, field) if own else questions[turn]
        answer = text_field(words, "answer", where, problems, field)
        problems += text_problems(question if own else None, answer, where, turn)
        if question and answer:
            yield turn, Turn(question, answer)


def _pictures(record: Record, root: Path, problems: list[Problem]) -> Iterator[Picture]:
    """The pictures whose paths could be read."""
    fields, where = record.fields, record.where
    if "images" not in fields:
        if path := _path(text_field(fields, "image", where, problems), "image", where, root, problems):
            yield Picture(path)
        return
    value = fields["images"]
    if "image" in fields:
        problems.append(Problem(where, "images", "stands beside image", "keep one of them"))
    if not isinstance(value, list):
        problems.append(Problem(where, "images", f"{kind(value)} instead of a list", 'write [{"path": ...}, ...]'))
        return
    for number, entry in enumerate(value, start=1):
        field = f"images: {number}"
        if not isinstance(entry, dict):
            problems.append(Problem(where, field, f"{kind(entry)} instead of an object", 'write {"path": ...}'))
            continue
        problems += [
            Problem(where, field, f"{shown(name)}: unknown field", "use path and name")
            for name in entry
            if name not in ("path", "name")
        ]
        name = text_field(entry, "name", where, problems, field) if entry.get("name") is not None else None
        problems += picture_name_problems(name, field, where)
        if path := _path(text_field(entry, "path", where, problems, field), f"{field}: path", where, root, problems):
            yield Picture(path, name)


def _path(text: str | None, field: str, where: str, root: Path, problems: list[Problem]) -> Path | None:
    if text is None:
        return None
    problems += unfit(text, field, where)
    if out := leads_out(text, root):
        problems.append(Problem(where, field, f"{shown(text)}: {out[0]}", out[1]))
        return None
    return Path(text)


def picture_name_problems(name: str | None, field: str, where: str) -> list[Problem]:
    """One problem for each sign in a picture's name that models do not read as text."""
    remedy = "call the picture in plain words"
    return [
        Problem(where, field, f"name: {mark!r} is a sign that models do not read as text", remedy)
        for mark in marks(name or "")
    ]


def leads_out(text: str, root: Path) -> tuple[str, str] | None:
    """The reason and the remedy where a path may not be opened. Data must not name other files of this machine."""
    path = PurePosixPath(text)
    if "\0" in text:
        return "no file name", "remove the null character"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the data set", f"write a path relative to {root}, without '..'"
    if not Path(os.path.realpath(root / path)).is_relative_to(os.path.realpath(root)):
        return f"leads out of {root} through a symbolic link", "copy the picture into the folder"
    return None


def is_placeholder(text: str) -> bool:
    """Whether a text is a word for no value, such as nan or N/A, and nothing else."""
    return text.strip().strip(".<>[]()").casefold() in PLACEHOLDERS


def text_problems(question: str | None, answer: str | None, where: str, turn: str) -> list[Problem]:
    """One problem for each sign in a turn's words that models do not read as text."""
    remedy = "remove it, or write it in other words"
    return [
        Problem(where, f"turns.{turn}: {part}", f"{mark!r} is a sign that models do not read as text", remedy)
        for part, text in (("question", question), ("answer", answer))
        for mark in marks(text or "")
    ]


def action_of(
    label: str | None, answer: str | None, actions: Sequence[str] | None, where: str, problems: list[Problem]
) -> str | None:
    """The action of a scene: its label, or else the one that its answer names; free text as it stands.

    None, with a problem, for an action that is not in the closed list.
    """
    text = answer if label is None else label
    if actions is None or text is None:
        return text
    found = named_action(text, actions) if label is None else label_of(text, actions)
    if found is None:
        remedy = f"use one of {', '.join(actions)}{', or add a label' if label is None else ''}"
        problems.append(Problem(where, "action", f"unknown action {shown(text)}", remedy, "label"))
    return found


def _check_ids(drafts: Sequence[Draft], problems: list[Problem]) -> None:
    first: dict[str, Draft] = {}
    for draft in drafts:
        if draft.id is None:
            continue
        other = first.setdefault(draft.id, draft)
        if other is draft:
            continue
        if draft.split and other.split and draft.split != other.split:
            what, remedy = "is in both splits", "keep the scene in one split"
        else:
            what, remedy = "is a duplicate", "give each scene its own id"
        problems.append(Problem(draft.where, "id", f"{shown(draft.id)} {what} (see {other.where})", remedy))


def _check_images(root: Path, drafts: Sequence[Draft], problems: list[Problem]) -> None:
    seen: dict[tuple[str, str | None], Draft] = {}
    for draft in tqdm(drafts, desc=f"{root}: pictures", unit="scene", mininterval=2):
        for path in dict.fromkeys(picture.path for picture in draft.pictures):
            try:
                load_picture(root / path)
            except PictureError as error:
                problems.append(Problem(draft.where, "image", f"{shown(str(path))}: {error.what}", error.remedy))
                continue
            picture = sha256_file(root / path)
            seen.setdefault((picture, draft.split), draft)
            # A test picture that was trained on makes the test worthless, whatever name it has.
            for split in SPLITS:
                other = seen.get((picture, split))
                if other and draft.split and split != draft.split and other.id != draft.id:
                    what = f"{shown(str(path))} is the same picture as in the {split} split (see {other.where})"
                    problems.append(Problem(draft.where, "image", what, "keep the scene in one split"))
