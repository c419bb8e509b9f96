"""`gcl train` with two processes, as people and the workflow call it: started by itself, stopped by a signal, continued."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from experiment_case import PAIR, on_small_backbones, write_experiment
from raw_case import draw_raw
from safetensors.torch import load_file

from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.experiment.data_spec import data_spec
from gcl.experiment.load import load_resolved

pytestmark = pytest.mark.distributed


@pytest.fixture
def command(backbones, experiment, tmp_path):
    """A drawn data set, its manifest and an experiment on disk; gives the command line that trains on them."""
    values = on_small_backbones(tmp_path / "data", backbones, epochs=12, micro_batch=4)
    file = write_experiment(tmp_path / "experiment.json", experiment, values)
    data = data_spec(load_resolved(file), "snei")
    draw_raw(data, {"train": 4, "test": 1}, 3, Path(data.root))
    scenarios = read_raw(Path(data.root), data)
    write_manifests(scenarios, Path(data.root), tmp_path / "data/manifests/snei")

    def line(output: str, *changes: str) -> list[str]:
        settings = [part for change in ("processes=2", "save_every=1000", *changes) for part in ("--set", change)]
        places = ["--scratch", tmp_path / "scratch" / output, "--to", tmp_path / output]
        return [sys.executable, "-m", "gcl", "train", PAIR, "--experiment", file, *settings, *places]

    return line


def start(command: list[str], log) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log, start_new_session=True)


def wait_until(seen: Callable[[], object], process: subprocess.Popen, log: Path) -> None:
    deadline = time.time() + 120
    while not seen():
        assert process.poll() is None and time.time() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


@pytest.mark.parametrize(
    "changes", [("engine=plain", "workers=1"), ("engine=deepspeed", "zero_stage=3")], ids=["copies", "zero"]
)
def test_a_training_that_was_told_to_stop_continues(command, changes, tmp_path):
    with (tmp_path / "log.txt").open("w") as log:
        assert start(command("undisturbed", *changes), log).wait(200) == 0, (tmp_path / "log.txt").read_text()[-3000:]
        stopped = start(command("stopped", *changes), log)
        wait_until(lambda: list((tmp_path / "scratch/stopped").rglob("losses.jsonl")), stopped, tmp_path / "log.txt")
        time.sleep(1)
        os.killpg(stopped.pid, signal.SIGTERM)  # to all processes, as SLURM does; workers that prepare batches, too
        assert stopped.wait(60) != 0
        assert len(list((tmp_path / "scratch/stopped").rglob("step-*/state.json"))) == 1, "saved before it left"
        assert not (tmp_path / "stopped").exists()
        assert start(command("stopped", *changes), log).wait(200) == 0
    for role in ("learner", "guide"):
        one, two = (load_file(tmp_path / name / role / "model.safetensors") for name in ("undisturbed", "stopped"))
        assert all((one[key] == two[key]).all() for key in one)
    record = json.loads((tmp_path / "stopped/run.json").read_text())
    assert record["execution"]["processes"] == 2


@pytest.mark.parametrize("count", [1, 2])
def test_two_copies_at_once_end_well_with_one_result_and_a_third_finds_it(command, tmp_path, count):
    both = command("out", f"processes={count}", "engine=plain")
    with (tmp_path / "log.txt").open("w") as log:
        first = start(both, log)
        wait_until(lambda: list((tmp_path / "scratch/out").rglob("lease")), first, tmp_path / "log.txt")
        processes = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # some live for a moment only
                process.suspend()  # or it might end before the second has looked
        second = start(both, log)
        wait_until(lambda: "waiting until" in (tmp_path / "log.txt").read_text(), second, tmp_path / "log.txt")
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        assert [copy.wait(200) for copy in (first, second)] == [0, 0], (tmp_path / "log.txt").read_text()[-3000:]
        made = (tmp_path / "out/run.json").stat().st_mtime_ns
        assert start(both, log).wait(60) == 0
    text = (tmp_path / "log.txt").read_text()
    assert "has this run; waiting until it finishes or dies" in text and "has just finished this run" in text
    assert "another copy of this run has just finished it" in text
    assert (tmp_path / "out/run.json").stat().st_mtime_ns == made
    assert not list((tmp_path / "scratch/out").rglob("losses.jsonl"))


def test_a_mistake_is_told_and_stops_all_processes(command, tmp_path):
    with (tmp_path / "log.txt").open("w") as log:
        assert start(command("out", "zero_stage=4"), log).wait(60) == 2
    text = (tmp_path / "log.txt").read_text()
    assert "--set zero_stage=4: input should be 1, 2 or 3" in text and "Traceback" not in text
