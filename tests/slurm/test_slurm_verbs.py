"""`gcl plan`, `gcl status` and `gcl doctor` on a real SLURM."""

import json
import platform
import re

import pytest
from slurm_project import CHECKPOINT, RUN, paper_project

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.slurm


PAIR = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
OTHER = "muson/sft/qwen2.5-vl-3b/default/seed0"


def test_a_changed_training_label_is_planned_with_its_runs_and_gpu_hours_and_nothing_is_submitted(
    experiment, cluster, tmp_path
):
    project = paper_project(tmp_path, cluster, experiment)
    project.note_instead_of_training()
    targets = [f"results/paper/checkpoints/{run}" for run in (RUN, PAIR, OTHER)]
    project.slurm(*targets, "--config", "scale=paper")
    jobs = len(project.jobs())

    def plan(*options: str) -> str:
        return project.do(f"gcl plan {' '.join(targets)} --scale paper {' '.join(options)}")

    assert "Nothing to do" in plan()
    raw = project.root / "data/raw/snei/scenarios.jsonl"
    scenes = [json.loads(line) for line in raw.read_text().splitlines()]
    for split, affected in (("test", set()), ("train", {RUN, PAIR})):
        scene = next(scene for scene in scenes if scene["split"] == split)
        scene["turns"]["explanation"]["answer"] += " Quite so."
        raw.write_text("".join(f"{json.dumps(scene)}\n" for scene in scenes))
        project.do("gcl data manifest snei --scale paper")
        planned = json.loads(plan("--json"))
        assert {training["run"] for training in planned["trainings"]} == affected
    for training in planned["trainings"]:
        assert "data/manifests/snei/train.tsv" in training["reason"] and training["gpus"] == 8
        assert training["gpu_hours"] > 0 and "formula" in training["source"]
    assert planned["gpu_hours"] == pytest.approx(sum(training["gpu_hours"] for training in planned["trainings"]))
    assert f"  {PAIR}" in plan() and "GPU-hours of training" in plan()
    assert len(project.jobs()) == jobs


def test_the_status_of_a_run_follows_its_job(project):
    def status() -> tuple[str, str]:
        [found] = json.loads(project.do(f"gcl status {RUN} --json"))
        return found["state"], found["detail"]

    assert status() == ("to do", "")
    project.cluster.run("scontrol", "update", "nodename=n1,n2", "state=drain", "reason=test")
    invocation = project.begin(CHECKPOINT, "--retries", "0")
    try:
        invocation.until("a job", project.jobs)
        state, detail = status()
        assert state == "queued" and detail.startswith(f"job {project.training()['JobId']}, pending"), detail
    finally:
        project.cluster.run("scontrol", "update", "nodename=n1,n2", "state=resume")
    invocation.pause_training()
    state, detail = status()
    assert state == "running" and re.fullmatch(r"step \d+ of 60, .* left", detail), (state, detail)
    project.cluster.run("scancel", project.training()["JobId"])
    assert invocation.wait() == 1
    assert status()[0] == "interrupted" and "continues from step-" in status()[1]
    project.slurm(CHECKPOINT)
    assert status() == ("trained", "not yet scored")


def test_the_doctor_finds_a_node_that_can_train(undisturbed):
    said = undisturbed.do("gcl doctor --scale miniature --slurm='--partition=main'")
    assert "squeue remembers finished jobs for 3600 s" in said
    assert f"{undisturbed.root} is shared" in said
    assert "BAD" not in said and said.count(f"Python {platform.python_version()}") == 2, "here and on the node"
