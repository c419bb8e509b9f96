"""The objective of members with unlike tokenizers in plain float64 autograd: whole logits, probabilities, no closed form.

    loss = head_loss(hidden, heads, labels, taus, weight, ids, sizes, rows, tokens, positions, kind, learning)

Lists have one entry per member. Constants of a divergence are detached by hand.
"""

import torch
from torch import Tensor


def distribution(logits: Tensor, tau: float, ids: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Probabilities of the events, the rest last, and of the single tokens in the rest."""
    p = torch.softmax(logits[:, :size] / tau, dim=-1)
    rest = p[:, [token for token in range(size) if token not in set(ids.tolist())]]
    return torch.cat([p[:, ids], rest.sum(dim=-1, keepdim=True)], dim=-1), rest


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Sum over rows and over events that p does not rule out."""
    safe = torch.where(p > 0, p, torch.ones_like(p))
    return (safe * (safe / torch.where(p > 0, q, torch.ones_like(q))).log()).sum()


def sorted_gap(p: Tensor, q: Tensor) -> Tensor:
    """L1 distance of sorted probabilities, the shorter rows filled with zeros."""
    total = torch.zeros((), dtype=p.dtype)
    for a, b in zip(p, q, strict=True):
        high, low = a.sort(descending=True).values, b.sort(descending=True).values
        for place in range(max(len(high), len(low))):
            total = total + abs((high[place] if place < len(high) else 0.0) - (low[place] if place < len(low) else 0.0))
    return total


def divergence(
    ps: list[Tensor], rests: list[Tensor], taus: list[float], kind: str, learning: list[bool], drawn: Tensor | None
) -> Tensor:
    """Summed over rows; the derivative of the result is the gradient that the divergence stands for."""
    members = len(ps)
    others = [[j for j in range(members) if j != k] for k in range(members)]
    if kind.startswith("jsd"):
        mean = sum(ps) / members
        mean = mean.detach() if kind == "jsd-detached" else mean
        total = sum(tau**2 * kl(p, mean) for p, tau in zip(ps, taus, strict=True)) / members
        if kind == "jsd+uld":
            gaps = [
                tau**2 * sorted_gap(rests[k], rests[j]) / len(others[k])
                for k, tau in enumerate(taus)
                for j in others[k]
            ]
            total = total + sum(gaps) / members
        return total
    total = torch.zeros((), dtype=ps[0].dtype)
    for k in range(members):
        if any(learning) and not learning[k]:
            continue
        for j in others[k]:
            p, q = ps[k], ps[j].detach()
            if kind == "forward-kl":
                term = kl(q, p)
            elif kind == "reverse-kl":
                term = kl(p, q)
            else:  # value of the k1 estimate, derivative of -A log p with a constant advantage A
                log_p, log_q = (x[range(len(x)), drawn].log() for x in (p, q))
                ratio = (log_p - log_q).detach()
                term = (ratio * log_p - (ratio * log_p).detach() + ratio).sum()
            total = total + taus[k] ** 2 * term / len(others[k])
    return total


def head_loss(hidden, heads, labels, taus, weight, ids, sizes, rows, tokens, positions, kind, learning) -> Tensor:
    """sum_k L_SFT(k) / tokens_k + weight L_DRL / positions."""
    logits = [h @ w.T for h, w in zip(hidden, heads, strict=True)]
    loss = sum(
        torch.nn.functional.cross_entropy(z, y, reduction="sum") / n
        for z, y, n in zip(logits, labels, tokens, strict=True)
    )
    pairs = [distribution(z[own], tau, i, n) for z, own, tau, i, n in zip(logits, rows, taus, ids, sizes, strict=True)]
    ps, rests = [p for p, _ in pairs], [rest for _, rest in pairs]
    first = ids[0].tolist()
    drawn = torch.tensor([first.index(y) if y in first else len(first) for y in labels[0][rows[0]].tolist()])
    return loss + weight * divergence(ps, rests, taus, kind, learning, drawn.long()) / positions


def divergence_between(logits, taus, ids, sizes, kind: str) -> Tensor:
    """Divergence of members with these logits, all of whom learn."""
    pairs = [distribution(z, tau, i, n) for z, tau, i, n in zip(logits, taus, ids, sizes, strict=True)]
    return divergence([p for p, _ in pairs], [rest for _, rest in pairs], taus, kind, [True] * len(taus), None)
