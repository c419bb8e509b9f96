"""The semantic head of GSL, kept beside a member's weights: `save_head(state, folder)`, `load_head(folder)`.

No answer needs it, so it has a folder of its own, semantic_head/ in the member's. Those who look inside a group do.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gcl.errors import CheckpointError
from gcl.objective.gsl import SemanticHead

SEMANTIC_HEAD = "semantic_head"


def save_head(state: Mapping[str, Tensor], folder: Path) -> None:
    """Write the weights of a head, whole and on the CPU, into the member's folder."""
    path = _file(folder)
    path.parent.mkdir(parents=True)
    save_file({name: weight.to(torch.float32).contiguous() for name, weight in state.items()}, path)


def load_head(folder: Path) -> SemanticHead | None:
    """The head of a member; None if its training had no GSL.

    Raises:
        CheckpointError: if the file is not a head.
    """
    path = _file(folder)
    if not path.is_file():
        return None
    try:
        state = load_file(path)
        semantic_size, hidden_size = state["projection.weight"].shape
        head = SemanticHead(hidden_size, semantic_size)
        head.load_state_dict(state)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a semantic head ({error}); train the run again, or fetch it") from error
    return head


def _file(folder: Path) -> Path:
    return folder / SEMANTIC_HEAD / "model.safetensors"
