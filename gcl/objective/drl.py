"""L_DRL: Jensen-Shannon divergence between members with one temperature each (GCL paper, arXiv 2603.11447, Eq. 4, 6, 11).

    P_k = softmax(z_k / tau_k),   M = mean_k P_k,   L_DRL = 1/K sum_k tau_k^2 KL(P_k || M)

`head.py` calls `divergence` on each chunk of logits. Gradients reach every member twice, through its own P_k and through
M, as the derivation of Eq. 13 and 14 requires; they are closed forms, no autograd. Other divergences are there as controls:

    jsd-detached   the same value, M taken as a constant by the gradient; differs where temperatures do
    forward-kl     sum_k tau_k^2 mean_{j != k} KL(P_j || P_k), every P_j a constant: deep mutual learning (Zhang et al. 2018,
                   arXiv 1706.00384); with a frozen guide, knowledge distillation (Hinton et al. 2015, arXiv 1503.02531)
    reverse-kl     the same with KL(P_k || P_j), as MiniLLM distils (Gu et al. 2024, arXiv 2306.08543)

    sampled-reverse-kl   of one token y a row, which the learning member has drawn from its own P_k: tau_k^2 times the mean
                   over j of log P_k(y) - log P_j(y), the k1 estimate of reverse-kl. Its gradient is that of the advantage
                   A = log P_j(y) - log P_k(y), a constant, in -A log P_k(y): reverse-kl's own in expectation (MGSD, arXiv
                   2606.06076, stage 2). Single values can be negative.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl.experiment.schema import Divergence, SampledDivergence


def divergence(
    logits_KNV: Sequence[Tensor],
    taus: Sequence[float],
    wanted: Sequence[bool],
    kind: Divergence | SampledDivergence = "jsd",
    labels_N: Tensor | None = None,
) -> tuple[Tensor, list[Tensor | None]]:
    """Divergence of K members, summed over N rows, and its gradients by the logits.

    Args:
        logits_KNV: one tensor [N, V] per member; rows are the same supervised positions, columns the shared vocabulary
            only (cut before the softmax, so that padding rows of a head take no probability). Left as they are.
        taus: one temperature per member, > 0.
        wanted: per member, whether its gradient is needed. The KL divergences sum over these members alone (over all if none
            is): what a frozen member would have to learn is no part of the loss.
        kind: see the module.
        labels_N: the tokens drawn, which the sampled divergence needs and no other looks at.

    Returns:
        The sum as a float64 scalar, never negative unless sampled, and one gradient [N, V] or None per member. Computed in
        float32 at least; gradients have the precision of the computation.

    Raises:
        ValueError: if there is no such divergence, or a sampled one has no labels, or some outside the shared vocabulary.
    """
    if kind not in DIVERGENCES | SAMPLED:
        raise ValueError(f"unknown divergence {kind!r}; use one of {', '.join(DIVERGENCES | SAMPLED)}")
    dtype = torch.promote_types(logits_KNV[0].dtype, torch.float32)
    # Log space: in probability space a token that all members rule out gives 0 * -inf.
    logp_KNV = [F.log_softmax(z_NV.to(dtype) / tau, dim=-1) for z_NV, tau in zip(logits_KNV, taus, strict=True)]
    if kind in DIVERGENCES:
        return DIVERGENCES[kind](logp_KNV, taus, wanted)
    if labels_N is None or (
        len(labels_N) and not 0 <= int(labels_N.min()) <= int(labels_N.max()) < logp_KNV[0].shape[1]
    ):
        raise ValueError(f"{kind}: every row needs the token that was drawn, inside the shared vocabulary")
    return SAMPLED[kind](logp_KNV, taus, wanted, labels_N)


def _from_mean(
    ratio_KNV: list[Tensor], taus: Sequence[float], wanted: Sequence[bool], *, detached: bool
) -> tuple[Tensor, list[Tensor | None]]:
    """Jensen-Shannon divergence from log P_k, which are overwritten.

    With r_k = log(P_k / M), the derivative of K L by P_a is, up to a constant, g_a = tau_a^2 r_a - s with
    s = mean_k tau_k^2 expm1(r_k), and that of L by z_a is P_a (g_a - E_a[g_a]) / (K tau_a): Eq. 19 for K = 2. Everything
    is written in r and expm1(r), which are small where members nearly agree: differences of terms of size tau^2 would lose
    digits there, and members that agree at equal tau would not give exactly 0.
    With M a constant the derivative by P_a is tau_a^2 r_a alone.
    """
    members = len(taus)
    mean_NV = _relate_to_mean_(ratio_KNV)

    total = torch.zeros((), dtype=torch.float64, device=mean_NV.device)
    shift_NV = None
    for ratio_NV, tau in zip(ratio_KNV, taus, strict=True):
        excess_NV = torch.expm1(ratio_NV)  # P_k / M - 1
        # sum_k expm1(r_k) = 0, so any constant may be taken off tau_k^2: with equal temperatures nothing is left of s.
        if tau != taus[0] and not detached:
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


def _from_each_other(
    logp_KNV: list[Tensor], taus: Sequence[float], wanted: Sequence[bool], *, forward: bool
) -> tuple[Tensor, list[Tensor | None]]:
    """KL divergence of every learning member from or to each other one, which is a constant, from log P_k.

    By z_k the forward one has the derivative tau_k (P_k - P_j), the reverse one tau_k P_k (rho - E_k[rho]) with
    rho = log(P_k / P_j); for K > 2 both are means over j.
    """
    members = len(taus)
    learning = wanted if any(wanted) else [True] * members
    total = torch.zeros((), dtype=torch.float64, device=logp_KNV[0].device)
    gradients: list[Tensor | None] = []
    for k, (logp_NV, tau) in enumerate(zip(logp_KNV, taus, strict=True)):
        gradient_NV = None
        for other_NV in (logp for j, logp in enumerate(logp_KNV) if j != k and learning[k]):
            rho_NV = logp_NV - other_NV
            p_NV, q_NV = logp_NV.exp(), other_NV.exp()
            # Row by row without a buffer for the products.
            kl_N = torch.einsum("nv,nv->n", q_NV if forward else p_NV, rho_NV).mul_(-1 if forward else 1)
            total += tau * tau / (members - 1) * kl_N.clamp_(min=0).double().sum()
            if wanted[k]:
                part_NV = p_NV.sub_(q_NV) if forward else p_NV.mul_(rho_NV.sub_(kl_N[:, None]))
                part_NV.mul_(tau / (members - 1))
                gradient_NV = part_NV if gradient_NV is None else gradient_NV.add_(part_NV)
        gradients.append(torch.zeros_like(logp_NV) if wanted[k] and gradient_NV is None else gradient_NV)
    return total, gradients


def _from_samples(
    logp_KNV: list[Tensor], taus: Sequence[float], wanted: Sequence[bool], labels_N: Tensor
) -> tuple[Tensor, list[Tensor | None]]:
    """The k1 estimate of the reverse KL divergence from log P_k, which are overwritten.

    -A log P_k(y) has by z_k the derivative -A (onehot(y) - P_k) / tau_k.
    """
    members, index_N1 = len(taus), labels_N[:, None]
    drawn_KN = [logp_NV.gather(1, index_N1)[:, 0] for logp_NV in logp_KNV]
    learning = wanted if any(wanted) else [True] * members
    total = torch.zeros((), dtype=torch.float64, device=labels_N.device)
    gradients: list[Tensor | None] = []
    for k, (logp_NV, tau) in enumerate(zip(logp_KNV, taus, strict=True)):
        others = [drawn_N for j, drawn_N in enumerate(drawn_KN) if j != k]
        shortfall_N = sum(drawn_KN[k] - drawn_N for drawn_N in others) / max(len(others), 1)  # -A
        if learning[k] and others:
            total += tau * tau * shortfall_N.double().sum()
        if not wanted[k]:
            gradients.append(None)
            continue
        weight_N1 = (tau * shortfall_N)[:, None] if others else torch.zeros_like(logp_NV[:, :1])
        gradient_NV = logp_NV.exp_().mul_(-weight_N1)
        gradients.append(gradient_NV.scatter_add_(1, index_N1, weight_N1))
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


# From log P_k, which they may overwrite. The names are those of `Divergence` and `SampledDivergence` in the schema.
DIVERGENCES = {
    "jsd": partial(_from_mean, detached=False),
    "jsd-detached": partial(_from_mean, detached=True),
    "forward-kl": partial(_from_each_other, forward=True),
    "reverse-kl": partial(_from_each_other, forward=False),
}
SAMPLED = {"sampled-reverse-kl": _from_samples}
