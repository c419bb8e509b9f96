"""Qwen3.5: the processor of Qwen3-VL, no DeepStack, and linear attention in most layers of the language model."""

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel, Qwen3_5Config

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.qwen_vl import QWEN3_SPECIAL, SPECIAL, QwenVL

_EVERY = 2  # layer of a small instance has full attention; of the published ones every fourth


class Qwen35(QwenVL):
    """See the module."""

    name = "qwen3_5"
    patch = 16
    rope_theta = 100.0
    normalisation = ([0.5, 0.5, 0.5], [4 * 0.5, 4 * 0.5, 4 * 0.5])
    adapted = QwenVL.adapted | {
        "language": r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|in_proj_\w+|out_proj|gate_proj|up_proj|down_proj)"
    }

    def special_tokens(self) -> Sequence[str]:
        return SPECIAL + QWEN3_SPECIAL

    def streamline(self, model: PreTrainedModel) -> None:
        """Nothing: its vision tower is its own."""

    def make_config(
        self, text: dict[str, Any], vision: dict[str, Any], shape: MiniatureModel, **others: Any
    ) -> PretrainedConfig:
        size = shape.hidden_size // shape.heads
        kinds = ["full_attention" if (layer + 1) % _EVERY == 0 else "linear_attention" for layer in range(shape.layers)]
        text["rope_parameters"] |= {"mrope_interleaved": True, "partial_rotary_factor": 1.0}
        text |= {"head_dim": size, "layer_types": kinds, "linear_key_head_dim": size, "linear_value_head_dim": size}
        text |= {"linear_num_key_heads": shape.heads, "linear_num_value_heads": shape.heads}
        vision["num_position_embeddings"] = 64
        return Qwen3_5Config(text_config=text, vision_config=vision, **others)


FAMILY = Qwen35()
