"""SocialNav-SUB: `scenes(records, reading)` composes turns from the most frequent answers to its questions.

test.csv names a sample's pictures and the file of its answers. For each question about person p, that file has the answers
and the share of people who gave them. The sentences are ours (docs/data.md lists them). The data set has no explanation, so
that turn is composed from two of its questions. The picture is the last frame, or all frames are (`pictures: all`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gcl.data.annotations import Record, read_text, shown
from gcl.data.importing.mapping_checks import COMPOSED
from gcl.data.importing.reading import ImportedScene, Reading, Row, SourcePicture
from gcl.data.importing.several import selected_names
from gcl.data.raw import leads_out

ANSWERS, FRAMES = "human_answers_filepath", "raw_img_filepaths"
_PERSON = re.compile(r"(q_.+)_p(\d+)")
_SHARES = "_probabilities"
# Forecasts of a person's action, and advice to the robot.
_FUTURE = {
    "avoid": "Person {p} will probably avoid the robot.",
    "overtake": "Person {p} will probably overtake the robot.",
    "follow": "Person {p} will probably follow the robot.",
    "yield to": "Person {p} will probably yield to the robot.",
    "not consider": "Person {p} will probably take no notice of the robot.",
}
_ADVICE = {
    "avoid": "Avoid person {p}.",
    "overtake": "Overtake person {p}.",
    "follow": "Follow person {p}.",
    "yield to": "Yield to person {p}.",
    "not consider": "",
}
_KNOWN = {"q_human_future_action_prediction": _FUTURE, "q_robot_suggested_action": _ADVICE}


def scenes(records: Iterable[Record], reading: Reading) -> Iterator[ImportedScene]:
    """The scene of each sample."""
    for record in records:
        row = Row(record, reading)
        id = row.number_or_text("sample_name")
        pictures, answers = _frames(row), _answers(row)
        turns = {} if answers is None else {turn: (None, text) for turn, text in compose(answers).items() if text}
        for turn in COMPOSED if answers is not None else ():
            if turn not in turns:
                what = f"no answers to the questions that {turn} is composed from"
                row.wrong(record.fields[ANSWERS], what, "remove the sample")
        yield row.scene(id, pictures, None, turns=turns)


def compose(answers: Mapping[str, str]) -> dict[str, str]:
    """The turns in sentences, from the most frequent answer to each question, by the question's name."""
    people = _by_person(answers)
    goal = answers.get("q_goal_position_end")
    perception = _each(people, "q_person_spatial_position_end", lambda p, where: f"Person {p} is {where} the robot.")
    if goal is not None:
        perception.append("The goal is ahead." if goal == "ahead" else f"The goal is {goal}.")
    in_way = {p for p, questions in people.items() if questions.get("q_obstructing_path") == "yes"}
    heeded = {p for p, questions in people.items() if questions.get("q_robot_suggested_affected") == "yes"}
    reasoning = _each(
        people,
        "q_obstructing_path",
        lambda p, yes: f"The path of person {p} is {'' if yes == 'yes' else 'not '}in the way of the robot.",
    )
    asked = any("q_robot_suggested_action" in questions for questions in people.values())
    action = _each(people, "q_robot_suggested_action", lambda p, advice: _ADVICE[advice].format(p=p))
    action = [sentence for sentence in action if sentence] or ["Continue towards the goal."] * asked
    explanation = [
        f"Person {p} matters to the robot{', being in its way' if p in in_way else ', though not in its way'}."
        for p in people
        if p in heeded
    ]
    if not explanation and any("q_robot_suggested_affected" in questions for questions in people.values()):
        explanation = ["Nobody needs to change what the robot does."]
    future = _each(people, "q_human_future_action_prediction", lambda p, what: _FUTURE[what].format(p=p))
    parts = (perception, future, reasoning, action, explanation)
    return {turn: " ".join(filter(None, sentences)) for turn, sentences in zip(COMPOSED, parts, strict=True)}


def _each(people: Mapping[int, Mapping[str, Any]], question: str, say: Any) -> list[str]:
    return [say(p, answers[question]) for p, answers in people.items() if question in answers]


def _by_person(answers: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    people: dict[int, dict[str, Any]] = {}
    for name, answer in answers.items():
        if match := _PERSON.fullmatch(name):
            people.setdefault(int(match[2]), {})[match[1]] = answer
    return dict(sorted(people.items()))


def _frames(row: Row) -> tuple[SourcePicture, ...] | None:
    """The last frame, or those that the mapping's `pictures` selects."""
    cell = row.text(FRAMES)
    if cell is None:
        return None
    paths = [path.strip(" '\"") for path in cell.strip("[]").split(",")]
    if not all(paths):
        row.wrong(FRAMES, f"{shown(cell)} names no picture", "write [first, ..., last]")
        return None
    if row.reading.mapping.pictures is None:
        paths = paths[-1:]
    return selected_names(row, paths)


def _answers(row: Row) -> dict[str, Any] | None:
    """The most frequent answer to each question, the first of equally frequent ones."""
    name, source = row.text(ANSWERS), row.reading.source
    if name is None:
        return None
    field, problems = f"{ANSWERS}: {shown(name)}", []
    if out := leads_out(name, source):
        row.wrong(field, *out)
        return None
    row.reading.also_read.append(name)
    text = read_text(source / name, problems)
    if text is None:
        row.wrong(f"{field}: {problems[0].place}", problems[0].what, problems[0].remedy)
        return None
    try:
        content = json.loads(text)
        answers = {
            question: given[content[question + _SHARES].index(max(content[question + _SHARES]))]
            for question, given in content.items()
            if question.startswith("q_") and isinstance(given, list) and question + _SHARES in content
        }
    except (ValueError, RecursionError, AttributeError, TypeError, IndexError):
        what = "not what SocialNav-SUB's files of answers hold: answers and their shares for each question"
        row.wrong(field, what, "fetch it again")
        return None
    for question, answer in answers.items():
        known = next((sentences for start, sentences in _KNOWN.items() if question.startswith(start)), None)
        if known is not None and (not isinstance(answer, str) or answer not in known):
            row.wrong(field, f"unknown answer {answer!r} to {question}", f"use {', '.join(known)}")
            return None
    return {question: answer for question, answer in answers.items() if isinstance(answer, str)}
