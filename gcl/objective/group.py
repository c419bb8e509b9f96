"""L_GCO, the sum that a competitive group minimises (GCL paper, Eq. 1):

    L = sum_k L_SFT(k) + lambda_GSL L_GSL + lambda_DRL L_DRL

One member makes it plain supervised fine-tuning; N members compete pairwise in GSL and around their mean in DRL.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gcl.objective.distribution import distributional_loss
from gcl.objective.semantic import semantic_loss
from gcl.objective.supervised import supervised_loss


@dataclass(frozen=True)
class MemberOutput:
    """What a member shows the group for one micro-batch.

    Attributes:
        logits_NV: rows that predict an answer token, over the member's own vocabulary.
        labels_N: the answer tokens.
        semantic_BE: pooled unit vectors, or None when GSL is off.
    """

    logits_NV: Tensor
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
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the micro-batch's part of the objective and its unweighted components.

    Parts of all micro-batches add up to the objective of the global batch: token losses are means over its supervised
    tokens, GSL is the mean over its inputs (with negatives from the same micro-batch).

    Args:
        outputs: one per member, the same inputs in the same order.
        taus: DRL temperature per member.
        gsl_weight, drl_weight: lambda_GSL and lambda_DRL; a loss with weight 0 is not computed.
        kappa: InfoNCE temperature.
        vocabulary: number of leading token ids that mean the same to every member.
        share: see `Share`.

    Raises:
        ValueError: if members disagree on the answer tokens.
    """
    labels_N = outputs[0].labels_N
    if any(not labels_N.equal(output.labels_N) for output in outputs[1:]):
        raise ValueError("members see different answer tokens; their tokenizers split the same answer differently")
    components = {f"sft_{k}": supervised_loss(o.logits_NV, labels_N) / share.tokens for k, o in enumerate(outputs)}
    total = sum(components.values())
    if gsl_weight and len(outputs) > 1:
        components["gsl"] = semantic_loss([o.semantic_BE for o in outputs], kappa) * share.inputs
        total = total + gsl_weight * components["gsl"]
    if drl_weight and len(outputs) > 1:
        shared = [o.logits_NV[:, :vocabulary] for o in outputs]
        components["drl"] = distributional_loss(shared, taus) / share.tokens
        total = total + drl_weight * components["drl"]
    return total, {name: value.detach() for name, value in components.items()}
