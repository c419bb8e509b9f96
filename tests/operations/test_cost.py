"""Plans and bills: estimates from records and by formula, reasons, sums."""

import csv
import json
import os

import pytest
from conftest import ROOT

from gcl.errors import DataError
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.types import ValidationSplit
from gcl.experiment.yaml_files import read_yaml
from gcl.files import write_json, write_jsonl
from gcl.operations.code_change import CodeChange, code_changes
from gcl.operations.costs import read_records, write_costs
from gcl.operations.dry_run import DryRun, PlannedTraining, _reason, _without_files
from gcl.operations.gpu_hours import estimate
from gcl.operations.pictures import most_pictures
from gcl.training import attempts

RUN = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"


@pytest.fixture(scope="module")
def paper():
    return load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT)


def record(run, hours: float) -> dict:
    made = [
        {"started": 0.0, "seconds": 1800.0, "node": "n2", "job": "7", "gpus": 8},
        {"started": 5000.0, "seconds": 3600 * hours / 8 - 1800.0, "node": "n1", "job": "9", "gpus": 8},
    ]
    costs = {"gpu_hours": hours, "seconds": 3600 * hours / 8, "peak_memory_mib": 2048, "peak_gpu_memory_mib": 30720}
    return {"run": run.id, "spec": run.model_dump(), "costs": costs | {"attempts": made}}


def test_a_training_that_ran_before_is_estimated_by_what_it_took(paper):
    run = find_run(paper, RUN)
    found = estimate(run, paper, {run.id: record(run, 12.5)}, 100)
    assert (found.gpu_hours, found.source) == (12.5, "its last training")


def test_a_training_of_the_same_size_stands_in(paper):
    run, other = find_run(paper, RUN), find_run(paper, RUN.replace("full", "gco"))
    found = estimate(run, paper, {other.id: record(other, 12.5)}, 100)
    assert (found.gpu_hours, found.source) == (12.5, f"measured: {other.id}")
    alone = find_run(paper, "snei/sft/qwen3-vl-4b/default/seed0")
    assert "formula" in estimate(alone, paper, {other.id: record(other, 12.5)}, 100).source


def test_the_formula_is_operations_over_speed(paper):
    """3B and 4B, 265 scenes of 5 turns, 10 epochs, 512 tokens an input, 8 operations with gradient checkpointing."""
    run = find_run(paper, RUN)
    expected = 8 * 7e9 * 265 * 5 * 10 * 512 / 100e12 / 3600
    assert estimate(run, paper, {}, 100).gpu_hours == pytest.approx(expected, rel=1e-3)
    assert estimate(run, paper, {}, 50).gpu_hours == pytest.approx(2 * expected, rel=1e-3)
    teacher = run.members[1].model_copy(update={"lr": 0.0})
    frozen = run.model_copy(update={"members": [run.members[0], teacher]})
    assert estimate(frozen, paper, {}, 100).gpu_hours == pytest.approx(expected * (8 * 3 + 2 * 4) / (8 * 7), rel=1e-3)


def test_all_pictures_and_the_longest_dialogue_count(paper, tmp_path):
    """Ten pictures of 256 tokens; five turns of 256."""
    run = find_run(paper, RUN)
    one = estimate(run, paper, {}, 100).gpu_hours
    here = paper.model_copy(update={"data": paper.data.model_copy(update={"value": str(tmp_path)})})
    assert most_pictures(run, here) is None and estimate(run, here, {}, 100).gpu_hours == one
    (tmp_path / "raw/snei").mkdir(parents=True)
    lines = [{"image": "0.png"}, {"images": [{"path": f"{k}.png"} for k in range(10)]}, {"images": []}]
    write_jsonl(tmp_path / "raw/snei/scenarios.jsonl", lines)
    assert most_pictures(run, here) == 10
    assert estimate(run, here, {}, 100).gpu_hours == pytest.approx(one * (10 * 256 + 256) / 512)
    full = run.model_copy(update={"training": run.training.model_copy(update={"context": "full"})})
    assert estimate(full, here, {}, 100).gpu_hours == pytest.approx(one * (10 * 256 + 5 * 256) / 512)
    assert most_pictures(find_run(paper, "planning/reading/qwen3-vl-4b/default/seed0"), here) == 1


def test_a_validation_costs_forward_passes_and_saves_the_training_of_what_is_held_out(paper):
    """53 of 265 scenes are held out; 212 of 5 turns in 10 epochs are 662 steps of 16, and 6 validations."""
    run = find_run(paper, RUN)
    validation = ValidationSplit(share=0.2, every=100, keep="last")
    watched = run.model_copy(update={"training": run.training.model_copy(update={"validation": validation})})
    expected = 7e9 * 512 * 5 * (8 * 212 * 10 + 2 * 53 * 6) / 100e12 / 3600
    assert estimate(watched, paper, {}, 100).gpu_hours == pytest.approx(expected, rel=1e-3)


