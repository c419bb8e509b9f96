"""Loggers: each gets specification, losses, costs and picture; none of them can stop a training."""

import json
import sqlite3
import time
from typing import get_args, get_type_hints

import numpy as np
import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from group_case import losses, make_run, train_scenes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gcl.errors import ConfigError
from gcl.experiment.execution import ExecutionSpec, changed
from gcl.files import read_json
from gcl.training import trackers
from gcl.training.log import LossLog
from gcl.training.plain import PlainEngine

WORDS = get_args(get_args(get_type_hints(ExecutionSpec)["loggers"])[0])


def needs(word: str) -> pytest.MarkDecorator:
    """Skip where a logger is not installed; importing it here would be before it is told where to write."""
    installed = [str(name) for name in trackers.get_available_trackers()]
    return pytest.mark.skipif(word not in installed, reason=f"{word} is not installed")


class Kept(GeneralTracker):
    """A tracker that keeps all that it is told in a file."""

    name, requires_logging_directory = "trackio", False
    fails = ""

    def __init__(self, project, **options):
        super().__init__()
        self.said = [["init", project, sorted(options)]]

    @property
    def tracker(self):
        return self.said

    def start(self):
        self._note("start")

    def store_init_configuration(self, values):
        self._note("configuration", values)

    def log(self, values, step=None, **_):
        self._note("log", step, values)

    def log_images(self, values, step=None):
        self._note("images", step, {name: images.shape for name, images in values.items()})

    def finish(self):
        self._note("finish")

    def _note(self, what, *said):
        if what == self.fails:
            raise ConnectionError(f"no {what} today\nsecond line")
        self.said.append([what, *said])


@pytest.fixture
def kept(monkeypatch):
    """Such trackers under the word trackio, in the order in which they were started."""
    made = []

    class Listed(Kept):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "trackio", Listed)
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: [*WORDS])
    return made


@pytest.fixture
def train(tmp_path, scenarios, backbones):
    def run(*loggers, spec=None, **changes):
        spec = spec or make_run(backbones)
        execution = ExecutionSpec(loggers=list(loggers), save_every=2, **changes)
        train_scenes(spec, scenarios[:8], "data", execution, tmp_path / "out", tmp_path / "scratch")
        return tmp_path / "out"

    return run


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    board = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {name: [(event.step, event.value) for event in board.Scalars(name)] for name in board.Tags()["scalars"]}


def interrupt(monkeypatch, train, after: int, **options) -> None:
    """Train until a step fails, which is after some more are logged than saved."""
    step, made = PlainEngine.step, []

    def failing(engine):
        made.append(1)
        if len(made) > after:
            raise RuntimeError("the machine is gone")
        return step(engine)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="the machine is gone"):
        patch.setattr(PlainEngine, "step", failing)
        train(**options)


def test_tensorboard_has_losses_costs_specification_and_picture(train):
    output = train("tensorboard")
    found = scalars(output / "tensorboard")
    for name in ("loss", "sft_guide", "gsl", "norm_learner"):
        assert found[name] == [(step["step"], pytest.approx(step[name], rel=1e-6)) for step in losses(output)]
    assert found["cost/seconds"] == [(5, pytest.approx(read_json(output / "run.json")["costs"]["seconds"]))]
    board = EventAccumulator(str(output / "tensorboard")).Reload()
    assert board.Tags()["images"] == ["losses"] and board.Images("losses")[0].width == 600
    (told,) = (output / "tensorboard").rglob("hparams.yml")
    assert "training.global_batch: 8" in told.read_text() and "run: snei/gcl/m0+m1/full/seed0" in told.read_text()


def test_tensorboard_continues_without_the_steps_that_were_not_saved(train, monkeypatch):
    interrupt(monkeypatch, lambda: train("tensorboard"), after=3)
    time.sleep(1)  # files are read in the order of the seconds in their names, then of a count in which 10 is before 9
    output = train("tensorboard")
    assert [step for step, _ in scalars(output / "tensorboard")["loss"]] == [1, 2, 3, 4, 5]


