"""L_DRL: Jensen-Shannon divergence between members with one temperature each (GCL paper, arXiv 2603.11447, Eq. 4, 6, 11).

    P_k = softmax(z_k / tau_k),   M = mean_k P_k,   L_DRL = 1/K sum_k tau_k^2 KL(P_k || M)

`events.py` calls `divergence_` on each chunk of log-probabilities. Gradients are closed forms, without autograd. They reach
each member twice, as Eq. 13 and 14 require: through its own P_k and through M. The other divergences are controls:

    jsd-detached         same value; its gradient takes M as a constant, which differs where temperatures differ
    forward-kl           sum_k tau_k^2 mean_{j != k} KL(P_j || P_k), every P_j a constant. Deep mutual learning (Zhang et al.
                         2018, arXiv 1706.00384); with a frozen guide, distillation (Hinton et al. 2015, arXiv 1503.02531)
    reverse-kl           same with KL(P_k || P_j), as MiniLLM distils (Gu et al. 2024, arXiv 2306.08543)
    jsd+uld              jsd, and where tokenizers differ the sorted matching of `uld.py` over tokens that are not shared
    sampled-reverse-kl   k1 estimate of reverse-kl: tau_k^2 mean_j log(P_k(y) / P_j(y)) (MGSD, arXiv 2606.06076, stage 2)

The last one uses one token y a row, which the learning member drew from its own P_k. Its values can be negative. Its
gradient is that of -A log P_k(y) with the constant advantage A = log P_j(y) - log P_k(y). Its mean is reverse-kl's gradient.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl.experiment.divergences import Divergence, SampledDivergence


def log_probabilities(logits_NV: Tensor, tau: float) -> Tensor:
    """log softmax(z / tau), in float32 at least."""
    # In probability space a token that all members rule out would give 0 * -inf.
    return F.log_softmax(logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32)) / tau, dim=-1)


def divergence_(
    logp_KNV: Sequence[Tensor],
    taus: Sequence[float],
    wanted: Sequence[bool],
    kind: Divergence | SampledDivergence = "jsd",
    labels_N: Tensor | None = None,
) -> tuple[Tensor, list[Tensor | None]]:
    """Divergence of K members, summed over N rows, and its gradients by the logits.

    Args:
        logp_KNV: one tensor [N, V] per member, as `log_probabilities` gives. They may be overwritten (hence the underscore).
            Rows are the same supervised positions. Columns are events that mean the same to every member.
        taus: one temperature per member, > 0.
        wanted: per member, whether it needs a gradient. KL divergences sum over these members, or over all if none does.
        kind: see the module.
        labels_N: the drawn events; only the sampled divergence uses them.

    Returns:
        The sum as a float64 scalar, and one gradient [N, V] or None per member. The sum is never negative unless sampled.

    Raises:
        ValueError: if the divergence is unknown, or a sampled one has no labels or labels outside the shared vocabulary.
    """
    if kind not in DIVERGENCES | SAMPLED:
        raise ValueError(f"unknown divergence {kind!r}; use one of {', '.join(DIVERGENCES | SAMPLED)}")
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

    Let r_k = log(P_k / M) and s = mean_k tau_k^2 expm1(r_k). Up to a constant, the derivative of K L by P_a is
    g_a = tau_a^2 r_a - s. That of L by z_a is P_a (g_a - E_a[g_a]) / (K tau_a), which is Eq. 19 for K = 2. If M is a
    constant, g_a = tau_a^2 r_a. We compute with r and expm1(r). Both go to 0 when the members agree, so no digits are lost
    and equal members give exactly 0. Subtracting terms of size tau^2 would lose digits.
    """
    members = len(taus)
    mean_NV = _relate_to_mean_(ratio_KNV)

    total = torch.zeros((), dtype=torch.float64, device=mean_NV.device)
    shift_NV = None
    for ratio_NV, tau in zip(ratio_KNV, taus, strict=True):
        excess_NV = torch.expm1(ratio_NV)  # P_k / M - 1
        # sum_k expm1(r_k) = 0, so tau_0^2 may be subtracted from every tau_k^2. With equal temperatures s is 0.
        if tau != taus[0] and not detached:
            term_NV = excess_NV * ((tau * tau - taus[0] * taus[0]) / members)
            shift_NV = term_NV if shift_NV is None else shift_NV.add_(term_NV)
            del term_NV
        # KL = sum_v M (r e^r - expm1(r)) equals the sum of P r. But its terms are never negative, and rounding of the norms
        # of P_k and M enters in second order only.
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
    """KL divergence between every learning member k and each other member j, a constant, from log P_k.

    With rho = log(P_k / P_j), the derivative by z_k is tau_k (P_k - P_j) forward, tau_k P_k (rho - E_k[rho]) reverse. For
    K > 2 both are means over j.
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
            # einsum sums each row without a buffer for the products.
            kl_N = torch.einsum("nv,nv->n", q_NV if forward else p_NV, rho_NV).mul_(-1 if forward else 1)
            total += tau * tau / (members - 1) * kl_N.clamp_(min=0).double().sum()
            if wanted[k]:
                pair_NV = p_NV.sub_(q_NV) if forward else p_NV.mul_(rho_NV.sub_(kl_N[:, None]))
                pair_NV.mul_(tau / (members - 1))
                gradient_NV = pair_NV if gradient_NV is None else gradient_NV.add_(pair_NV)
        gradients.append(torch.zeros_like(logp_NV) if wanted[k] and gradient_NV is None else gradient_NV)
    return total, gradients


def _from_samples(
    logp_KNV: list[Tensor], taus: Sequence[float], wanted: Sequence[bool], labels_N: Tensor
) -> tuple[Tensor, list[Tensor | None]]:
    """The k1 estimate of the reverse KL divergence from log P_k, which are overwritten.

    The derivative of -A log P_k(y) by z_k is -A (onehot(y) - P_k) / tau_k.
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

    log M = m + log1p(mean_k expm1(log P_k - m)) with m = max_k log P_k. It is exact where members agree and accurate where
    they nearly agree. logsumexp_k(log P_k) - log K is not.
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


# Each takes log P_k and may overwrite it. Settings read the names here (gcl/experiment/divergences.py).
DIVERGENCES = {
    "jsd": partial(_from_mean, detached=False),
    "jsd-detached": partial(_from_mean, detached=True),
    "forward-kl": partial(_from_each_other, forward=True),
    "reverse-kl": partial(_from_each_other, forward=False),
    "jsd+uld": partial(_from_mean, detached=False),  # the second term belongs to `Events.compare`
}
SAMPLED = {"sampled-reverse-kl": _from_samples}
