"""Which question is which turn: by order only where the wordings do not contradict it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import ACTIONS, WORDINGS, answers, as_json, run_import, scenes, write_source

from gcl.data.importing.inspect import inspect_source
from gcl.data.importing.mapping import read_mapping
from gcl.data.scenario import TURNS
from gcl.errors import ConfigError

ACTION = "What should the robot do?"


def _talk(number: int, order: list[str], wordings: dict[str, str] = WORDINGS) -> dict[str, Any]:
    pairs = [(wordings[turn], answers(number)[turn]) for turn in order]
    said = [{"from": who, "value": text} for pair in pairs for who, text in zip(("human", "gpt"), pair, strict=True)]
    return {"id": f"s{number}", "image": f"images/{number}.png", "conversations": said}


def _turns(source: Path, questions: dict[str, str] | None = None) -> Any:
    return yaml.safe_load(inspect_source(source, questions=questions).mapping)["turns"]


def _exchanged() -> list[str]:
    return [*TURNS[:2], TURNS[3], TURNS[2], TURNS[4]]


def test_a_known_question_at_the_place_of_another_is_told_by_its_wording(tmp_path: Path) -> None:
    own = WORDINGS | {"action": ACTION}
    source = write_source(tmp_path / "source", {"a.json": as_json([_talk(k, _exchanged(), own) for k in range(3)])})
    assert _turns(source) == {own[turn]: "action" if turn == "action" else "CHOOSE" for turn in _exchanged()}
    assert "known as the question on action, is question 3" in inspect_source(source).mapping
    mapping = yaml.safe_load(inspect_source(source).mapping) | {"split": {"train": 2, "test": 1, "seed": 0}}
    run_import(source, mapping | {"turns": {own[turn]: turn for turn in TURNS}}, actions=ACTIONS)
    found = [{turn: words["answer"] for turn, words in scene["turns"].items()} for scene in scenes(source)]
    assert found == [answers(k) for k in range(3)]


def test_questions_that_change_places_are_told_by_their_wording(tmp_path: Path) -> None:
    talks = [_talk(k, _exchanged() if k else list(TURNS)) for k in range(3)]
    source = write_source(tmp_path / "source", {"a.json": as_json(talks)})
    assert _turns(source) == dict.fromkeys(WORDINGS.values(), "CHOOSE")
    assert "is question 3 here and question 4 there" in inspect_source(source).mapping


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
    (tmp_path / "m.yaml").write_text(inspect_source(source).mapping)
    with pytest.raises(ConfigError, match="turns: CHOOSE stands where nothing could be told"):
        read_mapping(tmp_path / "m.yaml")
