"""The DeepSpeed engine: optimizer states, gradients and weights divided among processes (ZeRO stages 1, 2, 3).

One DeepSpeed engine per member, one joint backward pass through all of them. Three things make it exact (DeepSpeed's own
tests and ours):

- A member's head leaves its forward pass as an output and is registered as external parameter.
- DeepSpeed counts no accumulation steps (its setting is 1). The boundary is set by hand, so no hidden division happens.
- Losses are sums over processes.

Precision and loss scale are ours, as in the plain engine: DeepSpeed sees float32.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
import deepspeed
from torch import Tensor, nn
from transformers.integrations.deepspeed import HfDeepSpeedConfig, unset_hf_deepspeed_config

from gcl.experiment.execution import LIVE, PREFETCH, REDUCE_BUCKET, ExecutionSpec
from gcl.experiment.runs import TrainingSpec
from gcl.models.frozen import PRODUCTS
from gcl.training.engine import Engine
from gcl.training.member import Member
from gcl.training.repartition import repartition, saved_by

logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
# Its shared-memory collectives for CPUs would be compiled for two minutes at first use; gloo serves.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def deepspeed_config(
    training: TrainingSpec, execution: ExecutionSpec, members: int, parameters: int = 10**9
) -> dict[str, Any]:
    """DeepSpeed's configuration of one member's engine.

    Args:
        training: for the clipping norm.
        execution: stage and offload.
        members: number of members, which share the limits of memory.
        parameters: of this member; buffers need not be larger.
    """
    zero: dict[str, Any] = {
        "stage": execution.zero_stage,
        "overlap_comm": torch.cuda.is_available(),
        "reduce_bucket_size": min(REDUCE_BUCKET // members, parameters),
    }
    if execution.zero_stage == 3:
        zero |= {"stage3_max_live_parameters": LIVE // members, "stage3_prefetch_bucket_size": PREFETCH // members}
    if execution.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.clip_norm,
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,  # AdamW8bit; tests/distributed tries it
        "steps_per_print": 10**9,
    }


@contextmanager
def divided_loading(training: TrainingSpec, execution: ExecutionSpec, members: int) -> Iterator[None]:
    """Load members inside: with ZeRO-3 no process ever holds a whole one."""
    if execution.zero_stage < 3:
        yield
        return
    # transformers looks at this object while it lives.
    config = HfDeepSpeedConfig(deepspeed_config(training, execution, members))
    try:
        yield
    finally:
        unset_hf_deepspeed_config()
        del config


def _send_rounded(member: Member) -> None:
    """Let processes send each other the weights of products in the precision of products, where it has 16 bits.

    Autocast rounds these weights anyway. DeepSpeed's own `torch_autocast` would also add gradients up in 16 bits. The head
    keeps 32: the fused objective adds its gradient up over chunks.
    """
    if member.precision == torch.float32:
        return
    for module in member.backbone.modules():
        if isinstance(module, PRODUCTS) and module.weight is not member.head:
            for parameter in module.parameters(recurse=False):
                parameter.comm_dtype = member.precision


def _total(norms: Any) -> float:
    """One norm of DeepSpeed's norms by group, or of its total. It masks norms that are not finite as -1."""
    found = [float(norm) for norm in (norms if isinstance(norms, list) else [norms])]
    return math.inf if min(found) < 0 else math.hypot(*found)


class DeepSpeedEngine(Engine):
    """Members divided among processes. A frozen member is divided, too, with stage 3, and copied with 1 and 2."""

    name = "deepspeed"

    @property
    def arrangement(self) -> dict[str, str]:
        if self.training.optimizer == "AdamW":
            return super().arrangement
        # A scale of 8-bit moments belongs to a block of one process's vector.
        divided = {"zero_stage": str(self.stage), "processes": str(self.world.size)}
        return super().arrangement | divided

    def _prepare(self, execution: ExecutionSpec) -> list[nn.Module]:
        self.divided_weights = execution.zero_stage == 3
        self.stage = execution.zero_stage
        self.engines: list[Any] = []
        modules: list[nn.Module] = []
        for member, optimizer in zip(self.members, self.optimizers, strict=True):
            member.hold()
            if optimizer is None and (self.stage < 3 or member.cache is not None):
                modules.append(member.to(self.world.device))
                self.engines.append(None)
                continue
            if self.stage == 3:
                _send_rounded(member)
                deepspeed.zero.register_external_parameter(member, member.head)
            parameters = sum(getattr(one, "ds_numel", one.numel()) for one in member.parameters())
            config = deepspeed_config(self.training, execution, len(self.members), parameters)
            engine, *_ = deepspeed.initialize(model=member, optimizer=optimizer, config=config)
            modules.append(engine)
            self.engines.append(engine if optimizer is not None else None)
        return modules

    def _accumulating(self, last: bool) -> AbstractContextManager[Any]:
        for engine in self.engines:
            if engine is not None:
                engine.set_gradient_accumulation_boundary(last)
        return nullcontext()

    def backward(self, loss: Tensor, *, last: bool) -> None:
        super().backward(loss, last=last)
        if not last:
            for engine in self.engines:
                if engine is not None:
                    engine.step()  # no update before the boundary; it only counts the pass

    def _update(self) -> list[float | None]:
        norms: list[float | None] = []
        for engine in self.engines:
            if engine is None:
                norms.append(None)
                continue
            engine.optimizer.loss_scale = self.unscale
            engine.step()
            norms.append(float(engine.get_global_grad_norm()))
        return norms

    def _skip(self) -> list[float | None]:
        # DeepSpeed throws gradients away, wherever they are, when their norm is invalid (-1). So it gets that norm for every
        # member, whether its own gradients overflowed or not. Its own measure tells the true one.
        invalid = torch.tensor(-1.0, device=self.world.device)
        name, answer = ("_get_norm_groups", [invalid]) if self.stage == 3 else ("scaled_global_norm", invalid)
        optimizers = [engine.optimizer for engine in self.engines if engine is not None]
        norms: list[float] = []

        def measured(measure: Callable[[], Any]) -> Any:
            norms.append(_total(measure()) / self.unscale)
            return answer

        for optimizer in optimizers:
            setattr(optimizer, name, partial(measured, getattr(optimizer, name)))
        try:
            self._update()
        finally:
            for optimizer in optimizers:
                delattr(optimizer, name)
        left = iter(norms)
        return [None if engine is None else next(left) for engine in self.engines]

    def save(self, folder: Path) -> None:
        for member, engine, schedule in zip(self.members, self.engines, self.schedules, strict=True):
            if engine is not None and schedule is not None:
                state = {"schedule": schedule.state_dict()}
                engine.save_checkpoint(
                    folder, tag=member.spec.role, client_state=state, save_latest=False, exclude_frozen_parameters=True
                )

    def load(self, folder: Path) -> None:
        for member, engine, schedule in zip(self.members, self.engines, self.schedules, strict=True):
            if engine is not None and schedule is not None:
                role = member.spec.role
                if saved_by(folder / role) == (self.stage, self.world.size):
                    _, state = engine.load_checkpoint(folder, tag=role, load_module_strict=False)
                else:
                    state = repartition(engine, folder / role, self.world)
                schedule.load_state_dict(state["schedule"])

    def weights(self, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in module.named_parameters():
            with deepspeed.zero.GatheredParameters([parameter]) if self.stage == 3 else nullcontext():
                yield name, parameter.detach()
