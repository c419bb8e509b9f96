"""The plain engine, without division of weights."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from gcl.experiment.execution import ExecutionSpec
from gcl.training.engine import Engine
from gcl.training.offload import at_hand


class PlainEngine(Engine):
    """Whole members on every device: one process on a CPU or a GPU, or DDP. Through accelerate."""

    name = "plain"

    def _prepare(self, execution: ExecutionSpec) -> list[nn.Module]:
        # DDP's buckets are the gradients themselves, not copies of them.
        handler = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
        self.offloads = execution.offload
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[handler])
        for member in self.members:
            member.place(self.world.device, offload=execution.offload)
        return [self.accelerator.prepare_model(m) if m.trainable() else m for m in self.members]

    def _accumulating(self, last: bool) -> AbstractContextManager[Any]:
        stack = ExitStack()
        if not last:
            for module in self.modules:
                stack.enter_context(self.accelerator.no_sync(module))
        return stack

    def _update(self) -> list[float | None]:
        norms: list[float | None] = []
        for member, optimizer in zip(self.members, self.optimizers, strict=True):
            if optimizer is None:
                norms.append(None)
                continue
            parameters = list(member.trainable().values())
            if self.unscale != 1.0:
                for parameter in parameters:
                    parameter.grad.div_(self.unscale)
            norms.append(float(nn.utils.clip_grad_norm_(parameters, self.training.clip_norm)))
        if all(norm is None or norm < float("inf") for norm in norms):
            for optimizer in self.optimizers:
                if optimizer is not None:
                    with at_hand(optimizer) if self.offloads else nullcontext():
                        optimizer.step()
        self._clear()
        return norms

    def _skip(self) -> list[float | None]:
        norms: list[float | None] = []
        for member, optimizer in zip(self.members, self.optimizers, strict=True):
            gradients = [parameter.grad for parameter in member.trainable().values()]
            norms.append(None if optimizer is None else float(nn.utils.get_total_norm(gradients)) / self.unscale)
        self._clear()
        return norms

    def _clear(self) -> None:
        for optimizer in self.optimizers:
            if optimizer is not None:
                optimizer.zero_grad()

    def save(self, folder: Path) -> None:
        if not self.world.main:
            return
        for member, optimizer, schedule in zip(self.members, self.optimizers, self.schedules, strict=True):
            if optimizer is not None and schedule is not None:
                weights = {name: parameter.detach() for name, parameter in member.trainable().items()}
                state = {"weights": weights, "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
                torch.save(state, folder / f"{member.spec.role}.pt")

    def load(self, folder: Path) -> None:
        for member, optimizer, schedule in zip(self.members, self.optimizers, self.schedules, strict=True):
            if optimizer is not None and schedule is not None:
                state = torch.load(folder / f"{member.spec.role}.pt", map_location="cpu", weights_only=True, mmap=True)
                with torch.no_grad():
                    for name, parameter in member.trainable().items():
                        parameter.copy_(state["weights"][name])
                optimizer.load_state_dict(state["optimizer"])
                schedule.load_state_dict(state["schedule"])

    def weights(self, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in module.named_parameters():
            yield name, parameter.detach()
