"""A data set's raw folder, as `gcl data import` writes it and people correct it: scenarios.jsonl and the pictures.

`read_raw(root, dialogue)` returns all scenes or lists all mistakes. One line of scenarios.jsonl is one scene:

    {"id": "17", "image": "images/17.png", "split": "train", "action": "Stop",
     "turns": {"perception": {"question": "What do you see?", "answer": "..."}, "prediction": ..., ...}}

The turns are those of the data set in config.yaml. "action" is a label from its closed list. Without it the answer in the
turn that names actions must name one label. gcl/experiment/actions.py says how such a sentence is read.
A turn without "question" takes the wording of config.yaml. Every mistake is a `Problem`. Its line reads
"scenarios.jsonl:<line>: <field>: <what>; <remedy>".
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from gcl.data.annotations import Record, kind, read_json, shown, text_field
from gcl.data.images import PictureError, load_picture
from gcl.data.problem import Problem
from gcl.data.scenario import SPLITS, Scenario, Turn
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
FIELDS = ("id", "image", "split", "action", "turns")


@dataclass(frozen=True)
class Draft:
    """A scene as far as it could be read. Parts at fault are None or absent; problems say why."""

    where: str
    id: str | None
    image: PurePosixPath | None
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
        Scenario(draft.id, root / draft.image, draft.turns, draft.split, draft.action if dialogue.actions else None)
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
    id: str, image: str, split: str, turns: Mapping[str, tuple[str | None, str]], action: str | None
) -> dict[str, Any]:
    """One line of scenarios.jsonl.

    A question is None where it is as in config.yaml. The action is a label beside the answer, if the data has one.
    """
    words = {
        turn: ({} if question is None else {"question": question}) | {"answer": answer}
        for turn, (question, answer) in turns.items()
    }
    return {"id": id, "image": image, "split": split, **({"action": action} if action else {}), "turns": words}


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
    return Draft(where, id, _image(record, root, problems), split, action, turns)


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


def _image(record: Record, root: Path, problems: list[Problem]) -> PurePosixPath | None:
    text = text_field(record.fields, "image", record.where, problems)
    if text is None:
        return None
    problems += unfit(text, "image", record.where)
    if out := leads_out(text, root):
        problems.append(Problem(record.where, "image", f"{shown(text)}: {out[0]}", out[1]))
        return None
    return PurePosixPath(text)


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
        if draft.image is None:
            continue
        try:
            load_picture(root / draft.image)
        except PictureError as error:
            what = f"{shown(str(draft.image))}: {error.what}"
            problems.append(Problem(draft.where, "image", what, error.remedy))
            continue
        picture = sha256_file(root / draft.image)
        seen.setdefault((picture, draft.split), draft)
        # A test picture that was trained on makes the test worthless, whatever name it has.
        for split in SPLITS:
            other = seen.get((picture, split))
            if other and draft.split and split != draft.split and other.id != draft.id:
                what = f"{shown(str(draft.image))} is the same picture as in the {split} split (see {other.where})"
                problems.append(Problem(draft.where, "image", what, "keep the scene in one split"))
