"""InternVL in transformers' own form: a picture is cut into square tiles, and an overview is added. Qwen's tokenizer."""

from collections.abc import Sequence

from transformers import InternVLConfig, InternVLVisionConfig, PretrainedConfig, PreTrainedTokenizerBase, Qwen2Config
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Activations, Family, Small
from gcl.models.qwen_vl import SPECIAL
from gcl.models.small_sizes import text_sizes, vision_sizes

# Behind those of Qwen, by the names that its processor asks the tokenizer for.
_OWN = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<IMG_CONTEXT>\n{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A tile of 32 pixels and patches of 8 have 16 patches, which the projector makes 4 tokens. A picture of 96 x 64 has 6 tiles
# and an overview.
_TILE, _PATCH, _MOST = 32, 8, 6


class InternVL(Family):
    """See the module."""

    name = "internvl"
    tiles = 13
    activations = Activations({2: (26, 8, 0, 8), 4: (24, 16, 0, 16)}, {2: (26, 4), 4: (44, 8)})

    def tile_tokens(self, config: PretrainedConfig, patches: int) -> int:
        return int(patches * config.downsample_ratio**2)

    def special_tokens(self) -> Sequence[str]:
        return (*SPECIAL, *_OWN.values())

    def named_tokens(self) -> dict[str, str]:
        return _OWN

    def chat_template(self) -> str:
        return _CHAT

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        vision = vision_sizes(shape, (_TILE, _TILE), (_PATCH, _PATCH))
        count = (_TILE // _PATCH // 2) ** 2
        config = InternVLConfig(
            vision_config=InternVLVisionConfig(**vision),
            text_config=Qwen2Config(**text_sizes(shape, tokenizer), tie_word_embeddings=shape.tied_head),
            image_token_id=tokenizer.convert_tokens_to_ids(_OWN["context_image_token"]),
            image_seq_length=count,
            tie_word_embeddings=shape.tied_head,
        )
        images = GotOcr2ImageProcessorPil(
            size={"height": _TILE, "width": _TILE}, crop_to_patches=True, min_patches=1, max_patches=_MOST
        )
        return Small(config, images, {"image_seq_length": count})


FAMILY = InternVL()
