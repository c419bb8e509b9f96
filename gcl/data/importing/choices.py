"""Which files of a download together are a data set: `files_of(looks)`, and how a mapping names them: `file_keys(looks)`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from gcl.data.importing import guesses
from gcl.data.importing.look import Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.scenario import TURNS

_FORMATS = ("socialnav-sub", "conversations", "questions", "table")
_SHARD = re.compile(r"\d+-of-\d+")


def files_of(looks: Sequence[Look]) -> tuple[str | None, list[Look], list[Look]]:
    """The files of the most telling format.

    Args:
        looks: all files of the download.

    Returns:
        The format, its files, and those that are left out, since their scenes are in the others, too.
    """
    for format in _FORMATS:
        found = [look for look in looks if guesses.format_of(look) == format]
        found = [look for look in found if format != "questions" or guesses.roles(look)["answer"]]
        if found:
            return format, *_apart(found, format)
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


def _apart(looks: Sequence[Look], format: str) -> tuple[list[Look], list[Look]]:
    """Files of which no scene is in another one, and the rest."""
    chosen: list[Look] = []
    order = {id(look): number for number, look in enumerate(looks)}
    for look in sorted(looks, key=lambda look: _rank(look, order[id(look)])):
        places = {other.file.records for other in chosen}
        mixed = bool(places) and look.file.records not in places and not split_of([*chosen, look])
        doubled = len({other.file.records for other in [*chosen, look]}) > 1 and guesses.split_of_name(
            look.file.records or ""
        ) in {guesses.split_of_name(other.file.records or "") for other in chosen}
        if mixed or doubled or any(_overlap(look, other, format) for other in chosen):
            continue
        if chosen and not mixed and not _alike(look, chosen[0]):
            continue
        chosen.append(look)
    chosen.sort(key=lambda look: order[id(look)])
    return chosen, [look for look in looks if look not in chosen]


def _rank(look: Look, number: int) -> tuple[Any, ...]:
    """What comes first: whole dialogues, then answers before preferences, then the larger file."""
    whole = set(look.rounds) == {len(TURNS)}
    preferences = "rejected" in look.fields or "chosen" in repr(look.sample.fields.get(look.dialogue or ""))[:2000]
    exact = (look.file.records or "train").rpartition(".")[2] in ("train", "test")
    return (look.dialogue is not None and not whole, preferences, not exact, -look.records, number)


def _alike(look: Look, other: Look) -> bool:
    """Whether two files can be read with one mapping."""
    roles, own = guesses.roles(look), guesses.roles(other)
    names = ("id", "image", "question", "answer", *TURNS)
    return all(roles[name] == own[name] for name in names) and look.dialogue == other.dialogue


def _overlap(look: Look, other: Look, format: str) -> bool:
    """Whether two files have a scene in common; questions of one scene may be in different files."""
    mine, theirs = _scenes(look, format), _scenes(other, format)
    return bool(mine & theirs)


def _scenes(look: Look, format: str) -> set[str]:
    roles = guesses.roles(look)
    column = look.columns.get("question_id" if "question_id" in look.fields else roles["id"] or "")
    if column and len(column.values) >= look.records and not (roles["id"] or "").startswith("(file"):
        return set(column.values)
    column = look.columns.get(roles["image"] or "")
    single = format == "questions" or set(look.rounds) == {1}
    return set() if single or column is None else set(column.paths)


def _patterns(looks: Sequence[Look]) -> list[str]:
    names = []
    for look in looks:
        folder, suffix = PurePosixPath(look.names[0]).parent, PurePosixPath(look.names[0]).suffix
        names.append((folder / f"*{suffix}").as_posix() if len(look.names) > 1 else _SHARD.sub("*", look.names[0]))
    return list(dict.fromkeys(names))
