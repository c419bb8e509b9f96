"""Miniature models for planning tasks: `build(...)` writes an untrained one.

What published models bring along, following instructions about a state in words and seeing a little, miniature ones learn
in a training of kind `response`.
"""

import json
from pathlib import Path

from gcl.experiment.schema import MiniatureModel
from gcl.files import atomic_folder
from gcl.models.miniature import build_model, build_preprocessor

# Of learned positions in pictures. They start 25 times smaller than what comes out of the patch embedding; so small, a model
# soon knows what is in a picture, but hardly learns where.
_POSITION_SCALE = 25.0


def build(architecture: MiniatureModel, words: Path, pixels: tuple[int, int], seed: int, output: Path) -> None:
    """Write an untrained model with its preprocessor, an ordinary checkpoint folder.

    Args:
        architecture: its shape.
        words: JSON file of a vocabulary, as `vocabulary` makes it.
        pixels: smallest and largest picture area after resizing.
        seed: of its weights.
        output: folder to be made, whole or not at all.
    """
    known = json.loads(words.read_text(encoding="utf-8"))
    preprocessor = build_preprocessor(architecture.family, known, pixels)
    preprocessor.tokenizer.add_tokens(known["phrases"])
    model = build_model(architecture, preprocessor, seed)
    if positions := getattr(model.model.visual, "pos_embed", None):  # Qwen2.5-VL has none
        positions.weight.data.mul_(_POSITION_SCALE)
    with atomic_folder(output) as work:
        model.save_pretrained(work)
        preprocessor.save(work)
