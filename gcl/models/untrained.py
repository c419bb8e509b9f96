"""Untrained miniature models: `build(...)` writes one.

Pretraining on instructions makes a base model of it.
"""

from pathlib import Path

from gcl.experiment.base_models_schema import MiniatureModel
from gcl.files import atomic_folder, read_json
from gcl.models.family import get_family
from gcl.models.miniature import build_small

# Learned positions in pictures start 25 times smaller than the output of the patch embedding. Unscaled, a model soon knows
# the things in a picture, but hardly learns their places.
_POSITION_SCALE = 25.0


def build(
    family: str, architecture: MiniatureModel, words: Path, pixels: tuple[int, int], seed: int, output: Path
) -> None:
    """Write an untrained model with its preprocessor, an ordinary checkpoint folder.

    Args:
        family: of the model.
        architecture: its shape.
        words: JSON file of a vocabulary, as `gcl.tasks.instructions.vocabulary` makes it.
        pixels: smallest and largest picture area after resizing.
        seed: of its weights.
        output: folder to be made, whole or not at all.
    """
    kind = get_family(family)
    model, preprocessor = build_small(kind, architecture, read_json(words)[kind.spelling], pixels, seed)
    if positions := getattr(getattr(model.model, "visual", None), "pos_embed", None):  # Qwen2.5-VL has none
        positions.weight.data.mul_(_POSITION_SCALE)
    with atomic_folder(output) as work:
        model.save_pretrained(work)
        preprocessor.save(work)
