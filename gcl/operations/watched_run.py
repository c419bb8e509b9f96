"""The log of a training as it grows: `find_runs(...)` gives a `WatchedRun` for each, whose `refresh()` reads what is new.

The trainer writes scratch/<run>/<hash>/losses.jsonl, progress.json and a lease (gcl/training/log.py). A finished run has
results/<scale>/checkpoints/<run>/losses.jsonl. No torch is imported here.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError, DataError
from gcl.experiment.places import Places
from gcl.experiment.runs import RunId
from gcl.files import read_json
from gcl.training import progress
from gcl.training.lease import DURATION

LOG = "losses.jsonl"
STATES = ("not started", "running", "stopped", "gone", "done")


class Tail:
    """Whole JSON lines of a file that grows, or is replaced by another one.

    Args:
        path: of the file, which may not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file, self._offset = 0, 0

    def read(self) -> tuple[list[Any], bool]:
        """The lines since the last call, and whether the file has begun anew.

        The last line counts once its end is written. A line that is no JSON is left out.
        """
        try:
            with self.path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                anew = status.st_ino != self._file or status.st_size < self._offset
                self._file, self._offset = status.st_ino, 0 if anew else self._offset
                stream.seek(self._offset)
                whole, end, _ = stream.read().rpartition(b"\n")
        except OSError:
            return [], False
        self._offset += len(whole) + len(end)
        return [value for line in whole.split(b"\n") if (value := _parsed(line)) is not None], anew


class WatchedRun:
    """One training.

    Args:
        name: its id, or the folder of its log.
        live: folder whose subfolders hold the logs of unfinished attempts.
        finished: folder of the finished training.

    Attributes:
        records: of all steps, in order.
        state: one of `STATES`.
        steps: of the whole training; 0 if that is not known.
        speed: steps a second in this attempt; None if it is not known.
        left: seconds until the last step; None if they are not known.
    """

    def __init__(self, name: str, live: Path | None, finished: Path | None) -> None:
        self.name = name
        self._live, self._finished = live, finished
        self._tail: Tail | None = None
        self.records: list[dict[str, float]] = []
        self.state, self.steps = STATES[0], 0
        self.speed: float | None = None
        self.left: float | None = None

    @property
    def step(self) -> int:
        """The last step."""
        return int(self.records[-1]["step"]) if self.records else 0

    def refresh(self) -> None:
        """Read what is new."""
        folder = self._attempt()
        if folder is not None:
            self._follow(folder / LOG)
            alive = _age(folder / "lease") < DURATION
            self.state = "running" if alive else "stopped"
            self._progress(folder / progress.FILE, alive=alive)
            return
        self.speed = self.left = None
        if self._finished is not None and (self._finished / LOG).is_file():
            self._follow(self._finished / LOG)
            self.state, self.steps = "done", self.step
        elif self.records:  # the folder goes when the training ends
            self.state = "done" if self.step == self.steps else "gone"

    def _attempt(self) -> Path | None:
        """The newest folder of an attempt."""
        leases = list(self._live.glob("*/lease")) if self._live else []
        logs = list(self._live.glob(f"*/{LOG}")) if self._live else []
        folders = {path.parent for path in (*leases, *logs) if not path.parent.name.startswith(".")}
        return min(folders, key=lambda folder: min(_age(folder / "lease"), _age(folder / LOG)), default=None)

    def _follow(self, path: Path) -> None:
        """Add the new records. Steps that a continued training makes again replace the old ones."""
        if self._tail is None or self._tail.path != path:
            self._tail = Tail(path)
        found, anew = self._tail.read()
        if anew:
            self.records = []
        for record in found:
            if not isinstance(record, dict) or not isinstance(record.get("step"), int):
                continue
            while self.records and self.records[-1]["step"] >= record["step"]:
                self.records.pop()
            self.records.append(record)

    def _progress(self, path: Path, *, alive: bool) -> None:
        try:
            said, age = read_json(path), _age(path)
        except (OSError, DataError):
            self.speed = self.left = None
            return
        self.steps = said["steps"]
        self.speed = (said["steps"] - said["step"]) / said["left"] if said["left"] else None
        # The file is up to some seconds old, and the log has gone on since.
        self.left = (
            max((self.steps - self.step) / self.speed if self.speed else said["left"] - age, 0.0) if alive else None
        )


def find_runs(names: Sequence[str], here: Places, scratch: Path) -> list[WatchedRun]:
    """The runs that are meant.

    Args:
        names: ids of runs, which may not have started, or folders with logs below them. None: all below scratch.
        here: where finished runs are.
        scratch: folder of unfinished trainings.

    Raises:
        DataError: if a folder has no log, a name is neither, or nothing is being trained.
    """
    if not names:
        found = [WatchedRun(name, scratch / name, here.checkpoints(name)) for name in _attempts(scratch)]
        if not found:
            raise DataError(
                f"{scratch}: no training is under way; name a run to wait for it, or a folder such as {here.root}"
            )
        return found
    runs: dict[str, WatchedRun] = {}
    for name in names:
        for run in _named(name, here, scratch):
            runs.setdefault(run.name, run)
    return list(runs.values())


def _named(name: str, here: Places, scratch: Path) -> Iterator[WatchedRun]:
    folder = Path(name)
    if not folder.is_dir():
        try:
            RunId.parse(name)
        except ConfigError as error:
            raise DataError(f"{name}: no such folder here, and {error}") from None
        yield WatchedRun(name, scratch / name, here.checkpoints(name))
        return
    logs = [
        path for path in sorted(folder.rglob(LOG)) if not path.parent.name.startswith("step-")
    ]  # copies to resume from
    if not logs:
        raise DataError(f"{folder}: no {LOG} in it or below; name the results folder, or that of a run")
    for path in logs:
        finished = (path.parent / "run.json").is_file()
        own = path.parent if finished else path.parent.parent
        yield WatchedRun(_title(own), None if finished else own, own if finished else None)


def _attempts(scratch: Path) -> list[str]:
    """Ids of runs with the folder of an attempt."""
    paths = [path.parent.parent.relative_to(scratch).as_posix() for path in scratch.glob("*/*/*/*/*/*/lease")]
    paths += [path.parent.parent.relative_to(scratch).as_posix() for path in scratch.glob(f"*/*/*/*/*/*/{LOG}")]
    return sorted(set(paths))


def _title(folder: Path) -> str:
    """A run's id, where the folder ends like one."""
    parts = folder.absolute().parts
    return "/".join(parts[-5:]) if len(parts) > 5 and parts[-1].startswith("seed") else str(folder)


def _age(path: Path) -> float:
    """Seconds since a file was written; infinite where it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
