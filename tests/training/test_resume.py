"""Interrupted trainings: stopped by a signal or killed, they continue to the very bytes of an undisturbed one."""

import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from group_case import losses, make_run, train_scenes
from safetensors.torch import load_file, save_file

from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.files import read_json, write_json
from gcl.training import trainer as run_module
from gcl.training.lease import FinishedElsewhere, hold_lease
from gcl.training.loop import Stopped
from gcl.training.plain import PlainEngine

EXECUTION = ExecutionSpec(save_every=2, keep=2)


@pytest.fixture(scope="module")
def spec(backbones):
    return make_run(backbones, epochs=3, micro=4)


def stop_after(scratch: Path, lines: int) -> threading.Thread:
    """Send this process SIGTERM, as SLURM does before its time limit, once so many steps are logged."""

    def watch() -> None:
        log, deadline = scratch / "losses.jsonl", time.time() + 60
        while time.time() < deadline:
            if log.exists() and len(log.read_text().splitlines()) >= lines:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def finished(spec, scenarios, tmp_path_factory):
    """An undisturbed training, and what was left of one that was stopped."""
    folder = tmp_path_factory.mktemp("trainings")
    train_scenes(spec, scenarios[:8], "data", EXECUTION, folder / "undisturbed", folder / "scratch")
    watcher = stop_after(folder / "stopped", 5)
    with pytest.raises(Stopped) as stopped:
        train_scenes(spec, scenarios[:8], "data", EXECUTION, folder / "never", folder / "stopped")
    watcher.join()
    assert stopped.value.code == 143
    assert not (folder / "never").exists()
    return folder


@pytest.fixture
def undisturbed(finished):
    return finished / "undisturbed"


@pytest.fixture
def scratch(finished, tmp_path):
    """The stopped training's scratch folder, each test its own copy."""
    shutil.copytree(finished / "stopped", tmp_path / "scratch")
    return tmp_path / "scratch"


@pytest.fixture
def start(tmp_path, scenarios, scratch):
    """Continue the stopped training; run, data and execution can be changed."""

    def run(spec, data="data", execution=EXECUTION, code="code"):
        train_scenes(spec, scenarios[:8], data, execution, tmp_path / "out", scratch, code=code)
        return tmp_path / "out"

    return run


def newest(scratch: Path) -> Path:
    return sorted((scratch / "checkpoints").iterdir())[-1]


def same_bytes(one: Path, two: Path) -> bool:
    files = ["losses.jsonl", "learner/model.safetensors", "guide/model.safetensors"]
    return all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_a_stopped_training_continues_to_the_same_bytes(spec, start, scratch, undisturbed, capfd):
    assert len(list((scratch / "checkpoints").iterdir())) == 2, "the newest two are kept"
    last = int(newest(scratch).name.removeprefix("step-"))
    assert 5 <= last < 15
    resumed = start(spec)
    assert f"{last}/15" in capfd.readouterr().err, "the progress bar starts where the training stopped"
    assert not scratch.exists()
    assert same_bytes(resumed, undisturbed)
    costs = read_json(resumed / "run.json")["costs"]
    assert len(costs["attempts"]) == 2 and costs["seconds"] == round(sum(a["seconds"] for a in costs["attempts"]), 1)
    assert all(attempt["seconds"] > 0 and attempt["node"] and attempt["gpus"] == 0 for attempt in costs["attempts"])
    assert all(
        attempt["command"] and attempt["hardware"]["cores"] and "git" in attempt for attempt in costs["attempts"]
    )
    assert [step["step"] for step in losses(resumed)] == list(range(1, 16))


def test_steps_after_the_last_checkpoint_are_forgotten_by_the_log(spec, start, scratch, undisturbed):
    """As after kill -9: more was logged than was saved."""
    shutil.rmtree(newest(scratch))
    with (scratch / "losses.jsonl").open("a") as log:
        log.write('{"step": 99, "loss')  # torn in the middle of a line
    assert same_bytes(start(spec), undisturbed)


def test_a_checkpoint_that_was_never_finished_is_no_checkpoint(spec, start, scratch, undisturbed):
    unfinished = newest(scratch).with_name(f".{newest(scratch).name}.0a1b2c3d")
    newest(scratch).rename(unfinished)
    (unfinished / "state.json").unlink()
    assert same_bytes(start(spec), undisturbed)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "state"])
def test_a_damaged_checkpoint_is_refused_by_name(spec, start, scratch, damage):
    victim = newest(scratch) / ("state.json" if damage == "state" else "guide.pt")
    content = victim.read_bytes()
    if damage in ("truncated", "state"):
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        victim.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        victim.unlink()
    remedy = "delete .* to continue from the checkpoint before"
    with pytest.raises(TrainingError, match=rf"{victim.parent.name}.*{victim.name}.*{remedy}"):
        start(spec)


def test_the_checkpoint_before_a_damaged_one_serves(spec, start, scratch, undisturbed):
    shutil.rmtree(newest(scratch))
    assert same_bytes(start(spec), undisturbed)


