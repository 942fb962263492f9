"""What past days teach a forecast: how demand and delivery stray, how a day scatters, how one outcome follows another.

The curves say what a spend returns on an average day, and `out.demand__line_day` what is expected of each day ahead.
Here is learnt how far days were from that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.curves import Curves
from decisions.fitting.demand import Ar, moments
from decisions.forecast.past import OBJECTIVES, Past
from decisions.forecast.states import State, deviations, learn, weekdays

FloatArray = NDArray[np.float64]

DEMAND_SD, DELIVERY_SD = 0.10, 0.15
"""Spread of a unit's demand and of its delivery before its own days are seen; chosen on development seeds."""
RATIO_DAYS = 56
RATIO_PULL = 7.0
"""Average line-days of a platform that count in each line's own ratio."""
MOST_ERROR = 0.5
DELIVERY_DAYS = 7.0
"""Days of delivery in full that count in each platform's, and of the platform's in each line's own."""


@dataclass(frozen=True, eq=False)
class Strays:
    """How far days stray from what is expected: the whole unit's, and each platform's around it."""

    unit: State
    platforms: tuple[State, ...]


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a forecast needs beside curves, draws and the demand ahead."""

    demand: Strays
    delivery: Strays
    delivered: FloatArray  # (n,) spend of each line by its budget
    follows: float  # elasticity of delivery by demand: platforms spend a budget when there is much to buy
    day_sd: float  # scatter of a day's delivery that no state explains
    ratio: FloatArray  # (n,) of the other outcome to the objective
    ratio_se: FloatArray  # (P,) its standard error by platform, relative
    dispersion: FloatArray  # (n,) of the other outcome: variance of a day's, divided by its expectation


def other(objective: str) -> str:
    """The outcome that is not the objective."""
    return OBJECTIVES[1 - OBJECTIVES.index(objective)]


def learn_from(past: Past, curves: Curves, dispersion: FloatArray, objective: str) -> Learnt:
    """Learn from days; `curves` and `dispersion` (n,) are those of the past's lines."""
    seen = past.seen(objective)
    expected = np.where(seen, curves.value(past.spend), 0.0)
    outcome = np.where(seen, np.nan_to_num(past.outcome[objective]), 0.0)
    week = weekdays(outcome.sum(axis=1), expected.sum(axis=1), past.weekday)
    expected *= week[past.weekday][:, None]
    noise = dispersion * expected / np.maximum(past.share[objective], 1e-9)
    demand, level = _strays(outcome, expected, noise, past, DEMAND_SD)
    ratio, ratio_se = _ratios(past, objective)
    delivered, follows, delivery, day_sd = _delivery(past, np.log(week[past.weekday] * np.maximum(1 + level, 0.1)))
    return Learnt(demand, delivery, delivered, follows, day_sd, ratio, ratio_se,
                  _dispersion(past, objective, expected * (1 + level)[:, None] * ratio))


def _strays(
    observed: FloatArray, expected: FloatArray, noise: FloatArray, past: Past, prior: float
) -> tuple[Strays, FloatArray]:
    """The states behind line-days (T, n), and the unit's on each day."""
    whole, precision = deviations(observed.sum(axis=1), expected.sum(axis=1), noise.sum(axis=1))
    unit, level = learn(whole, precision, prior)
    each = []
    for p in range(len(past.platforms)):
        mine = past.platform == p
        around, sure = deviations(observed[:, mine].sum(axis=1), expected[:, mine].sum(axis=1) * (1 + level),
                                  noise[:, mine].sum(axis=1))
        each.append(learn(around, sure, prior / 2)[0])
    return Strays(unit, tuple(each)), level


