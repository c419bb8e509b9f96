"""From exchanges to tensors: `Encoder` makes one sample for one member, `collate` pads samples into a batch.

A sample is one exchange: system message, images with their names, earlier turns, question, and (for training) the answer.
Each member has an encoder of its own, since patch sizes, templates and numbers of image tokens differ. The answer tokens are
the same for all.
A text may hold control words of the model, such as <|im_end|>. They are encoded letter by letter. So only the chat template
opens and ends turns, and only the encoder places the image.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from gcl.data.images import load_picture
from gcl.data.scenario import Exchange
from gcl.experiment.marks import marks
from gcl.models.backbone import Preprocessor
from gcl.models.shared_vocabulary import QWEN3_SPECIAL

T = TypeVar("T")

# Control words are cut with this code point. It is no character (Unicode 23.7), so no text has it.
_CUT = "\ufdd0"
IGNORED = -100  # label of positions that are not supervised; torch's cross-entropy has the same default
# Encoded pictures are kept up to this size. Epochs visit all pictures in turn, so the first ones are kept for good.
IMAGE_CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class EncodedImage:
    """Patches [P, C] of one picture and its grid [1, 3] (time, height, width in patches)."""

    pixels_PC: Tensor
    grid_13: Tensor


@dataclass(frozen=True)
class Sample:
    """One exchange for one member: token ids, labels (`IGNORED` outside the answer), images in their order."""

    ids: list[int]
    labels: list[int]
    images: tuple[EncodedImage, ...]


@dataclass
class Encoder:
    """Turns exchanges into one member's samples."""

    preprocessor: Preprocessor  # the member's tokenizer and image processor
    system: str  # system message, given to every family alike
    _images: dict[Path, EncodedImage] = field(default_factory=dict, repr=False)
    _cached_bytes: int = field(default=0, repr=False)
    _prompts: dict[tuple[Any, ...], list[int]] = field(default_factory=dict, repr=False)
    _answers: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        tokenizer = self.preprocessor.tokenizer
        self.image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.end_token = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad_token = tokenizer.pad_token_id

    def prompt(self, exchange: Exchange, answer: Sequence[int] = ()) -> Sample:
        """Encode the question alone, to be continued, or with the tokens of an answer as labels."""
        images = tuple(self._image(picture.path) for picture in exchange.pictures)
        prompt = self._prompt(exchange, images)
        return Sample([*prompt, *answer], [*[IGNORED] * len(prompt), *answer], images)

    def sample(self, exchange: Exchange) -> Sample:
        """Encode the question and, as labels, the reference answer."""
        return self.prompt(exchange, self.answer(exchange.answer))

    def answer(self, text: str) -> list[int]:
        """The supervised tokens: those of an answer and the end of the turn."""
        if text not in self._answers:
            self._answers[text] = [*self._ids(self._plain(text)), self.end_token]
        return self._answers[text]

    def template(self, exchange: Exchange) -> list[int]:
        """Tokens of the question and all before it, with a single one in place of each image."""
        names = tuple(picture.name for picture in exchange.pictures)
        key = (names, exchange.earlier, exchange.question)
        if key not in self._prompts:
            messages = [{"role": "system", "content": self._plain(self.system)}, *self._dialogue(names, exchange)]
            template = self.preprocessor.tokenizer.apply_chat_template
            self._prompts[key] = self._ids(template(messages, tokenize=False, add_generation_prompt=True))
        return self._prompts[key]

    def _dialogue(self, names: Sequence[str | None], exchange: Exchange) -> Iterator[dict[str, Any]]:
        """User and assistant in turn. The first message begins with the images, each after its name if it has one."""
        shown = []
        for name in names:
            shown += [*([self._words(f"{name}:")] if name else []), {"type": "image"}]
        for turn in exchange.earlier:
            yield {"role": "user", "content": [*shown, self._words(turn.question)]}
            yield {"role": "assistant", "content": [self._words(turn.answer)]}
            shown = []
        yield {"role": "user", "content": [*shown, self._words(exchange.question)]}

    def _words(self, text: str) -> dict[str, str]:
        return {"type": "text", "text": self._plain(text)}

    def _prompt(self, exchange: Exchange, images: Sequence[EncodedImage]) -> list[int]:
        """The template with as many tokens in place of each image as the member has features of it."""
        ids, waiting = [], iter(images)
        for token in self.template(exchange):
            count = 1
            if token == self.image_token:
                count = int(next(waiting).grid_13.prod()) // self.preprocessor.image_processor.merge_size**2
            ids += [token] * count
        return ids

    @cached_property
    def _control_words(self) -> re.Pattern[str]:
        """Words that a family's tokenizer takes for a sign of its own wherever they stand in a text.

        Not all added tokens are such words. A miniature model for planning tasks may read a whole line as one word. Words
        of Qwen3 alone are cut for Qwen2.5, too. Else the families would split an answer differently.
        """
        added = self.preprocessor.tokenizer.added_tokens_decoder.values()
        words = {token.content for token in added if token.special or marks(token.content) == [token.content]}
        return re.compile("|".join(map(re.escape, sorted(words | {*QWEN3_SPECIAL}, key=len, reverse=True))))

    def _plain(self, text: str) -> str:
        """The text with every control word cut after its first letter, so that `_ids` meets none."""
        return self._control_words.sub(lambda word: f"{word[0][0]}{_CUT}{word[0][1:]}", text)

    def _ids(self, text: str) -> list[int]:
        """Tokens of a text, or of its parts where it is cut."""
        parts = self.preprocessor.tokenizer(text.split(_CUT), add_special_tokens=False)["input_ids"]
        return [token for part in parts for token in part]

    def _image(self, path: Path) -> EncodedImage:
        if path in self._images:
            return self._images[path]
        picture, _ = load_picture(path)
        features = self.preprocessor.image_processor(images=[picture], return_tensors="pt")
        image = EncodedImage(features["pixel_values"], features["image_grid_thw"])
        size = image.pixels_PC.numel() * image.pixels_PC.element_size()
        if self._cached_bytes + size <= IMAGE_CACHE_BYTES:
            self._images[path] = image
            self._cached_bytes += size
        return image


