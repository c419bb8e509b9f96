"""The files of a download that together are a data set, and the signs of its splits: `files_of(source, looks, index)`.

`no_data(looks)` says why none is. `file_keys(looks)` names the files in a mapping, `named_pictures(looks, column)` their
pictures.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from gcl.data.annotations import shown
from gcl.data.importing import guesses
from gcl.data.importing.layout import Moved
from gcl.data.importing.listed import could_list
from gcl.data.importing.look import Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.paths import Index, Named, Paths, suggested

_FORMATS = ("socialnav-sub", "conversations", "questions", "table")
_SHARD = re.compile(r"\d+-of-\d+")
_OF_TEST = {"test", "testing", "split", "splits"}


def files_of(source: Path, looks: Sequence[Look], index: Index) -> tuple[str | None, list[Look], list[Look]]:
    """The most telling format, its files, and the files left out, whose scenes are in the others, too."""
    for format in _FORMATS:
        found = [look for look in looks if guesses.format_of(look) == format]
        found = [look for look in found if format != "questions" or guesses.roles(look)["answer"]]
        if found:
            return format, *_apart(found, [_scenes(look, format, source, index) for look in found])
    return None, [], []


def split_of(looks: Sequence[Look]) -> Mapping[str, list[Look]]:
    """The files by the split that their names, or the keys inside them, say; nothing unless all do."""
    parts: dict[str, list[Look]] = {"train": [], "test": []}
    for look in looks:
        split = guesses.split_of_name(look.file.records or "") or guesses.split_of_name(look.names[0])
        if split is None:
            return {}
        parts[split].append(look)
    return parts if all(parts.values()) else {}


def file_keys(looks: Sequence[Look]) -> dict[str, Any]:
    """The mapping's `files` and `records`."""
    by_split, places = split_of(looks), {look.file.records for look in looks}
    if len(places) == 1:
        records = {} if places == {None} else {"records": looks[0].file.records}
        splits = {guesses.split_of_name(look.names[0]) for look in looks}
        if splits == {"train"} and any(guesses.is_of_validation(look.names[0]) for look in looks):
            return {"files": {"train": _patterns(looks), "test": CHOOSE}, **records}
        return {"files": {split: _patterns(part) for split, part in by_split.items()} or _patterns(looks), **records}
    records = {split: part[0].file.records for split, part in by_split.items()}
    return {"files": _patterns(looks), "records": records or looks[0].file.records}


def named_pictures(look: Look, name: str | None) -> Named:
    """The paths in a column, each with the file that names it."""
    return [(path, look.names[0]) for path in (look.columns[name].paths if name in look.columns else ())]


def picture_columns(source: Path, look: Look, first: str, index: Index) -> tuple[list[str], list[str]]:
    """Columns of pictures that are here: those with other pictures each, and those that repeat the first one.

    A column that is called like a picture comes first.
    """
    id = guesses.roles(look)["id"]
    often = [name for name, column in look.columns.items() if 2 * column.pictures >= look.records]
    led: dict[str, list[PurePosixPath]] = {}
    same = []
    for name in (first, *(name for name in often if name not in (first, id) and not name.startswith("("))):
        named = named_pictures(look, name)
        places = _places(source, named, index) if named else []
        if places and places in led.values():
            same.append(name)
        elif places is not None:
            led[name] = places
    return list(led) or [first], same


def test_lists(source: Path, format: str, words: Set[str] = frozenset(_OF_TEST)) -> list[str]:
    """Files that are called like a test, or like a split, and could list scenes."""
    if format == "socialnav-sub":  # its one file is called test.csv
        return []
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".txt", ".json"))
    named = [path for path in paths if words & set(re.split(r"[^a-z]+", path.stem.lower()))]
    return [path.relative_to(source).as_posix() for path in named if could_list(path)]


def called_like_splits(source: Path, format: str, look: Look, looks: Sequence[Look]) -> list[str]:
    """Fields of a file, and files, that are called like a split, for a person to read."""
    if format == "socialnav-sub":
        return []
    columns = [
        f"the field {shown(name)[1:-1]} ({', '.join(shown(word) for word in list(column.values)[:3])})"
        for name, column in look.columns.items()
        if guesses.is_called_like_a_split(name, column)
    ]
    files = [look.names[0] for look in looks if guesses.split_of_name(look.names[0])]
    places = [look.file.records for look in looks if guesses.split_of_name(look.file.records or "")]
    return list(
        dict.fromkeys([*columns, *files, *places, *test_lists(source, format, _OF_TEST | set(guesses.SPLIT_WORDS))])
    )


def contradictory(files: Sequence[Look]) -> Iterator[str]:
    """A line for each file of one split whose records say another split of themselves."""
    for split, part in split_of(files).items():
        for look, name, column in ((k, name, column) for k in part for name, column in k.columns.items()):
            other = [word for word in column.values if guesses.split_said(name, word) not in (None, split)]
            if other:
                place = f", {look.file.records}" if look.file.records else ""
                what = f"records for {split} whose {name} says {shown(other[0])}"
                yield f"{look.names[0]}{place}: {what}; check which is right"


