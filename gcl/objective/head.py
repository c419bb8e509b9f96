"""The competitive head: output heads, L_SFT and L_DRL of a whole group in one pass that never holds all logits.

    total, components = competitive_head(hidden_ND, head_VD, labels_N, taus, drl_weight=0.4, vocabulary=v, tokens=n)
    total.backward()

Logits of 8,192 tokens over 151,936 ids take 5 GB per member in float32, and autograd keeps several copies. So this head
walks over the tokens in chunks. One product per member gives the logits of a chunk. L_SFT (GCL paper, arXiv 2603.11447,
Eq. 2) and L_DRL (Eq. 4, 6, 11) share them. Gradients by hidden states and heads follow at once in closed form (Eq. 13, 14,
19). Backward only multiplies them by the upstream scalar.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.objective import products
from gcl.objective.drl import divergence
from gcl.objective.sft import supervised_loss_

# Share of the device's memory for the buffers of one chunk: 2.2 GiB of 139, 1.3 of 80.
CHUNK_MEMORY = 1 / 64
CHUNK_STEP, CHUNK_MAX = 64, 4096


def competitive_head(
    hidden_ND: Sequence[Tensor],
    head_VD: Sequence[Tensor],
    labels_N: Tensor,
    taus: Sequence[float],
    *,
    drl_weight: float,
    vocabulary: int,
    tokens: int,
    kind: Divergence | SampledDivergence = "jsd",
    supervised: bool = True,
    precision: torch.dtype = torch.float32,
    chunk: int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return (sum_k L_SFT(k) + drl_weight L_DRL) / tokens and its unweighted components.

    The call itself computes the gradients, for the inputs that need one; none under `torch.no_grad`. A frozen member costs
    one product. Backward hands the gradients over, so it can run once.

    Args:
        hidden_ND: per member, the hidden states [N, D_k] of the rows that predict an answer token.
        head_VD: per member, the weight [V_k, D_k] of its output head.
        labels_N: the answer tokens, the same for every member.
        taus: DRL temperature per member, > 0.
        drl_weight: lambda_DRL; 0 or a group of one skips L_DRL.
        vocabulary: number of leading token ids that mean the same to every member; L_DRL compares only these.
        tokens: supervised tokens of the whole global batch.
        kind: the divergence of L_DRL, see `drl.py`.
        supervised: whether L_SFT counts in the total; its components are always reported.
        precision: dtype of the products' operands. Sums, losses and logits are float32; float64 inputs stay float64.
        chunk: rows at a time; None takes `chunk_rows`.

    Returns:
        The differentiable total (float32, or float64 for float64 inputs). And detached sft_0, sft_1, ... and, if computed,
        drl. All are divided by `tokens`. If N is 0, they are zeros connected to every input.

    Raises:
        ValueError: if a member lacks a tau > 0, a hidden state or a head, or if shapes do not match. Also if a label or the
            shared vocabulary lies outside a head.
        RuntimeError: on a second backward through the same call.
    """
    _check(hidden_ND, head_VD, labels_N, taus, vocabulary, tokens)
    settings = _Settings(
        taus=tuple(taus),
        drl_weight=drl_weight if len(taus) > 1 else 0.0,
        vocabulary=vocabulary,
        tokens=tokens,
        kind=kind,
        supervised=supervised,
        precision=precision,
        chunk=chunk or chunk_rows([len(head) for head in head_VD], labels_N.device),
        # Decided before apply: inside it a tensor looks the same with and without torch.no_grad.
        wanted=tuple(torch.is_grad_enabled() and tensor.requires_grad for tensor in (*hidden_ND, *head_VD)),
    )
    total, *parts = _CompetitiveHead.apply(settings, labels_N, *hidden_ND, *head_VD)
    names = [f"sft_{k}" for k in range(len(taus))] + ["drl"]
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
    vocabulary: int
    tokens: int
    kind: Divergence | SampledDivergence
    supervised: bool
    precision: torch.dtype
    chunk: int
    wanted: tuple[bool, ...]


class _CompetitiveHead(torch.autograd.Function):
    """The walk over chunks in forward, a multiplication in backward."""

    @staticmethod
    def forward(ctx: FunctionCtx, settings: _Settings, labels_N: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        # Autocast would round the float32 products to the precision of the region.
        with torch.autocast(labels_N.device.type, enabled=False):
            sums, gradients = _walk(settings, labels_N, tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :])
        ctx.gradients, ctx.tokens = gradients, settings.tokens
        ctx.dtypes = [tensor.dtype for tensor in tensors]
        dtype = torch.float64 if tensors[0].dtype == torch.float64 else torch.float32
        parts = [(value / settings.tokens).to(dtype) for value in sums]
        weights = [float(settings.supervised)] * len(settings.taus) + [settings.drl_weight]
        total = sum(weight * value for weight, value in zip(weights, sums, strict=False)) / settings.tokens
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
        # Multiply before the cast: a loss scaler's factor keeps float16 gradients from underflow.
        scale = upstream / ctx.tokens
        scaled: list[Tensor | None] = []
        for dtype in ctx.dtypes:
            # Popped, so that only one float32 gradient at a time stands beside its copy in the input's dtype.
            gradient = gradients.pop(0)
            scaled.append(None if gradient is None else gradient.mul_(scale).to(dtype))
        return None, None, *scaled


