"""The setting `training.validation`: part of a run's identity where it is set, and without any trace where it is not."""

import pytest
import yaml
from config_cases import change, messages
from conftest import ROOT

from gcl.experiment.grid import all_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import kind_of
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import ValidationSplit
from gcl.experiment.yaml_files import Document

HALF = {"share": 0.5, "every": 20, "keep": "best"}
SFT, TEACHER = "snei/sft/qwen3-vl-4b/default/seed0", "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/teacher_jsd/seed0"


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def with_validation(config, value):
    override = Document("a test", {"training": {"validation": {"value": value, "assumed": "test"}}})
    return load_experiment(config, ROOT, [override])


def test_a_run_without_it_is_specified_as_before_there_was_one(config):
    runs = all_runs(load_experiment(config, ROOT))
    for run in runs.values():
        assert "validation" not in run.json and "validation" not in run.model_dump_json()
    run = runs[SFT]
    old = run.model_dump()
    assert "validation" not in old["training"] and RunSpec(**old) == run and RunSpec(**old).json == run.json


def test_runs_on_scenes_have_it_and_others_do_not(config):
    without, found = load_experiment(config, ROOT), with_validation(config, HALF)
    for name, run in all_runs(found).items():
        trained_on_scenes = kind_of(run.dataset) == "scenes" and run.feed is not None
        assert run.training.validation == (ValidationSplit(**HALF) if trained_on_scenes else None), name
        assert (run.fingerprint != find_run(without, name).fingerprint) == trained_on_scenes, name
    teacher = find_run(found, TEACHER)
    assert [find_run(found, before).training.validation for before in teacher.trained_before] == [
        ValidationSplit(**HALF)
    ]
    for name in ("instructions/pretraining/qwen3-vl-4b/text/seed0", "snei/base/qwen3-vl-4b/default/seed0"):
        assert find_run(found, name).json == find_run(without, name).json


@pytest.mark.parametrize("changed", [{"share": 0.25}, {"every": 10}, {"keep": "last"}])
def test_every_part_of_it_makes_another_run(config, changed):
    one, two = (find_run(with_validation(config, value), SFT) for value in (HALF, HALF | changed))
    assert one.fingerprint != two.fingerprint and RunSpec(**two.model_dump()) == two


@pytest.mark.parametrize(
    "part, value, expected",
    [
        ("share", 0, "training.validation.value.share: "),
        ("share", 0.0, "training.validation.value.share: "),
        ("share", 1.0, "training.validation.value.share: "),
        ("every", 0, "training.validation.value.every: "),
        ("keep", "first", "training.validation.value.keep: "),
        ("steps", 5, "training.validation.value.steps: unknown key"),
    ],
)
def test_a_mistake_is_one_line(config, part, value, expected):
    lines = messages(change(config, "training.validation.value", HALF | {part: value}))
    assert len(lines) == 1 and expected in lines[0] and lines[0].startswith("config.yaml")


def test_stages_of_planning_have_no_such_setting(config):
    (line,) = messages(change(config, "planning.reading.validation", {"value": HALF, "assumed": "test"}))
    assert "planning.reading.validation: unknown key" in line
