"""A number of MGSD's table leads to answers, weights, records and states; what is changed on the way is named."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from fake_metrics import experiment_with

from gcl.experiment.asked import evaluation
from gcl.experiment.closure import run_code
from gcl.experiment.grid import all_runs, planning_runs
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import PLANNING, kind_of, places
from gcl.experiment.provenance import starts, weights_sha256
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import read_json, write_json, write_jsonl, write_text
from gcl.planning.draw import draw_state
from gcl.planning.states_file import read_records, solved, write_records
from gcl.reporting.build import build
from gcl.reporting.trace.trace import trace
from gcl.tasks import jobs
from gcl.tasks.task import open_task

EXPERIMENT = experiment_with()
RESULTS, MADE = Path("results"), Path("results/miniature")
STATES = Path("data/miniature/planning/states.jsonl")
CELL = "planning:qwen3-vl-4b/stages 1 and 2 (MGSD):success"
DISTILLED = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
GROUNDED = "planning/reading/qwen3-vl-4b/default/seed0"
BASE = "planning/base/qwen3-vl-4b/default/seed0"
PUBLISHED = "base_models/qwen3-vl-4b"
COSTS = {"seconds": 5.0, "attempts": [{"node": "n1"}]}


def write_states(folder: Path) -> None:
    """Two states of each task, one to train on and one to test on; pictures are any bytes."""
    draw, records = random.Random(0), []
    for task in EXPERIMENT.planning.levels.value:
        records += [solved(f"{task}-{split}", split, 0, draw_state(task, 3, draw)) for split in ("train", "test")]
    write_records(folder / "states.jsonl", records)
    for record in records:
        write_text(folder / f"pictures/{record.id}.png", f"picture of {record.id}")


def answered_and_scored(experiment: Experiment, run: RunSpec) -> None:
    """Answers in which every plan is right and no picture is read, and what `gcl score` makes of them."""
    here, turns = places(experiment), evaluation(experiment, run).turns
    answers = [
        {"role": member.role, "turn": query.turn, "id": query.id, "question": query.exchange.question, **query.facts}
        | {"text": "" if query.turn == "reading" else query.exchange.answer, "ended": True}
        for member in run.asked
        for query in open_task(experiment, PLANNING).queries("test", turns, "own")
    ]
    write_jsonl(here.predictions(run.id), answers)
    jobs.score(experiment, run, here.metrics(run.id), here.summary(run.id))


@pytest.fixture
def project(tmp_path, monkeypatch) -> None:
    """A project in which all trainings on planning tasks have left every file, with invented answers and weights."""
    monkeypatch.chdir(tmp_path)
    here = places(EXPERIMENT)
    write_states(STATES.parent)
    for model in EXPERIMENT.planning.models.value:
        write_text(Path(f"base_models/{model}/model.safetensors"), f"published {model}")
    data = open_task(EXPERIMENT, PLANNING).data_sha256("train")
    for run in all_runs(EXPERIMENT).values():
        if kind_of(run.dataset) == PLANNING:
            folder = here.checkpoints(run.id)
            for member in run.members:
                write_text(folder / member.role / "model.safetensors", f"{member.role} of {run.id}")
            record = {
                "run": run.id, "spec": run.model_dump(), "data": data, "execution": {"retain": "final"},
                "start": starts(run), "code_sha256": run_code("training", run), "environment": {"python": "3"},
                "weights": {member.role: weights_sha256(folder / member.role) for member in run.members},
                "costs": COSTS,
            }  # fmt: skip
            write_json(folder / "run.json", record)
            write_json(here.record(run.id), record)
    for run in planning_runs(EXPERIMENT):
        answered_and_scored(EXPERIMENT, run)
    build(EXPERIMENT, "planning", RESULTS, here.table("planning"))


def links() -> dict[str, set[tuple[str, str]]]:
    """By run: kind and state of everything that the number rests on."""
    found = trace(EXPERIMENT, CELL, RESULTS)
    return {part: {(link.what, link.state) for link in each} for part, each in found.links.items()}


def test_everything_behind_a_number_is_found(project):
    found = trace(EXPERIMENT, CELL, RESULTS)
    assert not found.broken and found.value == "1.0"
    names = {link.name for each in found.links.values() for link in each}
    assert {
        f"results/miniature/metrics/{DISTILLED}.json",
        f"results/miniature/predictions/{GROUNDED}.jsonl",
        f"results/miniature/checkpoints/{DISTILLED}/student",
        f"results/miniature/records/{DISTILLED}.json",
        PUBLISHED,  # where the teacher comes from
        str(STATES),
    } <= names
    assert str(found).count("--forcerun train\n") == 1


def test_a_base_model_leads_to_its_published_weights(project):
    found = trace(EXPERIMENT, "planning:qwen3-vl-4b/base model:success", RESULTS)
    assert not found.broken
    shown = {(link.what, link.name) for link in found.links[BASE]}
    assert ("start", PUBLISHED) in shown
    assert not {what for what, _ in shown} & {"checkpoint", "record", "teacher"}, "nothing was trained for it"


@pytest.mark.parametrize(
    ("path", "part", "broken"),
    [
        (f"predictions/{DISTILLED}.jsonl", DISTILLED, "predictions"),
        (f"checkpoints/{DISTILLED}/student/model.safetensors", DISTILLED, "checkpoint"),
        (f"checkpoints/{GROUNDED}/solo/model.safetensors", DISTILLED, "start"),
        (f"../../{PUBLISHED}/model.safetensors", DISTILLED, "start"),
        (f"records/{GROUNDED}.json", GROUNDED, "record"),
        (f"records/{GROUNDED}.json", DISTILLED, "teacher"),
        ("../../data/miniature/planning/pictures/maze-test.png", "behind all of them", "manifest"),
    ],
)
def test_whatever_was_changed_is_named(project, path, part, broken):
    write_text(MADE / path, "{}")
    assert (broken, "CHANGED") in links()[part]


def test_states_that_were_drawn_anew_are_named(project):
    records = read_records(STATES)
    write_records(STATES, [*records, replace(records[0], id="one-more")])
    write_text(STATES.parent / "pictures/one-more.png", "")
    assert ("manifest", "CHANGED") in links()["behind all of them"]
    STATES.unlink()
    assert ("manifest", "MISSING") in links()["behind all of them"]


def test_a_published_model_is_known_by_its_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paper = experiment_with("paper")
    run, here = find_run(paper, BASE), places(paper)
    write_states(here.states.parent)
    answered_and_scored(paper, run)
    made = read_json(here.metrics(BASE))["provenance"]
    commit = paper.models["qwen3-vl-4b"].backbone.value.revision
    assert made["checkpoints"] == made["start"] == {"solo": commit}
    assert made["training"] is None and made["code_sha256"]["training"] is None
