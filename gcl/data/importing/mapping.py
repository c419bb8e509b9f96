"""What `gcl data import` must be told of a download: `read_mapping(file)` reads it from YAML and checks it.

`gcl data inspect` proposes such a file; a person confirms it. docs/data.md shows one for each format. Nothing that could
be understood in two ways has a default.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from gcl.data.records import read_text, shown
from gcl.data.scenario import SPLITS, TURNS
from gcl.errors import ConfigError
from gcl.schema_types import Count, Strict
from gcl.yaml_files import parse_document

CHOOSE = "CHOOSE"  # what `gcl data inspect` writes where it cannot tell
Format = Literal["conversations", "questions", "table", "socialnav-sub"]
Split = Literal["train", "test"]
Turn = Literal["perception", "prediction", "reasoning", "action", "explanation"]
Files = Annotated[list[str], Field(min_length=1)]
_TALKS = ("conversations", "questions")
_BRANCHES = ("by name", "by split", "word", "by wording", "ByColumn", "ByFile", "Seeded")


class Columns(Strict):
    """Names of a table's columns: one for each turn, and where the rest is found."""

    id: str | None = None
    image: str
    perception: str
    prediction: str
    reasoning: str
    action: str
    explanation: str
    label: str | None = None


class ByColumn(Strict):
    """A column or field says the split; `words` translates it, null leaves the scene out."""

    column: str
    words: dict[str, Split | None]


class ByFile(Strict):
    """A file lists the ids of the test scenes; all others are for training."""

    file: str


class Seeded(Strict):
    """Nobody says the split: draw one of exactly these sizes (gcl/data/importing/splits.py)."""

    train: Count
    test: Count
    seed: Annotated[int, Field(ge=0)]


def _kind_of_files(value: Any) -> str:
    return "by split" if isinstance(value, dict) else "by name"


def _kind_of_turns(value: Any) -> str:
    return "by wording" if isinstance(value, dict) else "word"


def _kind_of_split(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})  # asked when written, too
    return "ByColumn" if "column" in keys or "words" in keys else "ByFile" if "file" in keys else "Seeded"


class Mapping(Strict):
    """How to read a download.

    Attributes:
        format: layout of the annotation files.
        files: annotation files (patterns like data/train-*.parquet allowed), maybe by split; relative to the source.
        images: folder that picture paths start from, relative to the source.
        ids: where a scene's id comes from: a field, the picture's name, or the record's number.
        columns: of a table.
        turns: which question is which turn: by order, by the suffix of its id, or by its wording (null: not used).
        split: which scenes are for training and which for the test, unless `files` says so.
    """

    format: Format
    files: Annotated[
        Annotated[Files, Tag("by name")] | Annotated[dict[Split, Files], Tag("by split")], Discriminator(_kind_of_files)
    ]
    images: str = "."
    ids: Literal["field", "picture", "row"] = "field"
    columns: Columns | None = None
    turns: (
        Annotated[
            Annotated[Literal["by order", "by suffix"], Tag("word")]
            | Annotated[dict[str, Turn | None], Tag("by wording")],
            Discriminator(_kind_of_turns),
        ]
        | None
    ) = None
    split: (
        Annotated[
            Annotated[ByColumn, Tag("ByColumn")] | Annotated[ByFile, Tag("ByFile")] | Annotated[Seeded, Tag("Seeded")],
            Discriminator(_kind_of_split),
        ]
        | None
    ) = None

    def patterns(self) -> Iterator[tuple[str, str | None]]:
        """Each pattern of `files` with the split that it names, if any."""
        by_split = self.files if isinstance(self.files, dict) else {None: self.files}
        yield from ((pattern, split) for split, patterns in by_split.items() for pattern in patterns)


def read_mapping(file: Path) -> Mapping:
    """Read and check a mapping.

    Raises:
        ConfigError: listing every mistake, one a line: file, key, what, remedy.
    """
    problems: list[str] = []
    text = read_text(file, problems)
    if text is None:
        raise ConfigError(problems[0].replace(file.name, str(file), 1))
    content = parse_document(text, str(file), aliases=False).value
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: not a mapping of keys to values; let `gcl data inspect` propose one")
    unfilled = list(_unfilled("", content))
    if unfilled:
        lines = [f"{file}: {key}: {CHOOSE} stands where nothing could be told; fill it in" for key in unfilled]
        raise ConfigError("\n".join(lines))
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{file}: {_explain(problem)}" for problem in error.errors())) from None
    contradictions = list(_contradictions(mapping))
    if contradictions:
        raise ConfigError("\n".join(f"{file}: {line}" for line in contradictions))
    return mapping


