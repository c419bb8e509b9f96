"""Trainings on planning tasks through the command, from states to scores; an interrupted one ends with the same bytes."""

import json
import os
import signal
from pathlib import Path

import pytest
from group_case import losses, make_run
from pydantic import ValidationError

from gcl.cli.main import main
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.mgsd_runs import PlanningSpec
from gcl.experiment.runs import ObjectiveSpec
from gcl.experiment.types import Lora
from gcl.models.backbone import load_preprocessor
from gcl.models.weights import Source
from gcl.planning.states_file import read_records
from gcl.planning.views import prompt
from gcl.tasks.planning_samples import source
from gcl.training import loop
from gcl.training.loop import Stopped
from gcl.training.trainer import train_run

OBJECTIVE = ObjectiveSpec(
    gsl_weight=0.0, drl_weight=1.0, divergence="sampled-reverse-kl", matching="infonce", kappa=1.0, semantic_size=1
)
SMALL = ["--pixels", "784", "50176", "--max-new-tokens", "12"]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Path:
    """states.jsonl and pictures of lakes: 8 to train on, 4 to test on."""
    folder = tmp_path_factory.mktemp("tasks")
    drawn = ["--task", "frozenlake", "--level", "3", "--train", "8", "--test", "4", "--seed", "1"]
    assert main(["planning", "generate", *drawn, "--to", str(folder / "states.jsonl")]) == 0
    assert (
        main(
            [
                "planning",
                "render",
                "--states",
                str(folder / "states.jsonl"),
                "--out",
                str(folder / "pictures"),
                "--pixels",
                "84",
            ]
        )
        == 0
    )
    return folder


def spec(backbones, kind: str, views: list[str], **changes) -> PlanningSpec:
    members = 2 if kind == "distillation" else 1
    run = make_run(backbones, members=2, lr=(2e-3, 0.0, 0.0)).model_dump()
    run["members"] = run["members"][:members]
    for member, role in zip(run["members"], ("student", "teacher"), strict=False):
        member |= {"role": role, "source": str(backbones["qwen3_vl"]), "tau": 1.0}
    objective = OBJECTIVE.model_dump() if members == 2 else None
    run |= {"dataset": "planning", "method": "mgsd", "variant": kind, "objective": objective}
    return PlanningSpec(**run, kind=kind, views=views, **{"max_new_tokens": 12, **changes})


CASES = {
    "reading": ("reading", ["image"], {}),
    "response": ("response", ["symbols", "symbols+plan"], {}),
    "response and readings": ("response", ["symbols"], {"pictured": 2, "read": 7}),
    "plan": ("plan", ["image"], {}),
    "distillation": ("distillation", ["image", "symbols+plan"], {}),
    "off-policy": ("distillation", ["image", "symbols+plan"], {"author": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_trains_answers_and_is_scored(backbones, tasks, tmp_path, case):
    kind, views, changes = CASES[case]
    chosen = spec(backbones, kind, views, **changes)
    (tmp_path / "spec.json").write_text(chosen.json)
    states = ["--states", str(tasks / "states.jsonl")]
    place = [*states, "--pictures", str(tasks / "pictures")]
    made = [
        "--scratch",
        str(tmp_path / "scratch"),
        "--record",
        str(tmp_path / "record.json"),
        "--to",
        str(tmp_path / "out"),
    ]
    assert main(["planning", "train", "--spec", str(tmp_path / "spec.json"), *place, *made]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["spec"] == chosen.model_dump() and set(record["weights"]) == {m.role for m in chosen.members}
    steps = losses(tmp_path / "out")
    # 8 states make one batch; of two views two; with two pictures and eight readings more, the last one is small.
    assert len(steps) == {"response": 2, "response and readings": 3}.get(case, 1)
    assert ("rollout_success" in steps[0]) == (kind == "distillation")
    if case == "off-policy":
        assert steps[0]["loss"] == pytest.approx(steps[0]["sft_student"] + steps[0]["sft_teacher"] + steps[0]["drl"])

    question = {"reading": "reading", "plan": "answer"}.get(kind, "image")
    folder, metrics = tmp_path / "answers", tmp_path / "metrics.json"
    role = chosen.members[0].role
    asking = ["--checkpoint", str(tmp_path / "out" / role), *SMALL, "--to", str(folder)]
    asking += ["--questions", question, "symbols+plan"]
    assert main(["planning", "answer", *place, *asking]) == 0
    for asked, view in ((question, "image"), ("symbols+plan", "symbols+plan")):
        answers = str(folder / f"{asked}.jsonl")
        assert main(["planning", "score", *states, "--answers", answers, "--to", str(metrics)]) == 0
        found = json.loads(metrics.read_text())
        kind_asked = "reading" if asked == "reading" else "plan"
        assert (found["view"], found["asked"], len(found["items"])) == (view, kind_asked, 4)
        assert found["rates"]["macro"]["all" if asked == "reading" else "success"]["n"] == 4


def test_a_stopped_distillation_goes_on_to_the_same_bytes(backbones, tasks, tmp_path, monkeypatch):
    """What is drawn depends on the step, not on what was drawn before the stop."""
    chosen = spec(backbones, "distillation", ["image", "symbols+plan"])
    chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"epochs": 4})})
    records = [record for record in read_records(tasks / "states.jsonl") if record.split == "train"]
    execution = ExecutionSpec(save_every=1)

    def train(name: str, scratch: str) -> Path:
        samples = source(chosen, records, tasks / "pictures")
        train_run(chosen, samples, "data", execution, tmp_path / name, tmp_path / scratch, "planning")
        return tmp_path / name

    whole, steps, accumulate = train("whole", "one"), [], loop.accumulate

    def stopping(*arguments):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return accumulate(*arguments)

    monkeypatch.setattr(loop, "accumulate", stopping)
    with pytest.raises(Stopped):
        train("never", "two")
    assert not (tmp_path / "never").exists()
    monkeypatch.undo()
    resumed = train("resumed", "two")
    weights = "student/model.safetensors"
    assert (resumed / weights).read_bytes() == (whole / weights).read_bytes()
    assert losses(resumed) == losses(whole)


