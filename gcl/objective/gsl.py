"""L_GSL: members agree on the meaning of an input (GCL paper, Eq. 3): attention pooling, projection, symmetric InfoNCE.

The control `cosine` has no negatives: it only pulls together the two vectors of one input.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl.experiment.divergences import Matching


class SemanticHead(nn.Module):
    """Pool hidden states of any length into one unit vector of the space that all members share.

    The score has no bias, because the softmax over positions would ignore it.
    """

    def __init__(self, hidden_size: int, semantic_size: int) -> None:
        super().__init__()
        self.score = nn.Linear(hidden_size, 1, bias=False)
        self.projection = nn.Linear(hidden_size, semantic_size)

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return unit vectors [B, E] from hidden states [B, T, D]; positions where the mask is 0 get no weight."""
        scores_BT = self.score(hidden_BTD).squeeze(-1).masked_fill(~mask_BT.bool(), float("-inf"))
        weights_BT = scores_BT.float().softmax(dim=-1).to(hidden_BTD.dtype)
        pooled_BD = torch.einsum("bt,btd->bd", weights_BT, hidden_BTD)
        return F.normalize(self.projection(pooled_BD).float(), dim=-1)


def semantic_loss(vectors_BE: Sequence[Tensor], kappa: float, kind: Matching = "infonce") -> Tensor:
    """Mean over the batch and all pairs of members; 0 for a group of one.

    Args:
        vectors_BE: one tensor of unit vectors per member; row i of each is the same input.
        kappa: temperature of InfoNCE.
        kind: symmetric InfoNCE (mean of both directions), or 1 - cosine.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind not in ("infonce", "cosine"):
        raise ValueError(f"unknown way of matching {kind!r}; use infonce or cosine")
    targets_B = torch.arange(len(vectors_BE[0]), device=vectors_BE[0].device)
    losses = []
    for a_BE, b_BE in combinations(vectors_BE, 2):
        if kind == "cosine":
            losses.append(1 - (a_BE * b_BE).sum(dim=-1).mean())
            continue
        similarity_BB = a_BE @ b_BE.T / kappa
        losses.append((F.cross_entropy(similarity_BB, targets_B) + F.cross_entropy(similarity_BB.T, targets_B)) / 2)
    return torch.stack(losses).mean() if losses else vectors_BE[0].new_zeros(())
