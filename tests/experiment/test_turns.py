"""The turns of data sets: what is wrong with them is one line; jobs are told them in their order."""

import json

import pytest
import yaml
from config_cases import change, messages
from conftest import ROOT
from turns_case import TURNS

from gcl.errors import ConfigError
from gcl.experiment.data_spec import DataSpec, data_spec
from gcl.experiment.dialogue import all_questions, dialogue_of, turns_of
from gcl.experiment.load import load_experiment

THREE = {
    "scene": {"question": "What is there?", "metrics": ["cos"]},
    "move": {"question": "Where to?", "metrics": ["accuracy", "f1"]},
    "because": {"question": "Why?", "metrics": []},
}


@pytest.fixture
def config():
    """What config.yaml says, in which nothing is shared."""
    return json.loads(json.dumps(yaml.safe_load((ROOT / "config.yaml").read_text())))


def test_a_job_is_told_the_turns_in_their_order(experiment):
    data = data_spec(experiment, "muson")
    told = DataSpec.model_validate_json(data.json)
    assert told == data and told.names == TURNS and told.action == "action"
    assert list(told.questions) == list(TURNS)


def test_a_data_set_that_is_like_another_has_its_turns(experiment):
    assert turns_of(experiment, "tuning") == turns_of(experiment, "snei")
    assert dialogue_of(experiment, "llava").names == TURNS, "no data set: the turns of the first one"


def test_each_data_set_has_turns_of_its_own(config):
    experiment = load_experiment(change(config, "datasets.muson.turns.value", THREE), ROOT)
    assert dialogue_of(experiment, "muson").names == ("scene", "move", "because")
    assert (dialogue_of(experiment, "muson").action, dialogue_of(experiment, "snei").names) == ("move", TURNS)
    assert all_questions(experiment)[-3:] == ["What is there?", "Where to?", "Why?"]


def turn(question="What?", metrics=("f1",)):
    return {"question": question, "metrics": list(metrics)}


@pytest.mark.parametrize(
    "turns, expected",
    [
        ({}, "turns.value: no turn; name at least one"),
        ({"Scene": turn()}, "turns.value.Scene: 'Scene' cannot be in names of columns; use at most 40 small letters"),
        ({"a/b": turn()}, "turns.value.a/b: 'a/b' cannot be in names of columns"),
        ({"label": turn()}, "turns.value.label: 'label' is the name of something else"),
        ({"a": turn(" ")}, "turns.value.a.question: empty; write the question"),
        ({"a": turn(metrics=["bleu"])}, "turns.value.a.metrics.0: no metric 'bleu'; use some of accuracy, cos, f1"),
        ({"a": turn(metrics=["f1", "f1"])}, "turns.value.a.metrics.1: 'f1' stands there twice"),
        ({"a": turn(metrics=[])}, "turns.value: no turn has a metric, so nothing could be scored"),
        (
            {"a": turn(metrics=["accuracy"]), "b": turn(metrics=["accuracy"])},
            "turns.value: a, b have the metric accuracy",
        ),
    ],
)
def test_a_mistake_in_turns_is_one_line(config, turns, expected):
    (line,) = messages(change(config, "datasets.snei.turns.value", turns))
    assert line.startswith(f"config.yaml: datasets.snei.{expected}")


def test_a_closed_list_needs_the_turn_that_names_its_actions(config):
    without = THREE | {"move": turn()}
    (line,) = messages(change(config, "datasets.muson.turns.value", without))
    assert "datasets.muson.actions.value: none of its turns has the metric accuracy; add it" in line


def test_a_data_set_without_turns_is_named(config):
    del config["datasets"]["muson"]["turns"]
    (line,) = messages(config)
    assert "datasets.muson.turns: missing; name the turns" in line


def test_a_mistake_behind_an_alias_names_the_line_of_its_anchor(tmp_path):
    text = (ROOT / "config.yaml").read_text()
    lines = text.splitlines()
    number = next(k for k, line in enumerate(lines, start=1) if "metrics: [f1, accuracy]" in line)
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    (tmp_path / "config.yaml").write_text(text.replace("[f1, accuracy]", "[f2, accuracy]"))
    with pytest.raises(ConfigError) as caught:
        load_experiment(None, tmp_path)
    for dataset, line in zip(("snei", "muson"), str(caught.value).splitlines(), strict=True):
        assert line.startswith(f"config.yaml:{number}: datasets.{dataset}.turns.value.action.metrics.0: no metric 'f2'")


def test_settings_hold_the_turns_in_their_order(experiment):
    assert list(json.loads(experiment.model_dump_json())["datasets"]["snei"]["turns"]["value"]) == list(TURNS)
