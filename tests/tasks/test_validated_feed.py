"""The samples of a training with a validation: held-out scenes are asked about in full, and never trained on."""

import pytest
from experiment_case import PAIR, write_experiment
from raw_case import draw_raw

from gcl.data.held_out import hold_out
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.errors import ConfigError
from gcl.experiment.data_spec import data_spec
from gcl.experiment.dialogue import turns_of
from gcl.experiment.load import load_resolved
from gcl.experiment.methods.registry import find_run
from gcl.experiment.types import ValidationSplit
from gcl.tasks.samples import make_feed
from gcl.tasks.task import open_task


@pytest.fixture(scope="module")
def project(experiment, tmp_path_factory):
    """An experiment with a validation, and 40 drawn training scenes."""
    folder = tmp_path_factory.mktemp("project")
    values = {
        "data": str(folder),
        "datasets/snei/scenarios": {"train": 40, "test": 2},
        "training/validation": {"share": 0.2, "every": 5, "keep": "best"},
    }
    found = load_resolved(write_experiment(folder / "experiment.json", experiment, values))
    data = data_spec(found, "snei")
    draw_raw(data, {"train": 40, "test": 2}, 0, folder / "raw/snei")
    write_manifests(read_raw(folder / "raw/snei", data), folder / "raw/snei", folder / "manifests/snei")
    return found


def scenes_of(samples) -> list[str]:
    return list(dict.fromkeys(sample.id.rpartition("/")[0] for sample in samples))


def test_every_scene_is_on_one_side_with_all_its_questions(project):
    run, task = find_run(project, PAIR), open_task(project, "snei")
    feed, ids = make_feed(run, task), task.ids("train")
    held_out = hold_out(task.items("train"), 0.2)
    assert scenes_of(feed.held_out) == [id for id in ids if id in held_out] and len(held_out) == 8
    assert scenes_of(feed.exchanges) == [id for id in ids if id not in held_out]
    turns = turns_of(project, "snei")
    assert len(feed.held_out) == 8 * len(turns) and len(feed.exchanges) == 32 * len(turns)
    assert "160 questions with answers, 40 more for the validation" in feed.about


def test_without_a_validation_all_scenes_train(project):
    run, task = find_run(project, PAIR), open_task(project, "snei")
    run = run.model_copy(update={"training": run.training.model_copy(update={"validation": None})})
    feed = make_feed(run, task)
    assert scenes_of(feed.exchanges) == task.ids("train") and not feed.held_out


def test_all_runs_are_validated_on_the_same_scenes(project):
    task, whole = open_task(project, "snei"), make_feed(find_run(project, PAIR), open_task(project, "snei"))
    for name in (
        PAIR.replace("seed0", "seed1"),
        PAIR.replace("full", "full-scenes8"),
        "snei/sft/qwen3-vl-2b/default/seed0",
    ):
        feed = make_feed(find_run(project, name), task)
        assert feed.held_out == whole.held_out and set(feed.exchanges) <= set(whole.exchanges)
    assert len(scenes_of(make_feed(find_run(project, PAIR.replace("full", "full-scenes8")), task).exchanges)) == 8


def test_more_scenes_than_are_left_are_refused(project):
    with pytest.raises(
        ConfigError, match=r"full-scenes33/seed0: 33 scenes, but training.validation leaves 32; use fewer"
    ):
        make_feed(find_run(project, PAIR.replace("full", "full-scenes33")), open_task(project, "snei"))


@pytest.mark.parametrize(
    "name",
    [
        "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0",
        "planning/reading/qwen3-vl-4b/default/seed0",
        "instructions/pretraining/qwen3-vl-4b/default/seed0",
    ],
)
def test_other_data_than_scenes_is_refused(project, name):
    run = find_run(project, name)
    validation = ValidationSplit(share=0.5, every=1, keep="last")
    run = run.model_copy(update={"training": run.training.model_copy(update={"validation": validation})})
    with pytest.raises(ConfigError, match=r"training.validation is for data sets of scenes; use null"):
        make_feed(run, open_task(project, run.dataset))


def test_in_a_full_context_references_stand_before_each_question(project):
    task = open_task(project, "snei", "full")
    feed, scenes = make_feed(find_run(project, PAIR), task), {scene.id: scene for scene in task.items("train")}
    for sample in [*feed.exchanges, *feed.held_out]:
        scene, _, turn = sample.id.rpartition("/")
        turns = scenes[scene].turns
        assert sample.earlier == tuple(turns.values())[: list(turns).index(turn)]
