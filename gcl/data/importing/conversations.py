"""Dialogues, one a record, in the spellings that gcl/data/importing/chat.py knows: `parts(records, reading)`.

    {"id": ..., "image": ..., "conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}, ...]}

Usually a dialogue is a scene. With `join: true` all dialogues of one id, or of one picture, are one, such as single
questions that share a picture.
"""

from collections.abc import Iterable, Iterator

from gcl.data.annotations import Record, shown
from gcl.data.importing.chat import has_dialogue, read_dialogue
from gcl.data.importing.fields import text
from gcl.data.importing.found_scene import Reading, label_in, picture_of, scene_id, split_of
from gcl.data.importing.layout import Columns, TurnWords
from gcl.data.importing.questions import scene_of_question
from gcl.data.importing.rounds import Part, Round

PICTURES = ("image", "images")


def parts(records: Iterable[Record], reading: Reading) -> Iterator[Part]:
    """What each record holds."""
    mapping, problems = reading.mapping, reading.problems
    columns = mapping.columns or Columns()
    pictures, id_name = (columns.image,) if columns.image else PICTURES, columns.id or "id"
    word_name = mapping.turns.column if isinstance(mapping.turns, TurnWords) else None
    for place, record in enumerate(records):
        before = len(problems)
        if place == 0 and not columns.dialogue and not has_dialogue(record.fields):
            there = ", ".join(shown(name) for name in record.fields if not name.startswith("("))
            remedy = f"name it under columns.dialogue, or say where the records are, in {reading.mapping_name}"
            problems.append(f"{record.where}: no dialogue (there are: {there}); {remedy}")
            return
        dialogue = read_dialogue(record, columns.dialogue, problems)
        picture = picture_of(record, pictures, reading, dialogue.pictures if dialogue else ())
        # Joined records are numbered when all of a scene are there.
        id = None if mapping.join and mapping.ids == "row" else scene_id(record, id_name, picture, reading)
        number = None
        if mapping.turns == "by suffix" and id is not None:
            id, number = scene_of_question(id)
        word = None if word_name is None else text(record, word_name, problems)
        label = label_in(record, columns.label, reading)
        split = split_of(record, reading)
        rounds = []
        if dialogue is not None:
            reading.notes.update(dialogue.notes)
            places = ((f"{record.where}: message {n}", question, answer) for n, question, answer in dialogue.rounds)
            rounds = [Round(*words, number, word) for words in places]
            reading.count_unread(record, (*dialogue.names, *pictures, id_name, columns.label, word_name))
        yield Part(record.where, id, picture, rounds, label, split, sound=len(problems) == before)
