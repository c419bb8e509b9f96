"""Formats for transformers with whole weights: float32, and bfloat16, which every GPU for robots has since Ampere."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from gcl.experiment.weights import Weights
from gcl.models.backbone import load_model

LIBRARIES = ("torch", "transformers")
_TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def write(name: str, model: PreTrainedModel, folder: Path) -> None:
    """Write the weights in this type."""
    for parameter in model.parameters():  # not buffers: positions need all bits
        parameter.data = parameter.data.to(_TYPES[name])
    model.config.dtype = _TYPES[name]
    model.save_pretrained(folder)


def load(name: str, folder: Path) -> PreTrainedModel:
    """Load them, on the GPU if there is one."""
    model = load_model(Weights(path=str(folder)), _TYPES[name])
    return model.to("cuda") if torch.cuda.is_available() else model
