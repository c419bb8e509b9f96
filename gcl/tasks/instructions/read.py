"""Read an instruction set: `read_instructions(folder, split)`; `instructions_sha256(folder)` is its hash."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.data.annotations import kind, read_json, text_field
from gcl.data.problem import Problem
from gcl.data.scenario import Exchange, Picture
from gcl.errors import raise_all
from gcl.files import sha256_files


@dataclass(frozen=True)
class InstructionItem:
    """An instruction of a set; `kind` is the one of its `Instruction`."""

    id: str
    kind: str
    exchange: Exchange


def read_instructions(folder: Path, split: str) -> list[InstructionItem]:
    """The instructions of a split, "train" or "test", in the order of the file.

    Raises:
        DataError: listing every missing or damaged file, line and picture.
    """
    path = folder / f"{split}.jsonl"
    problems: list[Problem] = []
    items = []
    for line in read_json(path, problems, str(path)):
        before = len(problems)
        id, name, question, answer = (
            text_field(line.fields, field, line.where, problems) for field in ("id", "kind", "question", "answer")
        )
        pictures = _pictures(folder, line.fields, line.where, problems)
        if len(problems) == before:
            items.append(InstructionItem(id, name, Exchange(id, pictures, question, answer)))
    raise_all(problems, f"{path}: damaged or incomplete; write the instructions again")
    return items


def instructions_sha256(folder: Path) -> str:
    """Hash of a whole set, with its pictures."""
    return sha256_files([path for path in folder.rglob("*") if path.is_file()], folder)


def _pictures(folder: Path, fields: Mapping[str, Any], where: str, problems: list[Problem]) -> tuple[Picture, ...]:
    """The picture, or nothing for words alone."""
    image = fields.get("image", False)
    if image is None:
        return ()
    if not isinstance(image, str):
        what = "missing" if image is False else f"{kind(image)} instead of a path"
        problems.append(Problem(where, "image", what, "write the picture's path, or null"))
        return ()
    if not (folder / image).is_file():
        problems.append(Problem(where, "image", f"no such picture as {image}", "write the instructions again"))
    return (Picture(folder / image),)
