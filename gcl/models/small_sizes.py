"""Settings of small instances that families name alike: `text_sizes` of a language model, `vision_sizes` of a plain tower.

Files in gcl/models/families add their own to them.
"""

from typing import Any

from transformers import PreTrainedTokenizerBase

from gcl.experiment.base_models_schema import MiniatureModel

# 0.02 suits widths of thousands. At widths around 100 every layer would start nearly mute.
INITIAL_STD = 0.1
# Texts of a small instance are short, and its heads have few frequencies.
ROPE = {"rope_type": "default", "rope_theta": 1000.0}


def text_sizes(shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, end: str | None = None) -> dict[str, Any]:
    """Settings of a language model.

    Args:
        shape: its sizes.
        tokenizer: whose tokens it has.
        end: the token that ends an answer; None: the tokenizer's own.
    """
    return {
        "vocab_size": -(-len(tokenizer) // 64) * 64 + shape.head_padding,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": 2048,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id if end is None else tokenizer.convert_tokens_to_ids(end),
        "initializer_range": INITIAL_STD,
        "rope_parameters": dict(ROPE),
    }


def vision_sizes(shape: MiniatureModel, side: int | tuple[int, int], patch: int | tuple[int, int]) -> dict[str, Any]:
    """Settings of a tower in SigLIP's manner, which sees square pictures of one size."""
    return {
        "hidden_size": shape.vision_hidden_size,
        "intermediate_size": 2 * shape.vision_hidden_size,
        "num_hidden_layers": shape.vision_layers,
        "num_attention_heads": 4,
        "image_size": side,
        "patch_size": patch,
        "initializer_range": INITIAL_STD,
    }
