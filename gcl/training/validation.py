"""Losses on held-out samples during a training: `Validator(engine, feed, ...)`, which the loop asks every few steps.

It computes the components of the training's own objective in evaluation mode and without gradients. It draws no random
numbers and leaves no trace in the members. So a training with it has the weights of one without it.
"""

from collections.abc import Mapping

import torch

from gcl.data.encoding import chunks
from gcl.errors import TrainingError
from gcl.experiment.runs import RunSpec
from gcl.training.alignment import Alignment
from gcl.training.batches import LocalBatches, global_batches
from gcl.training.engine import Engine
from gcl.training.feeds import Feed, Part, Step, answer_sizes, total_sizes
from gcl.training.losses import accumulate


class Validator:
    """Validates the members of an engine. All processes share the samples evenly and go through the same passes.

    Args:
        engine: holds the members.
        feed: with the samples that are held out.
        spec: the run.
        alignment: the tokens and positions that are compared.
        chunk: supervised tokens whose logits exist at once.
    """

    def __init__(self, engine: Engine, feed: Feed, spec: RunSpec, alignment: Alignment, chunk: int | None) -> None:
        self._engine, self._spec, self._chunk = engine, spec, chunk
        self._alignment = alignment.to(engine.world.device)
        members, world, held_out = engine.members, engine.world, feed.held_out
        self._sizes = total_sizes(answer_sizes(held_out, members, alignment), range(len(held_out)))
        self._inputs = [len(part) for part in chunks(range(len(held_out)), spec.training.micro_batch)]
        sources = [(member.encoder, member.cache) for member in members]
        self._batches = LocalBatches(feed.samples, sources, alignment, world.rank, world.size)
        # Mixed as in training: GSL takes its negatives from one pass, which should not be about one scene.
        (order,) = global_batches(len(held_out), len(held_out), epochs=1, seed=0)
        self._order = [len(feed.exchanges) + number for number in order]

    @torch.no_grad()
    def losses(self, step: int) -> dict[str, float]:
        """Means over all samples with the present weights; every process must call it.

        Returns:
            val_sft_<role> for every member and, if the objective has them, val_gsl and val_drl, without their weights.

        Raises:
            TrainingError: if one of them is not finite.
        """
        engine, spec = self._engine, self._spec
        modes = [member.training for member in engine.members]
        for member in engine.members:
            member.eval()
        # In this process: others would have to start for every validation.
        passes = self._batches.load(list(chunks(self._order, spec.training.micro_batch)), workers=0)
        step_of_all = Step([Part(passes, self._inputs, *self._sizes, spec.objective)])
        found = accumulate(engine, step_of_all, spec, self._alignment, self._chunk)
        for member, mode in zip(engine.members, modes, strict=True):
            member.train(mode)
        losses = {f"val_{name}": value for name, value in found.items() if name.startswith(("sft", "gsl", "drl"))}
        bad = {name: value for name, value in losses.items() if not abs(value) < float("inf")}
        if bad:
            raise TrainingError(
                f"{spec.id}: validation losses are not finite at step {step} ({bad}); lower the learning rates"
            )
        return losses

    def total(self, losses: Mapping[str, float]) -> float:
        """The loss by which steps are compared: the sum of the cross-entropies of all members that learn.

        A sum, so that the members of a group are kept as they were together. GSL and DRL are left out: no answer depends
        on them, and baselines have none.
        """
        return sum(losses[f"val_sft_{member.role}"] for member in self._spec.members if not member.frozen)
