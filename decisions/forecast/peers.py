"""Forecasts that anyone could make, published beside ours so that the back-test says what ours adds.

- *naive*: the mean of the last seven days, for every day ahead.
- *seasonal naive*: the same weekday of the last week.

Their spread is empirical: how far the same rule missed at the same horizon from each earlier night, as a ratio. They
see the projected outcomes that ours sees; the mean weighs a day by the share of it that is reported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Rule = Callable[[FloatArray, FloatArray, int, range], float]

LEAST_MISSES = 10
MOST_NIGHTS = 60


def last_week(series: FloatArray, share: FloatArray, night: int, ahead: range) -> float:
    """Total of the days `ahead` (1 is the day after `night`) by the mean of the last seven."""
    week = slice(night - 6, night + 1)
    weight = share[week]
    return float(len(ahead) * (series[week] * weight).sum() / weight.sum()) if weight.sum() > 0 else 0.0


def same_weekday(series: FloatArray, share: FloatArray, night: int, ahead: range) -> float:
    """Total of the days `ahead` by the same weekdays of the last week."""
    return float(series[[night + day - 7 * (-(-day // 7)) for day in ahead]].sum())


RULES: dict[str, Rule] = {"naive": last_week, "seasonal_naive": same_weekday}


def samples(rule: Rule, series: FloatArray, share: FloatArray, ahead: range) -> FloatArray:
    """What the rule expects of the days `ahead` together, times each ratio by which it missed before; empty where it
    has missed too seldom to tell. `series` (T,) is a metric by day up to the night, `share` (T,) what is reported.
    Where the newest days are not known (NaN), the rule looks from the last day that is."""
    known = np.flatnonzero(np.isfinite(series))
    if not len(known) or known[-1] < 6:
        return np.empty(0)
    last = int(known[-1])
    late = len(series) - 1 - last
    ahead = range(ahead[0] + late, ahead[-1] + late + 1)
    end = ahead[-1]
    ratios = []
    for night in range(max(6, last - end - MOST_NIGHTS + 1), last - end + 1):
        told = rule(series, share, night, ahead)
        if told > 0:
            ratios.append(float(series[night + ahead[0]: night + end + 1].sum()) / told)
    told, found = rule(series, share, last, ahead), np.array(ratios)
    found = found[np.isfinite(found)]
    return np.asarray(told * found) if len(found) >= LEAST_MISSES and np.isfinite(told) else np.empty(0)
