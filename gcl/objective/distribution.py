"""L_DRL: Jensen-Shannon divergence between members with one temperature each (GCL paper, Eq. 4, 6 and 11).

    P_k = softmax(z_k / tau_k),   M = mean_k P_k,   L_DRL = 1/K sum_k tau_k^2 KL(P_k || M)

Gradients reach every member twice, through its own P_k and through M, as the derivation of Eq. 13 and 14 requires.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx


def distributional_loss(logits_NV: Sequence[Tensor], taus: Sequence[float]) -> Tensor:
    """Divergence of K members from their mean distribution, summed over N rows; 0 when they agree at equal tau.

    Args:
        logits_NV: one tensor per member; rows are the same supervised positions, columns the shared vocabulary only
            (cut before the softmax, so that padding rows of a head take no probability).
        taus: one temperature per member, > 0.

    Raises:
        ValueError: if shapes differ between members or a temperature is not positive.
    """
    if len({logits.shape for logits in logits_NV}) != 1 or len(taus) != len(logits_NV):
        shapes = [tuple(logits.shape) for logits in logits_NV]
        raise ValueError(
            f"members must share one logit shape and have one tau each; got {shapes} and taus {list(taus)}"
        )
    if min(taus) <= 0:
        raise ValueError(f"every tau must be > 0; got {list(taus)}")
    return _DistributionalLoss.apply(tuple(taus), *logits_NV)


class _DistributionalLoss(torch.autograd.Function):
    """Value and closed-form gradient in one walk.

    With w_k = P_k / (K M), the derivative of L by P_a is g_a / K, g_a = tau_a^2 log(P_a / M) + sum_k (tau_a^2 - tau_k^2) w_k
    up to a constant, and by z_a it is P_a (g_a - E_a[g_a]) / (K tau_a): Eq. 19 for K = 2. Autograd would arrive at the same
    through terms of size tau^2 that cancel, and lose a digit in float32 where members nearly agree.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, taus: tuple[float, ...], *logits_NV: Tensor) -> Tensor:
        members = len(taus)
        dtype = torch.promote_types(logits_NV[0].dtype, torch.float32)
        # Log space: in probability space a token that all members rule out gives 0 * -inf.
        logp_KNV = [F.log_softmax(logits.to(dtype) / tau, dim=-1) for logits, tau in zip(logits_NV, taus, strict=True)]
        logm_NV = torch.logsumexp(torch.stack(logp_KNV), dim=0) - math.log(members)
        total = logm_NV.new_zeros(())
        gradients = []
        for a, (logp_NV, tau) in enumerate(zip(logp_KNV, taus, strict=True)):
            p_NV, ratio_NV = logp_NV.exp(), logp_NV - logm_NV
            kl_N = (p_NV * ratio_NV).sum(dim=-1)
            # A KL is >= 0; rounding can leave -1e-9 where members agree.
            total += tau * tau / members * kl_N.clamp(min=0).sum()
            if not ctx.needs_input_grad[1 + a]:
                gradients.append(None)
                continue
            g_NV = tau * tau * ratio_NV
            for other_NV, other_tau in zip(logp_KNV, taus, strict=True):
                if other_tau != tau:
                    g_NV += (tau * tau - other_tau * other_tau) / members * (other_NV - logm_NV).exp()
            mean_N1 = (p_NV * g_NV).sum(dim=-1, keepdim=True)
            gradients.append((p_NV * (g_NV - mean_N1) / (members * tau)).to(logits_NV[a].dtype))
        ctx.save_for_backward(*(g for g in gradients if g is not None))
        ctx.wanted = [g is not None for g in gradients]
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        saved = iter(ctx.saved_tensors)
        return (None, *(next(saved) * upstream if wanted else None for wanted in ctx.wanted))
