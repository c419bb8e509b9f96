"""Whether an answer is the reference, for questions that have one right answer."""

from collections.abc import Sequence
from typing import Self

from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoreSpec


class Right(Scorer):
    """1 for an answer that is the reference, else 0. Capitals, white space and the last full stop do not count."""

    suffix, place = " right", 5

    @classmethod
    def of(cls, score: ScoreSpec) -> Self:
        return cls()

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        return [float(_plain(text) == _plain(reference)) for text, reference in zip(texts, references, strict=True)]


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).removesuffix(".").rstrip()


SCORER = Right
