"""L_GCO, the sum that a competitive group minimises (GCL paper, Eq. 1):

    L = sum_k L_SFT(k) + lambda_GSL L_GSL + lambda_DRL L_DRL

One member makes it plain supervised fine-tuning; N members compete pairwise in GSL and around their mean in DRL. The
training loop calls `group_loss` once per micro-batch. Logits are no part of the interface: the fused head in `head.py`
makes them from hidden states, a chunk at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcl.experiment.schema import Divergence, Matching, SampledDivergence
from gcl.objective.gsl import semantic_loss
from gcl.objective.head import competitive_head


@dataclass(frozen=True)
class MemberOutput:
    """What a member shows the group for one micro-batch.

    Attributes:
        hidden_ND: last hidden states of the rows that predict an answer token.
        head_VD: weight of the member's output head, over its own vocabulary.
        labels_N: the answer tokens.
        semantic_BE: pooled unit vectors, or None when GSL is off.
    """

    hidden_ND: Tensor
    head_VD: Tensor
    labels_N: Tensor
    semantic_BE: Tensor | None


@dataclass(frozen=True)
class Share:
    """How much of the global batch a micro-batch is: its inputs of all inputs, and all supervised tokens."""

    inputs: float
    tokens: int


def group_loss(
    outputs: Sequence[MemberOutput],
    taus: Sequence[float],
    *,
    gsl_weight: float,
    drl_weight: float,
    kappa: float,
    vocabulary: int,
    share: Share,
    divergence: Divergence | SampledDivergence = "jsd",
    supervised: bool = True,
    matching: Matching = "infonce",
    precision: torch.dtype = torch.float32,
    chunk: int | None = None,
    gather: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the micro-batch's part of the objective and its unweighted components.

    Parts of all micro-batches add up to the objective of the global batch: token losses are means over its supervised
    tokens, GSL is the mean over its inputs (with negatives from the same micro-batch, or from all that `gather` brings).

    Args:
        outputs: one per member, the same inputs in the same order.
        taus: DRL temperature per member.
        gsl_weight, drl_weight: lambda_GSL and lambda_DRL; a loss with weight 0 is not computed.
        kappa: InfoNCE temperature.
        vocabulary: number of leading token ids that mean the same to every member.
        share: see `Share`.
        divergence, matching: what L_DRL and L_GSL are, see `distribution.py` and `semantic.py`.
        supervised: whether L_SFT counts. It does not where the tokens are no reference but a member's own draw.
        precision, chunk: of the head's products, see `competitive_head`.
        gather: maps a member's semantic vectors [B, E] to those of all ranks [B_total, E], in the same order for every
            member; None keeps this micro-batch's own.

    Raises:
        ValueError: if members disagree on the answer tokens, and for what `competitive_head` refuses.
    """
    labels_N = outputs[0].labels_N
    if any(not labels_N.equal(output.labels_N) for output in outputs[1:]):
        raise ValueError("members see different answer tokens; their tokenizers split the same answer differently")
    total, components = competitive_head(
        [o.hidden_ND for o in outputs],
        [o.head_VD for o in outputs],
        labels_N,
        taus,
        drl_weight=drl_weight,
        vocabulary=vocabulary,
        tokens=share.tokens,
        kind=divergence,
        supervised=supervised,
        precision=precision,
        chunk=chunk,
    )
    if gsl_weight and len(outputs) > 1:
        vectors_KBE = [o.semantic_BE if gather is None else gather(o.semantic_BE) for o in outputs]
        gsl = semantic_loss(vectors_KBE, kappa, matching) * share.inputs
        total = total + gsl_weight * gsl
        components["gsl"] = gsl.detach()
    return total, components
