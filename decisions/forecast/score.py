"""How good a published forecast was: coverage of its intervals, and the continuous ranked probability score.

CRPS(F, y) = E|X - y| - E|X - X'| / 2 with X, X' drawn from F, in the unit of y, less is better; of a forecast that is
one number it is the absolute error (Gneiting & Raftery 2007, eq. 21). It is also twice the quantile loss averaged over
all levels, by which a forecast published as five quantiles is scored: each stands for the levels nearest to it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_EDGES = np.array([0.0, *((a + b) / 2 for a, b in pairwise(LEVELS)), 1.0])
WEIGHTS = np.diff(_EDGES)


def crps(draws: ArrayLike, observed: float) -> float:
    """Of draws (M,), by the empirical distribution; NaN without draws."""
    x = np.sort(np.asarray(draws, dtype=np.float64))
    if not len(x):
        return float("nan")
    rank = 2 * np.arange(1, len(x) + 1) - len(x) - 1
    return float(np.abs(x - observed).mean() - (rank * x).sum() / len(x) ** 2)


def crps_of_quantiles(quantiles: ArrayLike, observed: ArrayLike) -> FloatArray:
    """Of quantiles (…, 5) at LEVELS and what was observed (…)."""
    miss = np.asarray(observed, dtype=np.float64)[..., None] - np.asarray(quantiles, dtype=np.float64)
    loss = np.maximum(np.array(LEVELS) * miss, (np.array(LEVELS) - 1) * miss)
    return np.asarray(2 * (loss * WEIGHTS).sum(axis=-1))


def covered(quantiles: ArrayLike, observed: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether what was observed (…) lies in the 50 % and in the 90 % interval of quantiles (…, 5)."""
    q, y = np.asarray(quantiles, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    return np.asarray((q[..., 1] <= y) & (y <= q[..., 3])), np.asarray((q[..., 0] <= y) & (y <= q[..., 4]))