def _ratios(past: Past, objective: str) -> tuple[FloatArray, FloatArray]:
    """The other outcome by one of the objective, of each line, pulled to its platform's; and the platforms' error."""
    late = slice(max(past.days - RATIO_DAYS, 0), past.days)
    both = past.seen(objective)[late] & past.seen(other(objective))[late]
    top = np.where(both, np.nan_to_num(past.outcome[other(objective)][late]), 0.0)
    bottom = np.where(both, np.nan_to_num(past.outcome[objective][late]), 0.0)
    pooled = _over(top.sum(), bottom.sum(), 0.0)
    ratio, error = np.zeros(len(past.platform)), np.zeros(len(past.platforms))
    for p in range(len(past.platforms)):
        mine = past.platform == p
        own = float(_over(top[:, mine].sum(), bottom[:, mine].sum(), pooled))
        usual = RATIO_PULL * bottom[:, mine].mean()
        ratio[mine] = _over(top[:, mine].sum(axis=0) + usual * own, bottom[:, mine].sum(axis=0) + usual, own)
        days = _over(top[:, mine].sum(axis=1), own * bottom[:, mine].sum(axis=1), np.nan)
        known = days[np.isfinite(days)]
        error[p] = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else MOST_ERROR
    return ratio, np.minimum(error, MOST_ERROR)


def _dispersion(past: Past, objective: str, expected: FloatArray) -> FloatArray:
    """Dispersion (n,) of the other outcome: what its line-days scatter beyond demand of the line's own."""
    seen = past.seen(other(objective)) & (expected > 0)
    observed = np.where(seen, np.nan_to_num(past.outcome[other(objective)]), 0.0)
    share = past.share[other(objective)]
    found = np.ones(len(past.platform))
    for p in range(len(past.platforms)):
        mine = past.platform == p
        told, weight = expected[:, mine], np.where(seen, share * expected, 0.0)[:, mine]
        residual = np.divide(observed[:, mine], told, out=np.ones_like(told), where=weight > 0) - 1
        own = moments(residual, weight, Ar(0.9, 0.01))
        days = max(float((weight > 0).sum()), 1.0)
        found[mine] = max(float((weight * (residual**2 - own.variance)).sum() / days), 1e-9)
    return found


def _delivery(past: Past, demand: FloatArray) -> tuple[FloatArray, float, Strays, float]:
    """Spend by budget of each line, how it follows the days' log demand (T,), how it strays, and a day's scatter."""
    planned = np.where(np.isfinite(past.planned), past.planned, 0.0)
    spent = np.where(planned > 0, past.spend, 0.0)
    delivered = np.ones(len(past.platform))
    for p in range(len(past.platforms)):
        mine = past.platform == p
        usual = DELIVERY_DAYS * planned[:, mine].sum() / max(float((planned[:, mine] > 0).any(axis=1).sum()), 1.0)
        pooled = _over(spent[:, mine].sum() + usual, planned[:, mine].sum() + usual, 1.0)
        own = DELIVERY_DAYS * planned[:, mine].sum(axis=0) / np.maximum((planned[:, mine] > 0).sum(axis=0), 1)
        delivered[mine] = _over(spent[:, mine].sum(axis=0) + own * pooled, planned[:, mine].sum(axis=0) + own, pooled)
    expected = planned * delivered
    days = expected.sum(axis=1) > 0
    whole = np.log(np.maximum(_over(spent.sum(axis=1), expected.sum(axis=1), 1.0), 0.05))
    moved = demand[days] - demand[days].mean() if days.any() else demand[days]
    follows = float((whole[days] * moved).sum() / ((moved**2).sum() + DELIVERY_SD**2))
    expected = expected * np.exp(follows * demand)[:, None]
    left, _ = deviations(spent.sum(axis=1), expected.sum(axis=1), expected.sum(axis=1))
    scatter = float(np.diff(left[days]).std() / np.sqrt(2)) if days.sum() > 2 else DELIVERY_SD / 3
    noise = np.maximum(scatter, 1e-3) ** 2 * expected.sum(axis=1, keepdims=True) * expected
    return delivered, follows, _strays(spent, expected, noise, past, DELIVERY_SD)[0], scatter


def _over(top: ArrayLike, bottom: ArrayLike, nothing: ArrayLike) -> FloatArray:
    """top / bottom, `nothing` where there is no bottom."""
    a, b = np.broadcast_arrays(np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64))
    return np.asarray(np.divide(a, b, out=np.full(a.shape, nothing), where=b > 0))
