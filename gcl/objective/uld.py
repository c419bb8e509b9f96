"""Sorted matching of tokens that only one member knows, from Universal Logit Distillation (Boizard et al. 2024,
arXiv 2402.12030).

Each member's probabilities are sorted in descending order, and the shorter list is filled with zeros. With s_k for the
sorted list of member k, the distance has the scale and the weights of L_DRL:

    L_ULD = 1/K sum_k tau_k^2 mean_{j != k} |s_k - s_j|_1

Which token stands at which place does not matter, so this compares only how the members spread their probability. The
divergence `jsd+uld` adds it to L_DRL as it is. It needs no weight of its own, because the lists sum to the probability that
is not shared. TRL's GOLD trainer weighs the two by the share of tokens that are shared, unless told otherwise.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor


def sorted_distance(
    p_KNR: Sequence[Tensor], taus: Sequence[float], wanted: Sequence[bool]
) -> tuple[Tensor, list[Tensor | None]]:
    """L_ULD summed over N rows, and its subgradients by the probabilities.

    Args:
        p_KNR: per member, the probabilities [N, R_k] of its tokens that are not shared, in any order.
        taus: one temperature per member, > 0.
        wanted: per member, whether it needs a gradient.

    Returns:
        The sum as a float64 scalar, and one gradient [N, R_k] or None per member. It is 0 where sorted lists agree.
    """
    members, width = len(taus), max(p_NR.shape[1] for p_NR in p_KNR)
    orders = [p_NR.argsort(dim=-1, descending=True) for p_NR in p_KNR]
    sorted_KNR = [
        F.pad(p_NR.gather(1, order_NR), (0, width - p_NR.shape[1]))
        for p_NR, order_NR in zip(p_KNR, orders, strict=True)
    ]
    gradients = [torch.zeros_like(sorted_KNR[k]) if wanted[k] else None for k in range(members)]
    total = torch.zeros((), dtype=torch.float64, device=p_KNR[0].device)
    for a, b in combinations(range(members), 2):
        weight = (taus[a] ** 2 + taus[b] ** 2) / (members * (members - 1))
        gap_NR = sorted_KNR[a] - sorted_KNR[b]
        total += weight * gap_NR.abs().sum(dim=-1).double().sum()
        gap_NR.sign_()
        for k, sign in ((a, 1), (b, -1)):
            if wanted[k]:
                gradients[k].add_(gap_NR, alpha=sign * weight)
    # Gathered through the inverse order, because a scatter is slow where the algorithms have to be deterministic.
    return total, [
        None if gradient_NR is None else gradient_NR.gather(1, order_NR.argsort(dim=-1))
        for gradient_NR, order_NR in zip(gradients, orders, strict=True)
    ]