def no_data(looks: Sequence[Look]) -> str:
    """The reason why no file of a download can be scenes."""
    for look in looks:
        if guesses.is_answers_of_a_model(look):
            return (
                f"{look.names[0]}: answers of a model (answer_id, model_id), no data; name the folder of the data set"
            )
    for look in looks:
        roles = guesses.roles(look)
        if roles["question"] and not roles["answer"] and "question_id" in look.fields:
            return f"{look.names[0]}: questions without answers, which can only say which scenes are for the test"
    for look in looks:
        if guesses.is_by_columns(look):
            return f"{look.names[0]}: columns instead of records; write a record for each scene (orient='records')"
    unread = next((look.problems[0] for look in looks if not look.records and look.problems), None)
    if unread:
        return str(unread)
    look = max(looks, key=lambda look: look.records)
    turns = look.sought.names
    there = ", ".join(shown(name)[1:-1] for name in look.columns if not name.startswith("(")) or "nothing"
    if not any(column.pictures or column.named for column in look.columns.values()):
        remedy = f"scenes need a picture and {len(turns)} turns"
        return f"{look.names[0]}: no field names a picture (there are: {there}); {remedy}"
    remedy = f"scenes need {', '.join(turns)}"
    return f"{look.names[0]}: no {len(turns)} texts to a picture (there are: {there}); {remedy}"


def _places(source: Path, named: Named, index: Index) -> list[PurePosixPath] | None:
    """Where paths lead if the mapping's `images` is as suggested; None if they lead nowhere."""
    images = suggested(source, named, index)
    if images is None:
        return None
    paths = Paths(source, Moved(**images) if isinstance(images, dict) else images)
    return [paths.place(*one) for one in named]


def _apart(looks: Sequence[Look], scenes: Sequence["_Scenes"]) -> tuple[list[Look], list[Look]]:
    """Files of which no scene is in another one, and the rest."""
    chosen: list[Look] = []
    order = {id(look): number for number, look in enumerate(looks)}
    for look in sorted(looks, key=lambda look: _rank(look, order[id(look)])):
        places = {other.file.records for other in chosen}
        mixed = bool(places) and look.file.records not in places and not split_of([*chosen, look])
        doubled = len({other.file.records for other in [*chosen, look]}) > 1 and guesses.split_of_name(
            look.file.records or ""
        ) in {guesses.split_of_name(other.file.records or "") for other in chosen}
        if mixed or doubled or any(_overlap(*(scenes[order[id(one)]] for one in (look, other))) for other in chosen):
            continue
        if chosen and not mixed and not _alike(look, chosen[0]):
            continue
        chosen.append(look)
    chosen.sort(key=lambda look: order[id(look)])
    return chosen, [look for look in looks if look not in chosen]


def _rank(look: Look, number: int) -> tuple[Any, ...]:
    """The order of files: whole dialogues first, then answers before preferences, then the larger file."""
    whole = set(look.rounds) == {len(look.sought.turns)}
    preferences = "rejected" in look.fields or "chosen" in repr(look.sample.fields.get(look.dialogue or ""))[:2000]
    exact = (look.file.records or "train").rpartition(".")[2] in ("train", "test")
    return (look.dialogue is not None and not whole, preferences, not exact, -look.records, number)


def _alike(look: Look, other: Look) -> bool:
    """Whether two files can be read with one mapping."""
    roles, own = guesses.roles(look), guesses.roles(other)
    names = ("id", "image", "question", "answer", *look.sought.names)
    return all(roles[name] == own[name] for name in names) and look.dialogue == other.dialogue


class _Scenes(NamedTuple):
    """The marks of a file's scenes: ids, pictures, and whether a record is only one question of a scene."""

    ids: Set[str]
    pictures: Set[PurePosixPath]
    single: bool


def _overlap(mine: _Scenes, theirs: _Scenes) -> bool:
    """Whether two files have a scene in common. Questions of one scene may be in different files."""
    same = bool(mine.pictures & theirs.pictures)
    if mine.ids and theirs.ids:
        # Folders that each count from 0 have ids in common, but no pictures.
        return bool(mine.ids & theirs.ids) and (same or not mine.pictures or not theirs.pictures)
    return same and not mine.single and not theirs.single


def _scenes(look: Look, format: str, source: Path, index: Index) -> _Scenes:
    roles = guesses.roles(look)
    named = named_pictures(look, roles["image"])
    places = _places(source, named, index) or [PurePosixPath(text) for text, _ in named]
    single = format == "questions" or set(look.rounds) == {1}
    column = look.columns.get("question_id" if "question_id" in look.fields else roles["id"] or "")
    if column and len(column.values) >= look.records and not (roles["id"] or "").startswith("(file"):
        return _Scenes(set(column.values), set(places), single)
    return _Scenes(set(), set(places), single)


def _patterns(looks: Sequence[Look]) -> list[str]:
    names = []
    for look in looks:
        folder, suffix = PurePosixPath(look.names[0]).parent, PurePosixPath(look.names[0]).suffix
        names.append((folder / f"*{suffix}").as_posix() if len(look.names) > 1 else _SHARD.sub("*", look.names[0]))
    return list(dict.fromkeys(names))
