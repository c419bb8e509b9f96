"""How strongly each loss pulls at each member: `Pulls(engine, spec, ...)`, which the loop asks every few steps.

Before such a step, every loss goes through the members alone, with its weight, over the step's own global batch. The norm of
its gradient is the pull. The gradients are thrown away, so the training has the weights of one that measures nothing.
A loss that is a thousand times too small is seen here, and not in its value.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import torch

from gcl.experiment.runs import RunSpec
from gcl.training.alignment import Alignment
from gcl.training.engine import Engine
from gcl.training.feeds import Part, Step
from gcl.training.losses import accumulate


class Pulls:
    """Measures the losses of a group.

    Args:
        engine: holds the members.
        spec: the run.
        alignment: the tokens and positions that are compared.
        chunk: supervised tokens whose logits exist at once.
    """

    def __init__(self, engine: Engine, spec: RunSpec, alignment: Alignment, chunk: int | None) -> None:
        self._engine, self._spec, self._alignment, self._chunk = engine, spec, alignment, chunk

    def measure(self, step: Step) -> tuple[Step, dict[str, float]]:
        """Measure one step before it is made. Nothing is measured where one loss has all to itself.

        Args:
            step: as the feed gives it.

        Returns:
            The step, ready to be made. And `pull_<loss>_<role>` of every member that learns: the norm of the loss's gradient
            by the member's weights. Norms of a loss whose gradient overflowed in float16 are missing.
        """
        losses = dict.fromkeys(part.loss(kind) for part in step.parts for kind in self._kinds(part))
        if len(losses) < 2:
            return step, {}
        engine, found = self._engine, {}
        passes = [list(islice(part.passes, len(part.inputs))) for part in step.parts]

        def again(parts: Iterable[Part]) -> Step:
            renewed = zip(parts, passes, strict=True)
            return replace(step, parts=[replace(part, passes=iter(kept)) for part, kept in renewed])

        # Dropout, if a model has some, must draw in the step itself as if nothing had been measured.
        with torch.random.fork_rng([engine.world.device] if engine.world.device.type == "cuda" else []):
            for loss in losses:
                alone = again(self._alone(part, loss) for part in step.parts)
                accumulate(engine, alone, self._spec, self._alignment, self._chunk)
                norms = engine.discard()
                roles = [member.role for member in self._spec.members]
                found |= {f"pull_{loss}_{r}": n for r, n in zip(roles, norms, strict=True) if n is not None}
        return again(step.parts), found

    def _kinds(self, part: Part) -> list[str]:
        """The losses of a part that have a weight."""
        objective, several = part.objective, len(self._spec.members) > 1
        weights = {"sft": float(part.supervised), "gsl": objective.gsl_weight, "drl": objective.drl_weight}
        return [kind for kind, weight in weights.items() if weight and (several or kind == "sft")]

    def _alone(self, part: Part, loss: str) -> Part:
        """The part with one loss, or none if that belongs to another one."""
        objective = part.objective
        weights = {
            f"{k}_weight": getattr(objective, f"{k}_weight") if part.loss(k) == loss else 0.0 for k in ("gsl", "drl")
        }
        supervised = part.supervised and part.loss("sft") == loss
        return replace(part, objective=objective.model_copy(update=weights), supervised=supervised)
