"""`Engine`, the base of all engines, which put a group on hardware and step it. gcl/training/engines.py chooses one.

An engine owns devices, optimizers, schedules and the loss scale; the loop does not know which one it drives. Every member
has an optimizer, a schedule and a clipping norm of its own: one member's gradient never scales another's.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import get_scheduler

from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import TrainingSpec
from gcl.training.member import PRECISIONS, Member
from gcl.training.precision import LossScale
from gcl.training.world import World

SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}  # in transformers' words


@dataclass(frozen=True)
class StepReport:
    """Gradient norms of a step before clipping (None: a frozen member), and whether the step was skipped."""

    norms: list[float | None]
    skipped: bool


class Engine(ABC):
    """Base of all engines. A learning group is a list of modules to call, a joint `backward`, and a `step` for all.

    Losses are parts of a sum over processes: `backward` undoes the averaging that DDP and ZeRO do.

    Attributes:
        name: its name in checkpoints.
        divided_weights: whether no process has all weights, so that all must call a member's modules in step.
    """

    name = ""
    divided_weights = False

    def __init__(self, members: Sequence[Member], training: TrainingSpec, execution: ExecutionSpec, steps: int) -> None:
        self.members, self.training = list(members), training
        self.world = World()
        self.loss_scale = LossScale(PRECISIONS[training.precision])
        self.optimizers: list[torch.optim.AdamW | None] = []
        self.schedules: list[torch.optim.lr_scheduler.LRScheduler | None] = []
        warmup = round(training.warmup_ratio * steps)
        for member in self.members:
            if execution.gradient_checkpointing and not member.spec.frozen:
                member.backbone.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            self.loss_scale.watch(member.trainable().values())
            optimizer = self._optimizer(member, training)
            self.optimizers.append(optimizer)
            self.schedules.append(optimizer and get_scheduler(SCHEDULES[training.schedule], optimizer, warmup, steps))
        self.modules: list[nn.Module] = self._prepare(execution)

    @property
    def _factor(self) -> float:
        """The factor of losses. Under a loss scale it leaves the number of processes to `unscale`. So float16 overflows at
        the same scale for any number."""
        return self.loss_scale.value if self.loss_scale.dynamic else float(self.world.size)

    @property
    def unscale(self) -> float:
        """The divisor of averaged gradients."""
        return self._factor / self.world.size

    def forward(
        self, batches: Sequence[dict[str, Tensor]], *, last: bool
    ) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        """Run every member on its own batch, frozen ones without a graph; `last` as in `backward`."""
        outputs = []
        with self._accumulating(last):  # DDP decides here, not in backward, whether it will send gradients
            for module, member, batch in zip(self.modules, self.members, batches, strict=True):
                with torch.no_grad() if member.spec.frozen else nullcontext():
                    outputs.append(module(batch))
        return outputs

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the loss's gradients to every member.

        Args:
            loss: this process's part of the objective.
            last: whether it is the last pass before `step`.
        """
        with self._accumulating(last):
            (loss * self._factor).backward()

    def step(self) -> StepReport:
        """Clip, update and clear each member; skip all of them if the gradients of any have overflowed in float16.

        Raises:
            TrainingError: if a gradient is not finite for another reason.
        """
        overflow = self.loss_scale.dynamic and self.world.any(self.loss_scale.overflow)
        norms = self._skip() if overflow else self._update()
        self.loss_scale.update(overflow=overflow)
        for schedule in self.schedules:
            if schedule is not None and not overflow:
                schedule.step()
        for member, norm in zip(self.members, norms, strict=True):
            if not overflow and norm is not None and not norm < float("inf"):
                raise TrainingError(f"the gradient of the {member.spec.role} is not finite; lower its learning rate")
        return StepReport(norms, overflow)

    def discard(self) -> list[float | None]:
        """Throw the gradients away as if they had never been, without a step.

        Returns:
            Their norms, as a step would report them; None of frozen members, and where some overflowed in float16.
        """
        overflow = self.loss_scale.dynamic and self.world.any(self.loss_scale.overflow)
        norms = self._skip()
        self.loss_scale.forget()
        return [None] * len(norms) if overflow else norms

    @property
    def arrangement(self) -> dict[str, str]:
        """All about the division of work that a checkpoint has in common with an engine that can continue it."""
        return {"engine": self.name}

    # Below: the differences of engines.

    def _optimizer(self, member: Member, training: TrainingSpec) -> torch.optim.AdamW | None:
        parameters = list(member.trainable().values())
        if not parameters:
            return None
        settings = {
            "lr": member.spec.lr,
            "betas": (training.betas[0], training.betas[1]),
            "eps": training.eps,
            "weight_decay": training.weight_decay,
        }
        if training.optimizer == "AdamW8bit":
            from bitsandbytes.optim import AdamW8bit

            return AdamW8bit(parameters, **settings)
        return torch.optim.AdamW(parameters, **settings, fused=True)

    @abstractmethod
    def _prepare(self, execution: ExecutionSpec) -> list[nn.Module]:
        """Put members on their devices; returns the modules to call in their place."""

    @abstractmethod
    def _accumulating(self, last: bool) -> AbstractContextManager[Any]:
        """Context of one forward or backward pass."""

    @abstractmethod
    def _update(self) -> list[float | None]:
        """Unscale, clip, step, clear; returns norms."""

    @abstractmethod
    def _skip(self) -> list[float | None]:
        """Throw the gradients away; returns the norms that they had after unscaling."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write this process's part of weights, optimizers and schedules into an existing folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Continue from a folder that `save` wrote."""

    @abstractmethod
    def weights(self, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield name and whole weight of every parameter of a part of a member; every process must exhaust it."""
