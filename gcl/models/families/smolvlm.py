"""SmolVLM and SmolVLM2: tiles in rows and columns with signs around them, a tokenizer of its own, and Llama's layers.

An answer begins with a blank behind "Assistant:".
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from transformers import LlamaConfig, PretrainedConfig, PreTrainedTokenizerBase, SmolVLMConfig, SmolVLMVisionConfig
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.family import Activations, Family, Small
from gcl.models.small_sizes import text_sizes, vision_sizes

_OWN = {
    "fake_image_token": "<fake_token_around_image>",
    "image_token": "<image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}
_CHAT = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{% if message.content[0].type == 'image' %}:{% else %}: {% endif %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
# A tile of 32 pixels and patches of 8 have 16 patches, which the connector makes 4 tokens.
_TILE, _PATCH, _SCALE, _TILES = 32, 8, 2, 3


class SmolVLM(Family):
    """See the module."""

    name = "smolvlm"
    tiles = 17
    packages: Mapping[str, str] = MappingProxyType({"num2words": "num2words"})
    spelling = "gpt2"
    activations = Activations({2: (26, 8, 0, 8), 4: (24, 16, 0, 16)}, {2: (26, 4), 4: (44, 8)})

    def tile_tokens(self, config: PretrainedConfig, patches: int) -> int:
        return patches // config.scale_factor**2

    def special_tokens(self) -> Sequence[str]:
        rows = [f"<row_{row}_col_{column}>" for row in range(1, _TILES + 1) for column in range(1, _TILES + 1)]
        return ("<|endoftext|>", "<|im_start|>", *_OWN.values(), *rows)

    def named_tokens(self) -> dict[str, str]:
        return _OWN

    def chat_template(self) -> str:
        return _CHAT

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        text = text_sizes(shape, tokenizer, _OWN["end_of_utterance_token"])
        config = SmolVLMConfig(
            vision_config=SmolVLMVisionConfig(**vision_sizes(shape, _TILE, _PATCH)),
            text_config=LlamaConfig(**text, tie_word_embeddings=shape.tied_head),
            image_token_id=tokenizer.convert_tokens_to_ids(_OWN["image_token"]),
            scale_factor=_SCALE,
            tie_word_embeddings=shape.tied_head,
            pad_token_id=tokenizer.pad_token_id,
        )
        images = SmolVLMImageProcessorPil(
            size={"longest_edge": _TILES * _TILE}, max_image_size={"longest_edge": _TILE}, do_image_splitting=True
        )
        return Small(config, images, {"image_seq_len": (_TILE // _PATCH // _SCALE) ** 2})


FAMILY = SmolVLM()
