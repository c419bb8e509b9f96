"""The loss of every step, each component by itself: losses.jsonl, progress.json, and the chosen loggers."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from gcl.experiment.runs import RunSpec
from gcl.files import read_jsonl, write_text
from gcl.training.progress import Progress
from gcl.training.trackers import Trackers


class LossLog:
    """Use as a context manager in the main process; the files can be read while training runs.

    Args:
        folder: the run's scratch folder.
        run: the run.
        loggers: words of `execution.loggers`.
    """

    def __init__(self, folder: Path, run: RunSpec, loggers: Sequence[str]) -> None:
        self._path, self._progress = folder / "losses.jsonl", Progress(folder)
        self._trackers = Trackers(loggers, folder, run)
        self._lines: TextIO | None = None

    def begin(self, done: int, steps: int) -> None:
        """Open everything.

        Args:
            done: steps that count; lines beyond them, of an interrupted training, are removed.
            steps: of the whole training.
        """
        path = self._path
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:done] if path.exists() else []
        # A new file replaces the old one, into which a copy of this run may still write.
        write_text(path, "".join(lines))
        self._lines = path.open("a", encoding="utf-8", buffering=1)
        self._progress.begin(done, steps)
        self._trackers.begin(done)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Record one optimizer step."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._progress.at(step)
        self._trackers.log(step, values)

    def end(self, costs: Mapping[str, Any], output: Path) -> None:
        """Tell the loggers the costs, close them, and copy all files but progress.json to a folder."""
        shutil.copy(self._path, output)
        self._trackers.end(costs, read_jsonl(self._path), output)

    def __enter__(self) -> "LossLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trackers.close()
        if self._lines:
            self._lines.close()
