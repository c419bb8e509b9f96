"""Qwen3-VL: DeepStack, learned positions in pictures, and more tokens than Qwen2.5-VL."""

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig, Qwen3VLConfig

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.qwen_vl import QWEN3_SPECIAL, SPECIAL, QwenVL


class Qwen3VL(QwenVL):
    """See the module."""

    name = "qwen3_vl"
    patch = 16
    rope_theta = 100.0
    normalisation = ([0.5, 0.5, 0.5], [4 * 0.5, 4 * 0.5, 4 * 0.5])

    def special_tokens(self) -> Sequence[str]:
        return SPECIAL + QWEN3_SPECIAL

    def make_config(
        self, text: dict[str, Any], vision: dict[str, Any], shape: MiniatureModel, **others: Any
    ) -> PretrainedConfig:
        text["head_dim"] = shape.hidden_size // shape.heads
        text["rope_parameters"]["mrope_interleaved"] = True
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        return Qwen3VLConfig(text_config=text, vision_config=vision, **others)


FAMILY = Qwen3VL()
