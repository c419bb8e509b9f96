"""From exchanges to tensors: `Encoder` makes one sample for one member, `collate` pads samples into a batch.

A sample is one exchange: system message, images with their names, earlier turns, question, and (for training) the answer.
Each member has an encoder of its own, since families differ in templates, tokenizers and numbers of picture tokens.

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
from gcl.models.preprocessor import EncodedPictures, Preprocessor
from gcl.models.qwen_vl import QWEN3_SPECIAL

T = TypeVar("T")

# Control words are cut with this code point. It is no character (Unicode 23.7), so no text has it.
_CUT = "\ufdd0"
IGNORED = -100  # label of positions that are not supervised; torch's cross-entropy has the same default
# Encoded pictures are kept up to this size. Epochs visit all pictures in turn, so the first ones are kept for good.
IMAGE_CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Sample:
    """One exchange for one member: token ids, labels (`IGNORED` outside the answer), pictures or None."""

    ids: list[int]
    labels: list[int]
    pictures: EncodedPictures | None


@dataclass
class Encoder:
    """Turns exchanges into one member's samples."""

    preprocessor: Preprocessor  # the member's tokenizer and image processor
    system: str  # system message, given to every family alike
    _pictures: dict[tuple[Path, ...], EncodedPictures] = field(default_factory=dict, repr=False)
    _cached_bytes: int = field(default=0, repr=False)
    _prompts: dict[tuple[Any, ...], list[int]] = field(default_factory=dict, repr=False)
    _answers: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        tokenizer, turns = self.preprocessor.tokenizer, self.preprocessor.turns
        self.lead = turns.lead  # between the words that ask for an answer and the answer
        self.end_token = tokenizer.convert_tokens_to_ids(turns.end)
        self.pad_token = tokenizer.pad_token_id

    def prompt(self, exchange: Exchange, answer: Sequence[int] = ()) -> Sample:
        """Encode the question alone, to be continued, or with the tokens of an answer as labels."""
        pictures = self._encoded(tuple(picture.path for picture in exchange.pictures)) if exchange.pictures else None
        prompt = self._prompt(exchange, pictures.signs if pictures else None)
        return Sample([*prompt, *answer], [*[IGNORED] * len(prompt), *answer], pictures)

    def sample(self, exchange: Exchange) -> Sample:
        """Encode the question and, as labels, the reference answer."""
        return self.prompt(exchange, self.answer(exchange.answer))

    def answer(self, text: str) -> list[int]:
        """The supervised tokens: those of an answer and the end of the turn."""
        if text not in self._answers:
            self._answers[text] = [*self._ids(self.lead + self._plain(text)), self.end_token]
        return self._answers[text]

    def template(self, exchange: Exchange) -> list[int]:
        """Tokens of the question and all before it, with a single sign in place of each picture."""
        return self._prompt(exchange, None)

    def _prompt(self, exchange: Exchange, signs: tuple[str, ...] | None) -> list[int]:
        """Tokens of a question; each picture has the signs that its features will take the places of."""
        names = tuple(picture.name for picture in exchange.pictures)
        key = (names, exchange.earlier, exchange.question, signs)
        if key not in self._prompts:
            messages = [{"role": "system", "content": [self._words(self.system)]}, *self._dialogue(names, exchange)]
            text = self.preprocessor.render(messages, ask=True)
            if signs is not None:
                first, *others = text.split(self.preprocessor.picture_sign)
                text = first + "".join(sign + after for sign, after in zip(signs, others, strict=True))
            self._prompts[key] = self._ids(text)
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

    def _encoded(self, paths: tuple[Path, ...]) -> EncodedPictures:
        if paths in self._pictures:
            return self._pictures[paths]
        pictures = self.preprocessor.pictures([load_picture(path)[0] for path in paths])
        size = sum(tensor.numel() * tensor.element_size() for tensor in pictures.inputs.values())
        if self._cached_bytes + size <= IMAGE_CACHE_BYTES:
            self._pictures[paths] = pictures
            self._cached_bytes += size
        return pictures


def collate(samples: Sequence[Sample], encoder: Encoder, *, left_padded: bool) -> dict[str, Tensor]:
    """Pad samples into one batch: on the right for training, on the left for generation.

    Returns:
        input_ids, attention_mask, labels [B, T]; the mask of picture tokens [B, T], if the family has a name for it;
        the features of pictures, sample by sample. The last are absent if no sample has a picture.
    """
    length = max(len(sample.ids) for sample in samples)

    def padded(rows: list[list[int]], filler: int) -> Tensor:
        return torch.tensor(
            [[filler] * (length - len(r)) + r if left_padded else r + [filler] * (length - len(r)) for r in rows]
        )

    ids_BT = padded([sample.ids for sample in samples], encoder.pad_token)
    batch = {"input_ids": ids_BT, "attention_mask": padded([[1] * len(sample.ids) for sample in samples], 0)}
    preprocessor = encoder.preprocessor
    if preprocessor.type_ids:  # 1 where a token stands for a picture; Qwen-VL builds its 3-D positions from this
        batch[preprocessor.type_ids] = torch.isin(ids_BT, torch.tensor(preprocessor.picture_tokens)).long()
    batch["labels"] = padded([sample.labels for sample in samples], IGNORED)
    return batch | preprocessor.joined([sample.pictures for sample in samples if sample.pictures is not None])


def words(encoder: Encoder, exchanges: Sequence[Exchange]) -> list[int]:
    """Tokens of question and answer of each sample, earlier turns included; pictures are not counted."""
    texts = [
        "\n".join([*(text for turn in one.earlier for text in (turn.question, turn.answer)), one.question, one.answer])
        for one in exchanges
    ]
    return [len(ids) for ids in encoder.preprocessor.tokenizer(texts)["input_ids"]]


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into consecutive pieces; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
