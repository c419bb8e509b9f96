"""kill -9 at random moments, for one process and for two: what was begun ends as if nothing had happened."""

import random
import time
from pathlib import Path

import pytest
from group_case import exchange_feed, make_run, write_cases
from process_cases import run_worker
from workers import Workers

LORA = {"rank": 4, "alpha": 8.0}
ZERO3 = {"engine": "deepspeed", "processes": 2}


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


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
    run_worker(tmp_path / "undisturbed", processes=processes)
    seed = int(time.time())
    rng, log = random.Random(seed), tmp_path / "killed/scratch/case/losses.jsonl"
    print(f"moments drawn with seed {seed}")
    reached = []
    for _ in range(kills):
        before = log.stat().st_mtime_ns if log.exists() else 0
        started = Workers(tmp_path / "killed", processes)
        steps = lines(log) + rng.randint(0, 5)
        deadline = time.time() + 120
        # Moments are drawn from the part that writes. The log is cut to the last checkpoint first.
        while started.poll() is None and (not log.exists() or log.stat().st_mtime_ns == before or lines(log) < steps):
            assert time.time() < deadline, started.said()
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        started.kill()
        reached.append(lines(log) if log.exists() else spec.training.epochs * 3)
    print(f"killed after step {reached}")
    run_worker(tmp_path / "killed", processes=processes)
    for name in ("losses.jsonl", "learner/model.safetensors", "guide/model.safetensors"):
        one, two = (tmp_path / which / "two/case" / name for which in ("killed", "undisturbed"))
        assert one.read_bytes() == two.read_bytes(), f"{name} (seed {seed}, killed after step {reached})"
    assert not (tmp_path / "killed/scratch/case").exists()
