"""One line for each question, as in ESocialNav's evaluation files: `scenes(records, reading)` joins those of a scene.

    {"question_id": "0017_q4", "image": "0017.png", "text": "What should the robot do?", "answer": "Stop."}

The suffixes _q1 to _q5 number the turns; the wording can tell them apart, too. Files without answers hold no scenes that
could be trained on, but can say which scenes are for the test.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gcl.data.importing.conversations import without_tag
from gcl.data.importing.scene import Picture, Reading, Scene, Words, id_of, picture_of, split_of
from gcl.data.records import Record, shown, text_field
from gcl.data.scenario import TURNS

_SUFFIX = re.compile(r"(.+)_q(\d+)")


@dataclass
class _Open:
    """The scene whose lines are being read."""

    record: Record
    key: str
    id: str
    picture: Picture | None
    split: str | None
    turns: dict[str, Words] = field(default_factory=dict)
    sound: bool = True


def scenes(records: Iterable[Record], reading: Reading) -> Iterator[Scene]:
    """The scene of each run of lines that belong together."""
    problems, open_scene, done = reading.problems, None, {}
    for record in records:
        if "answer" not in record.fields:
            what = "no answer; such a file can only say which scenes are for the test"
            problems.append(f"{record.where}: {what}: split: {{file: ...}} in {reading.mapping_name}")
            return
        picture = picture_of(record, ("image",), problems)
        key, number = _key(record, picture, reading)
        if key is None:
            continue
        if open_scene is None or key != open_scene.key:
            if open_scene is not None:
                yield _closed(open_scene, reading)
            if key in done:
                remedy = "put the lines of a scene next to each other"
                problems.append(
                    f"{record.where}: question_id: scene {shown(key)} ended before (see {done[key]}); {remedy}"
                )
            done[key] = record.where
            id = key if reading.mapping.ids == "field" else PurePosixPath(key).stem
            open_scene = _Open(record, key, id, picture, split_of(record, reading))
        elif picture != open_scene.picture:
            problems.append(f"{record.where}: image: not that of {open_scene.record.where}; a scene has one picture")
        _add(open_scene, record, number, reading)
    if open_scene is not None:
        yield _closed(open_scene, reading)


def scene_of_question(id: str) -> tuple[str, int | None]:
    """Scene and number of a question by its id; an id without the suffix _q<number> is that of a scene."""
    match = _SUFFIX.fullmatch(id)
    return (match[1], int(match[2])) if match else (id, None)


def _key(record: Record, picture: Picture | None, reading: Reading) -> tuple[str | None, int | None]:
    """What the lines of one scene have in common, and the question's number."""
    id = id_of(record, "question_id", reading.problems)
    if id is None:
        return None, None
    scene, number = scene_of_question(id)
    if reading.mapping.ids == "picture":
        return (None if picture is None else picture.path), number
    if number is None:
        remedy = f"number the questions of a scene, or write ids: picture in {reading.mapping_name}"
        reading.problems.append(f"{record.where}: question_id: {shown(id)} does not end with _q1 to _q5; {remedy}")
        return None, None
    return scene, number


def _add(scene: _Open, record: Record, number: int | None, reading: Reading) -> None:
    problems, where = reading.problems, record.where
    question = text_field(record.fields, "text", where, problems)
    answer = text_field(record.fields, "answer", where, problems)
    if question is None or answer is None:
        scene.sound = False
        return
    question = without_tag(question)
    if reading.mapping.turns != "by suffix":
        turn = reading.turn_of(question, where)
    elif number in range(1, len(TURNS) + 1):
        turn = TURNS[number - 1]
    else:
        problems.append(
            f"{where}: question_id: no suffix from _q1 to _q5; correct it, or name the turns by their wording"
        )
        turn = ""
    scene.sound = scene.sound and turn != ""
    if turn:
        reading.add_turn(scene.turns, turn, (question, answer), where)


def _closed(scene: _Open, reading: Reading) -> Scene:
    if scene.sound:
        reading.check_complete(scene.turns, scene.record.where)
    return Scene(scene.record.where, scene.id, scene.picture, scene.turns, split=scene.split)
