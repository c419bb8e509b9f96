"""The smallest published base model can be made again: the first losses of its training are the published ones.

The instructions, the vocabulary and the random weights are made anew, so they must be the same, too.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from workflow_project import copy_project

from gcl.experiment.runs import RunSpec
from gcl.files import read_json

MODEL = "qwen3-vl-2b"
PATIENCE = 600  # seconds
TOLERANCE = 1e-3  # other processors round differently, and steps carry it on

pytestmark = pytest.mark.slow


def losses(folder: Path) -> list[float]:
    """Losses of all whole lines."""
    lines = [line for path in folder.rglob("losses.jsonl") for line in path.read_text().splitlines(keepends=True)]
    return [json.loads(line)["loss"] for line in lines if line.endswith("\n")]


def test_the_first_losses_are_those_that_were_published(tmp_path):
    published = read_json(ROOT / "base_models" / MODEL / "training.json")
    project = copy_project(tmp_path)
    project.snakemake(f"results/miniature/untrained/{MODEL}", "data/miniature/instructions")
    (run,) = RunSpec(**published["run"]).trained_before
    command = [sys.executable, "-m", "gcl", "train", run, "--experiment", "results/miniature/experiment.json"]
    environment, log = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}, tmp_path / "train.log"
    with (
        log.open("w") as lines,
        subprocess.Popen(
            [*command, "--to", "trained"], cwd=tmp_path, env=environment, stdout=lines, stderr=lines
        ) as training,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while len(losses(tmp_path / "scratch")) < len(published["first_losses"]):
                assert training.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < end, "no losses in time"
                time.sleep(0.5)
        finally:
            training.kill()
    found = losses(tmp_path / "scratch")[: len(published["first_losses"])]
    assert found == pytest.approx(published["first_losses"], rel=TOLERANCE)
