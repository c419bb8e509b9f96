"""Intervals of means over test scenes: 95 % percentile bootstrap, in which scenes are drawn again.

Where a training was repeated with other seeds, trainings are drawn again, too, independently of scenes. Five are few for
that: if they happen to agree, so do all draws of them. So no interval is narrower, and no p smaller, than Student's t over
the trainings' means has it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

Values = Sequence[float] | Sequence[Sequence[float]]


def mean_interval(values: Values, resamples: int) -> dict[str, float | int]:
    """Mean of the values with its 95 % interval. The same values always give the same interval.

    Args:
        values: one for each scene, [N], or the same for each of several trainings, [S, N].
        resamples: number of means that are drawn again.

    Returns:
        mean, low, high and n, the number of scenes.
    """
    return _interval(_table(values), _resampled_means(_table(values), resamples))


def paired_difference(differences: Values, resamples: int) -> dict[str, float | int]:
    """The same for paired differences, and p. It is two-sided: twice the share of resampled means on the rarer side of 0."""
    values_SN = _table(differences)
    means_R = _resampled_means(values_SN, resamples)
    rarer = min((means_R <= 0).sum(), (means_R >= 0).sum())
    p = min(1.0, 2 * (int(rarer) + 1) / (resamples + 1))
    if student := _students_t(values_SN):
        p = max(p, float(student.pvalue))
    return _interval(values_SN, means_R) | {"p": p}


def _table(values: Values) -> np.ndarray:
    return np.atleast_2d(np.asarray(values, dtype=np.float64))


def _resampled_means(values_SN: np.ndarray, resamples: int) -> np.ndarray:
    """Means of rows and columns drawn with replacement: the bootstrap of crossed factors (Owen 2007, arXiv 0711.0640)."""
    seeds, scenes = values_SN.shape
    rng = np.random.default_rng(0)
    columns_RN = rng.integers(0, scenes, (resamples, scenes))
    if seeds == 1:
        return values_SN[0][columns_RN].mean(axis=1)
    rows_RS = rng.integers(0, seeds, (resamples, seeds))
    return np.take_along_axis(values_SN[rows_RS].mean(axis=1), columns_RN, axis=1).mean(axis=1)


def _interval(values_SN: np.ndarray, means_R: np.ndarray) -> dict[str, float | int]:
    low, high = np.percentile(means_R, [2.5, 97.5])
    if student := _students_t(values_SN):
        spread = student.confidence_interval(0.95)
        low, high = min(low, spread.low), max(high, spread.high)
    return {"mean": float(values_SN.mean()), "low": float(low), "high": float(high), "n": values_SN.shape[1]}


def _students_t(values_SN: np.ndarray) -> Any:
    """scipy's test of the trainings' means against 0; None where there is one training, or they all agree."""
    by_training_S = values_SN.mean(axis=1)
    if len(by_training_S) == 1 or np.ptp(by_training_S) == 0:
        return None
    from scipy import stats  # takes a second to import, and metrics of a single training do not need it

    return stats.ttest_1samp(by_training_S, 0.0)


def per_token(sums: Sequence[float], tokens: Sequence[int]) -> list[float]:
    """Scores of questions whose mean is the mean over all their tokens, for questions of unlike length.

    Each is the mean itself plus the question's deviation from it. So their bootstrap is that of the ratio of both sums, to
    first order. A draw of many long questions does not raise the mean by its length alone.

    Args:
        sums: of each question, over its tokens.
        tokens: of each question.
    """
    mean, length = sum(sums) / sum(tokens), sum(tokens) / len(tokens)
    return [mean + (value - mean * count) / length for value, count in zip(sums, tokens, strict=True)]


def group_weights(groups: Sequence[str | None]) -> list[float]:
    """Factors of scores, so that their mean is the unweighted mean of the groups' means.

    Args:
        groups: of each item; one group for all leaves scores as they are.
    """
    counts = Counter(groups)
    return [len(groups) / (len(counts) * counts[group]) for group in groups]
