"""Random logits, hidden states and heads for the tests of the objective, and how their results are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import objective_reference as reference
import torch
from torch import Tensor

from gcl.objective.drl import divergence_, log_probabilities
from gcl.objective.events import Slice


def random_logits(members: int, rows: int, columns: int, seed: int = 0, scale: float = 3.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(rows, columns, generator=generator, dtype=torch.float64) for _ in range(members)]


def divergence(logits_KNV: Sequence[Tensor], taus: Sequence[float], *arguments) -> tuple[Tensor, list[Tensor | None]]:
    """Divergence of members with these logits; arguments as `divergence_` has them."""
    return divergence_([log_probabilities(z, tau) for z, tau in zip(logits_KNV, taus, strict=True)], taus, *arguments)


def relative_error(value: Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(value.detach().double().numpy() - expected) / np.linalg.norm(expected))


def numeric_gradient(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@dataclass
class HeadCase:
    """Inputs of `competitive_head`: K members of unlike width and height, the same labels."""

    hidden: list[Tensor]
    heads: list[Tensor]
    labels: Tensor
    taus: list[float]
    drl_weight: float = 0.7
    vocabulary: int = 11
    tokens: int = 1

    def leaves(self, dtype: torch.dtype = torch.float64) -> "HeadCase":
        """A copy whose hidden states and heads need a gradient."""
        hidden = [x.to(dtype).requires_grad_() for x in self.hidden]
        heads = [x.to(dtype).requires_grad_() for x in self.heads]
        return HeadCase(hidden, heads, self.labels, self.taus, self.drl_weight, self.vocabulary, self.tokens)

    def options(self) -> dict:
        counts = {"tokens": [self.tokens] * len(self.taus), "positions": self.tokens}
        return {"drl_weight": self.drl_weight, "compared": Slice(self.vocabulary), **counts}

    @property
    def all_labels(self) -> list[Tensor]:
        """The labels of every member."""
        return [self.labels] * len(self.taus)

    def reference(self) -> tuple[float, list[np.ndarray]]:
        """Value, and derivatives by hidden states, then heads."""
        arrays = [[x.detach().double().numpy() for x in tensors] for tensors in (self.hidden, self.heads)]
        value, by_hidden, by_head = reference.head_objective(
            *arrays, self.labels.numpy(), self.taus, self.drl_weight, self.vocabulary, self.tokens
        )
        return value, [*by_hidden, *by_head]


def head_case(taus: list[float], rows: int = 7, seed: int = 0, scale: float = 1.5) -> HeadCase:
    """Small: widths 5, 8, 6 and heights 12, 16, 14 over a shared vocabulary of 11."""
    generator = torch.Generator().manual_seed(seed)
    widths, heights = (5, 8, 6)[: len(taus)], (12, 16, 14)[: len(taus)]
    hidden = [torch.randn(rows, d, generator=generator, dtype=torch.float64) for d in widths]
    heads = [
        scale * torch.randn(v, d, generator=generator, dtype=torch.float64)
        for v, d in zip(heights, widths, strict=True)
    ]
    labels = torch.randint(0, 11, (rows,), generator=generator)
    return HeadCase(hidden, heads, labels, taus, tokens=rows + 3)


def nearly_agreeing_case(
    taus: list[float], *, vocabulary: int, rows: int, width: int, std: float, noise: float, dtype: torch.dtype
) -> HeadCase:
    """Members whose logits have the given standard deviation and differ by the given noise.

    Operands are float32 tensors that hold values of `dtype`, so that gradients come back unrounded. Each member adds
    columns of its own, small ones, to hidden states and a head that they share; labels are drawn from the first member.
    """
    generator = torch.Generator().manual_seed(round(1000 * noise) + round(std))

    def draw(*shape: int, scale: float) -> Tensor:
        return (scale * torch.randn(*shape, generator=generator)).to(dtype).float()

    hidden, head = draw(rows, width, scale=1.0), draw(vocabulary, width, scale=std / width**0.5)
    hiddens, heads = [], []
    for own in range(8, 8 * len(taus) + 8, 8):
        hiddens.append(torch.cat([hidden, draw(rows, own, scale=1.0)], dim=1))
        heads.append(torch.cat([head, draw(vocabulary, own, scale=noise / (2 * own) ** 0.5)], dim=1))
    labels = torch.multinomial((hidden @ head.T).softmax(dim=-1), 1, generator=generator)[:, 0]
    return HeadCase(hiddens, heads, labels, taus, drl_weight=1.0, vocabulary=vocabulary, tokens=rows)
