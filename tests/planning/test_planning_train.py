"""Runs on planning tasks from states to scores; an interrupted training ends with the same bytes."""

import json
import os
import signal
from pathlib import Path

import pytest
from group_case import losses

from gcl.cli.main import main
from gcl.errors import DataError, TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.runs import ReferenceFeed, RunSpec, Shown, Trained
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import Document
from gcl.files import read_jsonl
from gcl.planning.states_file import read_records
from gcl.planning.views import prompt
from gcl.tasks import jobs
from gcl.tasks.samples import make_feed
from gcl.tasks.task import open_task
from gcl.training import loop
from gcl.training.loop import Stopped

ROOT = Path(__file__).parents[2]
MODEL = "qwen3-vl-2b"


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Path:
    """A project with states.jsonl and pictures of lakes: 8 to train on, 4 to test on."""
    folder = tmp_path_factory.mktemp("tasks")
    states, pictures = str(folder / "planning/states.jsonl"), str(folder / "planning/pictures")
    drawn = ["--task", "frozenlake", "--level", "3", "--train", "8", "--test", "4", "--seed", "1"]
    assert main(["planning", "generate", *drawn, "--to", states]) == 0
    assert main(["planning", "render", "--states", states, "--out", pictures, "--pixels", "84"]) == 0
    return folder


@pytest.fixture
def project(backbones, tasks, tmp_path, monkeypatch):
    """Small trainings of a published model, in a folder of their own."""
    monkeypatch.chdir(tmp_path)

    def value(content):
        return {"value": content, "assumed": "for tests"}

    stage = {"epochs": value(1), "global_batch": value(8), "lr": value(2e-3)}
    few = {"max_new_tokens": value(12)}
    changes = {
        "data": value(str(tasks)),
        "models": {MODEL: {"backbone": value({"path": str(backbones["qwen3_vl"])})}},
        "planning": {
            "models": value([MODEL]),
            "reading": stage,
            "plan": stage,
            "distillation": stage | few,
            "evaluation": few,
        },
    }
    return load_experiment(None, ROOT, [Document("a test", changes)])


def run_of(project, method: str, variant: str = "default") -> RunSpec:
    models = f"{MODEL}+{MODEL}" if method == "mgsd" else MODEL
    return find_run(project, f"planning/{method}/{models}/{variant}/seed0")


def untaught(run: RunSpec, backbones) -> RunSpec:
    """The run, whose members all start from an untrained model."""
    start = Weights(path=str(backbones["qwen3_vl"]))
    return run.model_copy(update={"members": [m.model_copy(update={"start": start}) for m in run.members]})


def train(project, run: RunSpec, **changes) -> Path:
    output = places(project).checkpoints(run.id)
    jobs.train(project, run, ExecutionSpec(**changes), output, Path("record.json"))
    return output


CASES = {
    "reading": ("reading", "default"),
    "plan": ("plan", "default"),
    "distillation": ("mgsd", "ungrounded"),
    "off-policy": ("mgsd", "off_policy"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_method_trains_answers_and_is_scored(project, backbones, case):
    run = untaught(run_of(project, *CASES[case]), backbones)
    output = train(project, run)
    record = json.loads(Path("record.json").read_text())
    assert record["spec"] == run.model_dump() and set(record["weights"]) == {m.role for m in run.members}
    steps = losses(output)
    assert len(steps) == 1  # 8 states make one batch
    assert ("rollout_success" in steps[0]) == (run.method == "mgsd")
    if case == "off-policy":
        assert steps[0]["loss"] == pytest.approx(steps[0]["sft_student"] + steps[0]["sft_teacher"])

    here = places(project)
    jobs.generate(project, run, here.predictions(run.id))
    jobs.score(project, run, here.metrics(run.id), here.summary(run.id))
    found = json.loads(here.metrics(run.id).read_text())
    (member,) = found["members"]
    assert member["role"] == run.members[0].role and len(member["items"]) == 4
    turn = "answer" if case == "plan" else "image"
    assert member["summary"][f"{turn}_success"]["n"] == 4
    assert ("reading_all" in member["summary"]) == (case == "reading")
    assert {item["group"] for item in member["items"]} == {"frozenlake"}
    assert found["provenance"]["spec_sha256"] == run.fingerprint
    assert json.loads(here.summary(run.id).read_text())[member["role"]][f"{turn}_parsed"] >= 0.0


def test_a_base_model_is_asked_and_scored_without_a_training(project, backbones):
    run, here = run_of(project, "base"), places(project)
    jobs.generate(project, run, here.predictions(run.id))
    jobs.score(project, run, here.metrics(run.id), here.summary(run.id))
    found = json.loads(here.metrics(run.id).read_text())
    assert {line["turn"] for line in read_jsonl(here.predictions(run.id))} == {
        "image",
        "reading",
        "symbols",
        "symbols+plan",
    }
    assert found["provenance"]["code_sha256"]["training"] is None
    assert set(found["members"][0]["summary"]) >= {"image_success", "symbols+plan_success", "reading_all"}


def test_a_stopped_distillation_goes_on_to_the_same_bytes(project, backbones, monkeypatch):
    """What is drawn depends on the step, not on what was drawn before the stop."""
    chosen = run_of(project, "mgsd", "ungrounded")
    chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"epochs": 4})})
    execution = ExecutionSpec(save_every=1)

    def train(name: str, scratch: str) -> Path:
        jobs.train(project, chosen, execution, Path(name), scratch=Path(scratch))
        return Path(name)

    whole, steps, accumulate = train("whole", "one"), [], loop.accumulate

    def stopping(*arguments):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return accumulate(*arguments)

    monkeypatch.setattr(loop, "accumulate", stopping)
    with pytest.raises(Stopped):
        train("never", "two")
    assert not Path("never").exists()
    monkeypatch.setattr(loop, "accumulate", accumulate)
    resumed = train("resumed", "two")
    weights = "student/model.safetensors"
    assert (resumed / weights).read_bytes() == (whole / weights).read_bytes()
    assert losses(resumed) == losses(whole)