def test_runs_with_the_same_reason_are_listed_together():
    reason = f"Missing output files: results/paper/checkpoints/{RUN}; Input files updated by another job: data/x.tsv"
    assert _without_files(reason, RUN) == "Missing output files; Input files updated by another job: data/x.tsv"
    trainings = [PlannedTraining(name, "data", 8, 1.5, "formula") for name in ("a", "b")]
    text = str(DryRun("paper", trainings, {"train": 2}, "disk"))
    assert text.count("because: data") == 1 and "about 3.0 GPU-hours" in text
    assert str(DryRun("paper", [], {}, "disk")) == "Nothing to do: everything is up to date."


def test_the_bill_has_a_row_for_each_run_and_a_sum(paper, tmp_path):
    for name, hours in ((RUN, 12.5), (RUN.replace("full", "gco"), 8.25)):
        write_json(tmp_path / f"paper/records/{name}.json", record(find_run(paper, name), hours))
    write_costs(tmp_path, "paper", tmp_path / "costs")
    rows = list(csv.DictReader((tmp_path / "costs.csv").open()))
    assert [row["gpu_hours"] for row in rows] == ["12.5", "8.25"]
    assert (rows[0]["nodes"], rows[0]["jobs"], rows[0]["attempts"], rows[0]["peak_gpu_gib"]) == (
        "n1 n2",
        "7 9",
        "2",
        "30.0",
    )
    assert "| all 2 | 20.75 |" in (tmp_path / "costs.md").read_text()
    assert set(read_records(tmp_path, "paper")) == {RUN, RUN.replace("full", "gco")}
    with pytest.raises(DataError, match="no finished run"):
        write_costs(tmp_path, "miniature", tmp_path / "none")


def test_an_attempt_that_was_killed_ends_with_the_last_thing_it_wrote(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(attempts.time, "time", lambda: now[0])
    monkeypatch.setenv("SLURM_STEP_NODELIST", "n1")
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    attempts.begin(tmp_path, 2)
    (tmp_path / "losses.jsonl").write_text("x")
    for path in tmp_path.iterdir():
        os.utime(path, (1060.0, 1060.0))
    now[0] = 5000.0
    monkeypatch.setenv("SLURM_JOB_ID", "6")
    attempts.begin(tmp_path, 2)
    now[0] = 5030.5
    made = attempts.finished(tmp_path)
    assert [(a["seconds"], a["node"], a["job"]) for a in made] == [(60.0, "n1", "5"), (30.5, "n1", "6")]
    assert json.loads((tmp_path / "attempts.json").read_text())[1]["seconds"] is None


def made(run, hours: float, code: str) -> dict:
    return record(run, hours) | {"code_sha256": code}


def test_a_change_of_code_has_its_price_in_runs_and_gpu_hours(paper, tmp_path):
    names = (RUN, RUN.replace("full", "gco"), RUN.replace("full", "gsl"))
    old, older, current = (find_run(paper, name) for name in names)
    drl, here = find_run(paper, RUN.replace("full", "drl")), places(paper, tmp_path)
    now = run_code("training", current)
    records = {old.id: made(old, 12.5, "t1"), older.id: made(older, 8.0, "t0"), current.id: made(current, 4.0, now)}
    for run, code in ((old, "e1"), (current, "e1"), (drl, evaluation_code(drl))):
        write_json(here.metrics(run.id), {"provenance": {"code_sha256": {"evaluation": code}}})
    training, evaluation = code_changes([old, older], [old, older, current, drl], records, here)
    assert training == CodeChange("training", 2, 20.5, 20.5 / 8)
    assert str(training) == "training: 2 runs again, about 20.5 GPU-hours, as they took before"
    assert str(evaluation) == "evaluation: 1 run again, not estimated", "what is trained again is scored again anyway"
    assert code_changes([current], [], records, here) == []
    text = str(
        DryRun(
            "paper",
            [PlannedTraining(RUN, "code has changed", 8, 12.5, "its last training")],
            {"train": 1},
            "disk",
            [training],
        )
    )
    assert "code has changed since these were made:\n  training: 2 runs again, about 20.5 GPU-hours" in text


def test_a_change_of_parameters_is_a_reason_in_words(paper):
    run = find_run(paper, RUN)
    now = run_code("training", run)
    other = run.model_copy(update={"seed": 1})
    said = "Params have changed since last execution: Union of exclusive params before: '{\"a\": 1}' now: 'b'"
    for stored, reason in (
        (made(run, 1.0, "t1"), "code has changed"),
        (record(other, 1.0) | {"code_sha256": now}, "settings have changed"),
        (record(other, 1.0) | {"code_sha256": "t1"}, "settings have changed; code has changed"),
        (made(run, 1.0, now), "its inputs have changed"),
    ):
        assert _reason(said, run, {run.id: stored}) == reason
    assert _reason(said, run, {}) == "settings or code have changed"
    assert (
        _reason(f"Missing output files: results/{RUN}; {said}", run, {})
        == "Missing output files; settings or code have changed"
    )
