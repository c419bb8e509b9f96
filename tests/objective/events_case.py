"""Random members whose vocabularies, rows and labels differ, with shared tokens at places of their own."""

from dataclasses import dataclass, replace

import events_reference as reference
import torch
from torch import Tensor

from gcl.objective.events import Events
from gcl.objective.head import competitive_head

KINDS = ("jsd", "jsd-detached", "forward-kl", "reverse-kl", "jsd+uld", "sampled-reverse-kl")


@dataclass
class EventsCase:
    """Inputs of `competitive_head`; of N_k rows of each member, `rows` correspond."""

    hidden: list[Tensor]
    heads: list[Tensor]
    labels: list[Tensor]
    taus: list[float]
    ids: list[Tensor]
    sizes: list[int]
    rows: list[Tensor]
    drl_weight: float = 0.7

    @property
    def learning(self) -> list[bool]:
        """Per member, whether any of its tensors needs a gradient."""
        return [h.requires_grad or w.requires_grad for h, w in zip(self.hidden, self.heads, strict=True)]

    @property
    def tensors(self) -> list[Tensor]:
        """Those that need a gradient."""
        return [x for x in self.hidden + self.heads if x.requires_grad]

    @property
    def counts(self) -> dict:
        """Of a global batch that is a little larger than these rows."""
        return {"tokens": [len(y) + 2 + k for k, y in enumerate(self.labels)], "positions": len(self.rows[0]) + 3}

    def leaves(self, dtype: torch.dtype = torch.float64, frozen: int | None = None) -> "EventsCase":
        """A copy whose hidden states and heads need a gradient, except those of a frozen member."""
        hidden, heads = (
            [x.to(dtype).requires_grad_(k != frozen) for k, x in enumerate(xs)] for xs in (self.hidden, self.heads)
        )
        return replace(self, hidden=hidden, heads=heads)

    def run(self, kind: str = "jsd", **options) -> tuple[Tensor, dict[str, Tensor]]:
        """The head's total and components."""
        given = {"compared": Events(tuple(self.ids), tuple(self.sizes)), "rows_KR": self.rows, **self.counts}
        weights = {"drl_weight": self.drl_weight, "kind": kind}
        return competitive_head(self.hidden, self.heads, self.labels, self.taus, **(weights | given | options))

    def reference(self, kind: str = "jsd") -> Tensor:
        """The same from whole logits in float64."""
        return reference.head_loss(
            self.hidden, self.heads, self.labels, self.taus, self.drl_weight, self.ids, self.sizes, self.rows,
            *self.counts.values(), kind, self.learning,
        )  # fmt: skip


def events_case(taus: list[float], seed: int = 0, scale: float = 1.5, compared: int = 5, shared: int = 6) -> EventsCase:
    """Small: vocabularies of 11, 15 and 9 tokens in heads of 12, 16 and 9 rows; 7, 9 and 6 rows."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def choose(count: int, of: int) -> Tensor:
        return torch.randperm(of, generator=generator)[:count]

    members = range(len(taus))
    widths, heights, sizes, counts = (5, 8, 6), (12, 16, 9), (11, 15, 9), (7, 9, 6)
    return EventsCase(
        hidden=[draw(counts[k], widths[k]) for k in members],
        heads=[scale * draw(heights[k], widths[k]) for k in members],
        labels=[torch.randint(0, sizes[k], (counts[k],), generator=generator) for k in members],
        taus=taus,
        ids=[choose(shared, sizes[k]) for k in members],
        sizes=[sizes[k] for k in members],
        rows=[choose(compared, counts[k]) for k in members],
    )
