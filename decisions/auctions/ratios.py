"""How much more, or less, a group converts than expected: ratios that thin data pull to 1.

Conversions of a group are Poisson with mean `expected × ratio`, the ratios gamma with mean 1 and a variance
estimated from all groups (empirical Bayes; Morris 1983, Parametric empirical Bayes inference; DuMouchel 1999 for the
gamma-Poisson form). Where groups differ by no more than chance, the variance is 0 and every ratio 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import gamma

FloatArray = NDArray[np.float64]
LEAST_SHAPE, MOST_SHAPE = 0.5, 1e6


@dataclass(frozen=True, eq=False)
class Ratios:
    """Ratios of g groups to what was expected of them."""

    ratio: FloatArray  # (g,) posterior mean; 1 for a group without data
    low: FloatArray  # (g,) 5 % quantile
    high: FloatArray  # (g,) 95 % quantile
    shape: float  # expected events that the pull to 1 counts for; MOST_SHAPE where groups do not differ


def shrunk_ratios(events: ArrayLike, expected: ArrayLike) -> Ratios:
    """Ratio of events to expected events by group, (g,) each. Raises ValueError on negative or non-finite counts."""
    y, e = np.asarray(events, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if y.shape != e.shape or y.ndim != 1:
        raise ValueError("events and expected events need one value a group each")
    if any(not np.isfinite(v).all() or (v < 0).any() for v in (y, e)) or (y[e == 0] > 0).any():
        raise ValueError("events and expected must be finite and not negative, and expected above 0 where events are")
    shape = _shape(y[e > 0], e[e > 0])
    posterior = gamma(y + shape, scale=1 / (e + shape))
    low, high = posterior.ppf(0.05), posterior.ppf(0.95)
    return Ratios((y + shape) / (e + shape), np.asarray(low), np.asarray(high), shape)


def _shape(y: FloatArray, e: FloatArray) -> float:
    """The gamma's shape of the largest marginal likelihood: counts are then negative binomial."""

    def loss(log_shape: float) -> float:
        k = np.exp(log_shape)
        return float(-(gammaln(y + k) - gammaln(k) + k * np.log(k / (k + e)) + y * np.log(e / (k + e))).sum())

    if y.size < 2:
        return MOST_SHAPE
    bounds = (np.log(LEAST_SHAPE), np.log(MOST_SHAPE))
    starts = np.linspace(*bounds, 15)  # the loss may have a long flat tail; a grid finds the right valley
    at = int(np.argmin([loss(s) for s in starts]))
    near = (starts[max(at - 1, 0)], starts[min(at + 1, 14)])
    return float(np.exp(minimize_scalar(loss, bounds=near, method="bounded").x))
