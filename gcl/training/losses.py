"""The losses of one global batch: `accumulate(engine, prepared, batch, ...)` makes its passes and sums over all processes.

A training step and a validation share it, so both compute the same.
"""

from collections.abc import Sequence
from functools import partial

import torch

from gcl.data.encoding import chunks
from gcl.data.scenario import Exchange
from gcl.errors import TrainingError
from gcl.experiment.runs import RunSpec
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.training.alignment import Alignment
from gcl.training.engine import Engine
from gcl.training.feeds import Step
from gcl.training.member import PRECISIONS, answers


def accumulate(
    engine: Engine,
    prepared: Step,
    batch: Sequence[int],
    spec: RunSpec,
    alignment: Alignment,
    supervised: bool,
    chunk: int | None,
) -> dict[str, float]:
    """Forward and backward passes of one global batch, after which `engine.step` may be called.

    Under `torch.no_grad` there are forward passes alone.

    Args:
        engine: holds the members.
        prepared: the step.
        batch: sample indices of the global batch.
        spec: the run.
        alignment: the tokens and positions that are compared.
        supervised: whether the cross-entropy of these tokens counts.
        chunk: supervised tokens whose logits exist at once.

    Returns:
        The objective and its components by role, over all processes. Where tokenizers differ, also the share of each
        member's tokens and probability that is compared.
    """
    objective, training = spec.objective, spec.training
    sums: dict[str, torch.Tensor] = {}
    sizes = [len(indices) for indices in chunks(batch, training.micro_batch)]
    for number, size in enumerate(sizes, start=1):
        last = number == len(sizes)
        local = next(prepared.passes).to(engine.world.device)
        outputs = [
            MemberOutput(hidden, head, answers(inputs), semantic, rows)
            for (hidden, head, semantic), inputs, rows in zip(
                engine.forward(local.members, last=last),
                local.members,
                local.rows or [None] * len(spec.members),
                strict=True,
            )
        ]
        loss, components = group_loss(
            outputs,
            [member.tau for member in spec.members],
            gsl_weight=objective.gsl_weight,
            drl_weight=objective.drl_weight,
            kappa=objective.kappa,
            divergence=objective.divergence,
            matching=objective.matching,
            supervised=supervised,
            compared=alignment.compared,
            share=Share(size / len(batch), prepared.tokens, prepared.positions),
            precision=PRECISIONS[training.precision],
            chunk=chunk,
            gather=partial(engine.world.gather_rows, counts=local.counts),
        )
        if torch.is_grad_enabled():
            engine.backward(loss, last=last)
        for name, value in components.items():
            sums[name] = sums.get(name, 0.0) + value
    totals = dict(zip(sums, engine.world.sum([float(value) for value in sums.values()]), strict=True))
    if "gsl" in totals:  # computed over all rows by every process
        totals["gsl"] /= engine.world.size
    weights = {"gsl": objective.gsl_weight, "drl": objective.drl_weight}
    names = {"gsl": "gsl", "drl": "drl"}
    for k, member in enumerate(spec.members):
        weights |= {f"sft_{k}": float(supervised)}
        names |= {f"sft_{k}": f"sft_{member.role}", f"compared_{k}": f"compared_probability_{member.role}"}
    loss = sum(weights[name] * value for name, value in totals.items() if name in weights)
    facts = {}
    if alignment.texts is not None:
        roles = zip(spec.members, prepared.tokens, strict=True)
        facts = {f"compared_tokens_{member.role}": prepared.positions / count for member, count in roles}
    return {"loss": loss} | {names[name]: value for name, value in totals.items()} | facts


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
