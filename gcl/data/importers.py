"""Raw folders to scenarios: `read_scenarios(root, format, questions, actions)` returns all or lists what is wrong.

Two formats:
    conversations  SNEI: LLaVA-style dialogues in train.json(l) and test.json(l)
    table          MUSON: one row a scene in annotations.csv, .json or .jsonl

A reader of a format makes drafts; what must hold for every data set (unique ids, disjoint splits, sound pictures) is
checked on the drafts. Every mistake becomes one line "<file>:<line or record>: <field>: <what>; <remedy>".
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from gcl.data.images import check_image
from gcl.data.records import Record, find_file, kind, read_csv, read_json, shown, text_field
from gcl.data.scenario import SPLITS, TURNS, Scenario, Turn
from gcl.errors import DataError, raise_all
from gcl.files import sha256_file

COLUMNS = ("id", "image", "split", *TURNS)
_SPEAKERS = {"human": "question", "user": "question", "gpt": "answer", "assistant": "answer"}


@dataclass(frozen=True)
class _Draft:
    """A scene as far as it could be read: parts at fault are None or absent, and the problems say why."""

    where: str
    id: str | None
    image: PurePosixPath | None
    split: str | None
    turns: Mapping[str, Turn]


def read_scenarios(
    root: Path,
    format: str,
    questions: Mapping[str, str],
    actions: Sequence[str] | None,
    *,
    check_images: bool = True,
) -> list[Scenario]:
    """Read and check a data set.

    Args:
        root: folder of the annotation files; image paths are relative to it.
        format: "conversations" or "table".
        questions: question of each turn, for data that has none of its own (table).
        actions: closed list of action labels, or None where actions are free text.
        check_images: whether to decode every picture and compare the pictures of the two splits.

    Raises:
        DataError: listing every mistake of the data set, one a line.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; put the raw data set there")
    problems: list[str] = []
    drafts = _conversations(root, problems) if format == "conversations" else _table(root, questions, problems)
    labels = [_label(draft, actions, problems) for draft in drafts]
    _check_ids(drafts, problems)
    if check_images:
        _check_images(root, drafts, problems)
    raise_all(problems, str(root))
    return [
        Scenario(draft.id, root / draft.image, draft.turns, draft.split, label)
        for draft, label in zip(drafts, labels, strict=True)
    ]


def _conversations(root: Path, problems: list[str]) -> list[_Draft]:
    drafts = []
    for split in SPLITS:
        path = find_file(root, (f"{split}.json", f"{split}.jsonl"), problems)
        for record in read_json(path, problems) if path else []:
            id, image = _id(record, problems), _image(record, root, problems)
            drafts.append(_Draft(record.where, id, image, split, _dialogue(record, problems)))
    return drafts


def _dialogue(record: Record, problems: list[str]) -> dict[str, Turn]:
    where = f"{record.where}: conversations"
    messages = record.fields.get("conversations")
    if not isinstance(messages, list):
        what = f"{kind(messages)} instead of a list" if "conversations" in record.fields else "missing"
        problems.append(f"{where}: {what}; write the list of messages")
        return {}
    if len(messages) != 2 * len(TURNS):
        remedy = f"give one question and one answer each for {', '.join(TURNS)}"
        problems.append(f"{where}: {len(messages) / 2:g} turns instead of {len(TURNS)}; {remedy}")
        return {}
    texts = [_message(message, k, f"{where}: message {k + 1}", problems) for k, message in enumerate(messages)]
    pairs = zip(TURNS, texts[::2], texts[1::2], strict=True)
    return {turn: Turn(question, answer) for turn, question, answer in pairs if question and answer}


def _message(message: Any, position: int, where: str, problems: list[str]) -> str | None:
    if not isinstance(message, dict):
        problems.append(f'{where}: {kind(message)} instead of an object; write {{"from": ..., "value": ...}}')
        return None
    role_key, text_key = ("role", "content") if "role" in message else ("from", "value")
    role = text_field(message, role_key, where, problems)
    due = ("question", "answer")[position % 2]
    if role is not None and role not in _SPEAKERS:
        problems.append(f"{where}: {role_key}: unknown role {shown(role)}; use human and gpt, or user and assistant")
    elif role is not None and _SPEAKERS[role] != due:
        remedy = "questions and answers take turns, a question first"
        problems.append(f"{where}: {role_key}: {role!r} where the {due} is due; {remedy}")
    text = text_field(message, text_key, where, problems)
    if position > 0 or text is None:
        return text
    # The encoder puts the picture before every question itself.
    text = text.replace("<image>", "").strip()
    if not text:
        problems.append(f"{where}: {text_key}: empty but for <image>; write the question")
    return text


