"""Trainings are watched through their logs, whatever happens to these meanwhile."""

import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import pytest
import torch
from conftest import ROOT
from transformers import get_scheduler

from gcl.cli.main import main
from gcl.errors import DataError
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import results_at
from gcl.files import write_text
from gcl.operations.learning_rates import learning_rates
from gcl.operations.watched_run import Tail, WatchedRun, find_runs

RUN = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"


def line(step: int, **values: float) -> str:
    return (
        json.dumps({"step": step, "loss": 3.0 / step, "sft_learner": 2.0 / step, "sft_guide": 1.0 / step} | values)
        + "\n"
    )


class Training:
    """The files of a training in a folder, as the trainer writes them."""

    def __init__(self, root, steps: int = 10) -> None:
        self.root, self.steps, self.folder = root, steps, root / "scratch" / RUN / "abc"
        self.folder.mkdir(parents=True)
        self.beat()

    def beat(self, age: float = 0.0) -> None:
        (self.folder / "lease").touch()
        os.utime(self.folder / "lease", (time.time() - age,) * 2)

    def add(self, *texts: str) -> None:
        with (self.folder / "losses.jsonl").open("a") as stream:
            stream.writelines(texts)

    def progress(self, step: int) -> None:
        said = {"step": step, "steps": self.steps, "seconds": 2.0 * step, "left": 2.0 * (self.steps - step)}
        (self.folder / "progress.json").write_text(json.dumps(said))

    def finish(self) -> None:
        output = self.root / "results/miniature/checkpoints" / RUN
        output.mkdir(parents=True)
        shutil.copy(self.folder / "losses.jsonl", output)
        (output / "run.json").write_text("{}")
        shutil.rmtree(self.folder)

    def watched(self) -> WatchedRun:
        (run,) = find_runs([RUN], results_at("miniature", self.root / "results"), self.root / "scratch")
        return run


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path)


def test_a_line_counts_once_its_end_is_written(tmp_path):
    path = tmp_path / "log"
    tail = Tail(path)
    assert tail.read() == ([], False)
    path.write_text('{"a": 1}\n{"a"')
    assert tail.read() == ([{"a": 1}], True)
    assert tail.read() == ([], False)
    with path.open("a") as stream:
        stream.write(': 2}\nbroken\n{"a": 3}\n')
    assert tail.read() == ([{"a": 2}, {"a": 3}], False)


def test_a_file_that_is_replaced_or_cut_begins_anew(tmp_path):
    path = tmp_path / "log"
    tail = Tail(path)
    write_text(path, "1\n2\n")
    assert tail.read() == ([1, 2], True)
    write_text(path, "1\n5\n6\n")
    assert tail.read() == ([1, 5, 6], True)
    with path.open("r+") as stream:
        stream.truncate(2)
    assert tail.read() == ([1], True)


def test_a_run_is_followed_from_its_start_to_its_end(training):
    run = training.watched()
    run.refresh()
    assert (run.state, run.records, run.steps, run.speed) == ("running", [], 0, None)
    training.add(line(1), line(2), line(3)[:9])
    training.progress(2)
    run.refresh()
    assert (run.state, run.step, run.steps, run.speed, run.left) == ("running", 2, 10, 0.5, 16.0)
    training.add(line(3)[9:])
    run.refresh()
    assert run.step == 3 and run.left == 14.0
    training.add(*map(line, range(4, 11)))
    training.finish()
    run.refresh()
    assert (run.state, run.step, run.steps) == ("done", 10, 10)
    assert [record["step"] for record in run.records] == list(range(1, 11))


def test_a_run_that_stops_and_resumes_keeps_each_step_once(training):
    run = training.watched()
    training.add(line(1), line(2), line(3, loss=9.0), '{"step": 4, "lo')
    training.progress(3)
    run.refresh()
    training.beat(age=100)
    run.refresh()
    assert (run.state, run.step, run.left) == ("stopped", 3, None)
    write_text(training.folder / "losses.jsonl", line(1) + line(2))  # as LossLog.begin does
    training.beat()
    run.refresh()
    assert (run.state, run.step) == ("running", 2)
    training.add(line(3), line(4))
    run.refresh()
    assert [record["step"] for record in run.records] == [1, 2, 3, 4] and run.records[2]["loss"] == 1.0


def test_steps_that_are_made_again_in_the_same_file_replace_the_old_ones(training):
    run = training.watched()
    training.add(line(1), line(2), line(3), line(2, loss=7.0))
    run.refresh()
    assert [(r["step"], r["loss"]) for r in run.records] == [(1, 3.0), (2, 7.0)]


def test_a_run_that_vanishes_before_its_end_is_gone(training):
    run = training.watched()
    training.add(line(1))
    training.progress(1)
    run.refresh()
    shutil.rmtree(training.folder)
    run.refresh()
    assert run.state == "gone"


def test_the_newest_attempt_counts(training):
    old = training.folder.with_name("old")
    old.mkdir()
    (old / "losses.jsonl").write_text(line(1) + line(2))
    os.utime(old / "losses.jsonl", (time.time() - 500,) * 2)
    training.add(line(1))
    run = training.watched()
    run.refresh()
    assert run.step == 1


