"""The tokens and positions that L_DRL compares: `align(encoders, head_rows)` gives an `Alignment`.

Members of one tokenizer compare the leading ids that all of them have, on every position. Otherwise they compare where their
texts agree: positions at which every member has written exactly the same characters. There they compare the tokens that mean
the same string to all, the end of an answer, and one event for everything else (gcl/objective/events.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from gcl.data.encoding import Encoder
from gcl.errors import CheckpointError
from gcl.models.shared_vocabulary import shared_vocabulary
from gcl.models.token_text import token_bytes
from gcl.objective.events import Compared, Events, Slice


@dataclass(frozen=True)
class Alignment:
    """How the members' outputs are compared.

    Attributes:
        compared: the tokens or events.
        texts: per member the text of every token, if tokenizers differ; None if they agree.
    """

    compared: Compared
    texts: tuple[list[bytes | None], ...] | None = None

    def to(self, device: torch.device) -> "Alignment":
        """The same with the tokens or events on a device."""
        return replace(self, compared=self.compared.to(device))

    def rows(self, encoders: Sequence[Encoder], answers: Sequence[Sequence[Sequence[int]]]) -> list[Tensor] | None:
        """The rows of a batch that are compared.

        Args:
            encoders: of the members.
            answers: per member the tokens of every sample's answer.

        Returns:
            Per member the rows [R], counted over all answers; None if all rows are compared.
        """
        if self.texts is None:
            return None
        found: list[list[int]] = [[] for _ in encoders]
        starts = [0] * len(encoders)
        for sample in zip(*answers, strict=True):
            written = [
                _written(tokens, encoder, texts)
                for tokens, encoder, texts in zip(sample, encoders, self.texts, strict=True)
            ]
            common = _agreement([text for text, _ in written])
            places = set.intersection(*({place for place in rows if place <= common} for _, rows in written))
            for place in sorted(places):
                for rows, start, (_, own) in zip(found, starts, written, strict=True):
                    rows.append(start + own[place])
            starts = [start + len(tokens) for start, tokens in zip(starts, sample, strict=True)]
        return [torch.tensor(rows, dtype=torch.long) for rows in found]

    def positions(self, encoders: Sequence[Encoder], answers: Sequence[Sequence[int]]) -> int:
        """Number of compared rows of one sample, whose answer has these tokens for each member."""
        rows = self.rows(encoders, [[tokens] for tokens in answers])
        return len(answers[0]) if rows is None else len(rows[0])


def align(encoders: Sequence[Encoder], head_rows: Sequence[int]) -> Alignment:
    """Compare the tokenizers of a group.

    Args:
        encoders: of the members.
        head_rows: rows of their output heads.

    Raises:
        CheckpointError: if a tokenizer spells its tokens in an unknown way, or no token means the same to all.
    """
    tokenizers, ends = [one.preprocessor.tokenizer for one in encoders], [one.end_token for one in encoders]
    vocabulary = shared_vocabulary(tokenizers, head_rows, ends)
    if vocabulary is not None:
        return Alignment(Slice(vocabulary))
    texts = tuple(token_bytes(tokenizer) for tokenizer in tokenizers)
    numbers = [{text: index for index, text in reversed([*enumerate(own)]) if text} for own in texts]
    common = sorted(set.intersection(*map(set, numbers)), key=numbers[0].__getitem__)
    if not common:
        raise CheckpointError(
            "no token means the same string to all members, so DRL has nothing to compare; group other models"
        )
    ids = [[*(own[text] for text in common), end] for own, end in zip(numbers, ends, strict=True)]
    sizes = tuple(min(len(own), height) for own, height in zip(texts, head_rows, strict=True))
    return Alignment(Events(tuple(map(torch.tensor, ids)), sizes), texts)


def _agreement(texts: Sequence[bytes]) -> int:
    """Length of the beginning that all texts have."""
    first, last = min(texts), max(texts)
    return next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _written(tokens: Sequence[int], encoder: Encoder, texts: Sequence[bytes | None]) -> tuple[bytes, dict[int, int]]:
    """The text of an answer's tokens, its end excepted, and the row that follows so many bytes of it.

    The words between question and answer (`lead`) do not count. Before their end nothing of the answer is written.
    """
    parts, lead = [texts[token] or b"" for token in tokens[:-1]], encoder.lead.encode()
    written, lengths = b"".join(parts), accumulate(map(len, parts), initial=-len(lead))
    if not written.startswith(lead):  # an answer of the member's own may begin in another way
        return b"", {}
    return written.removeprefix(lead), {length: row for row, length in enumerate(lengths) if length >= 0}
