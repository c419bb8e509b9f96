"""LLaVA-OneVision: tiles of the best of some resolutions, signs for ends of rows, and Qwen2's language model.

Of several pictures in one question, each is seen once, without tiles.
"""

from collections.abc import Sequence

from transformers import LlavaOnevisionConfig, PreTrainedTokenizerBase, Qwen2Config, SiglipVisionConfig
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Activations, Family, Small
from gcl.models.small_sizes import text_sizes, vision_sizes

_IMAGE, _VIDEO = "<image>", "<video>"
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>\n{% endif %}{% endfor %}"
    "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TILE, _PATCH = 32, 8
_RESOLUTIONS = [[32, 32], [32, 64], [64, 32], [64, 64], [64, 96], [96, 64]]


class LlavaOnevision(Family):
    """See the module."""

    name = "llava_onevision"
    tiles = 10
    activations = Activations({2: (26, 8, 0, 8), 4: (24, 16, 0, 16)}, {2: (26, 4), 4: (44, 8)})

    def special_tokens(self) -> Sequence[str]:
        return ("<|endoftext|>", "<|im_start|>", "<|im_end|>", _IMAGE, _VIDEO)

    def chat_template(self) -> str:
        return _CHAT

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        vision = SiglipVisionConfig(**vision_sizes(shape, _TILE, _PATCH), vision_use_head=False)
        config = LlavaOnevisionConfig(
            vision_config=vision,
            text_config=Qwen2Config(**text_sizes(shape, tokenizer), tie_word_embeddings=shape.tied_head),
            image_token_index=tokenizer.convert_tokens_to_ids(_IMAGE),
            video_token_index=tokenizer.convert_tokens_to_ids(_VIDEO),
            image_grid_pinpoints=_RESOLUTIONS,
            tie_word_embeddings=shape.tied_head,
        )
        images = LlavaOnevisionImageProcessorPil(
            size={"height": _TILE, "width": _TILE}, image_grid_pinpoints=_RESOLUTIONS
        )
        settings = {"num_image_tokens": (_TILE // _PATCH) ** 2, "vision_feature_select_strategy": "full"}
        return Small(config, images, settings)


FAMILY = LlavaOnevision()
