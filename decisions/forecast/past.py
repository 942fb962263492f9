"""What a night knows of the days behind it, in the shape that a forecast is learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OBJECTIVES = ("conversions", "conversion_value")
METRICS = ("spend", *OBJECTIVES)
LEAST_SHARE = 0.05
"""A day of which less is reported teaches nothing."""


@dataclass(frozen=True, eq=False)
class Past:
    """T days up to the night, n lines. Amounts in currency units; outcomes are projected to what will be reported."""

    platforms: tuple[str, ...]  # names, sorted
    platform: IntArray  # (n,) index into `platforms`
    weekday: IntArray  # (T,) 0 is Monday
    spend: FloatArray  # (T, n)
    planned: FloatArray  # (T, n) budgets that had been decided for the day; NaN where none was
    outcome: dict[str, FloatArray]  # of each of OBJECTIVES: (T, n), NaN where nothing is known
    share: dict[str, FloatArray]  # of each: (T, n) the share of it that is reported by the night

    @property
    def days(self) -> int:
        return len(self.weekday)

    @cached_property
    def member(self) -> FloatArray:
        """(n, P) 1 where a line is of a platform."""
        return np.asarray(self.platform[:, None] == np.arange(len(self.platforms)), dtype=np.float64)

    def seen(self, metric: str) -> NDArray[np.bool_]:
        """(T, n) line-days whose outcome counts."""
        return np.isfinite(self.outcome[metric]) & (self.share[metric] >= LEAST_SHARE) & (self.spend > 0)

    def known(self, metric: str) -> FloatArray:
        """(T, P) a metric by platform and day, as projected; NaN where a line spent and its outcome is not known."""
        if metric == "spend":
            return np.asarray(self.spend @ self.member)
        missing = (self.spend > 0) & ~self.seen(metric)
        values = np.nan_to_num(self.outcome[metric]) @ self.member
        return np.where(missing @ self.member > 0, np.nan, values)
