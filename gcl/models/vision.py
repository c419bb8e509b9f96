"""The vision towers with less overhead on a CPU and the same arithmetic: `streamline(model)` after loading.

Qwen-VL embeds patches with a `Conv3d` whose kernel covers exactly one patch. That is a matrix product. Qwen-VL also attends
within pictures (or windows) one by one. Here pictures of equal size go together. This saves convolution kernels and hundreds
of small calls on a CPU. Other devices run the code of transformers. Parameters keep names and shapes, so checkpoints fit.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLVisionAttention
from transformers.models.qwen3_vl.modeling_qwen3_vl import (
    Qwen3VLVisionAttention,
    apply_rotary_pos_emb_vision,
    eager_attention_forward,
)

from gcl.errors import CheckpointError


class PatchProjection(nn.Conv3d):
    """A `Conv3d` over inputs of exactly its kernel's size, on a CPU as a matrix product."""

    def forward(self, patches_PCTHW: Tensor) -> Tensor:
        """Project patches [P, C, T, H, W] to [P, D, 1, 1, 1]."""
        if patches_PCTHW.device.type != "cpu":
            return super().forward(patches_PCTHW)
        inputs_PK = patches_PCTHW.flatten(1)
        weight_KD = self.weight.flatten(1).t()
        projected_PD = inputs_PK @ weight_KD if self.bias is None else torch.addmm(self.bias, inputs_PK, weight_KD)
        return projected_PD[..., None, None, None]


class _Grouped:
    """Attention within pieces of a sequence, on a CPU all pieces of one length at once."""

    def forward(
        self,
        hidden_states: Tensor,
        cu_seqlens: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Map patches [P, D] to [P, D]; neighbours in cu_seqlens are the ends of a piece."""
        if hidden_states.device.type != "cpu":
            return super().forward(hidden_states, cu_seqlens, position_embeddings, **kwargs)
        patches = hidden_states.shape[0]
        query, key, value = self.qkv(hidden_states).reshape(patches, 3, self.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)

        by_length: dict[int, list[int]] = {}
        for start, end in pairwise(cu_seqlens.tolist()):
            by_length.setdefault(end - start, []).append(start)
        rows, attended = [], []
        for length, firsts in by_length.items():
            rows_N = (torch.tensor(firsts)[:, None] + torch.arange(length)).flatten()
            rows.append(rows_N)
            whole = len(by_length) == 1
            pieces_BHLD = (
                (each if whole else each[rows_N]).view(len(firsts), length, self.num_heads, -1).transpose(1, 2)
                for each in (query, key, value)
            )
            attended_BLHD, _ = attend(
                self, *pieces_BHLD, attention_mask=None, scaling=self.scaling, dropout=0.0, is_causal=False, **kwargs
            )
            attended.append(attended_BLHD.reshape(len(rows_N), -1))
        joined_PD = attended[0] if len(attended) == 1 else torch.cat(attended)[torch.argsort(torch.cat(rows))]
        return self.proj(joined_PD)


class _Grouped25(_Grouped, Qwen2_5_VLVisionAttention):
    pass


class _Grouped3(_Grouped, Qwen3VLVisionAttention):
    pass


_GROUPED = {Qwen2_5_VLVisionAttention: _Grouped25, Qwen3VLVisionAttention: _Grouped3}


def streamline(model: PreTrainedModel) -> None:
    """Change classes in the model's vision tower, which then needs fewer calls on a CPU.

    Raises:
        CheckpointError: if its patch embedding is something else than a convolution over whole patches.
    """
    tower = model.model.visual
    convolution = tower.patch_embed.proj
    whole = isinstance(convolution, nn.Conv3d) and convolution.kernel_size == convolution.stride
    if not (whole and convolution.groups == 1 and convolution.padding == (0, 0, 0)):
        raise CheckpointError(f"{type(model).__name__}: the patch embedding is not a convolution over whole patches")
    # Changing the class in place keeps parameters, names and hooks.
    convolution.__class__ = PatchProjection
    for block in tower.blocks:
        block.attn.__class__ = _GROUPED[type(block.attn)]
