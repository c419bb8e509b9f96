"""A number of MGSD's table leads to answers, weights, records and states; what is changed on the way is named."""

from pathlib import Path

import pytest
from fake_metrics import experiment_with, fake_planning, write_metrics

from gcl.errors import CheckpointError
from gcl.experiment.closure import code_sha256
from gcl.experiment.planning_arms import all_asked, checkpoint, trainings
from gcl.experiment.provenance import starts, weights_sha256
from gcl.files import read_json, write_json, write_jsonl, write_text
from gcl.reporting.build import build
from gcl.reporting.trace.trace import trace
from gcl.tasks.planning_provenance import provenance

EXPERIMENT = experiment_with()
RESULTS, MADE = Path("results"), Path("results/miniature")
STATES = Path("data/miniature/planning/states.jsonl")
CELL = "planning:qwen3-vl-4b/stages 1 and 2 (MGSD):success"
DISTILLED = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
GROUNDED = "planning/reading/qwen3-vl-4b/default/seed0"
WORDS = "planning/words/qwen3-vl-4b/default/seed0"
COSTS = {"seconds": 5.0, "attempts": [{"node": "n1"}]}


@pytest.fixture
def project(tmp_path, monkeypatch) -> None:
    """A project in which all trainings on planning tasks have left every file, with invented scores and weights."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(STATES, [{"states": "of all tasks"}])
    for model in EXPERIMENT.planning.models.value:
        write_text(MADE / f"backbones/planning/{model}/model.safetensors", f"untrained {model}")
    for name, spec in trainings(EXPERIMENT).items():
        folder = MADE / "checkpoints" / name
        for member in spec.members:
            write_text(folder / member.role / "model.safetensors", f"{member.role} of {name}")
        record = {
            "run": name, "spec": spec.model_dump(), "data": "states and pictures", "execution": {"retain": "final"},
            "start": starts(spec), "code_sha256": code_sha256("planning"), "environment": {"python": "3"},
            "weights": {member.role: weights_sha256(folder / member.role) for member in spec.members}, "costs": COSTS,
        }  # fmt: skip
        write_json(folder / "run.json", record)
        write_json(MADE / f"records/{name}.json", record)
    metrics = fake_planning(EXPERIMENT)
    for asked in all_asked(EXPERIMENT):
        answers = MADE / f"predictions/{asked.path}.jsonl"
        write_jsonl(answers, [{"answers of": asked.path}])
        made = provenance(*checkpoint(EXPERIMENT, asked.run), STATES, answers)
        metrics[asked.path]["provenance"] = made
    write_metrics(RESULTS, metrics)
    build(EXPERIMENT, "planning", RESULTS, MADE / "tables/planning")


def links() -> dict[str, set[tuple[str, str]]]:
    """By run: kind and state of everything that the number rests on."""
    found = trace(EXPERIMENT, CELL, RESULTS)
    return {part: {(link.what, link.state) for link in each} for part, each in found.links.items()}


def test_everything_behind_a_number_is_found(project):
    found = trace(EXPERIMENT, CELL, RESULTS)
    assert not found.broken
    names = {link.name for each in found.links.values() for link in each}
    assert {
        f"results/miniature/metrics/{DISTILLED}/image.json",
        f"results/miniature/predictions/{GROUNDED}/reading.jsonl",
        f"results/miniature/checkpoints/{DISTILLED}/student",
        f"results/miniature/records/{DISTILLED}.json",
        f"results/miniature/records/{WORDS}.json",  # where the teacher comes from
        str(STATES),
    } <= names
    assert "--forcerun planning_train" in str(found)


@pytest.mark.parametrize(
    ("path", "part", "broken"),
    [
        (f"predictions/{DISTILLED}/image.jsonl", f"{DISTILLED}/image", "predictions"),
        (f"checkpoints/{DISTILLED}/student/model.safetensors", f"{DISTILLED}/image", "checkpoint"),
        (f"checkpoints/{WORDS}/solo/model.safetensors", f"{DISTILLED}/image", "start"),
        (f"records/{GROUNDED}.json", f"{GROUNDED}/image", "record"),
        ("../../data/miniature/planning/states.jsonl", "behind all of them", "states"),
    ],
)
def test_whatever_was_changed_is_named(project, path, part, broken):
    write_text(MADE / path, "{}")
    assert (broken, "CHANGED") in links()[part]


def test_weights_that_no_record_tells_of_are_refused(project):
    folder = MADE / "checkpoints" / DISTILLED / "student"
    write_text(folder / "model.safetensors", "other")
    with pytest.raises(CheckpointError, match=r"not the weights that run\.json beside it tells of"):
        provenance(str(folder), None, STATES, STATES)
    (folder.parent / "run.json").unlink()
    with pytest.raises(CheckpointError, match=r"run\.json: no such file"):
        provenance(str(folder), None, STATES, STATES)


def test_a_published_model_is_known_by_its_commit(project):
    made = provenance("Qwen/some-model", "c0ffee", STATES, STATES)
    assert made["checkpoints"] == {"Qwen/some-model": "c0ffee"} and made["spec"] is None and made["training"] is None
    assert read_json(MADE / f"metrics/{DISTILLED}/image.json")["provenance"]["training"] == DISTILLED
