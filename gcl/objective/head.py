"""The competitive head: output heads, L_SFT and L_DRL of a whole group in one pass that never holds all logits.

    counts = {"tokens": [n, n], "positions": n}
    total, components = competitive_head(hidden_ND, head_VD, labels_KN, taus, drl_weight=0.4, compared=Slice(v), **counts)
    total.backward()

Logits of 8,192 tokens over 151,936 ids take 5 GB per member in float32, and autograd keeps several copies. So this head
walks over the tokens in chunks. One product per member gives the logits of a chunk. L_SFT (GCL paper, arXiv 2603.11447,
Eq. 2) and L_DRL (Eq. 4, 6, 11) share them. Gradients by hidden states and heads follow at once in closed form (Eq. 13, 14,
19). Backward only multiplies them by the upstream scalar.

Members whose tokenizers differ have rows of their own, and only some correspond. Each member's walk begins with those.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.objective import products
from gcl.objective.events import Compared, Events
from gcl.objective.sft import supervised_loss_

# Share of the device's memory for the buffers of one chunk: 2.2 GiB of 139, 1.3 of 80.
CHUNK_MEMORY = 1 / 64
CHUNK_STEP, CHUNK_MAX = 64, 4096


def competitive_head(
    hidden_ND: Sequence[Tensor],
    head_VD: Sequence[Tensor],
    labels_KN: Sequence[Tensor],
    taus: Sequence[float],
    *,
    drl_weight: float,
    compared: Compared,
    tokens: Sequence[int],
    positions: int,
    rows_KR: Sequence[Tensor] | None = None,
    kind: Divergence | SampledDivergence = "jsd",
    supervised: bool = True,
    pulled: Sequence[bool] | None = None,
    precision: torch.dtype = torch.float32,
    chunk: int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return this batch's part of sum_k L_SFT(k) + drl_weight L_DRL and its unweighted components.

    L_SFT(k) is a mean over member k's supervised tokens of the global batch. L_DRL is one over the compared positions.

    The call itself computes the gradients, for the inputs that need one; none under `torch.no_grad`. A frozen member costs
    one product. Backward hands the gradients over, so it can run once.

    Args:
        hidden_ND: per member, the hidden states [N_k, D_k] of the rows that predict an answer token.
        head_VD: per member, the weight [V_k, D_k] of its output head.
        labels_KN: per member, the answer tokens [N_k].
        taus: DRL temperature per member, > 0.
        drl_weight: lambda_DRL; 0 or a group of one skips L_DRL.
        compared: the tokens or events that L_DRL compares on a row.
        tokens: per member, supervised tokens of the whole global batch.
        positions: compared rows of the whole global batch.
        rows_KR: per member, the rows [R] that are compared; row i of every list belongs to the same text. None: all rows.
        kind: the divergence of L_DRL, see `drl.py`.
        supervised: whether L_SFT counts in the total; its components are always reported.
        pulled: per member, whether it learns from this batch. The others are constants: their gradients are 0. Their L_SFT
            does not count, nor does their part of KL divergences. None: all learn.
        precision: dtype of the products' operands. Sums, losses and logits are float32; float64 inputs stay float64.
        chunk: rows at a time; None takes `chunk_rows`.

    Returns:
        The differentiable total (float32, or float64 for float64 inputs). And detached sft_0, sft_1, ..., divided by the
        member's tokens. If L_DRL is computed, drl and, with `Events`, compared_0, compared_1, ... They are divided by
        `positions`. compared_k is the probability at tau_k that member k gives to its shared tokens. Parts of all batches
        add up to the global batch's. Without rows they are zeros connected to every input.

    Raises:
        ValueError: if a member lacks a tau > 0, a hidden state or a head, or if shapes do not match. Also if a label or the
            shared vocabulary lies outside a head, compared rows do not correspond, or nobody is pulled.
        RuntimeError: on a second backward through the same call.
    """
    pulled = tuple(pulled or [True] * len(taus))
    _check(hidden_ND, head_VD, labels_KN, taus, tokens, positions, rows_KR, pulled)
    drl_weight = drl_weight if len(taus) > 1 else 0.0
    compared.check([len(head) for head in head_VD], kind)
    settings = _Settings(
        taus=tuple(taus),
        drl_weight=drl_weight,
        compared=compared,
        tokens=tuple(tokens),
        positions=max(positions, 1),  # without compared rows the sum is 0
        kind=kind,
        supervised=supervised,
        pulled=pulled,
        precision=precision,
        chunk=chunk or chunk_rows([len(head) for head in head_VD], labels_KN[0].device),
        # Decided before apply: inside it a tensor looks the same with and without torch.no_grad.
        wanted=tuple(torch.is_grad_enabled() and tensor.requires_grad for tensor in (*hidden_ND, *head_VD)),
    )
    total, *parts = _CompetitiveHead.apply(settings, labels_KN, rows_KR, *hidden_ND, *head_VD)
    members = range(len(taus))
    names = [*(f"sft_{k}" for k in members), "drl", *(f"compared_{k}" for k in members)]
    return total, dict(zip(names, parts, strict=False))


