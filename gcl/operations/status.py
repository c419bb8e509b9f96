"""`gcl status`: where every run of the experiment stands, read from its files and from SLURM's queue.

`status(experiment, runs, root)` returns one line's worth for each run; `show(found)` is the text for people.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gcl.experiment.places import SCRATCH, Places, places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import read_json
from gcl.training import progress
from gcl.training.lease import DURATION

STATES = ("running", "queued", "failed", "interrupted", "trained", "to do", "done")
_ERROR = re.compile(r"^(gcl: error: .*|\w*(?:Error|Exception|Killed)\b.*|slurmstepd: error: .*)$", re.M)


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes:
        run: its id.
        state: one of `STATES`.
        detail: progress and time left, what went wrong and where that stands, or nothing.
    """

    run: str
    state: str
    detail: str = ""


def status(experiment: Experiment, runs: Iterable[RunSpec], root: Path = Path()) -> list[RunStatus]:
    """Look at all runs.

    Args:
        experiment: as config.yaml says.
        runs: which.
        root: the project's folder.
    """
    queue = _queue()
    here = places(experiment)
    return [_run_status(run.id, here, root, queue) for run in runs]


def show(found: Sequence[RunStatus], *, every: bool = False) -> str:
    """Counts, and a line for each run that is neither done nor waiting for its turn.

    Args:
        found: of all runs.
        every: list those, too.
    """
    counts = {state: sum(one.state == state for one in found) for state in STATES}
    lines = [f"{len(found)} runs: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)]
    width = max((len(one.run) for one in found), default=0)
    for state in STATES if every else STATES[:-2]:
        lines += [f"{state:<12} {one.run:<{width}}  {one.detail}".rstrip() for one in found if one.state == state]
    return "\n".join(lines)


def _run_status(run: str, here: Places, root: Path, queue: Mapping[str, str]) -> RunStatus:
    leases = list((root / SCRATCH / run).glob("*/lease"))
    if alive := [lease for lease in leases if time.time() - lease.stat().st_mtime < DURATION]:
        return RunStatus(run, "running", _progress(alive[0].with_name(progress.FILE)))
    name = re.compile(rf"{here.scale}_{re.escape(run.replace('/', '_'))}(?!\d)")
    job = next((job for comment, job in queue.items() if name.search(comment.replace("/", "_"))), None)
    if job is not None:
        return RunStatus(run, "queued", job)
    if (root / here.metrics(run)).is_file():
        return RunStatus(run, "done")
    trained = (root / here.checkpoints(run) / "run.json").is_file()
    for step in ("score", "generate", "train"):
        path = here.log(step, run)
        if (not trained or step != "train") and (error := _error(root / path)):
            return RunStatus(run, "failed", f"{error} ({path})")
    if trained:
        return RunStatus(run, "trained", "not yet scored")
    checkpoints = sorted((root / SCRATCH / run).glob("*/checkpoints/step-*"))
    if leases or checkpoints:
        where = f"continues from {checkpoints[-1].name}" if checkpoints else "starts again, no checkpoint was saved"
        return RunStatus(run, "interrupted", where)
    return RunStatus(run, "to do")


def _progress(path: Path) -> str:
    """How far a running training is."""
    try:
        said = read_json(path)
    except FileNotFoundError:
        return "loading"
    passed, left = (tqdm.format_interval(said[name]) for name in ("seconds", "left"))
    return f"step {said['step']} of {said['steps']}, {passed} passed, {left} left"


def _error(log: Path) -> str | None:
    """The last line that tells why a job failed."""
    found = _ERROR.findall(_tail(log))
    return found[-1].strip()[:200] if found else None


def _tail(path: Path, size: int = 20_000) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - size))
            return stream.read().decode("utf-8", "replace").replace("\r", "\n")
    except OSError:
        return ""


def _queue() -> dict[str, str]:
    """This user's waiting and running jobs by comment, which names rule and wildcards; empty without SLURM."""
    if shutil.which("squeue") is None:
        return {}
    command = ["squeue", "--me", "--noheader", "--states=PENDING,RUNNING,CONFIGURING", "--format=%i|%T|%r|%k"]
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    queue = {}
    for line in done.stdout.splitlines():
        number, state, reason, comment = line.split("|", 3)
        queue[comment] = f"job {number}, {state.lower()}" + (f" ({reason})" if reason not in ("None", "") else "")
    return queue
