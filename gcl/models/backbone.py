"""Load a Qwen-VL checkpoint, from a local folder or a pinned hub revision, the same way at every scale.

`load_model(source)` loads any model, and `load_trained(folder, base)` one that a training wrote. `load_preprocessor(source)`
loads tokenizer and image processor. Images use the PIL backend everywhere, so pixels do not depend on torchvision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2_5_VLProcessor,
    Qwen3VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.errors import CheckpointError
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.weights import Weights
from gcl.files import write_json
from gcl.models.vision import streamlined

PROCESSORS = {"qwen2_5_vl": Qwen2_5_VLProcessor, "qwen3_vl": Qwen3VLProcessor}
ADAPTER = "adapter"  # folder of LoRA adapters in a member's folder
_VIDEO_PROCESSORS = {"qwen2_5_vl": "Qwen2VLVideoProcessor", "qwen3_vl": "Qwen3VLVideoProcessor"}
T = TypeVar("T")


@dataclass(frozen=True)
class Preprocessor:
    """Turns words and pictures into a member's inputs."""

    family: str
    tokenizer: PreTrainedTokenizerBase
    image_processor: Qwen2VLImageProcessorPil

    def save(self, folder: Path) -> None:
        """Write tokenizer, chat template and processor configuration, as in any checkpoint."""
        processor = _image_only(PROCESSORS[self.family])(
            self.image_processor, self.tokenizer, self.tokenizer.chat_template
        )
        processor.save_pretrained(folder)
        # AutoProcessor requires a video section where torchvision is installed.
        path = folder / "processor_config.json"
        config = processor.to_dict()
        image = config["image_processor"]
        keys = ("patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std", "size")
        config["video_processor"] = {
            "video_processor_type": _VIDEO_PROCESSORS[self.family],
            **{key: image[key] for key in keys},
        }
        write_json(path, config)


def load_model(source: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a published or a trained model in evaluation mode; a trained one may be adapters alone.

    Raises:
        CheckpointError: as `load_backbone` and `load_trained`.
    """
    folder = Path(source.path)
    if source.revision is None and (folder / ADAPTER).is_dir():
        from gcl.models import adapters

        adapter = Weights(path=str(folder / ADAPTER))
        return load_trained(folder, _guarded(adapter, lambda: adapters.base(folder / ADAPTER)), dtype)
    return load_backbone(source, dtype)


def load_backbone(source: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a model from whole weights in evaluation mode.

    Raises:
        CheckpointError: if a file is missing or unreadable, a weight is missing, or the family is unknown. Also if
            the weights have another hash than `source.sha256`.
    """
    _check(source)
    model, info = _guarded(
        source,
        lambda: AutoModelForImageTextToText.from_pretrained(**source.arguments, dtype=dtype, output_loading_info=True),
    )
    # transformers would draw missing weights at random and only warn.
    if info["missing_keys"] or info["mismatched_keys"]:
        absent = sorted(info["missing_keys"])[:3] or sorted(str(key) for key in info["mismatched_keys"])[:3]
        raise CheckpointError(
            f"{source}: the checkpoint lacks weights ({', '.join(absent)}, ...); make or download it again"
        )
    return streamlined(model).eval()


def load_trained(folder: Path, base: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a trained model: whole weights, or adapters, which are merged into their base.

    Args:
        folder: one member's checkpoint folder.
        base: the model that the member started from.
        dtype: of the weights.

    Raises:
        CheckpointError: as `load_backbone`; also if the adapters do not fit the base.
    """
    if any(folder.glob("*.safetensors")):
        return load_backbone(Weights(path=str(folder)), dtype)
    model = load_model(base)
    adapter = folder / ADAPTER
    if adapter.is_dir():
        from gcl.models import adapters

        model = _guarded(Weights(path=str(adapter)), lambda: adapters.merged(model, adapter))
    for parameter in model.parameters():  # not buffers: positions need all bits
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype
    return model.eval()


def load_preprocessor(source: Weights, pixels: tuple[int, int] | None = None) -> Preprocessor:
    """Load tokenizer and image processor.

    Args:
        source: the checkpoint.
        pixels: smallest and largest picture area after resizing; None keeps the checkpoint's own limits.
    """
    family = _check(source)
    limits = {} if pixels is None else {"min_pixels": pixels[0], "max_pixels": pixels[1]}
    tokenizer = _guarded(source, lambda: AutoTokenizer.from_pretrained(**source.arguments, padding_side="left"))
    images = _guarded(source, lambda: Qwen2VLImageProcessorPil.from_pretrained(**source.arguments, **limits))
    return Preprocessor(family, tokenizer, images)


def _check(source: Weights) -> str:
    """Return the model family of a checkpoint; raise if it is incomplete or unknown."""
    folder = Path(source.path)
    if source.revision is None:
        for name in ("config.json", "tokenizer_config.json"):
            if not (folder / name).is_file():
                raise CheckpointError(
                    f"{folder}: no {name}; this is not a whole checkpoint folder, make or download it again"
                )
    if source.sha256 and (found := weights_sha256(folder)) != source.sha256:
        raise CheckpointError(
            f"{folder}: its weights have the hash {found[:12]}..., the configuration names {source.sha256[:12]}...; restore "
            "the folder, or name its hash"
        )
    family = _guarded(source, lambda: AutoConfig.from_pretrained(**source.arguments)).model_type
    if family not in PROCESSORS:
        raise CheckpointError(f"{source}: model family {family!r} is not supported; use one of {', '.join(PROCESSORS)}")
    return family


def _guarded(source: Weights, load: Callable[[], T]) -> T:
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{source}: cannot be loaded ({reason}); make or download it again") from error


def _image_only(base: type) -> type:
    """The family's processor without its video half, which needs torchvision."""

    class ImageOnly(base):
        def __init__(
            self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
        ):
            super().__init__(image_processor, tokenizer, None, chat_template=chat_template)
            self.video_processor = None

    ImageOnly.__name__ = ImageOnly.__qualname__ = base.__name__
    return ImageOnly
