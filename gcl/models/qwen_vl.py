"""The Qwen-VL families share nearly everything: `QwenVL`, from which gcl/models/families has one file each.

Miniature models keep the differences of the real pairs. Patch sizes are 14 and 16, so the numbers of image tokens differ.
Pictures are normalised with CLIP's values or 0.5.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Family, Small, Tower
from gcl.models.small_sizes import INITIAL_STD, text_sizes
from gcl.models.vision import streamline

# Qwen's special tokens in Qwen's order. Qwen3 adds others behind them.
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
# Words that are tokens in Qwen3 alone. Qwen2.5 reads them as letters.
QWEN3_SPECIAL = ("<tool_response>", "</tool_response>", "<think>", "</think>")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class QwenVL(Family):
    """A Qwen-VL family.

    Attributes:
        patch: pixels along a side of a patch.
        rope_theta: base of the frequencies. Pictures are a few tokens wide. Qwen2.5 rotates the width by the slowest
            frequencies only, Qwen3 by every third one. With a base of thousands a miniature model would confuse left and
            right.
        normalisation: the family's own means, and four times its deviations. Adam moves every weight of the patch embedding
            by the same step. Over 1,176 inputs of unit size that is too much at the learning rates of miniature models.
    """

    projector = r"\.visual\..*merger"
    vision = r"(^|\.)visual\."
    adapted: Mapping[str, str] = Family.adapted | {
        "vision": r".*visual\.blocks\..*\.(qkv|proj|linear_fc1|linear_fc2|gate_proj|up_proj|down_proj)"
    }
    area = True
    patch: int
    rope_theta: float
    normalisation: tuple[list[float], list[float]]

    def streamline(self, model: PreTrainedModel) -> None:
        streamline(model)

    def tower(self, config: PretrainedConfig) -> Tower:
        vision = config.vision_config
        numbers = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        projectors = 1 + len(getattr(vision, "deepstack_visual_indexes", ()))
        return Tower(vision.hidden_size, vision.intermediate_size, vision.depth, numbers, projectors)

    def picture(self, config: PretrainedConfig, area: int) -> tuple[int, int]:
        vision = config.vision_config
        tokens = area // (vision.patch_size * vision.spatial_merge_size) ** 2
        return tokens, tokens * vision.spatial_merge_size**2

    def special_tokens(self) -> Sequence[str]:
        return SPECIAL

    def chat_template(self) -> str:
        return CHAT

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
        names |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
        ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
        mean, std = self.normalisation
        images = Qwen2VLImageProcessorPil(
            patch_size=self.patch,
            merge_size=2,
            temporal_patch_size=2,
            image_mean=mean,
            image_std=std,
            size={"shortest_edge": pixels[0], "longest_edge": pixels[1]},
        )
        return Small(self.config(shape, tokenizer, ids), images, {})

    def config(
        self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, ids: dict[str, int]
    ) -> PretrainedConfig:
        """The configuration of a small instance; `ids` names the tokens of pictures."""
        head_size = shape.hidden_size // shape.heads
        section = [head_size // 2 - 2 * (head_size // 6), head_size // 6, head_size // 6]
        text = text_sizes(shape, tokenizer) | {
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta, "mrope_section": section},
        }
        vision = {
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_hidden_size,
            "intermediate_size": 2 * shape.vision_hidden_size,
            "num_heads": 4,
            "out_hidden_size": shape.hidden_size,
            "patch_size": self.patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "initializer_range": INITIAL_STD,
        }
        return self.make_config(text, vision, shape, tie_word_embeddings=shape.tied_head, **ids)

    def make_config(
        self, text: dict[str, Any], vision: dict[str, Any], shape: MiniatureModel, **others: Any
    ) -> PretrainedConfig:
        """The family's own configuration class, with what it has besides."""
        raise NotImplementedError
