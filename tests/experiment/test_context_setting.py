"""The setting `prompt.context`: part of a run's identity where it is set, and without any trace where it is not."""

import pytest
import yaml
from config_cases import change, messages
from conftest import ROOT

from gcl.experiment.asked import evaluation
from gcl.experiment.grid import all_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import kind_of
from gcl.experiment.runs import RunSpec
from gcl.experiment.yaml_files import Document

SFT = "snei/sft/qwen3-vl-4b/default/seed0"
OTHERS = ("instructions/pretraining/qwen3-vl-4b/text/seed0", "planning/reading/qwen3-vl-4b/default/seed0")


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def with_context(config, context, earlier="own"):
    values = {"prompt": {"context": context}, "evaluation": {"earlier": earlier}}
    sections = {s: {k: {"value": v, "assumed": "test"} for k, v in part.items()} for s, part in values.items()}
    return load_experiment(config, ROOT, [Document("a test", sections)])


def test_a_run_without_it_is_specified_as_before_there_was_one(config):
    found = load_experiment(config, ROOT)
    for run in all_runs(found).values():
        assert "context" not in run.json and "context" not in run.model_dump_json()
    run = find_run(found, SFT)
    assert RunSpec(**run.model_dump()) == run and run.training.context == "none"
    assert "earlier" not in evaluation(found, run).json
    assert evaluation(with_context(config, "none", "reference"), run).json == evaluation(found, run).json


@pytest.mark.parametrize("context", ["questions", "full"])
def test_runs_on_scenes_have_it_and_others_do_not(config, context):
    without, found = load_experiment(config, ROOT), with_context(config, context)
    for name, run in all_runs(found).items():
        on_scenes = kind_of(run.dataset) == "scenes"
        assert run.training.context == (context if on_scenes else "none"), name
        assert (run.fingerprint != find_run(without, name).fingerprint) == on_scenes, name
    for name in OTHERS:
        assert find_run(found, name).json == find_run(without, name).json
    base = find_run(found, "snei/base/qwen3-vl-4b/default/seed0")
    assert base.training.context == context, "a base model is asked as the others are"


def test_whose_answers_stand_in_the_context_makes_other_answers_but_no_other_training(config):
    own, reference = with_context(config, "full"), with_context(config, "full", "reference")
    assert find_run(own, SFT) == find_run(reference, SFT)
    asked = [evaluation(found, find_run(found, SFT)) for found in (own, reference)]
    assert [one.earlier for one in asked] == ["own", "reference"] and asked[0].json != asked[1].json
    told = with_context(config, "questions")
    assert evaluation(told, find_run(told, SFT)).earlier is None, "questions alone have no answers"


def test_a_mistake_is_one_line(config):
    (line,) = messages(change(config, "prompt.context.value", "all"))
    assert line.startswith("config.yaml") and "prompt.context.value: " in line
