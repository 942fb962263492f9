"""How far days stray from what is expected of them: a state of the whole unit, and one of each platform around it.

Both are autoregressive of order 1 and are learnt from the ratio of what happened to what was expected, by the moments
that the fit uses (`decisions.fitting.demand`). From the night on each path walks by itself: what is uncertain tonight
fades, what each day adds comes on top, so that the spread grows with the horizon up to the state's own. A variance
that is learnt from few turns of a slow state is itself uncertain: paths draw it from its scaled inverse chi-squared
posterior (Gelman et al. 2013, section 2.6), which gives the far days heavier tails.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.demand import Ar, shared

FloatArray = NDArray[np.float64]

PRIOR_LOOKS = 4.0
"""Independent looks at a state that the prior of its variance counts for."""
PRIOR_RHO, RHO_DAYS = 0.9, 60.0
"What is left of a state a day later before days are seen, and the days that this counts for."
LEAST_FREEDOM = 10.0


class State(NamedTuple):
    """An autoregressive state of logarithms around 0."""

    rho: float
    variance: float  # of the state where it is far from tonight's
    now: float  # variance of what tonight's is thought to be
    mean: float  # what tonight's is thought to be
    freedom: float  # degrees of freedom of the variance


def learn(level: FloatArray, precision: FloatArray, prior_sd: float) -> tuple[State, FloatArray]:
    """The state behind `level` (T,), the days' relative deviations with `precision` (T,), and its mean of each day."""
    found, unsure, ar = shared(level, precision, Ar(PRIOR_RHO, prior_sd**2))
    days = float((precision > 0).sum())
    rho = (days * ar.rho + RHO_DAYS * PRIOR_RHO) / (days + RHO_DAYS) if ar.variance > 0 else PRIOR_RHO
    if ar.variance > 0:
        looks = days * (1 - rho) / (1 + rho)
    else:  # no state was seen: that tells as much as a day's step would have stood out from the noise
        step = prior_sd**2 * (1 - rho**2)
        looks = float((step * precision / (1 + step * precision)).sum())
    variance = (looks * ar.variance + PRIOR_LOOKS * prior_sd**2) / (looks + PRIOR_LOOKS)
    now = float(unsure[-1]) if len(unsure) and unsure[-1] > 0 else variance
    return State(rho, variance, min(now, variance), float(found[-1]) if len(found) else 0.0,
                 max(looks + PRIOR_LOOKS, LEAST_FREEDOM)), found


def deviations(observed: FloatArray, expected: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Relative deviations of `observed` from `expected`, and their precision where `noise` is the variance of
    `observed`; 0 with no precision where nothing was expected."""
    some = (expected > 0) & (noise > 0)
    level = np.divide(observed, expected, out=np.ones_like(expected), where=some) - 1
    return level, np.divide(expected**2, noise, out=np.zeros_like(expected), where=some)


def walk(state: State, paths: int, days: int, random: np.random.Generator) -> FloatArray:
    """Paths (paths, days) of a state's deviation from its expectation, from the day after tonight."""
    scale = np.sqrt(state.freedom / random.chisquare(state.freedom, paths))
    steps = random.standard_normal((paths, days))
    at, out = np.sqrt(state.now) * random.standard_normal(paths), np.empty((paths, days))
    spread = np.sqrt(state.variance * (1 - state.rho**2))
    for day in range(days):
        at = state.rho * at + spread * steps[:, day]
        out[:, day] = at
    return np.asarray(out * scale[:, None])


def weekdays(observed: FloatArray, expected: FloatArray, weekday: NDArray[np.int64]) -> FloatArray:
    """Factors (7,) of the weekdays, mean 1 over the days; 1 where a weekday was not seen."""
    factor = np.ones(7)
    for day in range(7):
        mine = weekday == day
        if expected[mine].sum() > 0 and observed[mine].sum() > 0:
            factor[day] = observed[mine].sum() / expected[mine].sum()
    return np.asarray(factor / factor[weekday].mean()) if len(weekday) else factor
