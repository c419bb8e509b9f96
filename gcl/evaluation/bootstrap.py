"""How sure a mean over test scenes is: 95 % percentile bootstrap, the scene being the unit that is drawn again."""

from collections.abc import Sequence

import numpy as np


def mean_interval(values: Sequence[float], resamples: int) -> dict[str, float | int]:
    """Mean of the values with its 95 % interval; the same values always give the same interval.

    Returns:
        mean, low, high and n.
    """
    values_N = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(0)
    means = [values_N[rng.integers(0, len(values_N), len(values_N))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(values_N.mean()), "low": float(low), "high": float(high), "n": len(values_N)}
