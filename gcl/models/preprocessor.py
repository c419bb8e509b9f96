"""`Preprocessor`: words and pictures to a model's inputs, by the processor that transformers has for its family.

`load_preprocessor(source)` loads one. Pictures use the PIL backend everywhere, so pixels do not depend on torchvision. The
part for videos, which needs torchvision, is left out: videos are sampled to pictures before.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.auto.auto_mappings import VIDEO_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

from gcl.experiment.weights import Weights
from gcl.files import write_json
from gcl.models.checkpoint_source import check_source, guarded
from gcl.models.family import Family, get_family

_TYPES = ("mm_token_type_ids", "token_type_ids")  # names for: 1 where a token stands for a picture
_OF_VIDEOS = ("patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std", "size", "max_image_size")


class EncodedPictures(NamedTuple):
    """Pictures of one question: the model's inputs, and the signs that stand for each picture in the text."""

    inputs: dict[str, Tensor]
    signs: tuple[str, ...]


class Turns(NamedTuple):
    """How a chat template surrounds an answer: by words before it, and the token that ends the turn."""

    lead: str
    end: str


@dataclass(frozen=True)
class Preprocessor:
    """Turns words and pictures into a member's inputs."""

    family: Family
    processor: ProcessorMixin

    def __reduce__(self) -> tuple[Any, ...]:
        """For processes that prepare batches. The processor's own class is made here, so pickle would not find it."""
        processor = self.processor
        parts = {name: value for name, value in vars(processor).items() if name in _settings(type(processor))}
        return _again, (self.family.name, processor.tokenizer, processor.image_processor, parts)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""
        return self.processor.tokenizer

    @property
    def image_processor(self) -> Any:
        """The part that resizes and normalises pictures."""
        return self.processor.image_processor

    @property
    def picture_sign(self) -> str:
        """The word by which the chat template says where a picture goes."""
        return self.processor.image_token

    @property
    def picture_tokens(self) -> list[int]:
        """Ids in whose places a model puts parts of pictures."""
        return list(self.processor.image_token_ids)

    @cached_property
    def placeholders(self) -> list[int]:
        """Ids behind which a model looks for a picture or a video; none of them may be in an answer."""
        video = getattr(self.processor, "video_token", None)
        ids = [*self.picture_tokens, self.tokenizer.convert_tokens_to_ids(self.picture_sign)]
        ids += [self.tokenizer.convert_tokens_to_ids(video)] if video else []
        return sorted({token for token in ids if token is not None and token != self.tokenizer.unk_token_id})

    @cached_property
    def type_ids(self) -> str | None:
        """The name of the model's input that marks tokens of pictures; None if it has no such input."""
        return next((name for name in _TYPES if self._marks(name)), None)

    def _marks(self, name: str) -> bool:
        return name in self.processor.model_input_names and name not in self.tokenizer.model_input_names

    @cached_property
    def turns(self) -> Turns:
        """How the chat template surrounds an answer, read from what it makes of one.

        Raises:
            CheckpointError: if no special token follows an answer.
        """
        return guarded(Weights(path=str(self.tokenizer.name_or_path)), self._turns)

    def _turns(self) -> Turns:
        answer = "Answer"
        asked = [{"role": "user", "content": [{"type": "text", "text": "Question"}]}]
        whole = self.render([*asked, {"role": "assistant", "content": [{"type": "text", "text": answer}]}], ask=False)
        before, after = whole[: whole.rindex(answer)], whole[whole.rindex(answer) + len(answer) :]
        ids = self.tokenizer(after, add_special_tokens=False)["input_ids"]
        end = next((token for token in map(self.tokenizer.convert_ids_to_tokens, ids) if token in self._special), None)
        if end is None:
            raise ValueError("its chat template has no special token at the end of an answer")
        asking = self.render(asked, ask=True)
        return Turns(before.removeprefix(asking) if before.startswith(asking) else "", end)

    @cached_property
    def _special(self) -> frozenset[str]:
        return frozenset(t.content for t in self.tokenizer.added_tokens_decoder.values())

    def render(self, messages: Sequence[dict[str, Any]], *, ask: bool) -> str:
        """Messages as the chat template writes them; with `ask` up to where the model's answer begins."""
        template = self.processor.chat_template or self.tokenizer.chat_template
        # Families that think aloud otherwise read the third argument; others ignore it.
        return self.tokenizer.apply_chat_template(
            list(messages), chat_template=template, tokenize=False, add_generation_prompt=ask, enable_thinking=False
        )

    def pictures(self, pictures: Sequence[Image.Image]) -> EncodedPictures:
        """Encode the pictures of one question, which may be treated otherwise than one alone."""
        given = self.processor(
            images=[list(pictures)],
            text=[self.picture_sign * len(pictures)],
            return_text_replacement_offsets=True,
            return_mm_token_type_ids=False,
            add_special_tokens=False,
        )
        signs = tuple(one["replacement"] for one in given["text_replacement_offsets"][0])
        words = {*self.tokenizer.model_input_names, *_TYPES, "text_replacement_offsets"}
        return EncodedPictures({n: _tensor(value) for n, value in given.items() if n not in words}, signs)

    @staticmethod
    def joined(pictures: Sequence[EncodedPictures]) -> dict[str, Tensor]:
        """The inputs of a batch. Where pictures have unlike numbers of tiles, zeros are added, as processors do."""
        names = pictures[0].inputs if pictures else {}
        return {name: _joined([one.inputs[name] for one in pictures]) for name in names}

    def save(self, folder: Path) -> None:
        """Write tokenizer, chat template and processor configuration, as in any checkpoint."""
        self.processor.save_pretrained(folder)
        config = self.processor.to_dict()
        videos = VIDEO_PROCESSOR_MAPPING_NAMES.get(self.family.name)
        if videos:  # AutoProcessor requires a video section where torchvision is installed
            image = config["image_processor"]
            copied = {key: image[key] for key in _OF_VIDEOS if key in image}
            config["video_processor"] = {"video_processor_type": videos["torchvision"], **copied}
        write_json(folder / "processor_config.json", config)


