"""What tests of several processes share: starting them, and measuring how far a training has moved its weights."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from gcl.experiment.runs import MemberSpec

# eps is large, so that updates follow gradients smoothly: Adam's first steps are signs, and the sign of nothing is noise.
EPS = 1e-3


def run_worker(folder: Path, variables: dict[str, str] | None = None, processes: int = 2) -> None:
    """Train all cases of a folder."""
    worker = Path(__file__).parent / "worker.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"} | (variables or {})
    done = subprocess.run(
        [*command, str(worker), str(folder)], env=environment, capture_output=True, text=True, timeout=900
    )
    errors = "\n".join(path.read_text() for path in folder.glob("*.error"))
    assert done.returncode == 0, errors or done.stderr[-4000:]


def update_of(folder: Path, member: MemberSpec) -> torch.Tensor:
    """How far training has moved all weights of a member, as one vector."""
    after, before = (load_file(f"{path}/model.safetensors") for path in (folder / member.role, member.start.path))
    return torch.cat([(after[name] - before[name]).double().flatten() for name in sorted(before)])
