"""The processes that train together, and their messages to each other.

`World()` connects the processes that torchrun started (NCCL, or gloo on CPUs), or stands for a single one. Every process
calls the same methods in the same order.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor


class World:
    """All processes of a training, as one of them sees them.

    Attributes:
        rank: number of this process.
        size: how many there are.
        device: this process's own.
    """

    def __init__(self) -> None:
        # The main process writes large models while the others wait.
        self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=6))
        self.rank, self.size, self.device = self._state.process_index, self._state.num_processes, self._state.device

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum each value over processes, in float64."""
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.size > 1:
            dist.all_reduce(total)
        return total.tolist()

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return self.sum([float(flag)])[0] > 0

    def share(self, value: Any) -> Any:
        """The main process's value, in every process."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, device=self.device)
        return values[0]

    def collect(self, value: Any) -> list[Any]:
        """The value of every process, in order of rank."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait for all processes."""
        self._state.wait_for_everyone()

    def gather_rows(self, rows_BE: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all processes, in order of rank; only this process's own carry gradients.

        Every process computes a loss over all rows. Its gradient for a process's weights is the part through that process's
        rows. The sum over processes is the whole.

        Args:
            rows_BE: this process's rows; more than its count are borrowed and left out.
            counts: rows of every process.
        """
        own_BE = rows_BE[: counts[self.rank]]
        if self.size == 1:
            return own_BE
        padded = own_BE.new_zeros(max(counts), own_BE.shape[1])
        padded[: len(own_BE)] = own_BE.detach()
        gathered = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(gathered, padded)
        parts = [rows[:count] for rows, count in zip(gathered, counts, strict=True)]
        parts[self.rank] = own_BE
        return torch.cat(parts)
