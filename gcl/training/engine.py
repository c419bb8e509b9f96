"""How a group is put on hardware and stepped. One process on a CPU or a GPU, through accelerate.

An engine owns device placement, precision, optimizers and schedules; the loop does not know which one it drives.
"""

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import get_cosine_schedule_with_warmup

from gcl.runs import TrainingSpec
from gcl.training.member import Member

_MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16"}


class PlainEngine:
    """Every member has its own optimizer, schedule and clipping norm: one member's gradient never scales another's."""

    def __init__(self, members: list[Member], training: TrainingSpec, steps: int) -> None:
        self.accelerator = Accelerator(mixed_precision=_MIXED_PRECISION[training.precision])
        self.clip_norm = training.clip_norm
        self.members = [self.accelerator.prepare_model(member) for member in members]
        self.optimizers = [
            self.accelerator.prepare_optimizer(
                torch.optim.AdamW(
                    member.parameters(),
                    lr=member.spec.lr,
                    betas=(training.betas[0], training.betas[1]),
                    eps=training.eps,
                    weight_decay=training.weight_decay,
                )
            )
            for member in members
        ]
        warmup = round(training.warmup_ratio * steps)
        self.schedules = [get_cosine_schedule_with_warmup(o.optimizer, warmup, steps) for o in self.optimizers]

    def to_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Move a collated batch to the members' device."""
        return {name: tensor.to(self.accelerator.device) for name, tensor in batch.items()}

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to every member."""
        self.accelerator.backward(loss)

    def step(self) -> list[float]:
        """Clip, update and clear each member; returns the gradient norms before clipping."""
        norms = []
        for member, optimizer, schedule in zip(self.members, self.optimizers, self.schedules, strict=True):
            norms.append(float(self.accelerator.clip_grad_norm_(member.parameters(), self.clip_norm)))
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        return norms
