"""Memory of the host for what a GPU does not need now: moments between updates, a teacher's layers between passes.

The plain engine calls it with `execution.offload`. DeepSpeed has its own. Results stay the same to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import cpu_offload
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer


def offload_layers(model: nn.Module, device: torch.device) -> None:
    """Keep every layer of a frozen model in the host's memory; each comes to the device when it is called.

    Args:
        model: which does not learn. All else than its layers goes to the device for good.
        device: of the computation.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    inside = {id(tensor) for layer in layers for tensor in (*layer.parameters(), *layer.buffers())}
    for layer in layers:
        cpu_offload(layer, execution_device=device)
    for tensor in (*model.parameters(), *model.buffers()):
        if id(tensor) not in inside and not tensor.is_meta:
            tensor.data = tensor.data.to(device)


@contextmanager
def at_hand(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Context in which an optimizer's moments are beside its weights; else they are in the host's memory."""
    for parameter, moments in optimizer.state.items():
        _move(moments, parameter.device)
    yield
    for moments in optimizer.state.values():
        _move(moments, torch.device("cpu"))


def _move(moments: dict[str, object], device: torch.device) -> None:
    for name, value in moments.items():
        if isinstance(value, torch.Tensor):
            moments[name] = value.to(device)
