"""Do two results agree? `judge(cells, margin)` compares the cells of one column, here and in a reference.

A cell has the mean of every training, one for each seed. Where both sides have the same seeds, their differences are paired.
Other CPUs and GPUs round differently, so trainings of one seed end differently. Few seeds tell little about this scatter.
All cells of a column together tell it better: their trainings are assumed to scatter alike around the means of their cells.

    same digits    equal to the fourth decimal, intervals too
    agrees         both one-sided tests at 95 % say that the difference is smaller than the margin: the equivalence test
                   "TOST" of Schuirmann (1987)
    differs        the 95 % interval of the difference excludes zero
    cannot tell    none of these; so many trainings would tell
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import get_args

import numpy as np
from scipy.stats import t

from gcl.reporting.tables.result_table import Word

WORDS: tuple[Word, ...] = get_args(Word)
MOST = 1000  # trainings that are suggested


@dataclass(frozen=True)
class Compared:
    """One cell.

    Attributes:
        here: mean of each training.
        reference: the same of the reference; a published value has one, without scatter.
        paired: whether both are of the same seeds, in the same order.
        same: whether all digits are the same.
        published: whether the reference is a published value.
    """

    here: Sequence[float]
    reference: Sequence[float]
    paired: bool = False
    same: bool = False
    published: bool = False

    @property
    def samples(self) -> list[list[float]]:
        """The values that scatter."""
        if self.paired:
            return [[a - b for a, b in zip(self.here, self.reference, strict=True)]]
        return [[*self.here]] if self.published else [[*self.here], [*self.reference]]

    @property
    def difference(self) -> float:
        """Mean here minus mean there."""
        return fmean(self.here) - fmean(self.reference)


@dataclass(frozen=True)
class Verdict:
    """The result for one cell.

    Attributes:
        difference: mean here minus mean of the reference.
        low: of its 95 % interval; NaN if nothing tells the scatter.
        high: of the same.
        seeds: where the word is "cannot tell", about how many trainings a cell would tell; None: more than a thousand.
    """

    word: Word
    difference: float
    low: float
    high: float
    seeds: int | None = None


def judge(cells: Sequence[Compared], margin: float) -> list[Verdict]:
    """A verdict for each cell of a column.

    Args:
        cells: all of one score; those of one kind (paired, published) share their scatter.
        margin: largest difference that does not matter, in units of the score.
    """
    scatters = {kind: _scatter([cell for cell in cells if _kind(cell) == kind]) for kind in set(map(_kind, cells))}
    return [_verdict(cell, margin, *scatters[_kind(cell)]) for cell in cells]


def _kind(cell: Compared) -> tuple[bool, bool]:
    return cell.paired, cell.published


def _scatter(cells: Sequence[Compared]) -> tuple[float, int]:
    """Standard deviation of trainings around the means of their cells, and its degrees of freedom."""
    samples = [sample for cell in cells for sample in cell.samples]
    freedom = sum(len(sample) - 1 for sample in samples)
    squares = sum((x - mean) ** 2 for sample in samples for mean in [fmean(sample)] for x in sample)
    return math.sqrt(squares / freedom) if freedom else math.nan, freedom


def _verdict(cell: Compared, margin: float, scatter: float, freedom: int) -> Verdict:
    difference = cell.difference
    if not freedom:
        unknown = (difference, math.nan, math.nan)
        return Verdict("same digits", *unknown) if cell.same else Verdict("cannot tell", *unknown, seeds=2)
    error = scatter * math.sqrt(sum(1 / len(sample) for sample in cell.samples))
    half = t.ppf(0.975, freedom) * error
    low, high = difference - half, difference + half
    if cell.same:
        return Verdict("same digits", difference, low, high)
    if abs(difference) + t.ppf(0.95, freedom) * error < margin:
        return Verdict("agrees", difference, low, high)
    if low > 0 or high < 0:
        return Verdict("differs", difference, low, high)
    return Verdict("cannot tell", difference, low, high, _enough(cell, margin, scatter, freedom))


def _enough(cell: Compared, margin: float, scatter: float, freedom: int) -> int | None:
    """The smallest number of trainings with which the same difference and scatter would tell."""
    now = len(cell.here)
    seeds = np.arange(now + 1, MOST + 1)
    error = scatter * np.sqrt(len(cell.samples) / seeds)
    later = np.maximum(1, freedom * (seeds - 1) // max(1, now - 1))
    distance = abs(cell.difference)
    tells = (distance + t.ppf(0.95, later) * error < margin) | (t.ppf(0.975, later) * error < distance)
    return int(seeds[tells.argmax()]) if tells.any() else None
