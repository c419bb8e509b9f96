"""One record for each scene, as MUSON describes its five fields: `scenes(records, reading)`.

A turn's column holds the answer, a list of its sentences (of one where it names an action), or
{"question": ..., "answer": ...}.
"""

from collections.abc import Iterable, Iterator

from gcl.data.annotations import Record, shown
from gcl.data.importing.fields import field, text
from gcl.data.importing.found_scene import (
    Reading,
    Scene,
    Words,
    action_of,
    field_value,
    label_in,
    picture_of,
    scene_id,
    split_of,
)
from gcl.data.importing.layout import Asked, ByColumn
from gcl.experiment.marks import without_picture_mark


def scenes(records: Iterable[Record], reading: Reading) -> Iterator[Scene]:
    """The scene of each record."""
    columns = reading.mapping.columns
    for number, record in enumerate(records):
        if number == 0 and not _has_columns(record, reading):
            return
        picture = picture_of(record, (columns.image,), reading)
        id = scene_id(record, columns.id, picture, reading)
        names, turns = [columns.id, columns.image, columns.label], {}
        for turn in reading.dialogue.names:
            words, read = _words(record, turn, columns.turn(turn), reading)
            names += read
            if words is not None:
                turns[turn] = words
        label = label_in(record, columns.label, reading)
        reading.count_unread(record, names)
        yield Scene(record.where, id, picture, turns, label, split_of(record, reading))


def _words(record: Record, turn: str, column: str | Asked, reading: Reading) -> tuple[Words | None, list[str]]:
    """Question and answer of a turn, None where they cannot be read; and the fields that hold them."""
    if isinstance(column, str):
        value = field_value(record, column)
        if not isinstance(value, dict) or "answer" not in value:
            answer = _answer(record, turn, column, reading)
            return None if answer is None else (None, answer), [column]
        own = f"{column}.question" if value.get("question") is not None else None
        names = [f"{column}.question", f"{column}.answer"]
    else:
        own, names = column.question, [column.question, column.answer]
    question = None if own is None else text(record, own, reading.problems)
    answer = _answer(record, turn, names[1], reading)
    if answer is None or (own is not None and question is None):
        return None, names
    return (None if question is None else without_picture_mark(question), answer), names


def _answer(record: Record, turn: str, column: str, reading: Reading) -> str | None:
    if turn == reading.dialogue.action:
        return action_of(record, column, reading)
    return text(record, column, reading.problems)


def _has_columns(record: Record, reading: Reading) -> bool:
    """Whether the file has every column that the mapping names: said once, not for each record."""
    named: list[str] = []
    columns = reading.mapping.columns
    turns = [columns.turn(name) for name in reading.dialogue.names]
    for column in (columns.id, columns.image, *turns, columns.label):
        named += [column.question, column.answer] if isinstance(column, Asked) else [column] if column else []
    if isinstance(reading.mapping.split, ByColumn):
        named.append(reading.mapping.split.column)
    missing = [shown(name) for name in named if not field(record.fields, name)]
    if missing:
        there = ", ".join(shown(name) for name in record.fields if not name.startswith("("))
        what = f"no column {', '.join(missing)} (there are: {there})"
        reading.problems.append(f"{record.where}: {what}; correct columns in {reading.mapping_name}")
    return not missing
