"""Where the vector comes from that GSL compares: `pooling(member, reading)` gives the weight of every token.

GSL pools a member's last hidden states: question, pictures and reference answer. The weights are softmax(w h), with a learnt
w (gcl/objective/gsl.py). So this is the pooling itself, not an attention of some layer. A hidden state has seen all tokens
before it. So a weight tells where the state stands, not which pixels made it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcl.evaluation.trained_members import ReadExchange
from gcl.objective.gsl import SemanticHead
from gcl.training.member import Member

PARTS = ("pictures", "question", "answer")


@dataclass(frozen=True)
class Pooling:
    """The weights of one exchange, which add up to 1.

    Attributes:
        parts: sum by part of the sample, and the part's share of all tokens. The question has all words of the prompt.
        maps: per picture the weights [rows, columns] of its tokens; None where the family has no grid.
        words: text and weight of each token that is no picture.
    """

    parts: Mapping[str, tuple[float, float]]
    maps: Sequence[Tensor | None]
    words: Sequence[tuple[str, float]]


def pooling_weights(head: SemanticHead, hidden_TD: Tensor) -> Tensor:
    """Weights [T] with which a semantic head pools hidden states, in float64."""
    return head.score(hidden_TD).squeeze(-1).double().softmax(dim=0)


@torch.no_grad()
def pooling(member: Member, reading: ReadExchange) -> Pooling:
    """The weights of all tokens of a reading.

    Args:
        member: with its semantic head.
        reading: by this member.
    """
    weights_T = pooling_weights(member.semantic_head, reading.hidden_TD).cpu()
    preprocessor = member.encoder.preprocessor
    shown_T = torch.isin(reading.ids, torch.tensor(preprocessor.picture_tokens))
    masks = dict(zip(PARTS, (shown_T, ~(shown_T | reading.answered), reading.answered), strict=True))
    parts = {name: (float(weights_T[mask_T].sum()), float(mask_T.double().mean())) for name, mask_T in masks.items()}
    texts = preprocessor.tokenizer.batch_decode(reading.ids[~shown_T][:, None])
    words = list(zip(texts, weights_T[~shown_T].tolist(), strict=True))
    return Pooling(parts, _maps(member, reading, weights_T[shown_T]), words)


def _maps(member: Member, reading: ReadExchange, weights_P: Tensor) -> list[Tensor | None]:
    """The weights of picture tokens, picture by picture, on their grids."""
    if reading.pictures is None:
        return []
    grids = reading.pictures.inputs.get("image_grid_thw")  # patches: time, rows, columns
    if grids is None:
        return [None] * len(reading.pictures.signs)
    merged = member.encoder.preprocessor.image_processor.merge_size  # patches along a token's side
    sizes = [(int(rows) // merged, int(columns) // merged) for _, rows, columns in grids]
    parts = weights_P.split([rows * columns for rows, columns in sizes])
    return [part.view(size) for part, size in zip(parts, sizes, strict=True)]
