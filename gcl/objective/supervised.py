"""L_SFT: next-token cross-entropy on answer tokens (GCL paper, Eq. 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def supervised_loss(logits_NV: Tensor, labels_N: Tensor) -> Tensor:
    """Cross-entropy in float32 over the supervised rows, summed over N.

    The sum, not the mean, so that a global batch split into micro-batches can be divided once by its true token count.

    Args:
        logits_NV: one row per supervised position, over the member's whole vocabulary.
        labels_N: the token each row has to predict.
    """
    return F.cross_entropy(logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32)), labels_N, reduction="sum")
