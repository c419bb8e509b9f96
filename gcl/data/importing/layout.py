"""The keys of a mapping: `Mapping` and its parts, checked by Pydantic. gcl/data/importing/mapping.py reads them from YAML.

docs/data.md explains each key. Nothing that could be understood in two ways has a default.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from gcl.experiment.types import Count, Positive, Strict

BESIDE = "(beside)"  # as `images`: the folder of the annotation file itself
Format = Literal["conversations", "questions", "table", "socialnav-sub"]
Split = Literal["train", "test"]
Files = Annotated[list[str], Field(min_length=1)]
# Tags of alternatives, which are no keys of the file.
BRANCHES = (
    "by name", "by split", "word", "by wording", "ByColumn", "ByFile", "Seeded", "one", "each split", "folder", "Moved",
    "TurnColumn", "answer alone", "Asked", "place", "number", "word of pictures", "Several",
)  # fmt: skip


def _as_text(key: Any) -> Any:
    """Keys that YAML reads as numbers, or as true or false, as the texts that stand in the data."""
    return {str(k).lower() if isinstance(k, int) else k: v for k, v in key.items()} if isinstance(key, dict) else key


def _as_texts(values: Any) -> Any:
    """Whole numbers in a list as text; YAML reads 003 as the number 3."""
    return [str(v) if type(v) is int else v for v in values] if isinstance(values, list) else values


def _either(structured: str, plain: str, *kinds: type) -> Discriminator:
    """Two alternatives of a value. Values of these kinds, or else objects, are of the first."""
    return Discriminator(lambda value: structured if isinstance(value, kinds or (dict, Strict)) else plain)


class Asked(Strict):
    """A turn of a table whose question has a column of its own."""

    question: str
    answer: str


TurnColumn = (
    Annotated[Annotated[str, Tag("answer alone")] | Annotated[Asked, Tag("Asked")], _either("Asked", "answer alone")]
    | None
)


class Columns(Strict):
    """Names of columns or fields, for a table also by turn. Dots lead into nested ones.

    mapping_checks.py says which of them a format has, and the names of the turns.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, TurnColumn] = Field(init=False)

    id: str | None = None
    image: str | None = None
    question: str | None = None
    answer: str | None = None
    dialogue: str | None = None
    label: str | None = None

    def turn(self, name: str) -> str | Asked | None:
        """The place of a turn in a table; None if the mapping does not say it."""
        return self.__pydantic_extra__.get(name)

    @property
    def named(self) -> list[str]:
        """The parts of a scene for which it names a column."""
        return [name for name, column in self if column is not None]


class ByColumn(Strict):
    """A column or field says the split. `words` translates it; null leaves the scene out."""

    column: str
    words: Annotated[dict[str, Split | None], BeforeValidator(_as_text)]


class TurnWords(Strict):
    """A column or field says the turn of a question. `words` translates it; null leaves the question out."""

    column: str
    words: Annotated[dict[str, str | None], BeforeValidator(_as_text)]


class ByFile(Strict):
    """A file lists the ids of the test scenes. All others are for training."""

    file: str


class Seeded(Strict):
    """Nothing says the split: draw one of exactly these sizes (gcl/data/importing/splits.py)."""

    train: Count
    test: Count
    seed: Annotated[int, Field(ge=0)]


class Moved(Strict):
    """Picture paths start with a folder that is not here. `strip` is taken off; the rest leads on from `folder`."""

    strip: str | list[str]
    folder: Annotated[str, Field(alias="from")] = "."


class Several(Strict):
    """Several pictures a scene, in their order. docs/data.md explains each key.

    Attributes:
        columns: the column of each picture by the picture's name, such as "rear camera".
        pattern: of the files, with fields of the record in braces.
        names: of the pictures, such as "2 s before"; fewer pictures have the last ones.
        every: so many pictures forward, counted back from the last.
        last: most pictures, the last ones.
        seconds: between the frames of a video.
    """

    columns: Annotated[dict[str, str], Field(min_length=1)] | None = None
    pattern: str | None = None
    names: Annotated[list[str], Field(min_length=1)] | None = None
    every: Count = 1
    last: Count | None = None
    seconds: Positive | None = None


def _kind_of_turns(value: Any) -> str:
    if isinstance(value, TurnWords) or (isinstance(value, dict) and set(value) == {"column", "words"}):
        return "TurnColumn"
    return "by wording" if isinstance(value, dict) else "word"


def _kind_of_split(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})  # asked when written, too
    return "ByColumn" if "column" in keys or "words" in keys else "ByFile" if "file" in keys else "Seeded"


class Mapping(Strict):
    """How to read a download. docs/data.md explains each key. Patterns and paths are relative to the download."""

    format: Format
    files: Annotated[
        Annotated[Files, Tag("by name")] | Annotated[dict[Split, Files], Tag("by split")],
        _either("by split", "by name"),
    ]
    records: (
        Annotated[
            Annotated[str, Tag("one")] | Annotated[dict[Split, str], Tag("each split")],
            _either("each split", "one"),
        ]
        | None
    ) = None
    images: Annotated[Annotated[str, Tag("folder")] | Annotated[Moved, Tag("Moved")], _either("Moved", "folder")] = "."
    picture: (
        Annotated[
            Annotated[Literal["first", "last"], Tag("place")] | Annotated[Count, Tag("number")],
            _either("number", "place", int),
        ]
        | None
    ) = None
    pictures: (
        Annotated[
            Annotated[Literal["all", "none"], Tag("word of pictures")] | Annotated[Several, Tag("Several")],
            _either("Several", "word of pictures"),
        ]
        | None
    ) = None
    ids: Literal["field", "picture", "row"] = "field"
    join: bool = False
    columns: Columns | None = None
    turns: (
        Annotated[
            Annotated[Literal["by order", "by suffix"], Tag("word")]
            | Annotated[TurnWords, Tag("TurnColumn")]
            | Annotated[dict[str, str | None], Tag("by wording")],
            Discriminator(_kind_of_turns),
        ]
        | None
    ) = None
    actions: Annotated[dict[str, str], BeforeValidator(_as_text)] | None = None
    split: (
        Annotated[
            Annotated[ByColumn, Tag("ByColumn")] | Annotated[ByFile, Tag("ByFile")] | Annotated[Seeded, Tag("Seeded")],
            Discriminator(_kind_of_split),
        ]
        | None
    ) = None
    skip: Annotated[Files, BeforeValidator(_as_texts)] | None = None

    def patterns(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Each pattern of `files`, the split that it is read for, if any, and the place of its records."""
        by_split = self.files if isinstance(self.files, dict) else {None: self.files}
        records = self.records if isinstance(self.records, dict) else {None: self.records}
        for split, patterns in by_split.items():
            for part, at in records.items():
                yield from ((pattern, split or part, at) for pattern in patterns)

    @property
    def joins(self) -> bool:
        """Whether several records make a scene."""
        return self.join or self.format == "questions"