def test_a_stage_starts_from_the_adapters_of_the_one_before(backbones, tasks, tmp_path):
    """Adapters alone are asked, and trained further, as the whole model that they make."""
    lora, states = Lora(rank=4, alpha=8.0), ["--states", str(tasks / "states.jsonl")]
    place = [*states, "--pictures", str(tasks / "pictures")]

    def train(chosen, name, lora, retain):
        """With or without adapters; returns the folder of the member that learns."""
        chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"lora": lora})})
        made = ["--scratch", str(tmp_path / "scratch"), "--to", str(tmp_path / name), "--set", f"retain={retain}"]
        assert main(["planning", "train", "--spec", chosen.json, *place, *made]) == 0
        return tmp_path / name / chosen.members[0].role

    kept = {}
    for retain in ("final", "adapters"):
        folder = train(spec(backbones, "reading", ["image"]), f"reading-{retain}", lora, retain)
        asking = [
            "--checkpoint",
            str(folder),
            *SMALL,
            "--questions",
            "reading",
            "--to",
            str(tmp_path / "said" / retain),
        ]
        assert main(["planning", "answer", *place, *asking]) == 0
        second = spec(backbones, "distillation", ["image", "symbols+plan"])
        members = [second.members[0].model_copy(update={"source": str(folder)}), second.members[1]]
        ended = train(second.model_copy(update={"members": members}), f"mgsd-{retain}", None, "final")
        kept[retain] = (
            (tmp_path / "said" / retain / "reading.jsonl").read_bytes(),
            (ended / "model.safetensors").read_bytes(),
        )
    assert {path.name for path in (tmp_path / "reading-adapters").rglob("*.safetensors")} == {
        "adapter_model.safetensors"
    }
    assert kept["final"] == kept["adapters"]


def test_a_training_without_adapters_does_not_start_where_they_alone_are_retained(backbones, tasks, tmp_path, capsys):
    place = ["--states", str(tasks / "states.jsonl"), "--pictures", str(tasks / "pictures")]
    made = ["--scratch", str(tmp_path / "scratch"), "--to", str(tmp_path / "out"), "--set", "retain=adapters"]
    chosen = spec(backbones, "distillation", ["image", "symbols+plan"])
    assert main(["planning", "train", "--spec", chosen.json, *place, *made]) == 2
    error = capsys.readouterr().err
    assert "execution.retain is 'adapters', but this training has none (lora: null)" in error
    assert not (tmp_path / "scratch").exists() and not (tmp_path / "out").exists()


