"""Gemma 3: square pictures of one size, attention in both directions within a picture, and a tokenizer that spells bytes."""

from collections.abc import Sequence

from transformers import Gemma3Config, Gemma3TextConfig, PretrainedConfig, PreTrainedTokenizerBase, SiglipVisionConfig
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Activations, Family, Small
from gcl.models.small_sizes import ROPE, text_sizes, vision_sizes

_OWN = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
# The system message stands before the first question.
_CHAT = (
    "{{ bos_token }}{% set start = '' %}{% if messages[0].role == 'system' %}"
    "{% set start = messages[0].content[0].text + '\n\n' %}{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ start if loop.first }}{% for part in message.content %}"
    "{% if part.type == 'image' %}<start_of_image>{% else %}{{ part.text | trim }}{% endif %}{% endfor %}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_SIDE, _PATCH, _TOKENS = 96, 8, 36  # 144 patches, 4 of which are pooled


class Gemma3(Family):
    """See the module."""

    name = "gemma3"
    spelling = "gemma"
    activations = Activations({2: (26, 14, 6, 8), 4: (24, 24, 8, 16)}, {2: (26, 4), 4: (44, 8)})

    def tile_tokens(self, config: PretrainedConfig, patches: int) -> int:
        return config.mm_tokens_per_image

    def special_tokens(self) -> Sequence[str]:
        return ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", *_OWN.values())

    def named_tokens(self) -> dict[str, str]:
        return _OWN

    def chat_template(self) -> str:
        return _CHAT

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        size = shape.hidden_size // shape.heads
        text = text_sizes(shape, tokenizer, "<end_of_turn>") | {
            "rope_parameters": {"full_attention": dict(ROPE), "sliding_attention": dict(ROPE)},
            "head_dim": size,
            "query_pre_attn_scalar": size,
            "sliding_window": 512,
        }
        vision = SiglipVisionConfig(**vision_sizes(shape, _SIDE, _PATCH), vision_use_head=False)
        ids = {name.replace("token", "token_index"): tokenizer.convert_tokens_to_ids(t) for name, t in _OWN.items()}
        config = Gemma3Config(
            vision_config=vision,
            text_config=Gemma3TextConfig(**text, tie_word_embeddings=shape.tied_head),
            mm_tokens_per_image=_TOKENS,
            tie_word_embeddings=shape.tied_head,
            **ids,
        )
        images = Gemma3ImageProcessorPil(size={"height": _SIDE, "width": _SIDE})
        return Small(config, images, {"image_seq_length": _TOKENS})


FAMILY = Gemma3()