def test_checkpoints_of_other_runs_data_and_code_are_refused(spec, start, scratch, monkeypatch):
    with pytest.raises(TrainingError, match=r"made by another run.*run: "):
        start(spec.model_copy(update={"seed": 1}))
    with pytest.raises(TrainingError, match="data: data then, new data now"):
        start(spec, data="new data")
    with pytest.raises(TrainingError, match=r"code: .* then, edited now"):
        start(spec, code="edited")
    assert len(list((scratch / "checkpoints").iterdir())) == 2, "a refusal loses nothing"


def test_a_checkpoint_of_divided_weights_needs_an_engine_that_divides(spec, start, scratch):
    state = read_json(newest(scratch) / "state.json")
    state["identity"] |= {"engine": "deepspeed", "zero_stage": "3", "processes": "2"}
    write_json(newest(scratch) / "state.json", state)
    then = "engine: deepspeed then, plain now; processes: 2 then, None now; zero_stage: 3 then, None now"
    with pytest.raises(TrainingError, match=then):
        start(spec)


def test_a_log_that_lost_its_end_is_restored(spec, start, scratch, undisturbed):
    """As after a loss of power: the file system kept the checkpoint, not the end of the log."""
    lines = (scratch / "losses.jsonl").read_text().splitlines(keepends=True)
    (scratch / "losses.jsonl").write_text("".join(lines[:2]) + '{"step": 3, "lo')
    assert same_bytes(start(spec), undisturbed)


def test_other_starting_weights_at_the_same_place_are_refused(spec, start, backbones):
    weights = backbones["qwen3_vl"] / "model.safetensors"
    original = weights.read_bytes()
    changed = load_file(weights)
    changed["model.visual.pos_embed.weight"] += 1.0
    try:
        save_file(changed, weights, metadata={"format": "pt"})
        with pytest.raises(TrainingError, match=r"made by another run.*start: "):
            start(spec)
    finally:
        weights.write_bytes(original)


def test_a_full_disk_leaves_no_half_a_checkpoint(spec, scratch, start, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    monkeypatch.setattr(PlainEngine, "save", full)
    with pytest.raises(OSError, match="no space left on device"):
        start(spec)
    assert len(list((scratch / "checkpoints").iterdir())) == 2, "only what was there"


def test_models_that_a_killed_copy_left_half_written_are_removed(spec, start, tmp_path):
    (tmp_path / ".out.x7f3").mkdir()
    (tmp_path / ".out.x7f3/model.safetensors").write_bytes(b"half")
    start(spec)
    assert not (tmp_path / ".out.x7f3").exists()


def from_another_process(folder) -> int:
    """Ask for the lease with a second copy; filelock lets one process take its own lock again. Its exit status:"""
    pid = os.fork()
    if pid:
        return pid
    try:
        with hold_lease(folder, duration=1.0):
            os._exit(7)
    except FinishedElsewhere:
        os._exit(8)


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_copy_that_waits_for_one_that_finishes_is_told(tmp_path):
    with hold_lease(tmp_path / "run", duration=1.0):
        second = from_another_process(tmp_path / "run")
        time.sleep(0.5)
        shutil.rmtree(tmp_path / "run")
    assert status_of(second) == 8


def test_a_copy_waits_for_a_living_one_however_long_that_takes(tmp_path):
    with hold_lease(tmp_path, duration=1.0):
        second = from_another_process(tmp_path)
        time.sleep(3.0)
        assert os.waitpid(second, os.WNOHANG) == (0, 0), "three times as long as would mean death without a heartbeat"
    assert status_of(second) == 7


def test_what_another_copy_finished_meanwhile_is_the_result(spec, start, scratch, tmp_path, monkeypatch, capsys):
    finished = start(spec)

    @contextmanager
    def lost_the_race(folder, **_):
        raise FinishedElsewhere("the other copy has just finished this run")
        yield

    monkeypatch.setattr(run_module, "hold_lease", lost_the_race)
    before = (finished / "learner/model.safetensors").stat().st_mtime_ns
    start(spec)
    assert "just finished this run" in capsys.readouterr().out
    assert (finished / "learner/model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(FinishedElsewhere):
        start(spec, data="new data")


def test_a_copy_that_comes_late_does_not_train_again(spec, start, tmp_path, capsys):
    finished = start(spec)
    before = (finished / "learner/model.safetensors").stat().st_mtime_ns
    start(spec)
    assert "has just finished it" in capsys.readouterr().out
    assert (finished / "learner/model.safetensors").stat().st_mtime_ns == before
    assert not (tmp_path / "scratch").exists()
    (finished / "guide/model.safetensors").write_bytes(b"damaged")
    start(spec)
    assert (finished / "learner/model.safetensors").stat().st_mtime_ns != before, "what is not whole is made again"


def test_a_copy_that_lost_its_lease_writes_nothing_more(tmp_path):
    with hold_lease(tmp_path / "run") as lease:
        lease.check()
        (tmp_path / "run/lease").unlink()
        with pytest.raises(TrainingError, match="another copy of this run has taken over"):
            lease.check()
