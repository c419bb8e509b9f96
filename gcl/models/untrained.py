"""Untrained miniature models: `build(...)` writes one.

Pretraining on instructions makes a base model of it.
"""

from pathlib import Path

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.files import atomic_folder, read_json
from gcl.models.miniature import build_model, build_preprocessor

# Learned positions in pictures start 25 times smaller than the output of the patch embedding. Unscaled, a model soon knows
# the things in a picture, but hardly learns their places.
_POSITION_SCALE = 25.0


def build(architecture: MiniatureModel, words: Path, pixels: tuple[int, int], seed: int, output: Path) -> None:
    """Write an untrained model with its preprocessor, an ordinary checkpoint folder.

    Args:
        architecture: its shape.
        words: JSON file of a vocabulary, as `gcl.tasks.instructions.vocabulary` makes it.
        pixels: smallest and largest picture area after resizing.
        seed: of its weights.
        output: folder to be made, whole or not at all.
    """
    known = read_json(words)
    preprocessor = build_preprocessor(architecture.family, known, pixels)
    preprocessor.tokenizer.add_tokens(known["phrases"])
    model = build_model(architecture, preprocessor, seed)
    if positions := getattr(model.model.visual, "pos_embed", None):  # Qwen2.5-VL has none
        positions.weight.data.mul_(_POSITION_SCALE)
    with atomic_folder(output) as work:
        model.save_pretrained(work)
        preprocessor.save(work)