def row_bytes(vocabularies: Sequence[int]) -> int:
    """Bytes of all buffers for one row of a chunk, with heads of these heights."""
    # In float32: logits and log ratio of each member; mean, shift and two scratch buffers of the group.
    return 4 * (2 * len(vocabularies) + 4) * max(vocabularies)


def chunk_rows(vocabularies: Sequence[int], device: torch.device) -> int:
    """Rows per chunk for heads of these heights: a multiple of 64, at least 64, at most 4096.

    It depends on the device's total memory. Free memory would give a run other steps beside another job.
    """
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = int(memory * CHUNK_MEMORY) // row_bytes(vocabularies) // CHUNK_STEP * CHUNK_STEP
    return min(max(rows, CHUNK_STEP), CHUNK_MAX)


@dataclass(frozen=True)
class _Settings:
    """Settings of the walk. `wanted` says per hidden state, then per head, whether it needs a gradient."""

    taus: tuple[float, ...]
    drl_weight: float
    compared: Compared
    tokens: tuple[int, ...]
    positions: int
    kind: Divergence | SampledDivergence
    supervised: bool
    pulled: tuple[bool, ...]
    precision: torch.dtype
    chunk: int
    wanted: tuple[bool, ...]


class _CompetitiveHead(torch.autograd.Function):
    """The walk over chunks in forward, a multiplication in backward."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        settings: _Settings,
        labels_KN: Sequence[Tensor],
        rows_KR: Sequence[Tensor] | None,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        members = len(settings.taus)
        # Autocast would round the float32 products to the precision of the region.
        with torch.autocast(tensors[0].device.type, enabled=False):
            sums, gradients = _walk(settings, labels_KN, rows_KR, tensors[:members], tensors[members:])
        ctx.gradients, ctx.tokens = gradients, settings.tokens
        ctx.dtypes = [tensor.dtype for tensor in tensors]
        dtype = torch.float64 if tensors[0].dtype == torch.float64 else torch.float32
        counts = [*settings.tokens, *[settings.positions] * (len(sums) - members)]
        parts = [(value / count).to(dtype) for value, count in zip(sums, counts, strict=True)]
        # One division at the end: where all counts are the same, each of these quotients is exactly 1.
        first = settings.tokens[0]
        learnt = [settings.supervised and one for one in settings.pulled]
        weights = [counts * (first / own) for counts, own in zip(learnt, settings.tokens, strict=True)]
        weights.append(settings.drl_weight * (first / settings.positions))
        total = sum(weight * value for weight, value in zip(weights, sums, strict=False)) / first
        ctx.mark_non_differentiable(*parts)
        return total.to(dtype), *parts

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, upstream: Tensor, *_parts: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError(
                "second backward through the same competitive_head: the first has taken its gradients; call the head again"
            )
        scaled: list[Tensor | None] = []
        for dtype, tokens in zip(ctx.dtypes, ctx.tokens * 2, strict=True):
            # Popped, so that only one float32 gradient at a time stands beside its copy in the input's dtype.
            gradient = gradients.pop(0)
            # Multiply before the cast: a loss scaler's factor keeps float16 gradients from underflow.
            scaled.append(None if gradient is None else gradient.mul_(upstream / tokens).to(dtype))
        return None, None, None, *scaled


def _walk(
    settings: _Settings,
    labels_KN: Sequence[Tensor],
    rows_KR: Sequence[Tensor] | None,
    hidden_ND: Sequence[Tensor],
    head_VD: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return sums over all rows in float64, and gradients by hidden states, then by heads.

    The sums are those of sft per member, then drl, then compared probability per member. Nothing is divided by a count yet,
    but L_DRL's part in a member's gradient has the weight that makes a division by the member's tokens right.
    """
    members, compared = len(settings.taus), settings.compared
    want_hidden, want_head = settings.wanted[:members], settings.wanted[members:]
    # Whoever is not pulled keeps the zeros.
    learning = [(a or b) and c for a, b, c in zip(want_hidden, want_head, settings.pulled, strict=True)]
    weights_VD = [products.operand(head, settings.precision) for head in head_VD]
    exact = torch.float64 if head_VD[0].dtype == torch.float64 else torch.float32
    d_hidden, d_head = (
        [torch.zeros_like(t, dtype=exact) if needed else None for t, needed in zip(tensors, flags, strict=True)]
        for tensors, flags in ((hidden_ND, want_hidden), (head_VD, want_head))
    )
    count = members + bool(settings.drl_weight) * (1 + members * isinstance(compared, Events))
    sums = [torch.zeros((), dtype=torch.float64, device=hidden_ND[0].device) for _ in range(count)]
    orders = None if rows_KR is None else [_first(r, len(n)) for r, n in zip(rows_KR, labels_KN, strict=True)]
    common = len(labels_KN[0] if rows_KR is None else rows_KR[0])
    for start in range(0, max(map(len, labels_KN)), settings.chunk):
        part = slice(start, start + settings.chunk)
        rows = [part] * members if orders is None else [order[part] for order in orders]
        labels = [labels_N[own] for labels_N, own in zip(labels_KN, rows, strict=True)]
        states_ND = [products.operand(h[own], settings.precision) for h, own in zip(hidden_ND, rows, strict=True)]
        logits_NV = [products.multiply(h, w.T) for h, w in zip(states_ND, weights_VD, strict=True)]
        together = slice(min(max(common - start, 0), settings.chunk))
        d_compared_NV: list[Tensor | None] = [None] * members
        if settings.drl_weight and together.stop:
            value, probabilities, d_compared_NV = compared.compare(
                [z[together] for z in logits_NV], settings.taus, learning, settings.kind, labels[0][together]
            )
            for total, found in zip(sums[members:], [value, *probabilities], strict=True):
                total += found
        for k in range(members):
            # Popped, so that the member's buffers are free before the next member's products.
            z_NV, d_drl_NV = logits_NV.pop(0), d_compared_NV.pop(0)
            if not len(z_NV):
                continue
            value, d_logits_NV = supervised_loss_(z_NV, labels[k], wanted=learning[k])
            sums[k] += value
            del z_NV
            if d_logits_NV is None:
                continue
            if not settings.supervised:
                d_logits_NV.zero_()
            if d_drl_NV is not None:
                weight = settings.drl_weight * (settings.tokens[k] / settings.positions)
                compared.add_(k, d_logits_NV[together], d_drl_NV, weight)
                del d_drl_NV
            if d_hidden[k] is not None:
                d_hidden[k][rows[k]] = products.hidden_gradient(d_logits_NV, weights_VD[k])
            if d_head[k] is not None:
                products.add_head_gradient(d_head[k], d_logits_NV, states_ND[k])
            del d_logits_NV
    return sums, [*d_hidden, *d_head]


