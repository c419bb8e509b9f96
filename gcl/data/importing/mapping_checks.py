"""Values of a mapping that are fine alone, but not together: `contradictions(mapping, turns)`, one line each."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from gcl.data.annotations import shown
from gcl.data.importing.layout import BESIDE, Asked, ByColumn, ByFile, Columns, Mapping, Moved, Several, TurnWords
from gcl.data.raw import picture_name_problems
from gcl.data.scenario import SPLITS

# The turns that socialnav.py composes.
COMPOSED = ("perception", "prediction", "reasoning", "action", "explanation")

# The columns of each format. A table needs all but id and label, and its turns. The others need none.
_COLUMNS = {
    "table": ("id", "image", "label"),
    "questions": ("id", "image", "question", "answer", "label"),
    "conversations": ("id", "image", "dialogue", "label"),
}
_TURNS = {"conversations": ("by order", "by suffix"), "questions": ("by suffix", "by order")}


def contradictions(mapping: Mapping, turns: Sequence[str]) -> Iterator[str]:
    """Values that do not fit each other, or the turns of the data set: key, mistake, remedy."""
    yield from _paths(mapping)
    yield from _pictures(mapping)
    yield from _splits(mapping)
    yield from _columns(mapping, turns)
    yield from _turns(mapping, turns)
    if mapping.join and mapping.format != "conversations":
        yield f"join: {mapping.format} does not know it: only dialogues can be joined; remove it, or correct format"
    if mapping.format == "socialnav-sub":
        if tuple(turns) != COMPOSED:
            yield f"format: socialnav-sub makes the turns {', '.join(COMPOSED)}; the data set has {', '.join(turns)}"
        for key in ("columns", "pattern", "seconds") if isinstance(mapping.pictures, Several) else ():
            if getattr(mapping.pictures, key) is not None:
                yield f"pictures.{key}: socialnav-sub names its frames itself; use names, every and last"
        for key in ("picture", "actions", "records"):
            if getattr(mapping, key) is not None:
                yield f"{key}: socialnav-sub has its own; remove it, or correct format"
        if mapping.ids != "field":
            yield "ids: socialnav-sub has its own; remove it, or correct format"


def _paths(mapping: Mapping) -> Iterator[str]:
    moved = isinstance(mapping.images, Moved)
    images = mapping.images.folder if moved else mapping.images
    paths = [("files", pattern) for pattern in dict.fromkeys(pattern for pattern, _, _ in mapping.patterns())]
    if images != BESIDE:
        paths.append(("images.from" if moved else "images", images))
    if isinstance(mapping.split, ByFile):
        paths.append(("split.file", mapping.split.file))
    if isinstance(mapping.pictures, Several) and mapping.pictures.pattern is not None:
        paths.append(("pictures.pattern", mapping.pictures.pattern))
    for field, path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not path or "\0" in path:
            remedy = "write a path relative to it, without '..'"
            if field == "images":
                remedy += "; for paths of another computer: {strip: THEIR FOLDER, from: FOLDER HERE}"
            yield f"{field}: {shown(path)} is not inside the source; {remedy}"


def _pictures(mapping: Mapping) -> Iterator[str]:
    rule = mapping.pictures
    if rule is None:
        return
    if mapping.picture is not None:
        yield "picture: pictures takes several; remove one of the two"
    if rule == "none":
        if mapping.format == "socialnav-sub":
            yield "pictures: the scenes of socialnav-sub have some; write all, or remove it"
        if mapping.ids == "picture" or (mapping.joins and mapping.ids != "field"):
            yield "ids: there are no pictures to tell scenes by; write ids: field"
    if not _needs_column(mapping) and mapping.columns and mapping.columns.image is not None:
        yield "columns.image: pictures says where they are, or that there are none; remove one of the two"
    if not isinstance(rule, Several):
        return
    if rule.columns and (rule.pattern or rule.names or rule.last or rule.every != 1 or rule.seconds):
        yield "pictures.columns: each names one picture, so it stands alone; remove the other keys"
    if rule.names and rule.last and len(rule.names) < rule.last:
        yield f"pictures.names: {len(rule.names)} for up to {rule.last} pictures; name all of them"
    if rule.seconds and (rule.pattern or rule.every != 1):
        yield "pictures.seconds: is for videos that records name; remove it, or pattern and every"
    for name in (*(rule.columns or ()), *(rule.names or ())):
        if name.strip() != name or not name.isprintable() or not name:
            yield f"pictures: {shown(name)}: no name that members could read; write plain words"
        for problem in picture_name_problems(name, shown(name), "pictures"):
            yield f"{problem.place}: {problem.field}: {problem.what}; {problem.remedy}"


def _splits(mapping: Mapping) -> Iterator[str]:
    for key in ("files", "records"):
        value = getattr(mapping, key)
        if isinstance(value, dict) and set(value) != set(SPLITS):
            example, instead = ("...", "one place") if key == "records" else ("[...]", "a list")
            yield f"{key}: needs both splits; write {{train: {example}, test: {example}}}, or {instead} and split"
    by_files, by_records = isinstance(mapping.files, dict), isinstance(mapping.records, dict)
    if by_files and by_records:
        yield "records: the files name the splits already; write one place, or files as a list"
    elif by_files or by_records:
        if mapping.split is not None:
            key, instead = ("files", "files as a list") if by_files else ("records", "one place in records")
            yield f"split: the {key} name the splits already; remove it, or write {instead}"
    elif mapping.split is None:
        yield "split: missing; say which scenes are for the test (see docs/data.md), or write files by split"
    if isinstance(mapping.split, ByColumn) and not set(SPLITS) <= set(mapping.split.words.values()):
        yield "split.words: needs a word for train and one for test; add it"


def _columns(mapping: Mapping, turns: Sequence[str]) -> Iterator[str]:
    columns, known = mapping.columns or Columns(), _COLUMNS.get(mapping.format, ())
    known = (*known[:2], *turns, *known[2:]) if mapping.format == "table" else known
    for name in columns.__pydantic_extra__:
        if name not in turns:
            close = difflib.get_close_matches(name, [*turns, *Columns.model_fields], n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"use {', '.join(known) or 'none'}"
            yield f"columns.{name if name.isprintable() else shown(name)}: unknown key; {remedy}"
    if mapping.format == "table" and mapping.columns is None:
        yield "columns: missing; name the columns of the table"
        return
    named = [name for name in columns.named if name in Columns.model_fields or name in turns]
    if named and not known:
        yield f"columns: {mapping.format} has its own; remove it, or correct format"
    elif strange := [name for name in named if name not in known]:
        yield f"columns: {mapping.format} has no {', '.join(strange)}; use {', '.join(known)}, or correct format"
    if mapping.format == "table":
        needed = _needs_column(mapping)
        for name in (*(["image"] if needed else []), *turns):
            if name not in named:
                yield f"columns.{name}: missing; add it"
        asked = [isinstance(columns.turn(turn), Asked) for turn in turns]
        if any(asked) and not all(asked):
            yield "columns: some turns have a question and some have none; give each one {question: ..., answer: ...}"
        if mapping.ids == "field" and columns.id is None:
            yield "columns.id: missing; name the column, or write ids: picture or ids: row"
    if mapping.ids != "field" and columns.id is not None and mapping.turns != "by suffix":
        yield f"columns.id: ids: {mapping.ids} does not read it; remove one of the two"


def _needs_column(mapping: Mapping) -> bool:
    """Whether a column says the pictures."""
    rule = mapping.pictures
    return not (rule == "none" or (isinstance(rule, Several) and (rule.columns or rule.pattern)))


def _turns(mapping: Mapping, turns: Sequence[str]) -> Iterator[str]:
    if mapping.format not in _TURNS:
        if mapping.turns is not None:
            yield f"turns: {mapping.format} has no questions to tell apart; remove it, or correct format"
        return
    usual = _TURNS[mapping.format][0]
    if mapping.turns is None:
        yield f"turns: missing; write {usual}, or the wording of each question and its turn"
        return
    if mapping.turns == "by suffix" and not mapping.joins:
        yield f"turns: 'by suffix' is not possible for {mapping.format}; write {usual}, or the wordings"
    if isinstance(mapping.turns, TurnWords) and not mapping.joins:
        yield "turns: a dialogue has no column for each of its questions; write join: true, by order, or the wordings"
    words = mapping.turns.words if isinstance(mapping.turns, TurnWords) else mapping.turns
    if not isinstance(words, dict):
        return
    key = "turns.words" if isinstance(mapping.turns, TurnWords) else "turns"
    strange = {text: turn for text, turn in words.items() if turn not in (None, *turns)}
    for text, turn in strange.items():
        yield f"{key}: {shown(text)}: {shown(str(turn))} is no turn of the data set; use {', '.join(turns)} or null"
    absent = [turn for turn in turns if turn not in words.values()] if not strange else []
    if absent:
        what = "word" if isinstance(mapping.turns, TurnWords) else "wording"
        yield f"turns: no {what} for {', '.join(absent)}; add it"
