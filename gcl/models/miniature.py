"""Build the miniature backbones: small, untrained instances of the real model classes of every family.

Heads are tied or untied, and wider on the 7B. gcl/models/families has everything in which families differ.
"""

from typing import Any

import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.models.bpe import build_tokenizer
from gcl.models.family import Family
from gcl.models.preprocessor import Preprocessor, make_preprocessor


def build_small(
    family: Family, shape: MiniatureModel, vocabulary: dict[str, Any], pixels: tuple[int, int], seed: int
) -> tuple[PreTrainedModel, Preprocessor]:
    """An untrained model with its preprocessor; weights depend on `seed` only.

    Args:
        family: whose classes it has.
        shape: its sizes.
        vocabulary: of the family's spelling, see `gcl.models.bpe`.
        pixels: smallest and largest picture area after resizing.
        seed: of the weights.
    """
    tokenizer = build_tokenizer(family.spelling, vocabulary, family.special_tokens(), family.named_tokens())
    tokenizer.chat_template = family.chat_template()
    config, images, settings = family.small(shape, tokenizer, pixels)
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config)
    preprocessor = make_preprocessor(family, tokenizer, images, settings)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(preprocessor.turns.end)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    family.streamline(model)
    return model, preprocessor