def _table(root: Path, questions: Mapping[str, str], problems: list[str]) -> list[_Draft]:
    path = find_file(root, ("annotations.csv", "annotations.json", "annotations.jsonl"), problems)
    if path is None:
        return []
    before = len(problems)
    records = read_csv(path, COLUMNS, problems) if path.suffix == ".csv" else read_json(path, problems)
    complete = len(problems) == before
    drafts = []
    for record in records:
        for name in record.fields:
            if name not in COLUMNS:
                problems.append(f"{record.where}: {shown(name)}: unknown column; remove it")
        answers = {turn: text_field(record.fields, turn, record.where, problems) for turn in TURNS}
        turns = {turn: Turn(questions[turn], answer) for turn, answer in answers.items() if answer}
        id, image = _id(record, problems), _image(record, root, problems)
        drafts.append(_Draft(record.where, id, image, _split(record, problems), turns))
    for split in SPLITS:
        if complete and not any(draft.split == split for draft in drafts):
            problems.append(f"{path.name}: split: no record has {split!r}; both splits need scenes")
    return drafts


def _id(record: Record, problems: list[str]) -> str | None:
    value = record.fields.get("id")
    # bool is a subclass of int, but true is no number.
    if type(value) is int:
        return str(value)
    return text_field(record.fields, "id", record.where, problems)


def _split(record: Record, problems: list[str]) -> str | None:
    text = text_field(record.fields, "split", record.where, problems)
    if text is None or text in SPLITS:
        return text
    problems.append(f"{record.where}: split: unknown split {shown(text)}; use {' or '.join(SPLITS)}")
    return None


def _image(record: Record, root: Path, problems: list[str]) -> PurePosixPath | None:
    """The image path, if it stays inside `root`: data from outside must not name other files of this machine."""
    text = text_field(record.fields, "image", record.where, problems)
    if text is None:
        return None
    where, path = f"{record.where}: image: {shown(text)}", PurePosixPath(text)
    if "\0" in text:
        problems.append(f"{where}: no file name; remove the null character")
    elif path.is_absolute() or ".." in path.parts:
        problems.append(f"{where}: leads out of the data set; write a path relative to {root}, without '..'")
    elif not Path(os.path.realpath(root / path)).is_relative_to(os.path.realpath(root)):
        problems.append(f"{where}: leads out of {root} through a symbolic link; copy the picture into the folder")
    else:
        return path
    return None


def _label(draft: _Draft, actions: Sequence[str] | None, problems: list[str]) -> str | None:
    if actions is None or "action" not in draft.turns:
        return None
    text = draft.turns["action"].answer
    label = {action.casefold(): action for action in actions}.get(text.removesuffix(".").strip().casefold())
    if label is None:
        problems.append(f"{draft.where}: action: unknown action {shown(text)}; use one of {', '.join(actions)}")
    return label


def _check_ids(drafts: Sequence[_Draft], problems: list[str]) -> None:
    first: dict[str, _Draft] = {}
    for draft in drafts:
        if draft.id is None:
            continue
        other = first.setdefault(draft.id, draft)
        if other is draft:
            continue
        if draft.split and other.split and draft.split != other.split:
            what = f"{shown(draft.id)} is in both splits (see {other.where}); keep the scene in one split"
        else:
            what = f"{shown(draft.id)} is a duplicate (see {other.where}); give each scene its own id"
        problems.append(f"{draft.where}: id: {what}")


def _check_images(root: Path, drafts: Sequence[_Draft], problems: list[str]) -> None:
    seen: dict[tuple[str, str | None], _Draft] = {}
    for draft in tqdm(drafts, desc=f"{root}: pictures", unit="scene", mininterval=2):
        if draft.image is None:
            continue
        problem = check_image(root / draft.image)
        if problem:
            problems.append(f"{draft.where}: image: {shown(str(draft.image))}: {problem}")
            continue
        picture = sha256_file(root / draft.image)
        seen.setdefault((picture, draft.split), draft)
        # A test picture that was trained on makes the test worthless, whatever name it has.
        for split in SPLITS:
            other = seen.get((picture, split))
            if other and draft.split and split != draft.split and other.id != draft.id:
                what = f"{shown(str(draft.image))} is the same picture as in the {split} split"
                problems.append(f"{draft.where}: image: {what} (see {other.where}); keep the scene in one split")
