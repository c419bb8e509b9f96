"""L_SFT: next-token cross-entropy on answer tokens (GCL paper, arXiv 2603.11447, Eq. 2), value and gradient together.

`head.py` calls `supervised_loss_` on each chunk of logits. The gradient is softmax minus one-hot, without autograd.
"""

import torch
from torch import Tensor


def supervised_loss_(logits_NV: Tensor, labels_N: Tensor, *, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """Cross-entropy summed over N rows and, if wanted, its gradient by the logits.

    It is a sum, so that a global batch of many chunks is divided once by its true token count. The gradient overwrites
    logits of float32 or float64 (hence the underscore), which saves a second buffer over the whole vocabulary.

    Args:
        logits_NV: one row per supervised position, over the member's whole vocabulary; computed in float32 at least.
        labels_N: the token that each row has to predict, all inside V.
        wanted: whether the gradient is needed.

    Returns:
        The sum as a float64 scalar, and the gradient [N, V] or None.
    """
    z_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
    z_NV.sub_(z_NV.amax(dim=-1, keepdim=True))
    label_N = z_NV.gather(1, labels_N[:, None])[:, 0]
    z_NV.exp_()
    norm_N = z_NV.sum(dim=-1)
    value = (norm_N.double().log() - label_N.double()).sum()
    if not wanted:
        return value, None
    z_NV.div_(norm_N[:, None])
    z_NV[torch.arange(len(labels_N), device=labels_N.device), labels_N] -= 1
    return value, z_NV
