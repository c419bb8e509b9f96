"""One instruction, and how to draw different ones."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gcl.errors import DataError

# After so many draws in a row without a new question, there are no more.
PATIENCE = 1000

Asked = tuple[str, str] | None  # a question and its answer; None if it cannot be asked about this scene or state


class Instruction(NamedTuple):
    """A question and its answer.

    Attributes:
        kind: for tables, such as "scene/where".
        question: in words.
        answer: the only right one.
        sees: whether the picture is shown.
    """

    kind: str
    question: str
    answer: str
    sees: bool


def draw_different(draw: Callable[[], Instruction | None], count: int) -> list[Instruction]:
    """Draw instructions until `count` have different questions; a draw may give None.

    Raises:
        DataError: if there are too few different questions.
    """
    found: dict[str, Instruction] = {}
    misses = 0
    while len(found) < count:
        one = draw()
        if one is not None and one.question not in found:
            found[one.question], misses = one, 0
            continue
        misses += 1
        if misses > PATIENCE:
            raise DataError(f"only {len(found)} different questions were found instead of {count}; ask for fewer")
    return list(found.values())


def several(texts: Sequence[str]) -> str:
    """Texts with numbers before them, one a line."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def worded(rng: random.Random, wordings: Sequence[str], *names: str) -> str:
    """One of several wordings, with the names in its gaps."""
    return rng.choice(wordings).format(*names)


def yes_no(yes: bool) -> str:
    """The answer to a question that is answered by yes or no."""
    return "Yes." if yes else "No."