def test_a_stage_starts_from_the_adapters_of_the_one_before(project):
    """Adapters alone are asked, and trained further, as the whole model that they make."""
    kept = {}
    for retain in ("final", "adapters"):
        first, here = run_of(project, "reading"), places(project)
        first = first.model_copy(
            update={"training": first.training.model_copy(update={"lora": Lora(rank=4, alpha=8.0)})}
        )
        folder = train(project, first, retain=retain)
        jobs.generate(project, first, here.predictions(first.id))
        second = run_of(project, "mgsd", "full")
        assert second.members[0].start == Trained(run=first.id, role="solo")
        ended = train(project, second)
        said = here.predictions(first.id).read_bytes()
        kept[retain] = said, (ended / "student/model.safetensors").read_bytes()
    assert {path.name for path in folder.rglob("*.safetensors")} == {"adapter_model.safetensors"}
    assert kept["final"] == kept["adapters"]


def test_a_training_without_adapters_does_not_start_where_they_alone_are_retained(project):
    with pytest.raises(TrainingError, match=r"retain is 'adapters', but this training has none \(lora: null\)"):
        train(project, run_of(project, "mgsd", "ungrounded"), retain="adapters")
    assert not Path("scratch").exists() and not Path("results").exists()


def test_members_are_asked_by_their_task_or_in_ones_own_words(project, tasks, capsys):
    run, here = run_of(project, "mgsd", "ungrounded"), places(project)
    folder = train(project, run)
    jobs.generate(project, run, here.predictions(run.id))
    record = next(record for record in read_records(here.states) if record.split == "test")
    lines = read_jsonl(here.predictions(run.id))
    (expected,) = [line["text"] for line in lines if line["id"] == record.id]
    asked = ["predict", "--image", str(here.state_pictures / f"{record.id}.png"), "--json", "--max-new-tokens", "12"]
    for words in (["--turn", "frozenlake"], ["--question", prompt(record, "image").text]):
        capsys.readouterr()
        assert main([*asked, "--checkpoint", str(folder / "student"), *words]) == 0
        assert list(json.loads(capsys.readouterr().out)["answers"].values()) == [expected]
    assert main([*asked, "--checkpoint", str(folder / "student")]) == 2
    error = capsys.readouterr().err
    assert "was trained for planning tasks (mgsd, asked for: image): frozenlake; say what is asked" in error
    assert "--turn frozenlake, or --question" in error
    assert main([*asked, "--checkpoint", str(folder / "teacher"), "--turn", "frozenlake"]) == 2
    assert "--turn frozenlake: no question of this member; it has none" in capsys.readouterr().err


def test_states_without_pictures_and_missing_splits_are_one_line(project, tasks, tmp_path):
    task = open_task(project, "planning")
    task.pictures = tmp_path
    with pytest.raises(DataError, match=r"no such picture \(8 are missing\); run gcl planning render"):
        task.data_sha256("train")
    with pytest.raises(DataError, match="no states of split val"):
        task.items("val")


def test_validation_states_are_the_test_of_the_set_for_choosing(project, tmp_path):
    states = tmp_path / "states.jsonl"
    drawn = ["--task", "maze", "--level", "3", "--train", "6", "--val", "3", "--test", "4", "--seed", "5"]
    assert main(["planning", "generate", *drawn, "--to", str(states)]) == 0
    tests, choosing = open_task(project, "planning"), open_task(project, "planning_tuning")
    for task in (tests, choosing):
        task.states = states
    assert choosing.ids("train") == tests.ids("train") and len(choosing.ids("train")) == 6
    assert choosing.ids("test") == tests.ids("val") and len(choosing.ids("test")) == 3
    assert len(tests.ids("test")) == 4 and not set(tests.ids("test")) & set(choosing.ids("test"))


def test_so_many_items_of_all_parts_are_shown(project):
    run = run_of(project, "reading")
    shown = [
        Shown(questions=["symbols", "symbols+plan"]),
        Shown(questions=["image"], count=2),
        Shown(questions=["reading"], count=7),
    ]
    run = run.model_copy(update={"feed": ReferenceFeed(shown=shown)})
    feed = make_feed(run, open_task(project, "planning"))
    kinds = [exchange.id.rpartition("/")[2] for exchange in feed.exchanges]
    assert [kinds.count(kind) for kind in ("symbols", "symbols+plan", "image", "reading")] == [8, 8, 2, 7]
    assert kinds[:4] == ["symbols", "symbols+plan"] * 2, "state by state, as the order of training depends on it"
    assert len(losses(train(project, run))) == 4  # 25 samples are three batches and a small one
