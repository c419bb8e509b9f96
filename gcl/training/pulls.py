"""How strongly each loss pulls at each member: `Pulls(engine, feed, ...)`, which the loop asks every few steps.

Before such a step, every loss goes through the members alone, with its weight, over the step's own global batch. The norm of
its gradient is the pull. The gradients are thrown away, so the training has the weights of one that measures nothing.
A loss that is a thousand times too small is seen here, and not in its value.
"""

import sys
from dataclasses import replace
from itertools import islice

import torch

from gcl.experiment.runs import RunSpec
from gcl.training.alignment import Alignment
from gcl.training.batches import steps_per_epoch
from gcl.training.engine import Engine
from gcl.training.feeds import Feed, Step
from gcl.training.losses import accumulate

# In place of 0, with which GSL would be left out. DDP and ZeRO wait for a gradient of every weight, semantic heads included.
# It is below the smallest float32 number, so that their gradient is 0.
_NOTHING = sys.float_info.min


class Pulls:
    """Measures the losses of a group.

    Args:
        engine: holds the members.
        feed: of the samples.
        spec: the run.
        alignment: the tokens and positions that are compared.
        chunk: supervised tokens whose logits exist at once.
    """

    def __init__(self, engine: Engine, feed: Feed, spec: RunSpec, alignment: Alignment, chunk: int | None) -> None:
        self._engine, self._spec, self._alignment, self._chunk = engine, spec, alignment, chunk
        objective, several = spec.objective, len(spec.members) > 1
        weights = {"sft": float(feed.supervised), "gsl": objective.gsl_weight, "drl": objective.drl_weight}
        self.losses = [name for name, weight in weights.items() if weight and (several or name == "sft")]

    def measure(self, prepared: Step, batch: list[int]) -> tuple[Step, dict[str, float]]:
        """Measure one step before it is made. Nothing is measured where one loss has all to itself.

        Args:
            prepared: the step.
            batch: sample indices of the global batch.

        Returns:
            The step, ready to be made. And `pull_<loss>_<role>` of every member that learns: the norm of the loss's gradient
            by the member's weights. Norms of a loss whose gradient overflowed in float16 are missing.
        """
        if len(self.losses) < 2:
            return prepared, {}
        engine, found = self._engine, {}
        passes = list(islice(prepared.passes, steps_per_epoch(len(batch), self._spec.training.micro_batch)))
        # Dropout, if a model has some, must draw in the step itself as if nothing had been measured.
        with torch.random.fork_rng([engine.world.device] if engine.world.device.type == "cuda" else []):
            for loss in self.losses:
                alone, supervised = self._alone(loss)
                once = replace(prepared, passes=iter(passes))
                accumulate(engine, once, batch, alone, self._alignment, supervised, self._chunk)
                norms = engine.discard()
                roles = [member.role for member in self._spec.members]
                found |= {f"pull_{loss}_{r}": n for r, n in zip(roles, norms, strict=True) if n is not None}
        return replace(prepared, passes=iter(passes)), found

    def _alone(self, loss: str) -> tuple[RunSpec, bool]:
        """The run with one loss, and whether that is the supervised one."""
        objective = self._spec.objective
        weights = {
            "gsl_weight": objective.gsl_weight and (objective.gsl_weight if loss == "gsl" else _NOTHING),
            "drl_weight": objective.drl_weight if loss == "drl" else 0.0,
        }
        return self._spec.model_copy(update={"objective": objective.model_copy(update=weights)}), loss == "sft"
