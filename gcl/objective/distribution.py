"""L_DRL: Jensen-Shannon divergence between members with one temperature each (GCL paper, arXiv 2603.11447, Eq. 4, 6, 11).

    P_k = softmax(z_k / tau_k),   M = mean_k P_k,   L_DRL = 1/K sum_k tau_k^2 KL(P_k || M)

`head.py` calls `divergence` on each chunk of logits. Gradients reach every member twice, through its own P_k and through
M, as the derivation of Eq. 13 and 14 requires; they are closed forms, no autograd.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def divergence(
    logits_KNV: Sequence[Tensor], taus: Sequence[float], wanted: Sequence[bool]
) -> tuple[Tensor, list[Tensor | None]]:
    """Divergence of K members from their mean distribution, summed over N rows, and its gradients by the logits.

    With r_k = log(P_k / M), the derivative of K L by P_a is, up to a constant, g_a = tau_a^2 r_a - s with
    s = mean_k tau_k^2 expm1(r_k), and that of L by z_a is P_a (g_a - E_a[g_a]) / (K tau_a): Eq. 19 for K = 2. Everything
    is written in r and expm1(r), which are small where members nearly agree: differences of terms of size tau^2 would lose
    digits there, and members that agree at equal tau would not give exactly 0.

    Args:
        logits_KNV: one tensor [N, V] per member; rows are the same supervised positions, columns the shared vocabulary
            only (cut before the softmax, so that padding rows of a head take no probability). Left as they are.
        taus: one temperature per member, > 0.
        wanted: per member, whether its gradient is needed.

    Returns:
        The sum as a float64 scalar, never negative, and one gradient [N, V] or None per member. Computed in float32 at
        least; gradients have the precision of the computation.
    """
    members = len(taus)
    dtype = torch.promote_types(logits_KNV[0].dtype, torch.float32)
    # Log space: in probability space a token that all members rule out gives 0 * -inf.
    ratio_KNV = [F.log_softmax(z_NV.to(dtype) / tau, dim=-1) for z_NV, tau in zip(logits_KNV, taus, strict=True)]
    mean_NV = _relate_to_mean_(ratio_KNV)

    total = torch.zeros((), dtype=torch.float64, device=mean_NV.device)
    shift_NV = None
    for ratio_NV, tau in zip(ratio_KNV, taus, strict=True):
        excess_NV = torch.expm1(ratio_NV)  # P_k / M - 1
        # sum_k expm1(r_k) = 0, so any constant may be taken off tau_k^2: with equal temperatures nothing is left of s.
        if tau != taus[0]:
            part_NV = excess_NV * ((tau * tau - taus[0] * taus[0]) / members)
            shift_NV = part_NV if shift_NV is None else shift_NV.add_(part_NV)
            del part_NV
        # KL as sum_v M (r e^r - expm1(r)): the same sum as P r, but no term is negative and rounding of the norms of
        # P_k and M enters in second order only.
        term_NV = torch.addcmul(ratio_NV, ratio_NV, excess_NV).sub_(excess_NV).mul_(mean_NV)
        total += tau * tau / members * term_NV.sum(dim=-1).clamp_(min=0).double().sum()
        del excess_NV, term_NV

    gradients: list[Tensor | None] = []
    for ratio_NV, tau, needed in zip(ratio_KNV, taus, wanted, strict=True):
        if not needed:
            gradients.append(None)
            continue
        p_NV = torch.exp(ratio_NV).mul_(mean_NV)
        gradient_NV = ratio_NV.mul_(tau / members)
        if shift_NV is not None:
            gradient_NV.sub_(shift_NV, alpha=1 / (members * tau))
        gradient_NV.mul_(p_NV)
        gradients.append(gradient_NV.addcmul_(p_NV, gradient_NV.sum(dim=-1, keepdim=True), value=-1))
    return total, gradients


def _relate_to_mean_(logp_KNV: list[Tensor]) -> Tensor:
    """Turn log P_k into log(P_k / M) in place and return M [N, V].

    log M = m + log1p(mean_k expm1(log P_k - m)) with m = max_k log P_k is exact where members agree, and accurate where
    they nearly do, unlike logsumexp_k(log P_k) - log K.
    """
    mean_NV = logp_KNV[0].clone()
    for logp_NV in logp_KNV[1:]:
        torch.maximum(mean_NV, logp_NV, out=mean_NV)
    offset_NV = torch.zeros_like(mean_NV)
    for logp_NV in logp_KNV:
        offset_NV.add_(torch.expm1(logp_NV.sub_(mean_NV)))
    offset_NV.div_(len(logp_KNV)).log1p_()
    for logp_NV in logp_KNV:
        logp_NV.sub_(offset_NV)
    return mean_NV.add_(offset_NV).exp_()