def test_members_are_asked_by_their_task_or_in_ones_own_words(backbones, tasks, tmp_path, capsys):
    place = ["--states", str(tasks / "states.jsonl"), "--pictures", str(tasks / "pictures")]
    made = ["--scratch", str(tmp_path / "scratch"), "--to", str(tmp_path / "out")]
    chosen = spec(backbones, "distillation", ["image", "symbols+plan"])
    assert main(["planning", "train", "--spec", chosen.json, *place, *made]) == 0
    record = next(record for record in read_records(tasks / "states.jsonl") if record.split == "test")
    student, image = str(tmp_path / "out/student"), str(tasks / f"pictures/{record.id}.png")
    asking = ["--checkpoint", student, *SMALL[:3], "--max-new-tokens", "12", "--to", str(tmp_path / "answers")]
    assert main(["planning", "answer", *place, *asking, "--system", "Be brief."]) == 0
    lines = map(json.loads, (tmp_path / "answers/image.jsonl").read_text().splitlines())
    (expected,) = [line["text"] for line in lines if line["id"] == record.id]
    asked = ["predict", "--image", image, "--json", "--max-new-tokens", "12", "--checkpoint"]
    for words in (["--turn", "frozenlake"], ["--question", prompt(record, "image").text]):
        capsys.readouterr()
        assert main([*asked, student, *words]) == 0
        assert list(json.loads(capsys.readouterr().out)["answers"].values()) == [expected]
    assert main([*asked, student]) == 2
    error = capsys.readouterr().err
    assert "was trained for planning tasks (distillation, seen as image): frozenlake; say what is asked" in error
    assert "--turn frozenlake, or --question" in error
    assert main([*asked, str(tmp_path / "out/teacher"), "--turn", "frozenlake"]) == 2
    assert "--turn frozenlake: no question of this member; it has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind, views, changes, expected",
    [
        ("distillation", ["image"], {}, "a view for each"),
        ("distillation", ["image", "symbols"], {"author": 2}, "an author among its members"),
        ("distillation", ["image", "symbols"], {"temperature": 0.0}, "a temperature > 0"),
        ("plan", [], {}, "one view or several"),
        ("plan", ["touch"], {}, "views"),
    ],
)
def test_what_does_not_fit_is_said(backbones, kind, views, changes, expected):
    with pytest.raises(ValidationError, match=expected):
        spec(backbones, kind, views, **changes)


def test_mistakes_are_one_line(backbones, tasks, tmp_path, capsys):
    chosen = spec(backbones, "plan", ["image"])
    states, empty = str(tasks / "states.jsonl"), str(tmp_path)
    train = [
        "planning",
        "train",
        "--spec",
        chosen.json,
        "--states",
        states,
        "--pictures",
        empty,
        "--to",
        empty + "/out",
    ]
    assert main(train) == 2
    assert "no such picture (8 are missing); run gcl planning render" in capsys.readouterr().err
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        '{"id": "frozenlake-3-test-00000", "view": "image", "asked": "plan", "text": "R", "ended": true}\n' * 2
    )
    assert main(["planning", "score", "--states", states, "--answers", str(answers), "--to", empty + "/m.json"]) == 2
    assert "some states have two" in capsys.readouterr().err


def test_a_miniature_model_for_these_words_is_built_and_learns(tasks, tmp_path):
    """From states to a model that was trained on words about them, at a constant rate; its tokenizer knows the words."""
    states = ["--states", str(tasks / "states.jsonl")]
    words, model = str(tmp_path / "vocabulary.json"), tmp_path / "model"
    assert main(["planning", "vocabulary", *states, "--size", "350", "--to", words]) == 0
    built = ["qwen3-vl-2b", "--vocabulary", words, "--pixels", "784", "50176"]
    assert main(["planning", "build", *built, "--to", str(model)]) == 0
    preprocessor = load_preprocessor(Source(str(model)))
    record = read_records(tasks / "states.jsonl")[0]
    assert len(preprocessor.tokenizer(prompt(record, "image").text)["input_ids"]) < 120

    chosen = spec({"qwen3_vl": model, "qwen2_5_vl": model}, "response", ["symbols+plan"])
    training = chosen.training.model_copy(update={"epochs": 30, "schedule": "constant", "warmup_ratio": 0.0})
    chosen = chosen.model_copy(update={"training": training})
    place = [*states, "--pictures", str(tasks / "pictures"), "--scratch", str(tmp_path / "scratch")]
    assert main(["planning", "train", "--spec", chosen.json, *place, "--to", str(tmp_path / "out")]) == 0
    steps = losses(tmp_path / "out")
    assert len(steps) == 30 and steps[-1]["loss"] < 0.5 * steps[0]["loss"]
