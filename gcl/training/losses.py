"""The losses of one global batch: `accumulate(engine, step, ...)` makes its passes and sums over all processes.

A training step and a validation share it, so both compute the same.
"""

import sys
from collections.abc import Sequence
from functools import partial

import torch

from gcl.data.scenario import Exchange
from gcl.errors import TrainingError
from gcl.experiment.runs import RunSpec
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.training.alignment import Alignment
from gcl.training.engine import Engine
from gcl.training.feeds import Part, Step
from gcl.training.member import PRECISIONS, answers

# In place of 0, with which GSL would be left out. DDP and ZeRO wait for a gradient of every weight, semantic heads included.
# It is below the smallest float32 number, so that their gradient is 0.
NOTHING = sys.float_info.min


def accumulate(engine: Engine, step: Step, spec: RunSpec, alignment: Alignment, chunk: int | None) -> dict[str, float]:
    """Forward and backward passes of one global batch, after which `engine.step` may be called.

    Under `torch.no_grad` there are forward passes alone.

    Args:
        engine: holds the members.
        step: the batches, in parts. Each part has its own objective.
        spec: the run.
        alignment: the tokens and positions that are compared.
        chunk: supervised tokens whose logits exist at once.

    Returns:
        The objective and its components by role, over all processes. Where tokenizers differ, also the share of each
        member's tokens and probability that is compared.
    """
    found: list[dict[str, torch.Tensor]] = []
    left = sum(len(part.inputs) for part in step.parts)
    for part in step.parts:
        objective, sums = part.objective, {}
        # Weight 0 would leave GSL out.
        gsl_weight = objective.gsl_weight or (NOTHING if spec.objective.gsl_weight else 0.0)
        for size in part.inputs:
            left -= 1
            local = next(part.passes).to(engine.world.device)
            outputs = [
                MemberOutput(hidden, head, answers(inputs), semantic, rows)
                for (hidden, head, semantic), inputs, rows in zip(
                    engine.forward(local.members, last=not left),
                    local.members,
                    local.rows or [None] * len(spec.members),
                    strict=True,
                )
            ]
            loss, components = group_loss(
                outputs,
                [member.tau for member in spec.members],
                gsl_weight=gsl_weight,
                drl_weight=objective.drl_weight,
                kappa=objective.kappa,
                divergence=objective.divergence,
                matching=objective.matching,
                supervised=part.supervised,
                pulled=part.pulled,
                compared=alignment.compared,
                share=Share(size / sum(part.inputs), part.tokens, part.positions),
                precision=PRECISIONS[spec.training.precision],
                chunk=chunk,
                gather=partial(engine.world.gather_rows, counts=local.counts),
            )
            if torch.is_grad_enabled():
                engine.backward(loss, last=not left)
            for name, value in components.items():
                sums[name] = sums.get(name, 0.0) + value
        found.append(sums)
    flat = iter(engine.world.sum([float(value) for sums in found for value in sums.values()]))
    losses = {"loss": 0.0}
    for part, sums in zip(step.parts, found, strict=True):
        _add(losses, part, {name: next(flat) for name in sums}, spec, engine.world.size)
        if alignment.texts is not None:
            roles = zip(spec.members, part.tokens, strict=True)
            losses |= {part.loss(f"compared_tokens_{m.role}"): part.positions / count for m, count in roles}
    return losses


def _add(losses: dict[str, float], part: Part, totals: dict[str, float], spec: RunSpec, processes: int) -> None:
    """Add a part's components to those of the step, by their names in the log."""
    if not part.objective.gsl_weight:
        totals.pop("gsl", None)
    if "gsl" in totals:  # computed over all rows by every process
        totals["gsl"] /= processes
    weights = {"gsl": part.objective.gsl_weight, "drl": part.objective.drl_weight}
    names = {"gsl": "gsl", "drl": "drl"}
    for k, member in enumerate(spec.members):
        weights |= {f"sft_{k}": float(part.supervised and (part.pulled is None or part.pulled[k]))}
        names |= {f"sft_{k}": f"sft_{member.role}", f"compared_{k}": f"compared_probability_{member.role}"}
    losses["loss"] += sum(weights[name] * value for name, value in totals.items() if name in weights)
    for name, value in totals.items():
        losses[part.loss(names[name])] = losses.get(part.loss(names[name]), 0.0) + value


def check_finite(losses: dict[str, float], spec: RunSpec, step: int, batch: Sequence[Exchange]) -> None:
    """Refuse to step on a loss that is no number.

    Raises:
        TrainingError: naming the samples of the batch.
    """
    bad = {name: value for name, value in losses.items() if not abs(value) < float("inf")}
    if bad:
        seen = ", ".join(exchange.id for exchange in batch)
        raise TrainingError(
            f"{spec.id}: the loss is not finite at step {step} ({bad}); its batch was {seen}. Look at these scenarios, "
            "or lower the learning rates; the last checkpoint was made before"
        )
