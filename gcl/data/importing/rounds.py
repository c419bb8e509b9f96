"""From questions and answers to scenes: `scenes(parts, reading)` joins records of one scene and tells the turns apart.

Readers of dialogues and of single questions yield a `Part` for each record. A scene has one part, or, where the mapping
joins them, all parts of one id or picture, wherever they stand in its files.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gcl.data.annotations import shown
from gcl.data.importing.found_scene import Picture, Reading, Scene, Words
from gcl.data.importing.layout import TurnWords

UNUSED = "questions left out, as the mapping does not use them"


class Round(NamedTuple):
    """A question with its answer.

    Attributes:
        where: its place, for messages.
        question, answer: its words.
        number: from the suffix of its id, if it has one.
        word: from the column that names the turn, if the mapping has one.
    """

    where: str
    question: str
    answer: str
    number: int | None = None
    word: str | None = None


@dataclass(frozen=True)
class Part:
    """What one record holds of a scene; `sound` is whether all of it could be read. See `Scene` for the rest."""

    where: str
    id: str | None
    picture: Picture | None
    rounds: Sequence[Round]
    label: str | None
    split: str | None
    sound: bool


def scenes(parts: Iterable[Part], reading: Reading) -> Iterator[Scene]:
    """The scene of each part, or of all parts of one id or picture."""
    if not reading.mapping.joins:
        for part in parts:
            yield _scene([part], reading)
        return
    groups: dict[object, list[Part]] = {}
    for part in parts:
        if (key := _key(part, reading)) is not None:
            groups.setdefault(key, []).append(part)
    for group in groups.values():
        yield _scene(group, reading)


def _key(part: Part, reading: Reading) -> object:
    """What the parts of a scene have in common; None where it could not be read."""
    if reading.mapping.ids == "field":
        return part.id
    if part.picture is None:
        return None
    if part.picture.data is not None:
        return hashlib.sha256(part.picture.data).digest()
    return part.picture.place or part.picture.path  # an address has no place


def _scene(group: Sequence[Part], reading: Reading) -> Scene:
    first, problems = group[0], reading.problems
    label, sound = first.label, all(part.sound for part in group)
    for part in group[1:]:
        if part.picture != first.picture and part.picture and first.picture:
            problems.append(f"{part.where}: image: not that of {first.where}; a scene has one picture")
        if part.split != first.split:
            problems.append(f"{part.where}: split: not that of {first.where}; keep the scene in one split")
        if part.label != label and part.label is not None:
            if label is None:
                label = part.label
            else:
                what = f"{shown(part.label)}, but {shown(label)} in {first.where}"
                problems.append(f"{part.where}: label: {what}; a scene has one action")
    rounds = [round for part in group for round in part.rounds]
    turns = _turns(rounds, first.where, first.id, reading) if sound else {}
    id = first.id
    if reading.mapping.joins and reading.mapping.ids == "row":
        reading.numbered += 1
        id = str(reading.numbered)
    return Scene(first.where, id, first.picture, turns, label, first.split)


def _turns(rounds: Sequence[Round], where: str, id: str | None, reading: Reading) -> dict[str, Words]:
    """Question and answer by turn; nothing where they could not be told apart."""
    turns: dict[str, Words] = {}
    names = reading.dialogue.names
    if reading.mapping.turns == "by order":
        if len(rounds) == len(names):
            return {turn: (round.question, round.answer) for turn, round in zip(names, rounds, strict=True)}
        remedy = _whole(id, reading) or "correct the record, or name the turns by their wording"
        reading.problems.append(f"{where}: {_counted(len(rounds))} instead of {len(names)}; {remedy}")
        return {}
    before = len(reading.problems)
    for round in rounds:
        turn = _turn(round, reading)
        if turn is None:
            reading.notes[UNUSED] += 1
        elif turn in turns:
            reading.problems.append(f"{round.where}: a second question on {turn}; keep one")
        elif turn:
            turns[turn] = (round.question, round.answer)
    missing = [turn for turn in names if turn not in turns]
    known = reading.mapping.turns == "by suffix" or not any(reading.is_unknown(round.question) for round in rounds)
    if missing and known and len(reading.problems) == before:
        remedy = _whole(id, reading) or "add it, or remove the scene"
        reading.problems.append(f"{where}: no question on {', '.join(missing)}; {remedy}")
    return {turn: turns[turn] for turn in names if turn in turns}


def _whole(id: str | None, reading: Reading) -> str | None:
    """What to do where one of a scene's records may have been skipped alone."""
    if not (reading.mapping.joins and reading.mapping.skip and id):
        return None
    return f"add it, or leave the whole scene out by its id: skip: [{shown(id)}] in {reading.mapping_name}"


def _turn(round: Round, reading: Reading) -> str | None:
    """The turn of a question; None where it is not used, "" where it is not known, which is a problem."""
    rule = reading.mapping.turns
    if isinstance(rule, TurnWords):
        if round.word in rule.words:
            return rule.words[round.word]
        remedy = f"add it to turns.words in {reading.mapping_name}, with null if it is not used"
        reading.problems.append(f"{round.where}: {rule.column}: unknown word {shown(str(round.word))}; {remedy}")
        return ""
    if rule != "by suffix":
        return reading.turn_of(round.question, round.where)
    names = reading.dialogue.names
    if round.number in range(1, len(names) + 1):
        return names[round.number - 1]
    remedy = "correct it, or name the turns by their wording"
    reading.problems.append(f"{round.where}: question_id: no suffix from _q1 to _q{len(names)}; {remedy}")
    return ""


def _counted(rounds: int) -> str:
    return f"{rounds} round{'' if rounds == 1 else 's'}"
