"""Two processes draw the answers of one, and make its updates: each answer has random numbers of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from group_case import losses, make_run
from safetensors.torch import load_file

from gcl.cli.main import main
from gcl.experiment.runs import ObjectiveSpec

pytestmark = pytest.mark.distributed

ENGINES = {
    "copies": ["engine=plain", "processes=2"],
    "stage-2": ["engine=deepspeed", "processes=2", "zero_stage=2"],
    "stage-3": ["engine=deepspeed", "processes=2", "zero_stage=3"],
}


@pytest.fixture(scope="module")
def alone(backbones, tmp_path_factory) -> Path:
    """States, pictures, the specification, and what one process makes of them; 7 states, so that one process idles."""
    folder = tmp_path_factory.mktemp("on-policy")
    states, pictures = str(folder / "states.jsonl"), str(folder / "pictures")
    drawn = ["--task", "frozenlake", "--level", "3", "--train", "7", "--seed", "1"]
    assert main(["planning", "generate", *drawn, "--to", states]) == 0
    assert main(["planning", "render", "--states", states, "--cell-pixels", "28", "--out", pictures]) == 0
    run = make_run(backbones, members=2, lr=(2e-3, 0.0, 0.0)).model_dump()
    for member, role in zip(run["members"], ("student", "teacher"), strict=True):
        member |= {"role": role, "source": str(backbones["qwen3_vl"]), "tau": 1.0}
    shared = {"gsl_weight": 0.0, "drl_weight": 1.0, "divergence": "sampled-reverse-kl", "matching": "infonce"}
    run["objective"] = ObjectiveSpec(**shared, kappa=1.0, semantic_size=1).model_dump()
    # eps is large, so that updates follow gradients smoothly.
    run["training"] |= {"global_batch": 7, "micro_batch": 3, "epochs": 3, "eps": 1e-3}
    spec = PlanningSpec(**run, kind="distillation", views=["image", "symbols+plan"], max_new_tokens=10)
    (folder / "spec.json").write_text(spec.json)
    assert main(command(folder, "one", ["engine=plain", "processes=1"])) == 0
    return folder


def command(folder: Path, name: str, changes: list[str]) -> list[str]:
    given = ["--spec", folder / "spec.json", "--states", folder / "states.jsonl", "--pictures", folder / "pictures"]
    place = ["--scratch", folder / "scratch" / name, "--to", folder / name]
    return ["planning", "train", *map(str, given + place), *(word for change in changes for word in ("--set", change))]


@pytest.mark.parametrize("name", ENGINES)
def test_two_processes_make_the_updates_of_one(alone, backbones, name):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "DS_ACCELERATOR": "cpu"}
    words = [sys.executable, "-m", "gcl", *command(alone, name, ENGINES[name])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    for ours, expected in zip(losses(alone / name), losses(alone / "one"), strict=True):
        assert ours["rollout_tokens"] == expected["rollout_tokens"]
        assert ours["drl"] == pytest.approx(expected["drl"], rel=1e-4, abs=1e-6)
    before = load_file(backbones["qwen3_vl"] / "model.safetensors")
    moved = []
    for run in ("one", name):
        after = load_file(alone / run / "student" / "model.safetensors")
        moved.append(torch.cat([(after[key] - before[key]).double().flatten() for key in sorted(before)]))
    assert moved[0].norm() > 0
    assert (moved[1] - moved[0]).norm() <= 1e-4 * moved[0].norm()
    assert json.loads((alone / name / "run.json").read_text())["spec"]["kind"] == "distillation"