def test_without_a_name_all_that_are_under_way_are_meant(training, tmp_path):
    here = results_at("miniature", tmp_path / "results")
    assert [run.name for run in find_runs([], here, tmp_path / "scratch")] == [RUN]
    with pytest.raises(DataError, match="no training is under way; name a run to wait for it"):
        find_runs([], here, tmp_path / "nothing")


def test_a_folder_means_all_logs_below_it(training, tmp_path):
    training.add(line(1))
    copy = training.folder / "checkpoints/step-000001"
    copy.mkdir(parents=True)
    (copy / "losses.jsonl").write_text(line(1))
    here = results_at("miniature", tmp_path / "results")
    (live,) = find_runs([str(tmp_path)], here, tmp_path)
    live.refresh()
    assert (live.name, live.state, live.step) == (RUN, "running", 1)
    training.finish()
    (done,) = find_runs([str(tmp_path)], here, tmp_path)
    done.refresh()
    assert (done.name, done.state, done.step) == (RUN, "done", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no losses.jsonl in it or below"):
        find_runs([str(tmp_path / "empty")], here, tmp_path)
    with pytest.raises(DataError, match=r"no such folder here, and 'nobody' is no run id"):
        find_runs(["nobody"], here, tmp_path)


@pytest.mark.parametrize("skipped", [(), (3, 4)])
def test_learning_rates_are_those_of_the_trainers_schedule(experiment, skipped):
    spec = find_run(experiment, RUN)
    records = [{"step": k} | ({"skipped": 1.0} if k in skipped else {}) for k in range(1, 41)]
    parameters = [torch.zeros(1, requires_grad=True) for _ in spec.members]
    optimizers = [torch.optim.AdamW([p], lr=m.lr) for p, m in zip(parameters, spec.members, strict=True)]
    warmup = round(spec.training.warmup_ratio * 40)
    schedules = [get_scheduler(spec.training.schedule, optimizer, warmup, 40) for optimizer in optimizers]
    found = learning_rates(spec, 40, records)
    for record in records:
        for member, optimizer, schedule in zip(spec.members, optimizers, schedules, strict=True):
            assert found[member.role][record["step"] - 1] == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-15)
            if "skipped" not in record:
                optimizer.step()
                schedule.step()


def test_a_snapshot_goes_into_a_pipe(training, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    training.add(*(line(step) for step in range(1, 6)))
    training.progress(5)
    monkeypatch.chdir(ROOT)
    where = ["--results", str(tmp_path / "results"), "--scratch", str(tmp_path / "scratch")]
    assert main(["watch", RUN, "--once", *where]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    for part in ("running", "5 of 10", "0.50", "00:10", "sft_learner 0.4", "supervised loss", "learning rate", "┤"):
        assert part in text, part
    assert main(["watch", "nobody", "--once", *where]) == 2
    assert "is no run id" in capsys.readouterr().err


class Screen:
    """`gcl watch` in a terminal of its own."""

    def __init__(self, tmp_path, *words: str) -> None:
        self.terminal, inside = pty.openpty()
        ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        where = ["--results", str(tmp_path / "results"), "--scratch", str(tmp_path / "scratch")]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
        environment.pop("COLUMNS", None)
        self.program = subprocess.Popen(
            [sys.executable, "-m", "gcl", "watch", *words, *where],
            stdin=inside, stdout=inside, stderr=inside, cwd=ROOT, env=environment, start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )  # fmt: skip
        os.close(inside)
        self.seen = ""

    def read(self) -> bool:
        """Take what is written; False at the end."""
        if select.select([self.terminal], [], [], 0.2)[0]:
            try:
                self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace")
            except OSError:
                return False
        return True

    def wait_for(self, text: str, seconds: float = 240.0) -> None:
        until = time.monotonic() + seconds
        self.seen = ""
        while text not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen):
            assert time.monotonic() < until and self.read(), self.seen[-3000:]

    def press(self, key: bytes) -> None:
        os.write(self.terminal, key)

    def end(self) -> int:
        until = time.monotonic() + 120
        while self.program.poll() is None and time.monotonic() < until:
            self.read()
        return self.program.wait(timeout=1)


@pytest.fixture
def screen(tmp_path):
    opened = []

    def open_screen(*words):
        opened.append(Screen(tmp_path, *words))
        return opened[-1]

    yield open_screen
    for one in opened:
        if one.program.poll() is None:
            one.program.kill()
            one.program.wait()
        os.close(one.terminal)


def test_a_terminal_shows_a_run_while_it_is_written(training, screen):
    training.add(line(1), line(2))
    training.progress(2)
    shown = screen(RUN)
    shown.wait_for("2 of 10")
    training.add(line(3), line(4)[:5])
    training.beat()
    shown.wait_for("3 of 10")
    training.add(line(4)[5:], *map(line, range(5, 11)))
    training.finish()
    assert shown.end() == 0, "it ends by itself when all are done"
    assert "10 of 10" in shown.seen and "done" in shown.seen


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "control c"])
def test_a_key_ends_the_watching(training, screen, key):
    training.add(line(1))
    training.progress(1)
    shown = screen(RUN)
    shown.wait_for("1 of 10")
    shown.press(key)
    assert shown.end() == 0
    assert training.folder.is_dir()
