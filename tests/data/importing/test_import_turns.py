"""Which question is which turn: by order only where the wordings do not contradict it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import (
    ACTIONS,
    DIALOGUE,
    SPLITS,
    WORDINGS,
    answers,
    as_csv,
    as_json,
    as_jsonl,
    refused,
    run_import,
    scenes,
    write_source,
)  # fmt: skip
from turns_case import TURNS, dialogue

from gcl.data.importing.inspect import inspect_source
from gcl.data.importing.mapping import read_mapping
from gcl.data.validation.validate import validate
from gcl.errors import ConfigError
from gcl.experiment.dialogue import Dialogue

ACTION = "What should the robot do?"


def _talk(number: int, order: list[str], wordings: dict[str, str] = WORDINGS) -> dict[str, Any]:
    pairs = [(wordings[turn], answers(number)[turn]) for turn in order]
    said = [{"from": who, "value": text} for pair in pairs for who, text in zip(("human", "gpt"), pair, strict=True)]
    return {"id": f"s{number}", "image": f"images/{number}.png", "conversations": said}


def _turns(source: Path, questions: dict[str, str] | None = None) -> Any:
    return yaml.safe_load(inspect_source(source, dialogue(questions=questions)).mapping)["turns"]


def _exchanged() -> list[str]:
    return [*TURNS[:2], TURNS[3], TURNS[2], TURNS[4]]


def test_a_known_question_at_the_place_of_another_is_told_by_its_wording(tmp_path: Path) -> None:
    own = WORDINGS | {"action": ACTION}
    source = write_source(tmp_path / "source", {"a.json": as_json([_talk(k, _exchanged(), own) for k in range(3)])})
    assert _turns(source) == {own[turn]: "action" if turn == "action" else "CHOOSE" for turn in _exchanged()}
    assert "known as the question on action, is question 3" in inspect_source(source, DIALOGUE).mapping
    mapping = yaml.safe_load(inspect_source(source, DIALOGUE).mapping) | {"split": {"train": 2, "test": 1, "seed": 0}}
    run_import(source, mapping | {"turns": {own[turn]: turn for turn in TURNS}}, actions=ACTIONS)
    found = [{turn: words["answer"] for turn, words in scene["turns"].items()} for scene in scenes(source)]
    assert found == [answers(k) for k in range(3)]


def test_questions_that_change_places_are_told_by_their_wording(tmp_path: Path) -> None:
    talks = [_talk(k, _exchanged() if k else list(TURNS)) for k in range(3)]
    source = write_source(tmp_path / "source", {"a.json": as_json(talks)})
    assert _turns(source) == dict.fromkeys(WORDINGS.values(), "CHOOSE")
    assert "is question 3 here and question 4 there" in inspect_source(source, DIALOGUE).mapping


def test_a_question_in_the_words_of_the_experiment_is_known(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.json": as_json([_talk(k, _exchanged()) for k in range(3)])})
    assert _turns(source) == "by order"
    assert _turns(source, WORDINGS) == {text: turn for turn, text in WORDINGS.items()}


def test_too_many_wordings_that_change_places_leave_the_way_to_choose(tmp_path: Path) -> None:
    talks = []
    for k in range(20):
        own = {turn: f"{text} ({k})" for turn, text in WORDINGS.items()}
        talks.append(_talk(k % 3, list(TURNS), own) | {"id": f"s{k}"})
    talks.append(_talk(0, _exchanged(), own) | {"id": "s20"})
    source = write_source(tmp_path / "source", {"a.json": as_json(talks)})
    assert _turns(source) == "CHOOSE"
    (tmp_path / "m.yaml").write_text(inspect_source(source, DIALOGUE).mapping)
    with pytest.raises(ConfigError, match="turns: CHOOSE stands where nothing could be told"):
        read_mapping(tmp_path / "m.yaml", TURNS)


MOVES = {"scene": "What is there?", "move": "Where to?", "because": "Why?"}
THREE = dialogue(["Go On", "Stop"], MOVES, "move")


def _three(number: int) -> dict[str, str]:
    return {"scene": f"Someone at {number}.", "move": ("Go On", "Stop")[number % 2], "because": f"So says {number}."}


def _imported(source: Path, mapping: Any, asked: Dialogue = THREE) -> list[dict[str, Any]]:
    run_import(source, mapping, dialogue=asked)
    return scenes(source)


def test_a_table_has_a_column_for_each_turn_whatever_it_is_called(tmp_path: Path) -> None:
    rows = [{"id": f"s{k}", "image": f"images/{k}.png", "split": SPLITS[k], **_three(k)} for k in range(3)]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows)})
    proposed = yaml.safe_load(inspect_source(source, THREE).mapping)
    assert {turn: proposed["columns"][turn] for turn in MOVES} == {turn: turn for turn in MOVES}
    assert [list(scene["turns"]) for scene in _imported(source, proposed)] == [list(MOVES)] * 3
    (line,) = refused(source, proposed | {"columns": proposed["columns"] | {"moove": "move"}}, dialogue=THREE)
    assert line.endswith("mapping.yaml: columns.moove: unknown key; did you mean 'move'?")


def test_the_suffix_of_a_question_is_the_number_of_its_turn(tmp_path: Path) -> None:
    records = [
        {"question_id": f"s{k}_q{n}", "image": f"images/{k}.png", "text": MOVES[turn], "answer": answer}
        for k in range(3)
        for n, (turn, answer) in enumerate(_three(k).items(), start=1)
    ]
    mapping = {"format": "questions", "turns": "by suffix", "files": ["a.jsonl"]}
    mapping |= {"split": {"train": 2, "test": 1, "seed": 0}}
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(records)})
    found = [{turn: words["answer"] for turn, words in scene["turns"].items()} for scene in _imported(source, mapping)]
    assert found == [_three(k) for k in range(3)]


@pytest.mark.parametrize("count", [1, 20])
def test_one_turn_or_twenty_that_name_no_action_are_imported(tmp_path: Path, count: int) -> None:
    asked = dialogue(None, {f"turn_{n}": f"Question {n}?" for n in range(count)}, None)
    talks = []
    for k in range(3):
        said = [{"from": "human", "value": f"Question {n}?"} for n in range(count)]
        pairs = [(question, {"from": "gpt", "value": f"Answer {n} of {k}."}) for n, question in enumerate(said)]
        words = [message for pair in pairs for message in pair]
        talks.append({"id": f"s{k}", "image": f"images/{k}.png", "conversations": words})
    source = write_source(tmp_path / "source", {"a.json": as_json(talks)})
    mapping = {"format": "conversations", "turns": "by order", "files": ["a.json"]}
    found = _imported(source, mapping | {"split": {"train": 2, "test": 1, "seed": 0}}, asked)
    assert [list(scene["turns"]) for scene in found] == [list(asked.names)] * 3
    validation = validate("others", tmp_path / "raw", asked, None, processes=1)
    assert not validation.errors and not validation.summary.actions
    assert "turn_0" in validation.text() and "Actions" not in validation.html()


def test_socialnav_sub_is_refused_for_other_turns(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"test.csv": b"sample_name\n1\n"})
    mapping = {"format": "socialnav-sub", "files": ["test.csv"], "split": {"train": 1, "test": 1, "seed": 0}}
    (line,) = refused(source, mapping, kind="socialnav-sub", dialogue=THREE)
    assert "socialnav-sub makes the turns perception, prediction, reasoning, action, explanation" in line