def load_preprocessor(source: Weights, pixels: tuple[int, int] | None = None) -> Preprocessor:
    """Load tokenizer and image processor.

    Args:
        source: the checkpoint.
        pixels: smallest and largest picture area after resizing, for families whose tokens follow from the area. None keeps
            the checkpoint's own limits.

    Raises:
        CheckpointError: if it is incomplete, of an unknown family, or needs a library that is not installed.
    """
    family = check_source(source)
    family.require()
    limits = {} if pixels is None or not family.area else {"min_pixels": pixels[0], "max_pixels": pixels[1]}
    tokenizer = guarded(source, lambda: AutoTokenizer.from_pretrained(**source.arguments, padding_side="left"))
    images = guarded(source, lambda: AutoImageProcessor.from_pretrained(**source.arguments, backend="pil", **limits))
    settings = guarded(source, lambda: ProcessorMixin.get_processor_dict(**source.arguments)[0])
    return guarded(source, lambda: make_preprocessor(family, tokenizer, images, settings))


def make_preprocessor(
    family: Family, tokenizer: PreTrainedTokenizerBase, images: Any, settings: dict[str, Any]
) -> Preprocessor:
    """A family's processor from its parts; `settings` are its own, as in processor_config.json."""
    kind = _image_only(getattr(transformers, PROCESSOR_MAPPING_NAMES[family.name]))
    known = _settings(kind)
    own = {"chat_template": tokenizer.chat_template, **settings}
    parts = {"image_processor": images, "tokenizer": tokenizer}
    return Preprocessor(family, kind(**parts, **{name: value for name, value in own.items() if name in known}))


def _again(family: str, tokenizer: PreTrainedTokenizerBase, images: Any, settings: dict[str, Any]) -> Preprocessor:
    return make_preprocessor(get_family(family), tokenizer, images, settings)


def _settings(kind: type[ProcessorMixin]) -> set[str]:
    """Settings that a processor takes besides its parts."""
    return set(inspect.signature(kind.__init__).parameters) - set(kind.get_attributes())


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.asarray(value))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Tensors after each other, each with zeros up to the largest size of its other dimensions."""
    sizes = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    padded = []
    for part in parts:
        missing = [wanted - size for wanted, size in zip(sizes, part.shape[1:], strict=True)]
        widths = [width for count in reversed(missing) for width in (0, count)]
        padded.append(torch.nn.functional.pad(part, widths) if any(missing) else part)
    return torch.cat(padded)


def _image_only(base: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """A processor without its video half, which needs torchvision."""
    if "video_processor" not in base.get_attributes():
        return base

    class ImageOnly(base):
        def __init__(self, image_processor: Any, tokenizer: PreTrainedTokenizerBase, **own: Any):
            super().__init__(image_processor, tokenizer, None, **own)
            self.video_processor = None

    # transformers reads from the signature which settings a processor has.
    usual = inspect.signature(base.__init__)
    kept = [parameter for name, parameter in usual.parameters.items() if name != "video_processor"]
    ImageOnly.__init__.__signature__ = usual.replace(parameters=kept)
    ImageOnly.__name__ = ImageOnly.__qualname__ = base.__name__
    return ImageOnly