@needs("dvclive")
def test_dvclive_continues_and_touches_no_repository(train, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    interrupt(monkeypatch, lambda: train("dvclive"), after=2)
    folder = train("dvclive") / "loggers/dvclive"
    rows = [line.split("\t") for line in (folder / "plots/metrics/loss.tsv").read_text().splitlines()[1:]]
    assert [int(step) for step, _ in rows] == [1, 2, 3, 4, 5]
    assert [float(loss) for _, loss in rows] == pytest.approx([step["loss"] for step in losses(tmp_path / "out")])
    assert read_json(folder / "metrics.json")["cost"]["peak_gpu_memory_mib"] == 0
    assert "training.epochs: 1" in (folder / "params.yaml").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@needs("wandb")
def test_wandb_continues_its_run_offline(train, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    interrupt(monkeypatch, lambda: train("wandb"), after=2)
    folder = train("wandb") / "loggers/wandb/wandb"
    attempts = sorted(path for path in folder.iterdir() if path.is_dir())
    assert [path.name.rpartition("-")[2] for path in attempts] == ["scratch", "scratch"], "both with the run's own id"
    assert all(list(path.glob("run-scratch.wandb")) for path in attempts)
    assert len(list(attempts[-1].rglob("losses_*.png"))) == 1
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


@needs("mlflow")
def test_mlflow_writes_a_run_for_each_attempt(train, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    interrupt(monkeypatch, lambda: train("mlflow"), after=2)
    steps = [
        [int(line.split()[2]) for line in path.read_text().splitlines()]
        for path in (train("mlflow") / "loggers/mlflow").rglob("metrics/loss")
    ]
    assert sorted(steps) == [[1, 2], [3, 4, 5]]


@needs("trackio")
def test_trackio_continues_its_run(train, monkeypatch):
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    interrupt(monkeypatch, lambda: train("trackio"), after=2)
    with sqlite3.connect(train("trackio") / "loggers/trackio/gcl.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics").fetchall()
    rows = [row for row in rows if "loss" in json.loads(row[2])]
    assert {row[0] for row in rows} == {"snei/gcl/m0+m1/full/seed0/scratch"} and sorted(row[1] for row in rows) == [
        1, 2, 3, 4, 5]  # fmt: skip


def test_every_tracker_is_told_everything_once(train, kept):
    output = train("trackio")
    (tracker,) = kept
    assert tracker.said[0] == ["init", "gcl", ["name", "resume"]]
    assert [said[0] for said in tracker.said[1:]] == [
        "start", "configuration", *["log"] * 6, "images", "finish"]  # fmt: skip
    configuration = tracker.said[2][1]
    assert configuration["run"] == "snei/gcl/m0+m1/full/seed0" and configuration["members.1.role"] == "guide"
    assert all(value is None or isinstance(value, bool | int | float | str) for value in configuration.values())
    assert [{"step": step, **values} for _, step, values in tracker.said[3:8]] == losses(output)
    assert tracker.said[8][1] == 5 and set(tracker.said[8][2]) == {
        f"cost/{name}" for name in ("gpu_hours", "seconds", "peak_memory_mib", "peak_gpu_memory_mib")}  # fmt: skip
    assert not (output / "tensorboard").exists()


def test_a_training_that_continues_tells_its_specification_no_second_time(train, kept, monkeypatch):
    interrupt(monkeypatch, lambda: train("trackio"), after=2)
    train("trackio")
    first, second = ([said[0] for said in tracker.said] for tracker in kept)
    assert "configuration" in first and first[-1] == "finish", "what it has is in its files"
    assert "configuration" not in second and second.count("log") == 3 + 1


@pytest.mark.parametrize("where", ["start", "configuration", "log", "images", "finish"])
def test_a_logger_that_fails_stops_no_training_and_says_so_once(train, kept, monkeypatch, capfd, where):
    monkeypatch.setattr(Kept, "fails", where)
    output = train("trackio", "tensorboard")
    assert len(losses(output)) == len(scalars(output / "tensorboard")["loss"]) == 5, "the other logger goes on"
    said = capfd.readouterr().err
    assert said.count("warning: logger trackio failed") == 1 and f"(ConnectionError: no {where} today)" in said
    assert (output / "guide/model.safetensors").exists()


def test_a_logger_whose_files_cannot_be_copied_loses_no_training(train, kept, monkeypatch, capfd):
    def full(*_, **__):
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(trackers.shutil, "copytree", full)
        output = train("tensorboard")
    assert "warning: logger tensorboard failed (OSError" in capfd.readouterr().err
    assert len(losses(output)) == 5 and (output / "guide/model.safetensors").exists()


def test_a_logger_that_is_not_installed_is_refused_before_anything_is_done(train, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["tensorboard"])
    with pytest.raises(ConfigError, match=r"^execution.loggers: wandb is not installed; use `pip install wandb`"):
        train("tensorboard", "wandb")
    assert not (tmp_path / "scratch").exists()


def test_another_logger_trains_nothing_again(train, kept, capsys):
    output = train("tensorboard")
    before = (output / "guide/model.safetensors").stat().st_mtime_ns
    train("trackio")
    assert "has just finished it" in capsys.readouterr().out
    assert (output / "guide/model.safetensors").stat().st_mtime_ns == before


def test_without_loggers_there_are_losses_only(train, monkeypatch):
    output = train()
    assert len(losses(output)) == 5
    assert not {"tensorboard", "loggers"} & {path.name for path in output.iterdir()}


def test_a_logger_can_be_chosen_for_one_training():
    assert changed(ExecutionSpec(), ["loggers=[wandb, mlflow]"]).loggers == ["wandb", "mlflow"]
    assert changed(ExecutionSpec(), ["loggers=[]"]).loggers == []
    with pytest.raises(ConfigError, match=r"loggers=.*'tensorboard', 'wandb', 'mlflow', 'trackio' or 'dvclive'"):
        changed(ExecutionSpec(), ["loggers=[weights]"])


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_a_tracker_that_stays_on_this_machine(word, tmp_path):
    assert issubclass(LOGGER_TYPE_TO_CLASS[word], GeneralTracker)
    environment, options = trackers._options(word, tmp_path / word, "run", "key", 3)
    assert "offline" in environment.values() or str(tmp_path) in json.dumps([environment, options], default=str)


def test_the_picture_shows_what_only_some_steps_have():
    image = trackers.picture([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "norm": 3.0}])
    assert image.dtype == np.uint8 and image.shape == (1, 280, 600, 3) and len(np.unique(image)) > 2


def test_progress_tells_the_present_attempt(tmp_path, backbones, monkeypatch):
    now = iter([100.0, 101.0, 102.0, 103.5])
    monkeypatch.setattr("gcl.training.progress.time.monotonic", lambda: next(now))
    (tmp_path / "progress.json").write_text('{"step": 7}')
    with LossLog(tmp_path, make_run(backbones), []) as log:
        assert not (tmp_path / "progress.json").exists(), "of the attempt before"
        log.begin(2, 10)
        log.write(3, {"loss": 1.0})
        first = read_json(tmp_path / "progress.json")
        log.write(4, {"loss": 1.0})
        assert read_json(tmp_path / "progress.json") == first, "not at every step"
        log.write(5, {"loss": 1.0})
    assert first == {"step": 3, "steps": 10, "seconds": 1.0, "left": 7.0}
    assert read_json(tmp_path / "progress.json") == {"step": 5, "steps": 10, "seconds": 3.5, "left": 5.8}
