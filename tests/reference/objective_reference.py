"""The objective written out in float64, slow and obvious: what every fast version is tested against.

Gradients are finite differences or the paper's closed form, never autograd, so that a mistake cannot hide in both.
"""

import math

import numpy as np


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(pi * (math.log(pi) - math.log(qi)) for pi, qi in zip(p, q, strict=True) if pi > 0))


def drl(logits_KNV: list[np.ndarray], taus: list[float]) -> float:
    """Eq. 11 for K members, summed over rows."""
    total = 0.0
    for rows in zip(*logits_KNV, strict=True):
        ps = [softmax(row / tau) for row, tau in zip(rows, taus, strict=True)]
        m = sum(ps) / len(ps)
        total += sum(tau**2 * kl(p, m) for p, tau in zip(ps, taus, strict=True)) / len(ps)
    return total


def drl_gradient_pair(z_a: np.ndarray, z_b: np.ndarray, tau_a: float, tau_b: float) -> np.ndarray:
    """Eq. 19: derivative of one row's DRL with respect to member A's logits, for a pair."""
    p_a, p_b = softmax(z_a / tau_a), softmax(z_b / tau_b)
    m = (p_a + p_b) / 2
    r = p_b / (2 * m)
    own = np.log(p_a / m) - kl(p_a, m)
    shift = (1 - tau_b**2 / tau_a**2) * (r - (p_a * r).sum())
    return tau_a / 2 * p_a * (own + shift)


def cross_entropy(logits_NV: np.ndarray, labels_N: list[int]) -> float:
    return float(-sum(math.log(softmax(row)[label]) for row, label in zip(logits_NV, labels_N, strict=True)))


def info_nce(vectors_KBE: list[np.ndarray], kappa: float) -> float:
    """Eq. 3 in both directions, mean over pairs of members."""
    losses = []
    for a in range(len(vectors_KBE)):
        for b in range(a + 1, len(vectors_KBE)):
            u, v = vectors_KBE[a], vectors_KBE[b]
            n = len(u)
            forward = [-math.log(softmax(np.array([u[i] @ v[j] for j in range(n)]) / kappa)[i]) for i in range(n)]
            backward = [-math.log(softmax(np.array([v[i] @ u[j] for j in range(n)]) / kappa)[i]) for i in range(n)]
            losses.append((sum(forward) + sum(backward)) / (2 * n))
    return sum(losses) / len(losses) if losses else 0.0


def group_objective(hidden, heads, labels, vectors, taus, gsl_weight, drl_weight, kappa, vocabulary) -> float:
    """Eq. 1, token losses as means over supervised tokens."""
    n, logits = len(labels), [h @ w.T for h, w in zip(hidden, heads, strict=True)]
    total = sum(cross_entropy(z, labels) for z in logits) / n
    if len(logits) > 1:
        total += gsl_weight * info_nce(vectors, kappa)
        total += drl_weight * drl([z[:, :vocabulary] for z in logits], taus) / n
    return total


def log_softmax(z_NV: np.ndarray) -> np.ndarray:
    shifted = z_NV - z_NV.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def drl_gradients(logits_KNV: list[np.ndarray], taus: list[float]) -> tuple[float, list[np.ndarray]]:
    """Eq. 11 over whole matrices, and its derivative by logits: by P_k first, then through the softmax's Jacobian."""
    members = len(taus)
    logp = [log_softmax(z / tau) for z, tau in zip(logits_KNV, taus, strict=True)]
    logm = np.logaddexp.reduce(logp) - math.log(members)
    p = [np.exp(x) for x in logp]
    value = sum(tau**2 * (pk * (lk - logm)).sum() for tau, pk, lk in zip(taus, p, logp, strict=True)) / members
    through_m = sum(tau**2 * np.exp(lk - logm) for tau, lk in zip(taus, logp, strict=True)) / members
    gradients = []
    for tau, pk, lk in zip(taus, p, logp, strict=True):
        by_p = (tau**2 * (lk - logm + 1) - through_m) / members
        gradients.append(pk * (by_p - (pk * by_p).sum(axis=1, keepdims=True)) / tau)
    return float(value), gradients


def head_objective(hidden, heads, labels, taus, drl_weight, vocabulary, tokens):
    """(sum_k L_SFT(k) + lambda L_DRL) / tokens: value, derivatives by hidden states, derivatives by heads."""
    logits = [h @ w.T for h, w in zip(hidden, heads, strict=True)]
    rows, value, by_logits = np.arange(len(labels)), 0.0, []
    for z in logits:
        logp = log_softmax(z)
        value -= logp[rows, labels].sum()
        gradient = np.exp(logp)
        gradient[rows, labels] -= 1
        by_logits.append(gradient)
    if len(logits) > 1 and drl_weight:
        divergence, gradients = drl_gradients([z[:, :vocabulary] for z in logits], taus)
        value += drl_weight * divergence
        for whole, part in zip(by_logits, gradients, strict=True):
            whole[:, :vocabulary] += drl_weight * part
    by_hidden = [g @ w / tokens for g, w in zip(by_logits, heads, strict=True)]
    by_head = [g.T @ h / tokens for g, h in zip(by_logits, hidden, strict=True)]
    return value / tokens, by_hidden, by_head


def drl_around(logits_KNV: list[np.ndarray], taus: list[float], constant_KNV: list[np.ndarray]) -> float:
    """Eq. 11 with M from other logits, which the derivative takes as constants."""
    total = 0.0
    for rows, constants in zip(zip(*logits_KNV, strict=True), zip(*constant_KNV, strict=True), strict=True):
        m = sum(softmax(row / tau) for row, tau in zip(constants, taus, strict=True)) / len(taus)
        total += sum(tau**2 * kl(softmax(row / tau), m) for row, tau in zip(rows, taus, strict=True)) / len(taus)
    return total


def member_kl(logits_KNV: list[np.ndarray], taus: list[float], k: int, *, forward: bool) -> float:
    """Member k's mean divergence from (forward) or to (reverse) each other member, scaled by its temperature."""
    total = 0.0
    for rows in zip(*logits_KNV, strict=True):
        ps = [softmax(row / tau) for row, tau in zip(rows, taus, strict=True)]
        others = [p for j, p in enumerate(ps) if j != k]
        total += taus[k] ** 2 * sum(kl(p, ps[k]) if forward else kl(ps[k], p) for p in others) / len(others)
    return total
