"""kill -9 at random moments, for one process and for two: what was begun ends as if nothing had happened."""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from group_case import exchange_feed, make_run, write_cases

WORKER = Path(__file__).parent / "worker.py"
LORA = {"rank": 4, "alpha": 8.0}
ZERO3 = {"engine": "deepspeed", "processes": 2}


def begin(folder: Path, processes: int) -> subprocess.Popen:
    command = [sys.executable, str(WORKER), str(folder)]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *launcher, *command[1:]]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with (folder / "output.txt").open("a") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)


def kill_everything(started: subprocess.Popen) -> None:
    """The launcher and its workers, which have sessions of their own, at once: as when a node dies."""
    try:
        everyone = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        everyone = []
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everyone, timeout=10)
    started.wait()


@pytest.mark.parametrize(
    "kills, changes, execution",
    [
        pytest.param(10, {}, {}, id="one-process", marks=pytest.mark.slow),
        pytest.param(10, {}, ZERO3, id="two-processes", marks=pytest.mark.distributed),
        pytest.param(3, {"optimizer": "AdamW8bit"}, ZERO3, id="two-8-bit-AdamW", marks=pytest.mark.distributed),
        # Ways to need less memory.
        pytest.param(3, {"precision": "bfloat16", "lora": LORA}, {}, id="adapters", marks=pytest.mark.slow),
        pytest.param(3, {"quantization": "nf4", "lora": LORA}, {}, id="adapters-4-bits", marks=pytest.mark.slow),
        pytest.param(3, {"optimizer": "AdamW8bit"}, {}, id="8-bit-AdamW", marks=pytest.mark.slow),
        pytest.param(3, {"families": ("qwen3_vl", "smolvlm")}, {}, id="two-tokenizers", marks=pytest.mark.slow),
        pytest.param(10, {"feed": exchange_feed()}, {}, id="exchange", marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments_a_training_ends_with_the_weights_of_an_undisturbed_one(
    kills, changes, execution, all_backbones, scenarios, tmp_path
):
    feed = {"feed": changes["feed"]} if "feed" in changes else {}
    spec = make_run(all_backbones, epochs=16, micro=4, **{k: v for k, v in changes.items() if k not in feed})
    spec = spec.model_copy(update=feed)
    processes, execution = execution.get("processes", 1), execution | {"save_every": 2}
    for name in ("killed", "undisturbed"):
        write_cases(tmp_path / name, scenarios[:4], {"case": {"run": spec.model_dump(), "execution": execution}})
    assert begin(tmp_path / "undisturbed", processes).wait(300) == 0, (tmp_path / "undisturbed/output.txt").read_text()
    seed = int(time.time())
    rng, log = random.Random(seed), tmp_path / "killed/scratch/case/losses.jsonl"
    print(f"moments drawn with seed {seed}")
    reached = []
    for _ in range(kills):
        before = log.stat().st_mtime_ns if log.exists() else 0
        started = begin(tmp_path / "killed", processes)
        deadline = time.time() + 120
        # Starting takes most of the time; moments are drawn from the part that writes.
        while started.poll() is None and (not log.exists() or log.stat().st_mtime_ns == before):
            assert time.time() < deadline, (tmp_path / "killed/output.txt").read_text()[-3000:]
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.0 if processes == 1 else 4.0))
        kill_everything(started)
        steps = len(log.read_text().splitlines()) if log.exists() else spec.training.epochs * 3
        reached.append(steps)
    print(f"killed after step {reached}")
    assert begin(tmp_path / "killed", processes).wait(300) == 0, (tmp_path / "killed/output.txt").read_text()[-3000:]
    for name in ("losses.jsonl", "learner/model.safetensors", "guide/model.safetensors"):
        one, two = (tmp_path / which / "two/case" / name for which in ("killed", "undisturbed"))
        assert one.read_bytes() == two.read_bytes(), f"{name} (seed {seed}, killed after step {reached})"
    assert not (tmp_path / "killed/scratch/case").exists()
