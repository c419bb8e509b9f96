"""LoRA's patterns at published widths: adapters are on every linear layer of their part, and on no other.

Models stand on the meta device, so they take no memory.
"""

import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import AutoModelForImageTextToText

from gcl.experiment.types import Lora
from gcl.models import adapters
from real.real_case import PUBLISHED, published_config

RANK = 4


def linear_layers(model: nn.Module, part: str) -> dict[str, nn.Linear]:
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.startswith(part)}


@pytest.mark.parametrize("vision", [False, True], ids=["language", "language and vision"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_adapters_are_on_every_linear_layer_of_their_part(name, vision):
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(published_config(name))
    language = linear_layers(model, "model.language_model.layers.")
    tower = linear_layers(model, "model.visual.blocks.")
    others = linear_layers(model, "").keys() - language.keys() - tower.keys()
    expected = language | (tower if vision else {})
    # Per layer: four of attention and three of the MLP. Per block: two of attention, and two or three of the MLP.
    assert len(language) == 2 * 7 and len(tower) == 2 * (4 if PUBLISHED[name].family == "qwen3_vl" else 5)
    assert "lm_head" in others and any("merger" in other for other in others)  # head and projector have none

    with torch.device("meta"):
        adapters.inject(model, Lora(rank=RANK, alpha=8.0, vision=vision))
    adapted = {n: m for n, m in model.named_modules() if isinstance(m, LoraLayer)}
    assert adapted.keys() == expected.keys()
    sizes = sum(RANK * (layer.in_features + layer.out_features) for layer in expected.values())
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == sizes