def collate(samples: Sequence[Sample], encoder: Encoder, *, left_padded: bool) -> dict[str, Tensor]:
    """Pad samples into one batch: on the right for training, on the left for generation.

    Returns:
        input_ids, attention_mask, mm_token_type_ids, labels [B, T]; pixel_values [P, C]; image_grid_thw [images, 3].
        Images come sample by sample, in their order. The last two are absent if no sample has an image.
    """
    images = [image for sample in samples for image in sample.images]
    length = max(len(sample.ids) for sample in samples)

    def padded(rows: list[list[int]], filler: int) -> Tensor:
        return torch.tensor(
            [[filler] * (length - len(r)) + r if left_padded else r + [filler] * (length - len(r)) for r in rows]
        )

    ids_BT = padded([sample.ids for sample in samples], encoder.pad_token)
    batch = {
        "input_ids": ids_BT,
        "attention_mask": padded([[1] * len(sample.ids) for sample in samples], 0),
        # The Qwen families build their 3-D positions from this mask: 1 where an image token stands.
        "mm_token_type_ids": (ids_BT == encoder.image_token).long(),
        "labels": padded([sample.labels for sample in samples], IGNORED),
    }
    if images:
        batch["pixel_values"] = torch.cat([image.pixels_PC for image in images])
        batch["image_grid_thw"] = torch.cat([image.grid_13 for image in images])
    return batch


def words(encoder: Encoder, exchanges: Sequence[Exchange]) -> list[int]:
    """Tokens of question and answer of each sample; pictures are not counted."""
    texts = [f"{exchange.question}\n{exchange.answer}" for exchange in exchanges]
    return [len(ids) for ids in encoder.preprocessor.tokenizer(texts)["input_ids"]]


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into consecutive pieces; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
