"""The attempts at a run so far: `begin(scratch, processes)` and `finished(scratch)`.

scratch/attempts.json lists start, length, command, machine and commit of each. An attempt that was killed could not note its
end: the time of the last file that it wrote counts.
"""

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from gcl.experiment.provenance import command_line, git_state, hardware
from gcl.files import read_json, write_json

FILE = "attempts.json"


def begin(scratch: Path, processes: int) -> None:
    """Note the start of an attempt, and the end of the one before if it could not.

    Args:
        scratch: the run's scratch folder.
        processes: how many train, one per GPU where there are any.
    """
    attempts = _closed(scratch, _last_sign(scratch))
    attempts.append(
        {
            "started": time.time(),
            "seconds": None,
            "node": os.environ.get("SLURM_STEP_NODELIST") or platform.node(),  # n1, or n[1-2] where there are several
            "job": os.environ.get("SLURM_JOB_ID"),
            "gpus": processes if torch.cuda.is_available() else 0,
            "command": command_line(),
            "git": git_state(),
            "hardware": hardware(),
        }
    )
    write_json(scratch / FILE, attempts)


def finished(scratch: Path) -> list[dict[str, Any]]:
    """All attempts as `begin` notes them, the present one ending now; start and length are seconds (since 1970)."""
    return _closed(scratch, time.time())


def _closed(scratch: Path, end: float) -> list[dict[str, Any]]:
    attempts = read_json(scratch / FILE) if (scratch / FILE).exists() else []
    for attempt in attempts:
        if attempt["seconds"] is None:
            attempt["seconds"] = round(max(0.0, end - attempt["started"]), 1)
    return attempts


def _last_sign(scratch: Path) -> float:
    """The last time at which the attempt before wrote something."""
    return max((path.stat().st_mtime for path in scratch.rglob("*") if path.name != "lease"), default=0.0)
