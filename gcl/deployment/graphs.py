"""A Qwen-VL model as two graphs of tensors alone, which a runtime can read: `VisionGraph(model)`, `LanguageGraph(model)`.

Runtimes take no lists of picture sizes, no caches, and no loops over pictures. So all that depends on the sizes of pictures
is computed before, by `pieces`, and comes in as tensors. Both families of the paper fit: DeepStack of Qwen3-VL, and windows
of Qwen2.5-VL. The layers and their weights are those of transformers.

Sizes: P patches, N picture tokens, S sets of picture features, D the hidden width. There is one set, and one more for each
level of DeepStack. B prompts have Q new tokens, and T with those before.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision
from transformers.vision_utils import (
    get_vision_cu_seqlens,
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
    get_vision_window_index,
)

FAMILIES = ("qwen2_5_vl", "qwen3_vl")


class Pieces(NamedTuple):
    """Facts about the sizes of pictures, for the vision tower.

    Attributes:
        order: [N], where each picture token's patches go before the tower; windows of Qwen2.5-VL are put together.
        inputs: of `VisionGraph` besides the patches, in their order.
    """

    order: Tensor
    inputs: tuple[Tensor, ...]


def pieces(config: PretrainedConfig, grid_I3: Tensor) -> Pieces:
    """Tensors that follow from the sizes of pictures.

    Args:
        config: of the vision tower.
        grid_I3: frames, rows and columns of patches of each of I pictures.
    """
    merge = config.spatial_merge_size
    rows_P2 = get_vision_position_ids(grid_I3, merge)
    whole_P = _numbered(get_vision_cu_seqlens(grid_I3))
    if config.model_type.startswith("qwen2_5_vl"):
        order_N, ends = get_vision_window_index(grid_I3, merge, config.window_size, config.patch_size)
        rows_P2 = ordered(rows_P2, order_N, merge)
        return Pieces(order_N, (rows_P2, ordered(whole_P, order_N, merge), _numbered(ends)))
    side = int(config.num_position_embeddings**0.5)
    near_P4, weights_P4 = get_vision_interpolation_indices_and_weights(
        grid_I3, num_grid_per_side=side, mode="bilinear", align_corners=True, spatial_merge_size=merge
    )
    return Pieces(torch.arange(len(rows_P2) // merge**2), (rows_P2, whole_P, near_P4, weights_P4))


def ordered(values_P: Tensor, order_N: Tensor, merge: int) -> Tensor:
    """Values of patches [P, ...] with the patches of each picture token moved together."""
    grouped = values_P.reshape(len(order_N), merge**2, *values_P.shape[1:])
    return grouped[order_N].reshape(values_P.shape)


class VisionGraph(nn.Module):
    """Patches to features of picture tokens."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.tower = model.model.visual
        self.windows = model.config.model_type == "qwen2_5_vl"

    def forward(self, patches_PK: Tensor, rows_P2: Tensor, whole_P: Tensor, *others: Tensor) -> Tensor:
        """Return features [S, N, D].

        Args:
            patches_PK: pixels of each patch.
            rows_P2: its row and column.
            whole_P: number of its picture.
            others: Qwen2.5-VL: number of its window, [P]. Qwen3-VL: its four nearest learned positions and their weights.
        """
        tower = self.tower
        hidden_PD = tower.patch_embed(patches_PK)
        pictures_PP = whole_P[:, None] == whole_P[None, :]
        windows_PP = pictures_PP
        if self.windows:
            windows_PP = others[0][:, None] == others[0][None, :]
        else:
            near_P4, weights_P4 = others
            hidden_PD = hidden_PD + (tower.pos_embed(near_P4) * weights_P4[:, :, None]).sum(1)
        cos_sin = tower.rotary_pos_emb(hidden_PD, rows_P2)
        deep = []
        for number, block in enumerate(tower.blocks):
            seen_PP = windows_PP if self.windows and number not in tower.fullatt_block_indexes else pictures_PP
            hidden_PD = hidden_PD + _attend(block.attn, block.norm1(hidden_PD), cos_sin, seen_PP)
            hidden_PD = hidden_PD + block.mlp(block.norm2(hidden_PD))
            if not self.windows and number in tower.deepstack_visual_indexes:
                level = tower.deepstack_visual_indexes.index(number)
                deep.append(tower.deepstack_merger_list[level](hidden_PD))
        return torch.stack([tower.merger(hidden_PD), *deep])


class LanguageGraph(nn.Module):
    """Tokens and features of pictures to the logits of the next token. Keys and values go out for the tokens after."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.text = model.model.language_model
        self.head = model.lm_head

    def forward(
        self,
        ids_BQ: Tensor,
        seen_BQ: Tensor,
        features_SBQD: Tensor,
        positions_3BQ: Tensor,
        mask_B1QT: Tensor,
        *past: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return logits of the last token [B, V], then keys and values of each layer [B, heads, T, size].

        Args:
            ids_BQ: new tokens.
            seen_BQ: 1.0 where a token stands for a part of a picture, else 0.0.
            features_SBQD: the features of pictures at these places, zeros elsewhere.
            positions_3BQ: time, row and column of each token.
            mask_B1QT: is added to attention scores.
            past: keys and values of the tokens before, by layer.
        """
        hidden_BQD = self.text.embed_tokens(ids_BQ) * (1 - seen_BQ[..., None]) + features_SBQD[0]
        cache = _Cache(past)
        cos_sin = self.text.rotary_emb(hidden_BQD, positions_3BQ)
        for number, layer in enumerate(self.text.layers):
            hidden_BQD = layer(
                hidden_BQD, attention_mask=mask_B1QT, position_embeddings=cos_sin, past_key_values=cache, use_cache=True
            )
            if number + 1 < len(features_SBQD):  # DeepStack
                hidden_BQD = hidden_BQD + features_SBQD[number + 1]
        return self.head(self.text.norm(hidden_BQD[:, -1])), *cache.present


class _Cache:
    """Keys and values of the tokens before, as tensors that come in and go out."""

    def __init__(self, past: Sequence[Tensor]) -> None:
        self.past = past
        self.present: list[Tensor] = []

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Put those of new tokens behind."""
        both = tuple(
            torch.cat([before, new], dim=2)
            for before, new in zip(self.past[2 * layer : 2 * layer + 2], (key, value), strict=True)
        )
        self.present += both
        return both


def _attend(attention: nn.Module, hidden_PD: Tensor, cos_sin: tuple[Tensor, Tensor], seen_PP: Tensor) -> Tensor:
    """A vision tower's attention, among the patches that a patch sees."""
    patches = hidden_PD.shape[0]
    query, key, value = attention.qkv(hidden_PD).reshape(patches, 3, attention.num_heads, -1).unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *cos_sin)
    by_head = [each.transpose(0, 1)[None] for each in (query, key, value)]
    attended_1HPE = scaled_dot_product_attention(*by_head, attn_mask=seen_PP, scale=attention.scaling)
    return attention.proj(attended_1HPE[0].transpose(0, 1).reshape(patches, -1))


def _numbered(ends: Tensor) -> Tensor:
    """The number of its piece for each patch, from the ends of pieces that begin with 0."""
    return torch.repeat_interleave(torch.arange(len(ends) - 1), ends.diff().long())
