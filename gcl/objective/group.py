"""L_GCO, the sum that a competitive group minimises (GCL paper, Eq. 1):

    L = sum_k L_SFT(k) + lambda_GSL L_GSL + lambda_DRL L_DRL

With one member it is plain supervised fine-tuning. N members compete pairwise in GSL and around their mean in DRL. The
training loop calls `group_loss` once per micro-batch. The fused head in `head.py` makes the logits from hidden states.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcl.experiment.divergences import Divergence, Matching, SampledDivergence
from gcl.objective.events import Compared, Slice
from gcl.objective.gsl import semantic_loss
from gcl.objective.head import competitive_head


@dataclass(frozen=True)
class MemberOutput:
    """A member's outputs for one micro-batch.

    Attributes:
        hidden_ND: last hidden states of the rows that predict an answer token.
        head_VD: weight of the member's output head, over its own vocabulary.
        labels_N: the answer tokens.
        semantic_BE: pooled unit vectors, or None when GSL is off.
        compared_R: rows that are compared with those of the other members, in the same order for all; None: all rows.
    """

    hidden_ND: Tensor
    head_VD: Tensor
    labels_N: Tensor
    semantic_BE: Tensor | None
    compared_R: Tensor | None = None


@dataclass(frozen=True)
class Share:
    """Sizes that make means of the whole global batch from a micro-batch.

    Attributes:
        inputs: the micro-batch's share of the inputs.
        tokens: per member, supervised tokens of the global batch.
        positions: compared rows of the global batch; one member's tokens, if all rows are compared.
    """

    inputs: float
    tokens: tuple[int, ...]
    positions: int


def group_loss(
    outputs: Sequence[MemberOutput],
    taus: Sequence[float],
    *,
    gsl_weight: float,
    drl_weight: float,
    kappa: float,
    compared: Compared,
    share: Share,
    divergence: Divergence | SampledDivergence = "jsd",
    supervised: bool = True,
    pulled: Sequence[bool] | None = None,
    matching: Matching = "infonce",
    precision: torch.dtype = torch.float32,
    chunk: int | None = None,
    gather: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the micro-batch's part of the objective and its unweighted components.

    The parts of all micro-batches add up to the objective of the global batch. L_SFT is a mean over a member's supervised
    tokens, L_DRL over compared positions, L_GSL over inputs. Its negatives come from this micro-batch, or from `gather`.

    Args:
        outputs: one per member, the same inputs in the same order.
        taus: DRL temperature per member.
        gsl_weight, drl_weight: lambda_GSL and lambda_DRL; weight 0 skips the loss.
        kappa: InfoNCE temperature.
        compared: the tokens or events that L_DRL compares, see `events.py`.
        share: see `Share`.
        divergence, matching: kinds of L_DRL and L_GSL, see `drl.py` and `gsl.py`.
        supervised: whether L_SFT counts; false for tokens that a member drew itself.
        pulled, precision, chunk: see `competitive_head`.
        gather: maps a member's semantic vectors [B, E] to those of all ranks [B_total, E]. Every member's have the same
            order. None keeps [B, E].

    Raises:
        ValueError: if members have different answer tokens, though a slice is compared; also as `competitive_head`.
    """
    if isinstance(compared, Slice) and any(not outputs[0].labels_N.equal(output.labels_N) for output in outputs[1:]):
        raise ValueError("members see different answer tokens; their tokenizers split the same answer differently")
    rows_KR = [o.compared_R for o in outputs]
    total, components = competitive_head(
        [o.hidden_ND for o in outputs],
        [o.head_VD for o in outputs],
        [o.labels_N for o in outputs],
        taus,
        drl_weight=drl_weight,
        compared=compared,
        tokens=share.tokens,
        positions=share.positions,
        rows_KR=None if all(rows_R is None for rows_R in rows_KR) else rows_KR,
        kind=divergence,
        supervised=supervised,
        pulled=pulled,
        precision=precision,
        chunk=chunk,
    )
    if gsl_weight and len(outputs) > 1:
        vectors_KBE = [o.semantic_BE if gather is None else gather(o.semantic_BE) for o in outputs]
        gsl = semantic_loss(vectors_KBE, kappa, matching) * share.inputs
        total = total + gsl_weight * gsl
        components["gsl"] = gsl.detach()
    return total, components
