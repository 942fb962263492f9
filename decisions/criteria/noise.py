"""How far a KPI moves from day to day by chance, and the smallest effect that shows above it.

Daily figures have a weekday pattern and are not independent: a good day follows a good day. The pattern is taken out
by weekday means; what is left is taken as autoregressive of order one, with the small-sample bias of its lag-one
correlation put right (Marriott & Pope 1954, Biometrika 41; Kendall 1954, ib.), and the variance of a mean of m days is
the sum of its autocovariances, not σ²/m (Wilks 2011, Statistical Methods in the Atmospheric Sciences, §5.2.4). A KPI
that is a ratio of sums enters by its linear influence (delta method: Deng, Knoblich & Lu 2018, KDD).

All numbers here are relative to the KPI's mean: 0.1 is ten percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

FloatArray = NDArray[np.float64]

LEAST_DAYS = 21
"Days without which no noise is stated: three of each weekday."
MOST_CORRELATED = 0.95
LEVEL, POWER = 0.05, 0.80
"Two-sided error and power of every detectable effect."


@dataclass(frozen=True)
class Noise:
    """Of one KPI of one campaign, from `days` known days."""

    days: int
    sd: float  # of one day, weekday pattern taken out
    correlation: float  # of one day with the next, 0 or more
    weekday: FloatArray  # (7,) Monday first: mean deviation of that weekday

    def mean_error(self, days: int) -> float:
        """Standard error of the mean of so many days in a row, as a measure of the level behind them."""
        return self.sd * float(np.sqrt(_factor(self.correlation, days)))

    def change_error(self, days: int) -> float:
        """Standard error of the difference between the mean of so many new days and that of the known days before."""
        r, old = self.correlation, self.days
        shared = r * (1 - r**old) * (1 - r**days) / ((1 - r) ** 2 * old * days)  # adjacent days of both
        return self.sd * float(np.sqrt(_factor(r, days) + _factor(r, old) - 2 * shared))

    def detectable_effect(self, days: int) -> float:
        """The smallest distance of the level from a number (a target) that so many days show."""
        return self._multiple * self.mean_error(days)

    def detectable_change(self, days: int) -> float:
        """The smallest change against the known days that so many new days show."""
        return self._multiple * self.change_error(days)

    def days_for(self, effect: float, most: int) -> int | None:
        """Days in a row that show an effect of that size against a number; None where `most` do not."""
        shown = self._multiple * self.sd * np.sqrt(_factor(self.correlation, np.arange(1, most + 1))) <= effect
        return int(np.argmax(shown)) + 1 if shown.any() else None

    def half_width(self, days: int) -> float:
        """Half of the 95 % interval of the level behind so many days."""
        return float(stdtrit(self._freedom, 1 - LEVEL / 2)) * self.mean_error(days)

    @cached_property
    def _multiple(self) -> float:
        return float(stdtrit(self._freedom, 1 - LEVEL / 2) + stdtrit(self._freedom, POWER))

    @cached_property
    def _freedom(self) -> float:
        """Days that are worth as much as independent ones, less those that the weekdays take."""
        return max(1 / float(_factor(self.correlation, self.days)) - 1, 3.0)


def noise(influence: FloatArray, weekdays: NDArray[np.int64]) -> Noise | None:
    """From a KPI's relative influence a day (n,), NaN where a day is not known, and the days' weekdays (0 Monday).

    None where fewer than `LEAST_DAYS` are known.
    """
    known = np.isfinite(influence)
    n = int(known.sum())
    if n < LEAST_DAYS:
        return None
    weekday = np.array([_mean(influence[known & (weekdays == d)]) for d in range(7)])
    rest = influence - weekday[weekdays]
    squares = float(np.nansum(rest**2))
    if squares <= 1e-18 * n:
        return Noise(n, 0.0, 0.0, weekday)
    pairs = rest[:-1] * rest[1:]
    pairs = pairs[np.isfinite(pairs)]
    lagged = float(pairs.sum()) / squares * n / max(pairs.size + 1, 1)
    correlation = float(np.clip((n * lagged + 1) / (n - 4), 0.0, MOST_CORRELATED))
    free = max(n - 6 - n * _factor(correlation, n), 2.0)
    return Noise(n, float(np.sqrt(squares / free)), correlation, weekday)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else 0.0


def _factor(correlation: float, days: Any) -> Any:
    """Variance of the mean of so many days in a row (a number or an array), over that of one day."""
    r = correlation
    return ((1 + r) / (1 - r) - 2 * r * (1 - r**days) / (days * (1 - r) ** 2)) / days
