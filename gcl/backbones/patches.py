"""The patch embedding of the vision towers as the matrix product that it is: `as_product(model)` after loading.

Qwen-VL embeds a patch by a `Conv3d` whose kernel and stride cover the whole patch, so every patch gives one vector. The
parameters keep their names and shapes, so checkpoints do not change; only the way the vector is computed does, which
spares a CPU's convolution kernels (a fifth of a miniature training step) and costs nothing elsewhere.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gcl.errors import CheckpointError


class PatchProjection(nn.Conv3d):
    """A `Conv3d` over inputs of exactly its kernel's size."""

    def forward(self, patches_PCTHW: Tensor) -> Tensor:
        """Project patches [P, C, T, H, W] to [P, D, 1, 1, 1]."""
        inputs_PK = patches_PCTHW.flatten(1)
        weight_KD = self.weight.flatten(1).t()
        projected_PD = inputs_PK @ weight_KD if self.bias is None else torch.addmm(self.bias, inputs_PK, weight_KD)
        return projected_PD[..., None, None, None]


def as_product(model: PreTrainedModel) -> PreTrainedModel:
    """Let the model's patch embedding compute a matrix product; the same model is returned.

    Raises:
        CheckpointError: if its patch embedding is no convolution over whole patches.
    """
    convolution = model.model.visual.patch_embed.proj
    whole = isinstance(convolution, nn.Conv3d) and convolution.kernel_size == convolution.stride
    if not (whole and convolution.groups == 1 and convolution.padding == (0, 0, 0)):
        raise CheckpointError(f"{type(model).__name__}: the patch embedding is not a convolution over whole patches")
    convolution.__class__ = PatchProjection  # in place: parameters, names and hooks stay
    return model
