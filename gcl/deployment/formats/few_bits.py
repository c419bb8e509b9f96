"""Formats for transformers with weights of 8 and 4 bits by bitsandbytes, on CPUs and GPUs.

int8 keeps an 8-bit number for each weight and a scale for each row (LLM.int8, arXiv 2208.07339). nf4 is that of QLoRA
(arXiv 2305.14314). Both are in the linear layers alone, the output head excepted. All else has 16 bits.
"""

import logging
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig, PreTrainedModel

from gcl.experiment.weights import Weights
from gcl.models.backbone import load_model
from gcl.models.checkpoint_source import guarded

LIBRARIES = ("bitsandbytes", "torch", "transformers")
# It says at every product that int8 computes in float16.
logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def write(name: str, model: PreTrainedModel, folder: Path) -> None:
    """Write the weights with their scales; `from_pretrained` of transformers reads them."""
    with tempfile.TemporaryDirectory(dir=folder) as whole:  # quantised while it is loaded
        model.save_pretrained(whole)
        source = Weights(path=whole)
        small = guarded(
            source,
            lambda: AutoModelForImageTextToText.from_pretrained(
                whole, dtype=torch.bfloat16, quantization_config=_settings(name), device_map=_device()
            ),
        )
    small.save_pretrained(folder)


def load(name: str, folder: Path) -> PreTrainedModel:
    """Load them, on the GPU if there is one."""
    return load_model(Weights(path=str(folder)), torch.bfloat16)


def _settings(name: str) -> BitsAndBytesConfig:
    if name == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