def _walk(
    settings: _Settings, labels_N: Tensor, hidden_ND: Sequence[Tensor], head_VD: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return sums over all rows in float64 (sft per member, then drl), and gradients by hidden states, then by heads.

    The gradients are those of sum_k L_SFT(k) + lambda L_DRL, or of the last term. Nothing is divided by the tokens yet.
    """
    members = len(settings.taus)
    want_hidden, want_head = settings.wanted[:members], settings.wanted[members:]
    trainable = [a or b for a, b in zip(want_hidden, want_head, strict=True)]
    weights_VD = [products.operand(head, settings.precision) for head in head_VD]
    exact = torch.float64 if head_VD[0].dtype == torch.float64 else torch.float32
    d_hidden, d_head = (
        [torch.zeros_like(t, dtype=exact) if needed else None for t, needed in zip(tensors, flags, strict=True)]
        for tensors, flags in ((hidden_ND, want_hidden), (head_VD, want_head))
    )
    sums = [
        torch.zeros((), dtype=torch.float64, device=labels_N.device) for _ in range(members + bool(settings.drl_weight))
    ]
    for start in range(0, len(labels_N), settings.chunk):
        rows = slice(start, start + settings.chunk)
        states_ND = [products.operand(hidden[rows], settings.precision) for hidden in hidden_ND]
        logits_NV = [products.multiply(h, w.T) for h, w in zip(states_ND, weights_VD, strict=True)]
        d_shared_NV: list[Tensor | None] = [None] * members
        if settings.drl_weight:
            shared_NV = [logits[:, : settings.vocabulary] for logits in logits_NV]
            value, d_shared_NV = divergence(shared_NV, settings.taus, trainable, settings.kind, labels_N[rows])
            sums[members] += value
            del shared_NV
        for k in range(members):
            # Popped, so that the member's buffers are free before the next member's products.
            value, d_logits_NV = supervised_loss_(logits_NV.pop(0), labels_N[rows], wanted=trainable[k])
            sums[k] += value
            d_drl_NV = d_shared_NV.pop(0)
            if d_logits_NV is None:
                continue
            if not settings.supervised:
                d_logits_NV.zero_()
            if d_drl_NV is not None:
                d_logits_NV[:, : settings.vocabulary].add_(d_drl_NV, alpha=settings.drl_weight)
                del d_drl_NV
            if d_hidden[k] is not None:
                d_hidden[k][rows] = products.hidden_gradient(d_logits_NV, weights_VD[k])
            if d_head[k] is not None:
                products.add_head_gradient(d_head[k], d_logits_NV, states_ND[k])
            del d_logits_NV
    return sums, [*d_hidden, *d_head]


def _check(
    hidden_ND: Sequence[Tensor],
    head_VD: Sequence[Tensor],
    labels_N: Tensor,
    taus: Sequence[float],
    vocabulary: int,
    tokens: int,
) -> None:
    """Refuse inputs on which the walk would fail late or silently; see `competitive_head`."""
    if not len(taus) == len(hidden_ND) == len(head_VD) >= 1:
        raise ValueError(
            f"every member needs hidden states, a head and one tau; got {len(hidden_ND)}, {len(head_VD)} and {len(taus)}"
        )
    if min(taus) <= 0:
        raise ValueError(f"every tau must be > 0; got {list(taus)}")
    if tokens < 1:
        raise ValueError(f"tokens must be >= 1; got {tokens}")
    for k, (hidden, head) in enumerate(zip(hidden_ND, head_VD, strict=True)):
        if hidden.ndim != 2 or head.ndim != 2 or hidden.shape[1] != head.shape[1]:
            raise ValueError(
                f"member {k}: hidden states {tuple(hidden.shape)} and head {tuple(head.shape)} must be [N, D] and [V, D]"
            )
        if len(hidden) != len(labels_N):
            raise ValueError(f"member {k}: {len(hidden)} rows of hidden states for {len(labels_N)} labels")
    height = min(len(head) for head in head_VD)
    if not 1 <= vocabulary <= height:
        raise ValueError(f"the shared vocabulary of {vocabulary} ids does not fit a head of {height} rows")
    if len(labels_N):
        lowest, highest = (int(label) for label in labels_N.aminmax())
        if lowest < 0 or highest >= height:
            raise ValueError(f"a label lies outside a head of {height} rows: they go from {lowest} to {highest}")
