"""The layouts of records, each a function `records, reading -> scenes`: dialogues, single questions, tables.

    conversations  {"id": ..., "image": ..., "conversations": [{"from": "human", "value": ...}, ...]} (chat.py)
    questions      {"question_id": "0017_q4", "image": "0017.png", "text": "What now?", "answer": "Stop."}
    table          {"id": ..., "image": ..., "perception": answer, or its sentences, or {"question", "answer"}, ...}

Records of one scene, such as single questions on a picture, are joined in rounds.py.
"""

from collections.abc import Iterable, Iterator

from gcl.data.annotations import Record, shown
from gcl.data.importing.chat import has_dialogue, read_dialogue
from gcl.data.importing.fields import field_of
from gcl.data.importing.layout import Asked, ByColumn, Columns, Several
from gcl.data.importing.reading import ImportedScene, Reading, Round, Row, Words
from gcl.data.importing.several import pictures_of
from gcl.experiment.marks import PICTURE_MARK, without_picture_mark, without_picture_marks

PICTURES = ("image", "images")


def conversations(records: Iterable[Record], reading: Reading) -> Iterator[ImportedScene]:
    """Dialogues, one a record. With `join: true` all of one id, or of one picture, are one scene."""
    columns, several = reading.mapping.columns or Columns(), reading.mapping.pictures is not None
    for place, record in enumerate(records):
        row = Row(record, reading)
        if place == 0 and not columns.dialogue and not has_dialogue(record.fields):
            remedy = f"name it under columns.dialogue, or say where the records are, in {reading.mapping_name}"
            row.wrong("", f"no dialogue (there are: {row.names})", remedy)
            return
        dialogue = read_dialogue(record, columns.dialogue, reading.problems)
        row.used.update(dialogue.names if dialogue else ())
        names = (columns.image,) if columns.image else PICTURES
        pictures = pictures_of(row, names, dialogue.pictures if dialogue else ())
        id, number = row.id(columns.id or "id", pictures)
        word = row.turn_word()
        rounds = []
        if dialogue is not None:
            reading.notes.update(dialogue.notes)
            rounds = [
                Round(row.where, f"message {n}", without_picture_marks(asked) if several else asked, said, number, word)
                for n, asked, said in dialogue.rounds
            ]
        yield row.scene(id, pictures, columns.label, rounds=rounds)


def questions(records: Iterable[Record], reading: Reading) -> Iterator[ImportedScene]:
    """One question a record, as in ESocialNav's evaluation files. Without answers they can only name test scenes."""
    columns = reading.mapping.columns or Columns()
    asked, answered = columns.question or "text", columns.answer or "answer"
    for record in records:
        row = Row(record, reading)
        if not field_of(record.fields, answered):
            remedy = "such a file can only say which scenes are for the test"
            row.wrong("", "no answer", f"{remedy}: split: {{file: ...}} in {reading.mapping_name}")
            return
        pictures = pictures_of(row, (columns.image or "image",))
        id, number = row.id(columns.id or "question_id", pictures)
        question, answer = row.text(asked), row.text(answered)
        plain = without_picture_marks if reading.mapping.pictures is not None else without_picture_mark
        if question is not None and not plain(question):
            row.wrong(asked, f"empty but for {PICTURE_MARK}", "write the question")
        rounds = [Round(row.where, "", plain(question or ""), answer or "", number, row.turn_word())]
        yield row.scene(id, pictures, columns.label, rounds=rounds)


def table(records: Iterable[Record], reading: Reading) -> Iterator[ImportedScene]:
    """One record for each scene, as MUSON describes its five fields."""
    columns = reading.mapping.columns
    for place, record in enumerate(records):
        row = Row(record, reading)
        if place == 0 and not _has_columns(row, columns):
            return
        pictures = pictures_of(row, (columns.image,))
        id, _ = row.id(columns.id or "", pictures)
        found = {turn: _words(row, turn, columns.turn(turn)) for turn in reading.dialogue.names}
        turns = {turn: words for turn, words in found.items() if words is not None}
        yield row.scene(id, pictures, columns.label, turns=turns)


def _words(row: Row, turn: str, column: str | Asked) -> Words | None:
    """Question and answer of a turn, None where they cannot be read."""
    own, answered = (None, column) if isinstance(column, str) else (column.question, column.answer)
    if isinstance(column, str):
        value = field_of(row.record.fields, column).get(column)
        if isinstance(value, dict) and "answer" in value:
            own, answered = f"{column}.question", f"{column}.answer"
            if row.value(own) is None:
                own = None
    question = None if own is None else row.text(own)
    is_action = turn == row.reading.dialogue.action
    answer = row.action(answered, numbers=bool(row.reading.mapping.actions)) if is_action else row.text(answered)
    if answer is None or (own is not None and question is None):
        return None
    plain = without_picture_marks if row.reading.mapping.pictures is not None else without_picture_mark
    return None if question is None else plain(question), answer


def _has_columns(row: Row, columns: Columns) -> bool:
    """Whether the file has every column that the mapping names. A problem says it once, not for each record."""
    named: list[str] = []
    for column in (columns.id, columns.image, *map(columns.turn, row.reading.dialogue.names), columns.label):
        named += [column.question, column.answer] if isinstance(column, Asked) else [column] if column else []
    rule = row.reading.mapping.pictures
    named += rule.columns.values() if isinstance(rule, Several) and rule.columns else []
    if isinstance(row.reading.mapping.split, ByColumn):
        named.append(row.reading.mapping.split.column)
    missing = [shown(name) for name in named if not field_of(row.record.fields, name)]
    if missing:
        what = f"no column {', '.join(missing)} (there are: {row.names})"
        row.wrong("", what, f"correct columns in {row.reading.mapping_name}")
    return not missing