def _first(rows_R: Tensor, count: int) -> Tensor:
    """An order of so many rows in which these come first."""
    others_N = torch.ones(count, dtype=torch.bool, device=rows_R.device)
    others_N[rows_R] = False
    return torch.cat([rows_R, others_N.nonzero()[:, 0]])


def _check(
    hidden_ND: Sequence[Tensor],
    head_VD: Sequence[Tensor],
    labels_KN: Sequence[Tensor],
    taus: Sequence[float],
    tokens: Sequence[int],
    positions: int,
    rows_KR: Sequence[Tensor] | None,
    pulled: Sequence[bool],
) -> None:
    """Refuse inputs on which the walk would fail late or silently; see `competitive_head`."""
    counts = [len(each) for each in (hidden_ND, head_VD, labels_KN, taus, tokens, pulled)]
    if not counts[0] or len(set(counts)) > 1:
        needs = "hidden states, a head, labels, one tau and its number of tokens"
        raise ValueError(f"every member needs {needs}; got {', '.join(map(str, counts))}")
    if not any(pulled):
        raise ValueError("no member is pulled, so there is nothing to learn; leave pulled out, or name one")
    if min(taus) <= 0:
        raise ValueError(f"every tau must be > 0; got {list(taus)}")
    if min(tokens) < 1 or positions < 0:
        raise ValueError(f"tokens must be >= 1 and positions >= 0; got {list(tokens)} and {positions}")
    if not positions and len((rows_KR or labels_KN)[0]):
        raise ValueError("rows are compared here, so the global batch cannot have 0 compared positions")
    for k, (hidden, head, labels) in enumerate(zip(hidden_ND, head_VD, labels_KN, strict=True)):
        if hidden.ndim != 2 or head.ndim != 2 or hidden.shape[1] != head.shape[1]:
            raise ValueError(
                f"member {k}: hidden states {tuple(hidden.shape)} and head {tuple(head.shape)} must be [N, D] and [V, D]"
            )
        if len(hidden) != len(labels):
            raise ValueError(f"member {k}: {len(hidden)} rows of hidden states for {len(labels)} labels")
        if not _inside(labels, len(head)):
            raise ValueError(f"member {k}: a label lies outside a head of {len(head)} rows")
    if rows_KR is None:
        if len({len(labels) for labels in labels_KN}) > 1:
            raise ValueError(f"members have {[len(labels) for labels in labels_KN]} rows; say which ones are compared")
        return
    lengths = [rows if rows is None else len(rows) for rows in rows_KR]
    if len(rows_KR) != len(taus) or len(set(lengths)) > 1:
        raise ValueError(f"{lengths} compared rows for {len(taus)} members; all need the same number")
    for k, (rows, labels) in enumerate(zip(rows_KR, labels_KN, strict=True)):
        if not _inside(rows, len(labels)) or len(rows.unique()) < len(rows):
            raise ValueError(f"member {k}: each compared row must be one of its {len(labels)} rows, and only once")


def _inside(numbers: Tensor, limit: int) -> bool:
    """Whether all numbers lie in [0, limit)."""
    if not len(numbers):
        return True
    lowest, highest = (int(number) for number in numbers.aminmax())
    return lowest >= 0 and highest < limit
