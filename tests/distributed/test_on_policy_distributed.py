"""Two processes draw the answers of one, and make its updates: each answer has random numbers of its own.

In MGSD a frozen teacher judges them, in exchange a member that learns. Both judges see no picture.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from group_case import losses
from safetensors.torch import load_file

from gcl.cli.main import main
from gcl.experiment.load import load_experiment, write_resolved
from gcl.experiment.yaml_files import Document

pytestmark = pytest.mark.distributed

ROOT = Path(__file__).parents[2]
MODEL = "qwen3-vl-2b"
RUNS = {
    "mgsd": f"planning/mgsd/{MODEL}+{MODEL}/ungrounded/seed0",
    "exchange": f"planning/exchange/{MODEL}+{MODEL}/told/seed0",
}
MEMBERS = {"mgsd": ["student"], "exchange": ["learner", "guide"]}
ENGINES = {
    "copies": ["engine=plain", "processes=2"],
    "stage-2": ["engine=deepspeed", "processes=2", "zero_stage=2"],
    "stage-3": ["engine=deepspeed", "processes=2", "zero_stage=3"],
}
BLIND = {
    "stage-1": ["engine=deepspeed", "processes=2", "zero_stage=1"],
    "stage-3-offload": ["engine=deepspeed", "processes=2", "zero_stage=3", "offload=true"],
}
CASES = [("mgsd", name) for name in ENGINES] + [("exchange", name) for name in ENGINES | BLIND]


def experiment_of(folder: Path, model: Path):
    """Stage 2 of a published model, 7 states a batch; eps is large, so that updates follow gradients smoothly."""

    def value(content):
        return {"value": content, "assumed": "for tests"}

    both = {"epochs": 3, "global_batch": 7, "lr": 2e-3, "warmup_ratio": 0.1}
    stage = both | {"micro_batch": 3, "max_new_tokens": 10}
    changes = {
        "data": value(str(folder)),
        "models": {MODEL: {"backbone": value({"path": str(model)})}},
        "training": {"eps": value(1e-3), "micro_batch": value(3)},
        "exchange": {"planning": {name: value(each) for name, each in both.items()}, "warmup": value(0.0)},
        "planning": {"models": value([MODEL]), "distillation": {name: value(each) for name, each in stage.items()}},
    }
    return load_experiment(None, ROOT, [Document("a test", changes)])


@pytest.fixture(scope="module")
def alone(backbones, tmp_path_factory) -> Path:
    """States, pictures, the experiment, and what one process makes of them; 7 states, so that one process idles."""
    folder = tmp_path_factory.mktemp("on-policy")
    states, pictures = str(folder / "planning/states.jsonl"), str(folder / "planning/pictures")
    drawn = ["--task", "frozenlake", "--level", "3", "--train", "7", "--seed", "1"]
    assert main(["planning", "generate", *drawn, "--to", states]) == 0
    assert main(["planning", "render", "--states", states, "--cell-pixels", "28", "--out", pictures]) == 0
    write_resolved(experiment_of(folder, backbones["qwen3_vl"]), folder / "experiment.json")
    for method in RUNS:
        assert main(command(folder, method, "one", ["engine=plain", "processes=1"])) == 0
    return folder


def command(folder: Path, method: str, name: str, changes: list[str]) -> list[str]:
    scratch, to = folder / "scratch" / method / name, folder / method / name
    place = ["--experiment", folder / "experiment.json", "--scratch", scratch, "--to", to]
    return ["train", RUNS[method], *map(str, place), *(word for change in changes for word in ("--set", change))]


@pytest.mark.parametrize("method, name", CASES)
def test_two_processes_make_the_updates_of_one(alone, backbones, method, name):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "DS_ACCELERATOR": "cpu"}
    words = [sys.executable, "-m", "gcl", *command(alone, method, name, (ENGINES | BLIND)[name])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    one, two = alone / method / "one", alone / method / name
    for ours, expected in zip(losses(two), losses(one), strict=True):
        assert ours["rollout_tokens"] == expected["rollout_tokens"]
        assert ours["loss"] == pytest.approx(expected["loss"], rel=1e-4, abs=1e-6)
    before = load_file(backbones["qwen3_vl"] / "model.safetensors")
    for role in MEMBERS[method]:
        moved = []
        for folder in (one, two):
            after = load_file(folder / role / "model.safetensors")
            moved.append(torch.cat([(after[key] - before[key]).double().flatten() for key in sorted(before)]))
        assert moved[0].norm() > 0
        assert (moved[1] - moved[0]).norm() <= 1e-4 * moved[0].norm()
    feed = json.loads((two / "run.json").read_text())["spec"]["feed"]
    assert "symbols+plan" in (feed["view"] if method == "exchange" else feed["views"])
