"""What in a download is called like a split: `test_lists(...)`, `called_like_splits(...)`, `contradictory(files)`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from gcl.data.annotations import shown
from gcl.data.importing import guesses
from gcl.data.importing.choices import split_of
from gcl.data.importing.listed import could_list
from gcl.data.importing.look import Look

_OF_TEST = {"test", "testing", "split", "splits"}
_OF_OTHERS = {"train", "training", "val", "valid", "validation", "dev"}
_LISTS = (".txt", ".json")


def test_lists(source: Path, format: str) -> list[str]:
    """Files that are called like a test, or like a split, and could list scenes."""
    return _lists(source, format, _OF_TEST)


def called_like_splits(source: Path, format: str, look: Look, looks: Sequence[Look]) -> list[str]:
    """Fields and files that are called like a split, for a person to read.

    Args:
        source: folder of the download.
        format: of its scenes.
        look: the file that a mapping is made for.
        looks: all annotation files.
    """
    if format == "socialnav-sub":  # its one file is called test.csv
        return []
    columns = [
        f"the field {shown(name)[1:-1]} ({', '.join(shown(word) for word in list(column.values)[:3])})"
        for name, column in look.columns.items()
        if guesses.is_called_like_a_split(name, column)
    ]
    files = [look.names[0] for look in looks if guesses.split_of_name(look.names[0])]
    places = [look.file.records for look in looks if guesses.split_of_name(look.file.records or "")]
    return list(dict.fromkeys([*columns, *files, *places, *_lists(source, format, _OF_TEST | _OF_OTHERS)]))


def contradictory(files: Sequence[Look]) -> Iterator[str]:
    """A line for each file of one split whose records say another split of themselves."""
    for split, part in split_of(files).items():
        for look, name, column in ((k, name, column) for k in part for name, column in k.columns.items()):
            other = [word for word in column.values if guesses.split_said(name, word) not in (None, split)]
            if other:
                place = f", {look.file.records}" if look.file.records else ""
                what = f"records for {split} whose {name} says {shown(other[0])}"
                yield f"{look.names[0]}{place}: {what}; check which is right"


def _lists(source: Path, format: str, words: set[str]) -> list[str]:
    if format == "socialnav-sub":
        return []
    paths = [path for path in source.rglob("*") if path.suffix.lower() in _LISTS]
    named = [path for path in sorted(paths) if words & set(re.split(r"[^a-z]+", PurePosixPath(path).stem.lower()))]
    return [path.relative_to(source).as_posix() for path in named if could_list(path)]
