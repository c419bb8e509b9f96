"""One question a record, as in ESocialNav's evaluation files: `parts(records, reading)`.

    {"question_id": "0017_q4", "image": "0017.png", "text": "What should the robot do?", "answer": "Stop."}

A column, the suffixes _q1, _q2, ... or the wording tell the turns apart. Files without answers hold no scenes that could be
trained on, but can say which scenes are for the test.
"""

import re
from collections.abc import Iterable, Iterator

from gcl.data.annotations import Record, shown
from gcl.data.importing.fields import field, text
from gcl.data.importing.found_scene import Picture, Reading, id_of, label_in, picture_id, picture_of, split_of
from gcl.data.importing.layout import Columns, TurnWords
from gcl.data.importing.rounds import Part, Round
from gcl.experiment.marks import PICTURE_MARK, without_picture_mark

_SUFFIX = re.compile(r"(.+)_q(\d+)")


def parts(records: Iterable[Record], reading: Reading) -> Iterator[Part]:
    """What each record holds."""
    mapping, problems = reading.mapping, reading.problems
    columns = mapping.columns or Columns()
    image, asked, answered = columns.image or "image", columns.question or "text", columns.answer or "answer"
    word_name = mapping.turns.column if isinstance(mapping.turns, TurnWords) else None
    for record in records:
        before = len(problems)
        if not field(record.fields, answered):
            what = "no answer; such a file can only say which scenes are for the test"
            problems.append(f"{record.where}: {what}: split: {{file: ...}} in {reading.mapping_name}")
            return
        picture = picture_of(record, (image,), reading)
        id, number = _id(record, columns.id or "question_id", picture, reading)
        question, answer = text(record, asked, problems), text(record, answered, problems)
        if question is not None and not without_picture_mark(question):
            problems.append(f"{record.where}: {asked}: empty but for {PICTURE_MARK}; write the question")
        word = None if word_name is None else text(record, word_name, problems)
        label, split = label_in(record, columns.label, reading), split_of(record, reading)
        sound = len(problems) == before
        rounds = [Round(record.where, without_picture_mark(question), answer, number, word)] if sound else []
        reading.count_unread(record, (image, columns.id or "question_id", asked, answered, word_name, columns.label))
        yield Part(record.where, id, picture, rounds, label, split, sound)


def scene_of_question(id: str) -> tuple[str, int | None]:
    """Scene and number of a question by its id; an id without the suffix _q<number> is that of a scene."""
    match = _SUFFIX.fullmatch(id)
    return (match[1], int(match[2])) if match else (id, None)


def _id(record: Record, name: str, picture: Picture | None, reading: Reading) -> tuple[str | None, int | None]:
    """The scene's id, and the question's number if its id says it."""
    mapping, by_suffix = reading.mapping, reading.mapping.turns == "by suffix"
    id, number = None, None
    if mapping.ids == "field" or by_suffix:
        id = id_of(record, name, reading.problems)
        scene, number = (None, None) if id is None else scene_of_question(id)
        if mapping.ids == "field":
            if id is not None and number is None and by_suffix:
                last = len(reading.dialogue.turns)
                remedy = f"number the questions of a scene, or write ids: picture in {reading.mapping_name}"
                reading.problems.append(
                    f"{record.where}: {name}: {shown(id)} does not end with _q1 to _q{last}; {remedy}"
                )
                return None, None
            return scene, number
    if mapping.ids == "picture":
        return picture_id(record, picture, reading, "ids: field"), number
    return None, number
