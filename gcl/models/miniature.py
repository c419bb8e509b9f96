"""Build the miniature backbones: small, untrained instances of the real Qwen2.5-VL and Qwen3-VL classes.

They keep the differences of the real pairs. Patch sizes are 14 and 16, so the numbers of image tokens differ. Pictures are
normalised with CLIP's values or 0.5. Heads are tied or untied, and wider on the 7B. Qwen3-VL has DeepStack and more tokens.
"""

from typing import Any

import torch
from transformers import (
    PretrainedConfig,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.backbone import Preprocessor
from gcl.models.shared_vocabulary import QWEN3_SPECIAL
from gcl.models.vision import streamlined

# Qwen's special tokens in Qwen's order. Qwen3 adds QWEN3_SPECIAL behind them.
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
)
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PATCH = {"qwen2_5_vl": 14, "qwen3_vl": 16}
# Pictures are a few tokens wide. Qwen2.5 rotates the width by the slowest frequencies only, Qwen3 by every third one. With
# a base of thousands a miniature model would confuse left and right.
_ROPE_THETA = {"qwen2_5_vl": 10.0, "qwen3_vl": 100.0}
# The families' own means, and four times their deviations. Adam moves every weight of the patch embedding by the same step.
# Over 1,176 inputs of unit size that is too much at the learning rates of miniature models.
_NORMALISATION = {
    "qwen2_5_vl": ([0.48145466, 0.4578275, 0.40821073], [4 * 0.26862954, 4 * 0.26130258, 4 * 0.27577711]),
    "qwen3_vl": ([0.5, 0.5, 0.5], [4 * 0.5, 4 * 0.5, 4 * 0.5]),
}
# Qwen's 0.02 suits widths of thousands. At widths around 100 every layer would start nearly mute.
_INITIAL_STD = 0.1


def build_preprocessor(family: str, vocabulary: dict[str, Any], pixels: tuple[int, int]) -> Preprocessor:
    """Tokenizer and image processor of a family over a trained vocabulary; `pixels` limits the picture area."""
    extra = SPECIAL[1:] + (QWEN3_SPECIAL if family == "qwen3_vl" else ())
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary["vocab"],
        merges=[tuple(merge) for merge in vocabulary["merges"]],
        unk_token=SPECIAL[0],
        pad_token=SPECIAL[0],
        eos_token="<|im_end|>",
        extra_special_tokens=list(extra),
        padding_side="left",
    )
    tokenizer.chat_template = (_DEFAULT_SYSTEM if family == "qwen2_5_vl" else "") + _CHAT
    mean, std = _NORMALISATION[family]
    images = Qwen2VLImageProcessorPil(
        patch_size=_PATCH[family],
        merge_size=2,
        temporal_patch_size=2,
        image_mean=mean,
        image_std=std,
        size={"shortest_edge": pixels[0], "longest_edge": pixels[1]},
    )
    return Preprocessor(family, tokenizer, images)


def build_model(spec: MiniatureModel, preprocessor: Preprocessor, seed: int) -> PreTrainedModel:
    """An untrained model of the given architecture; weights depend on `seed` only."""
    tokenizer = preprocessor.tokenizer
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in {
            "image": "<|image_pad|>",
            "video": "<|video_pad|>",
            "vision_start": "<|vision_start|>",
            "vision_end": "<|vision_end|>",
        }.items()
    }
    torch.manual_seed(seed)
    model = _MODELS[spec.family](miniature_config(spec, tokenizer, ids))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return streamlined(model)


def miniature_config(spec: MiniatureModel, tokenizer: Qwen2Tokenizer, ids: dict[str, int]) -> PretrainedConfig:
    """The configuration of a small instance; `ids` names the image and video tokens."""
    head_size = spec.hidden_size // spec.heads
    section = [head_size // 2 - 2 * (head_size // 6), head_size // 6, head_size // 6]
    rope = {"rope_type": "default", "rope_theta": _ROPE_THETA[spec.family], "mrope_section": section}
    text = {
        "vocab_size": -(-len(tokenizer) // 64) * 64 + spec.head_padding,
        "hidden_size": spec.hidden_size,
        "intermediate_size": spec.intermediate_size,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "max_position_embeddings": 2048,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "rope_parameters": rope,
        "initializer_range": _INITIAL_STD,
    }
    vision = {
        "depth": spec.vision_layers,
        "hidden_size": spec.vision_hidden_size,
        "intermediate_size": 2 * spec.vision_hidden_size,
        "num_heads": 4,
        "out_hidden_size": spec.hidden_size,
        "patch_size": _PATCH[spec.family],
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "initializer_range": _INITIAL_STD,
    }
    if spec.family == "qwen2_5_vl":
        text["bos_token_id"] = None
        vision |= {"window_size": 112, "fullatt_block_indexes": [spec.vision_layers - 1]}
    else:
        text["head_dim"] = head_size
        rope["mrope_interleaved"] = True
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    return _CONFIGS[spec.family](text_config=text, vision_config=vision, tie_word_embeddings=spec.tied_head, **ids)


_CONFIGS = {"qwen2_5_vl": Qwen2_5_VLConfig, "qwen3_vl": Qwen3VLConfig}
_MODELS = {"qwen2_5_vl": Qwen2_5_VLForConditionalGeneration, "qwen3_vl": Qwen3VLForConditionalGeneration}
