"""Families of vision-language models: `get_family("qwen3_vl")`, from the file of this name in gcl/models/families.

A family says how it differs from transformers' conventions, and `Family` says the conventions. So a family without a file
works by its name, too, if it follows them. Nobody has tested it then, and a warning says so.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

from gcl.errors import CheckpointError
from gcl.experiment.base_models_schema import MiniatureModel

Part = Literal["language", "projector", "vision"]
_FILES = "gcl.models.families"
_MLP = "gate_proj|up_proj|down_proj"


class Small(NamedTuple):
    """A small instance of a family: the model's configuration, its image processor, and settings of its processor."""

    config: PretrainedConfig
    image_processor: Any
    processor: dict[str, Any]


class Activations(NamedTuple):
    """Bytes that autograd keeps of a layer, by bytes of a product (2 or 4).

    Attributes:
        language: per token, factors of hidden width D, query width A, key width K and MLP width I.
        vision: per patch, factors of D and I.
    """

    language: dict[int, tuple[int, int, int, int]]
    vision: dict[int, tuple[int, int]]


class Tower(NamedTuple):
    """Sizes of a vision tower.

    Attributes:
        width, mlp, layers: of its transformer.
        numbers: inputs of a patch.
        projectors: parts that make the language model's inputs of its outputs.
    """

    width: int
    mlp: int
    layers: int
    numbers: int
    projectors: int = 1


class Family:
    """Transformers' conventions for models that see and write.

    Attributes:
        name: the `model_type` of its configurations.
        tested: whether this repository tests it.
        packages: other libraries that its processor needs, by the name that pip knows.
        vision, projector: patterns of the names of these parameters. All others are the language model.
        adapted: patterns of the linear layers that adapters can be on, by part.
        tiles: pieces of the largest picture, the overview included, with the published processors' settings.
        area: whether a picture's number of tokens follows from its area, within `pixels` of the settings.
        spelling: how a small instance's tokenizer spells tokens, see `gcl.models.bpe`.
        activations: memory of its layers. Those of Qwen3-VL stand for families that nobody has measured.
    """

    name = ""
    tested = True
    packages: Mapping[str, str] = MappingProxyType({})
    vision = r"(^|\.)(visual|vision_tower|vision_model)\."
    projector = r"(^|\.)(merger|multi_modal_projector|connector|projector|image_newline)(\.|$)"
    adapted: Mapping[str, str] = MappingProxyType(
        {
            "language": rf".*(language_model|text_model).*\.(q_proj|k_proj|v_proj|o_proj|{_MLP})",
            "vision": r".*(vision_tower|vision_model).*\.(q_proj|k_proj|v_proj|out_proj|o_proj|projection_layer|fc1|fc2)",
        }
    )
    tiles = 1
    area = False
    spelling = "qwen"
    activations = Activations({2: (26, 14, 6, 8), 4: (24, 24, 8, 16)}, {2: (22, 4), 4: (44, 8)})

    def __init__(self, name: str = "") -> None:
        self.name = self.name or name

    def part(self, parameter: str) -> Part:
        """The part of the model that a parameter belongs to, by its name."""
        if re.search(self.projector, parameter):
            return "projector"
        return "vision" if re.search(self.vision, parameter) else "language"

    def tower(self, config: PretrainedConfig) -> Tower:
        """Sizes of the vision tower."""
        vision = config.vision_config
        numbers = getattr(vision, "num_channels", 3) * _side(vision.patch_size) ** 2
        return Tower(vision.hidden_size, vision.intermediate_size, vision.num_hidden_layers, numbers)

    def picture(self, config: PretrainedConfig, area: int) -> tuple[int, int]:
        """Tokens and patches of the largest picture; `area` limits it where the family has `area`."""
        vision = config.vision_config
        patches = (_side(vision.image_size) // _side(vision.patch_size)) ** 2
        return self.tiles * self.tile_tokens(config, patches), self.tiles * patches

    def tile_tokens(self, config: PretrainedConfig, patches: int) -> int:
        """Tokens of a tile of so many patches."""
        return patches

    def streamline(self, model: PreTrainedModel) -> None:
        """Make a loaded model faster on a CPU without another result; most families have nothing to do."""

    def special_tokens(self) -> Sequence[str]:
        """Special tokens of a small instance, padding first, in the family's order."""
        raise self._no_small()

    def named_tokens(self) -> dict[str, str]:
        """Special tokens of a small instance that its processor asks the tokenizer for, by these names."""
        return {}

    def chat_template(self) -> str:
        """Chat template of a small instance."""
        raise self._no_small()

    def small(self, shape: MiniatureModel, tokenizer: PreTrainedTokenizerBase, pixels: tuple[int, int]) -> Small:
        """A small instance.

        Args:
            shape: its sizes.
            tokenizer: it has `special_tokens`.
            pixels: smallest and largest picture area after resizing, for families with `area`.

        Raises:
            CheckpointError: if nobody has written one for this family.
        """
        raise self._no_small()

    def require(self) -> None:
        """Refuse a family whose processor needs a library that is not installed.

        Raises:
            CheckpointError: naming the library.
        """
        for module, package in self.packages.items():
            if find_spec(module) is None:
                raise CheckpointError(f"models of family {self.name} need the library {package}; pip install {package}")

    def _no_small(self) -> CheckpointError:
        return CheckpointError(f"there is no small instance of family {self.name!r}; use one of {', '.join(listed())}")


def _side(size: int | Sequence[int]) -> int:
    """The longer side of a picture or patch."""
    return size if isinstance(size, int) else max(size)


def listed() -> tuple[str, ...]:
    """Families that have a file here."""
    return tuple(sorted(path.stem for path in Path(import_module(_FILES).__path__[0]).glob("[!_]*.py")))


@cache
def get_family(name: str) -> Family:
    """The family of a model type.

    Raises:
        CheckpointError: if it has no file here, and transformers does not know it as a model that sees and writes.
    """
    if name in listed():
        return import_module(f"{_FILES}.{name}").FAMILY
    if name not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or name not in PROCESSOR_MAPPING_NAMES:
        raise CheckpointError(
            f"model family {name!r} is not supported: transformers knows no model of it that reads pictures and writes "
            f"text; use one of {', '.join(listed())}"
        )
    warnings.warn(
        f"nobody has tested model family {name!r} here; it may work, since it follows transformers' conventions",
        stacklevel=2,
    )
    family = Family(name)
    family.tested = False
    return family
