"""In which order samples are seen: a permutation per epoch, cut into global batches, from the seed and the step alone."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def steps_per_epoch(samples: int, global_batch: int) -> int:
    """Optimizer steps in one pass; the last batch may be smaller."""
    return -(-samples // global_batch)


def global_batches(samples: int, global_batch: int, epochs: int, seed: int) -> Iterator[list[int]]:
    """Yield sample indices step by step; every epoch shows every sample once."""
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(samples, generator=generator).tolist()
        yield from chunks(order, global_batch)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into consecutive pieces; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
