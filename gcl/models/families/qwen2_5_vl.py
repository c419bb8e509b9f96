"""Qwen2.5-VL: windows in the vision tower, a default system message, words of Qwen3 are letters."""

from typing import Any

from transformers import PretrainedConfig, Qwen2_5_VLConfig

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Activations
from gcl.models.qwen_vl import CHAT, QwenVL

_DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
)


class Qwen25VL(QwenVL):
    """See the module."""

    name = "qwen2_5_vl"
    patch = 14
    rope_theta = 10.0
    normalisation = ([0.48145466, 0.4578275, 0.40821073], [4 * 0.26862954, 4 * 0.26130258, 4 * 0.27577711])
    # With 16 bits, 26 D are residuals, normed ones (4 x 4), and operands of five products (5 x 2). 8 A are q, k,
    # v repeated to width A, and the output (4 x 2). 8 I are gate, its activation, up, and their product (4 x 2).
    # Fused attention keeps no T x T scores, only the mask of a padded batch.
    activations = Activations({2: (26, 8, 0, 8), 4: (24, 16, 0, 16)}, {2: (32, 8), 4: (52, 16)})

    def chat_template(self) -> str:
        return _DEFAULT_SYSTEM + CHAT

    def make_config(
        self, text: dict[str, Any], vision: dict[str, Any], shape: MiniatureModel, **others: Any
    ) -> PretrainedConfig:
        vision |= {"window_size": 112, "fullatt_block_indexes": [shape.vision_layers - 1]}
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, **others)


FAMILY = Qwen25VL()
