"""What tests of several processes share: starting them, and measuring how far a training has moved its weights."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from workers import Workers

from gcl.experiment.runs import MemberSpec

# eps is large, so that updates follow gradients smoothly: Adam's first steps are signs, and the sign of nothing is noise.
EPS = 1e-3


def run_worker(folder: Path, variables: dict[str, str] | None = None, processes: int = 2) -> None:
    """Train all cases of a folder."""
    workers = Workers(folder, processes, variables)
    code = workers.wait()
    assert code == 0, f"exit code {code}\n{workers.said()}"


def update_of(folder: Path, member: MemberSpec) -> torch.Tensor:
    """How far training has moved all weights of a member, as one vector."""
    after, before = (load_file(f"{path}/model.safetensors") for path in (folder / member.role, member.start.path))
    return torch.cat([(after[name] - before[name]).double().flatten() for name in sorted(before)])
