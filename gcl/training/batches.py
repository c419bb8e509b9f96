"""The order of samples, and their process: both follow from the seed and the step alone.

A *step* updates the weights once, from one global batch. A *pass* is `micro_batch` inputs, which all processes together put
through the members at once. GSL takes its negatives from one pass. So the result does not depend on the number of processes.
"""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import forkserver, resource_tracker
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gcl.data.encoding import IGNORED, Encoder, chunks, collate
from gcl.data.scenario import Exchange
from gcl.training.alignment import Alignment

T = TypeVar("T")
WINDOW = 50  # steps whose samples are sorted by length


def steps_per_epoch(samples: int, global_batch: int) -> int:
    """Optimizer steps in one pass over the data; the last batch may be smaller."""
    return -(-samples // global_batch)


def global_batches(
    samples: int, global_batch: int, epochs: int, seed: int, lengths: Sequence[int] | None = None, micro_batch: int = 1
) -> Iterator[list[int]]:
    """Yield sample indices step by step; every epoch shows every sample once.

    Args:
        samples: number of them.
        global_batch: samples of a step.
        epochs: passes over all samples.
        seed: of the order.
        lengths: of the samples. If given, each pass has samples of similar lengths, so less is padded. A step mixes passes
            of all lengths.
        micro_batch: samples of a pass.
    """
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(samples, generator=generator).tolist()
        if lengths is None:
            yield from chunks(order, global_batch)
            continue
        windows = [sorted(window, key=lengths.__getitem__) for window in chunks(order, WINDOW * global_batch)]
        passes = [one for window in windows for one in chunks(window, micro_batch)]
        *full, last = passes  # the last one may be smaller, and would put the others out of step
        mixed = [full[number] for number in torch.randperm(len(full), generator=generator)]
        yield from chunks([sample for one in (*mixed, last) for sample in one], global_batch)


@dataclass(frozen=True)
class LocalBatch:
    """One process's part of one pass.

    Attributes:
        members: a collated batch per member.
        counts: real inputs of every process in this pass. A process without any runs a borrowed input, which supervises
            nothing. It must take part in every collective operation.
        rows: per member the supervised rows that are compared; None: all.
    """

    members: list[dict[str, Tensor]]
    counts: list[int]
    rows: list[Tensor] | None = None

    def to(self, device: torch.device) -> "LocalBatch":
        """The same on a device."""
        moved = [{name: tensor.to(device, non_blocking=True) for name, tensor in b.items()} for b in self.members]
        rows = None if self.rows is None else [rows_R.to(device, non_blocking=True) for rows_R in self.rows]
        return replace(self, members=moved, rows=rows)


class Cache(Protocol):
    """Hidden states of a teacher that is not here (teacher_cache.py)."""

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these samples; of none, an empty one."""


Source = tuple[Encoder, Cache | None]  # of a member's batches


class LocalBatches(Dataset[LocalBatch]):
    """Turns the sample indices of a pass into this process's batch; used through `load`."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        sources: Sequence[Source],
        alignment: Alignment,
        rank: int,
        processes: int,
    ) -> None:
        self.exchanges, self.sources, self.alignment = exchanges, sources, alignment
        self.rank, self.processes = rank, processes

    def __getitem__(self, indices: Sequence[int]) -> LocalBatch:
        shares = [indices[rank :: self.processes] for rank in range(self.processes)]
        own = shares[self.rank] or indices[:1]
        members = []
        for encoder, cache in self.sources:
            if cache is not None:
                members.append(cache.batch(shares[self.rank]))
                continue
            samples = [encoder.sample(self.exchanges[i]) for i in own]
            if not shares[self.rank]:
                samples = [replace(sample, labels=[IGNORED] * len(sample.labels)) for sample in samples]
            members.append(collate(samples, encoder, left_padded=False))
        encoders = [encoder for encoder, _ in self.sources]
        answers = [[encoder.answer(self.exchanges[i].answer) for i in shares[self.rank]] for encoder in encoders]
        return LocalBatch(members, [len(share) for share in shares], self.alignment.rows(encoders, answers))

    def load(self, passes: Sequence[Sequence[int]], workers: int) -> Iterator[LocalBatch]:
        """Yield the batches of all passes in order, prepared by `workers` other processes (0: by this one)."""
        options: dict[str, Any] = {}
        if workers:
            options = {"prefetch_factor": 4, "multiprocessing_context": "forkserver"}
            # A scheduler's signal goes to all processes. The training decides then, and still needs its next batch. So
            # workers do not listen: they inherit the mask of the server that forks them.
            deaf = {signal.SIGTERM, signal.SIGINT}
            resource_tracker.ensure_running()  # else the server would start it, which lifts the mask
            signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
            try:
                forkserver.ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, deaf)
        # A generator of its own, since a loader draws a seed for its workers from the global one.
        return iter(
            DataLoader(
                self, batch_size=None, sampler=passes, num_workers=workers, generator=torch.Generator(), **options
            )
        )
