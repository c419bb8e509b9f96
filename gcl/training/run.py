"""One training from start to finish: `train_run(spec, scenarios, output, scratch)` leaves a checkpoint folder per member.

    <output>/<role>/        ordinary checkpoint: safetensors weights, configuration, processor
    <output>/run.json       resolved specification, hashes of weights, versions, duration, hardware
    <output>/losses.jsonl   every component of the loss at every step; tensorboard/ has the same for people

While training runs the log is in the scratch folder, where it can be followed.
"""

import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from gcl.data.scenario import Scenario
from gcl.files import atomic_folder, sha256_files, write_json
from gcl.provenance import code_sha256, environment
from gcl.runs import RunSpec
from gcl.training.log import LossLog
from gcl.training.loop import train_group
from gcl.training.member import Member


def train_run(spec: RunSpec, scenarios: Sequence[Scenario], output: Path, scratch: Path) -> None:
    """Load the members, train the group, write everything; the output folder appears only when it is whole.

    Args:
        spec: the run.
        scenarios: its training split.
        output: folder to be made; an existing one is replaced.
        scratch: folder for the log while training runs; emptied first, removed at the end.
    """
    started = time.time()
    shutil.rmtree(scratch, ignore_errors=True)
    seed_everything(spec.seed)
    objective = spec.objective
    members = [
        Member.load(
            member,
            system=spec.training.system,
            pixels=spec.training.pixels,
            semantic_size=objective.semantic_size if objective and objective.gsl_weight else None,
        )
        for member in spec.members
    ]
    with LossLog(scratch) as log:
        train_group(members, scenarios, spec, log)
    with atomic_folder(output) as work:
        for member in members:
            member.save(work / member.spec.role)
        for name in ("losses.jsonl", "tensorboard"):
            shutil.move(scratch / name, work / name)
        write_json(work / "run.json", _record(spec, work, time.time() - started))
    shutil.rmtree(scratch, ignore_errors=True)


def seed_everything(seed: int) -> None:
    """Seed torch and make its kernels deterministic where they can be."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)


def weights_sha256(folder: Path) -> str:
    """Hash of a checkpoint's weights, sharded or not."""
    return sha256_files(folder.glob("*.safetensors"), folder)


def _record(spec: RunSpec, folder: Path, seconds: float) -> dict[str, object]:
    """What is worth knowing of a training that its specification does not say."""
    return {
        "run": spec.id,
        "spec": spec.model_dump(),
        "start": {m.role: m.revision or weights_sha256(Path(m.source)) for m in spec.members},
        "weights": {member.role: weights_sha256(folder / member.role) for member in spec.members},
        "code_sha256": code_sha256("training"),
        "environment": environment(),
        "command": sys.argv,
        "seconds": round(seconds, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }
