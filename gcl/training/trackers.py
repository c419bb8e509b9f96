"""Loggers of a training: the trackers of Hugging Face's accelerate, chosen by the words of `execution.loggers`.

    trackers = Trackers(["wandb"], scratch, run)
    trackers.begin(done)  ->  trackers.log(step, losses) at every step  ->  trackers.end(costs, losses, output)

They use no network unless the user's environment says so. One that fails is left out with a warning, and the training goes
on. Their files are in <scratch>/tensorboard and <scratch>/loggers/<word>, at the end in the same folders of <output>.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from gcl.errors import ConfigError
from gcl.experiment.runs import RunSpec

_FOLDERS = ("tensorboard", "loggers")
PROJECT = "gcl"


def check_installed(words: Sequence[str]) -> None:
    """Look for the packages of all loggers.

    Raises:
        ConfigError: naming the first one that is missing.
    """
    for word in words:
        if word not in [str(name) for name in get_available_trackers()]:
            raise ConfigError(f"execution.loggers: {word} is not installed; use `pip install {word}`, or leave it out")


class Trackers:
    """All trackers of one training. The main process alone has them.

    Args:
        words: their names in `execution.loggers`.
        scratch: the run's scratch folder. Its name is the hash of all that the training depends on.
        run: the run.
    """

    def __init__(self, words: Sequence[str], scratch: Path, run: RunSpec) -> None:
        self._words, self._scratch, self._run = dict.fromkeys(words), scratch.absolute(), run
        self._open: dict[str, GeneralTracker] = {}

    def begin(self, done: int) -> None:
        """Start all of them, or continue their logs after the first `done` steps."""
        if not done:
            for name in _FOLDERS:
                shutil.rmtree(self._scratch / name, ignore_errors=True)
        for word in self._words:
            _carefully(word, lambda word=word: self._start(word, done))

    def _start(self, word: str, done: int) -> None:
        folder = self._scratch / ("tensorboard" if word == "tensorboard" else f"loggers/{word}")
        folder.mkdir(parents=True, exist_ok=True)
        environment, options = _options(word, folder, self._run.id, self._scratch.name, done)
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        tracker = LOGGER_TYPE_TO_CLASS[word](word if word == "tensorboard" else PROJECT, **options)
        tracker.start()
        if not done:
            tracker.store_init_configuration({"run": self._run.id, **dict(_flat(self._run.model_dump()))})
        self._open[word] = tracker

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of a step."""
        self._each(lambda tracker: tracker.log(dict(values), step=step))

    def end(self, costs: Mapping[str, Any], losses: Sequence[Mapping[str, float]], output: Path) -> None:
        """Log the costs, show the losses to those that take pictures, close all, copy their files.

        Args:
            costs: numbers by name; other values are left out.
            losses: of all steps, as losses.jsonl has them.
            output: folder that gets the files.
        """
        taken = {f"cost/{name}": value for name, value in costs.items() if isinstance(value, int | float)}

        def tell(tracker: GeneralTracker) -> None:
            step = int(losses[-1]["step"])
            tracker.log(taken, step=step)
            if hasattr(tracker, "log_images"):
                form = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({"losses": picture(losses)}, step=step, **form)

        self._each(tell)
        self.close()
        for name in _FOLDERS:
            if (source := self._scratch / name).is_dir():
                _carefully(name, lambda source=source: shutil.copytree(source, output / source.name, ignore=_links))

    def close(self) -> None:
        """Close all that are open, so that everything is in their files."""
        self._each(lambda tracker: tracker.finish())
        self._open.clear()

    def _each(self, action: Callable[[GeneralTracker], None]) -> None:
        for word, tracker in list(self._open.items()):
            if not _carefully(word, lambda tracker=tracker: action(tracker)):
                del self._open[word]


def _carefully(word: str, action: Callable[[], Any]) -> bool:
    """Let a logger do something; False, and a warning, if it fails for any reason."""
    try:
        action()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        print(
            f"warning: logger {word} failed ({type(error).__name__}: {reason}) and gets nothing more; the training goes "
            "on, and losses.jsonl has all losses",
            file=sys.stderr,
        )
        return False
    return True


def _links(folder: str, names: list[str]) -> list[str]:
    """Links among the files of a folder. W&B sets some for convenience, and they would lead back to scratch."""
    return [name for name in names if (Path(folder) / name).is_symlink()]


def _options(word: str, folder: Path, run: str, key: str, done: int) -> tuple[dict[str, str], dict[str, Any]]:
    """The environment that keeps a tracker on this machine, unless the user sets another, and its arguments."""
    return {
        "tensorboard": ({}, {"logging_dir": folder.parent, "purge_step": done + 1 if done else None}),
        "wandb": (
            {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"},
            {"dir": str(folder), "id": key, "name": run, "resume": "allow", "settings": {"console": "off"}},
        ),
        "mlflow": ({"MLFLOW_TRACKING_URI": folder.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}, {"run_name": run}),
        "trackio": ({"TRACKIO_DIR": str(folder)}, {"name": f"{run}/{key}", "resume": "allow"}),
        "dvclive": ({}, {"dir": str(folder), "resume": done > 0, "save_dvc_exp": False, "dvcyaml": None}),
    }[word]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Trackers take single values only: `training.betas.0`."""
    children = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for name, child in children:
        yield from _flat(child, f"{path}.{name}" if path else str(name))
    if not children:
        yield path, str(value) if isinstance(value, dict | list) else value


def picture(losses: Sequence[Mapping[str, float]]) -> np.ndarray:
    """All curves as one picture: bytes of shape (1, height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in dict.fromkeys(name for values in losses for name in values) if name != "step"]
    figure = Figure(figsize=(6, 1.4 * len(names)))
    # Fitting the edges would take a second.
    figure.subplots_adjust(left=0.18, right=0.98, bottom=0.3 / len(names), top=1 - 0.1 / len(names))
    for axes, name in zip(figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], names, strict=True):
        known = [(values["step"], values[name]) for values in losses if name in values]
        axes.plot(*zip(*known, strict=True), linewidth=0.8)
        axes.set_ylabel(name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[None, ..., :3]
