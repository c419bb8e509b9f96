"""From questions and answers to scenes: `whole(parts, reading)` joins the records of a scene and tells the turns apart.

A scene has one part. Where the mapping joins parts, it has all of one id or picture, wherever they stand.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gcl.data.annotations import shown
from gcl.data.importing.layout import TurnWords
from gcl.data.importing.reading import ImportedScene, Reading, Round, Words
from gcl.data.problem import Problem

UNUSED = "questions left out, as the mapping does not use them"


def whole(parts: Iterable[ImportedScene], reading: Reading) -> Iterator[ImportedScene]:
    """The scene of each part, or of all parts of one id or picture."""
    if not reading.mapping.joins:
        yield from (_scene([part], reading) for part in parts)
        return
    groups: dict[object, list[ImportedScene]] = {}
    for part in parts:
        if (key := _key(part, reading)) is not None:
            groups.setdefault(key, []).append(part)
    yield from (_scene(group, reading) for group in groups.values())


def _key(part: ImportedScene, reading: Reading) -> object:
    """The id or pictures that the parts of a scene share; None where they could not be read."""
    if reading.mapping.ids == "field" or part.pictures is None:
        return part.id if reading.mapping.ids == "field" else None
    # An address has no place.
    return tuple(p.place or p.path if p.data is None else hashlib.sha256(p.data).digest() for p in part.pictures)


def _scene(group: Sequence[ImportedScene], reading: Reading) -> ImportedScene:
    first, problems = group[0], reading.problems
    label = first.label
    for part in group[1:]:
        if part.pictures != first.pictures and part.pictures is not None and first.pictures is not None:
            what = "a scene has one picture" if reading.mapping.pictures is None else "a scene has its pictures once"
            problems.append(Problem(part.where, "image", f"not that of {first.where}", what))
        if part.split != first.split:
            problems.append(Problem(part.where, "split", f"not that of {first.where}", "keep the scene in one split"))
        if part.label != label and part.label is not None and label is not None:
            what = f"{shown(part.label)}, but {shown(label)} in {first.where}"
            problems.append(Problem(part.where, "label", what, "a scene has one action"))
        label = part.label if label is None else label
    turns, id = first.turns, first.id
    if reading.mapping.turns:
        rounds = [round for part in group for round in part.rounds]
        turns = _turns(rounds, first, reading) if all(part.sound for part in group) else {}
    if reading.mapping.joins and reading.mapping.ids == "row":
        id = reading.number()
    return replace(first, id=id, label=label, turns=turns, rounds=())


def _turns(rounds: Sequence[Round], first: ImportedScene, reading: Reading) -> dict[str, Words]:
    """Question and answer by turn; nothing where they could not be told apart."""
    names, before = reading.dialogue.names, len(reading.problems)
    if reading.mapping.turns == "by order":
        if len(rounds) == len(names):
            return {turn: (round.question, round.answer) for turn, round in zip(names, rounds, strict=True)}
        remedy = _add(first.id, reading) or "correct the record, or name the turns by their wording"
        count = f"{len(rounds)} round{'' if len(rounds) == 1 else 's'}"
        what = f"{count} instead of {len(names)} ({', '.join(names)})"
        reading.problems.append(Problem(first.where, "", what, remedy))
        return {}
    turns: dict[str, Words] = {}
    for round in rounds:
        turn = _turn(round, reading)
        if turn is None:
            reading.notes[UNUSED] += 1
        elif turn in turns:
            reading.problems.append(Problem(round.where, round.field, f"a second question on {turn}", "keep one"))
        elif turn:
            turns[turn] = (round.question, round.answer)
    missing = [turn for turn in names if turn not in turns]
    known = not any(" ".join(round.question.split()) in reading.unknown for round in rounds)
    if missing and known and len(reading.problems) == before:
        remedy = _add(first.id, reading) or "add it, or remove the scene"
        reading.problems.append(Problem(first.where, "", f"no question on {', '.join(missing)}", remedy))
    return {turn: turns[turn] for turn in names if turn in turns}


def _add(id: str | None, reading: Reading) -> str | None:
    """The remedy where one of a scene's records may have been skipped alone; else None."""
    if not (reading.mapping.joins and reading.mapping.skip and id):
        return None
    return f"add it, or leave the whole scene out by its id: skip: [{shown(id)}] in {reading.mapping_name}"


def _turn(round: Round, reading: Reading) -> str | None:
    """The turn of a question; None where it is not used, "" and a problem where it is not known."""
    rule, names, column = reading.mapping.turns, reading.dialogue.names, ""
    if isinstance(rule, TurnWords):
        if round.word in rule.words:
            return rule.words[round.word]
        remedy = f"add it to turns.words in {reading.mapping_name}, with null if it is not used"
        column, what = rule.column, f"unknown word {shown(str(round.word))}"
    elif rule == "by suffix":
        if round.number in range(1, len(names) + 1):
            return names[round.number - 1]
        remedy = "correct it, or name the turns by their wording"
        column, what = "question_id", f"no suffix from _q1 to _q{len(names)}"
    else:
        wording = " ".join(round.question.split())
        if wording in reading.turns:
            return reading.turns[wording]
        if wording in reading.unknown:  # a problem once, not in each record
            return ""
        reading.unknown.add(wording)
        what = f"unknown question {wording!r}"
        remedy = f"add it to turns in {reading.mapping_name}, with null if it is not used"
    field = ": ".join(filter(None, (round.field, column)))
    reading.problems.append(Problem(round.where, field, what, remedy))
    return ""