def _unfilled(key: str, value: Any) -> Iterator[str]:
    if value == CHOOSE:
        yield key
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _unfilled(f"{key}.{name}".lstrip("."), child)


def _contradictions(mapping: Mapping) -> Iterator[str]:
    """Values that are fine alone, but not together."""
    paths = [("files", pattern) for pattern, _ in mapping.patterns()] + [("images", mapping.images)]
    if isinstance(mapping.split, ByFile):
        paths.append(("split.file", mapping.split.file))
    for field, path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not path or "\0" in path:
            yield f"{field}: {shown(path)} is not inside the source; write a path relative to it, without '..'"
    if isinstance(mapping.files, dict):
        if set(mapping.files) != set(SPLITS):
            yield "files: needs both splits; write {train: [...], test: [...]}, or a list and split"
        if mapping.split is not None:
            yield "split: the files name the splits already; remove it, or write files as a list"
    elif mapping.split is None:
        yield "split: missing; say which scenes are for the test (see docs/data.md), or write files by split"
    if isinstance(mapping.split, ByColumn) and not set(SPLITS) <= set(mapping.split.words.values()):
        yield "split.words: needs a word for train and one for test; add it"
    if mapping.format == "table":
        yield from _contradictions_of_columns(mapping.columns, mapping.ids)
    elif mapping.columns is not None:
        yield f"columns: only a table has columns, not {mapping.format}; remove it, or correct format"
    if mapping.format in _TALKS:
        yield from _contradictions_of_turns(mapping)
    elif mapping.turns is not None:
        yield f"turns: {mapping.format} has no questions to tell apart; remove it, or correct format"
    if mapping.ids == "row" and mapping.format not in ("table", "conversations"):
        yield f"ids: records of {mapping.format} are no scenes that could be numbered; use field or picture"


def _contradictions_of_columns(columns: Columns | None, ids: str) -> Iterator[str]:
    if columns is None:
        yield "columns: missing; name the columns of the table"
    elif ids == "field" and columns.id is None:
        yield "columns.id: missing; name the column, or write ids: picture or ids: row"
    elif ids != "field" and columns.id is not None:
        yield f"columns.id: ids: {ids} does not read it; remove one of the two"


def _contradictions_of_turns(mapping: Mapping) -> Iterator[str]:
    known = {"conversations": "by order", "questions": "by suffix"}[mapping.format]
    if mapping.turns is None:
        yield f"turns: missing; write {known}, or the wording of each question and its turn"
    elif isinstance(mapping.turns, str) and mapping.turns != known:
        yield f"turns: {mapping.turns!r} is not possible for {mapping.format}; write {known}, or the wordings"
    elif isinstance(mapping.turns, dict):
        absent = [turn for turn in TURNS if turn not in mapping.turns.values()]
        if absent:
            yield f"turns: no wording for {', '.join(absent)}; add it"


def _explain(problem: Any) -> str:
    """One line for one of Pydantic's errors."""
    path = [str(part) for part in problem["loc"] if part not in _BRANCHES]
    field, value = ".".join(part if part.isprintable() else shown(part) for part in path), problem["input"]
    if problem["type"] == "extra_forbidden":
        names = _keys_beside(path[:-1])
        close = difflib.get_close_matches(path[-1], names, n=1)
        return f"{field}: unknown key; " + (f"did you mean {close[0]!r}?" if close else f"use {', '.join(names)}")
    if problem["type"] == "missing":
        return f"{field}: missing; add it"
    if "[key]" in path and not isinstance(value, str):
        return (
            f"{field.removesuffix('.[key]')}: {_plain(problem['msg'])}; put words that YAML reads otherwise in quotes"
        )
    field = field.removesuffix(".[key]")
    return f"{field}: {shown(value) if isinstance(value, str) else value} is not possible; {_plain(problem['msg'])}"


def _keys_beside(parents: list[str]) -> list[str]:
    if parents == ["columns"]:
        return list(Columns.model_fields)
    if parents == ["split"]:
        return [name for model in (ByColumn, ByFile, Seeded) for name in model.model_fields]
    return list(Mapping.model_fields)


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]
