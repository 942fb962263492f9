"""Monte Carlo paths of the days ahead: spend, conversions and conversion value by platform, with the budgets held.

A path is one posterior draw of all curves, one walk of demand and of delivery, and one scatter of every day. Lines are
summed within a draw, so that what they share does not cancel. All scenarios walk the same paths: what differs between
them is the scenario, not luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from decisions.draws import Draws
from decisions.forecast.learn import Learnt, Strays
from decisions.forecast.past import METRICS, Past
from decisions.forecast.scenarios import factors
from decisions.forecast.states import walk
from moe.units import Scenario

FloatArray = NDArray[np.float64]

PATHS = 1000
"Five of each posterior draw: the level of a 5 % quantile is known to within 0.7 % (one standard error)."
SEED = 42
LEAST_CHANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Ahead:
    """What is decided and expected of H days ahead for n lines."""

    budget: FloatArray  # (n,) a day, in currency units
    factor: FloatArray  # (H, n) of out.demand__line_day
    dispersion: FloatArray  # (n,) of the objective
    draws: Draws  # of the n lines


def simulate(
    past: Past, ahead: Ahead, learnt: Learnt, objective: str, scenarios: Sequence[Scenario], *,
    paths: int = PATHS, seed: int = SEED,
) -> dict[str, FloatArray]:
    """Paths (paths, H, P, metrics) of each scenario, metrics as in METRICS. The same inputs give the same paths."""
    random = np.random.default_rng(seed)
    days, platforms = len(ahead.factor), len(past.platforms)
    draw = np.arange(paths) % len(ahead.draws.a)
    share = _of_spend(ahead.budget * learnt.delivered, past)
    demand = _stray(learnt.demand, share, paths, days, random)
    delivery = _stray(learnt.delivery, share, paths, days, random)
    delivery += learnt.day_sd * random.standard_normal((paths, days, 1))
    delivery += learnt.follows * demand + learnt.follows * np.log(_of_day(past, ahead, learnt))
    delivery += _expected(learnt.delivery, days)[None, :, :]
    chance = random.uniform(LEAST_CHANCE, 1 - LEAST_CHANCE, (2, paths, days, platforms))
    ratio = np.exp(learnt.ratio_se * random.standard_normal((paths, platforms)) - learnt.ratio_se**2 / 2)
    spend = np.broadcast_to(ahead.budget * learnt.delivered @ past.member, (days, platforms))
    out = {}
    for scenario in scenarios:
        demanded, price = factors(scenario, days)
        told = _means(past, ahead, learnt, price)
        mean = told.mean[draw] * demanded[:, None] * np.exp(demand + told.elasticity[draw] * delivery)
        both = (_scattered(mean, told.dispersion, chance[0]),
                _scattered(mean * told.ratio * ratio[:, None, :], told.other_dispersion, chance[1]))
        by_name = {"spend": spend * np.exp(delivery), objective: both[0],
                   next(m for m in METRICS[1:] if m != objective): both[1]}
        out[scenario.name] = np.stack([by_name[metric] for metric in METRICS], axis=-1)
    return out


@dataclass(frozen=True, eq=False)
class _Means:
    """Of K draws, H days and P platforms."""

    mean: FloatArray  # (K, H, P) expected outcome
    elasticity: FloatArray  # (K, H, P) of the outcome by spend
    dispersion: FloatArray  # (H, P)
    ratio: FloatArray  # (H, P) the other outcome by the objective
    other_dispersion: FloatArray  # (H, P)


def _means(past: Past, ahead: Ahead, learnt: Learnt, price: FloatArray) -> _Means:
    """Sums over a platform's lines, at the budgets' expected spend."""
    spend, days, member = ahead.budget * learnt.delivered, len(price), past.member
    count, platforms = len(ahead.draws.a), len(past.platforms)
    mean, pull = np.zeros((2, count, days, platforms))
    usual = np.zeros((days, len(spend)))
    for level in np.unique(price):
        mine = price == level
        k = ahead.draws.k * level
        value = ahead.draws.a * spend / (spend + k)
        slope = value * k / (spend + k)
        usual[mine] = value.mean(axis=0) * ahead.factor[mine]
        for p in range(platforms):
            lines = member[:, p] > 0
            mean[:, mine, p] = value[:, lines] @ ahead.factor[mine][:, lines].T
            pull[:, mine, p] = slope[:, lines] @ ahead.factor[mine][:, lines].T
    total = usual @ member

    def by_line(each: FloatArray, weight: FloatArray) -> FloatArray:
        over = weight @ member
        return np.divide((weight * each) @ member, over, out=np.ones_like(over), where=over > 0)

    other = usual * learnt.ratio
    elasticity = np.divide(pull, mean, out=np.zeros_like(pull), where=mean > 0)
    ratio = np.divide(other @ member, total, out=np.zeros_like(total), where=total > 0)
    return _Means(mean, elasticity, by_line(ahead.dispersion, usual), ratio, by_line(learnt.dispersion, other))


def _of_spend(spend: FloatArray, past: Past) -> FloatArray:
    """Shares (P,) of the platforms."""
    by = spend @ past.member
    return np.asarray(by / by.sum() if by.sum() > 0 else np.full(len(by), 1 / len(by)))


def _of_day(past: Past, ahead: Ahead, learnt: Learnt) -> FloatArray:
    """Expected demand (days, P) by platform, weighted by spend."""
    spend = ahead.budget * learnt.delivered
    over = spend @ past.member
    return np.divide((ahead.factor * spend) @ past.member, over, out=np.ones((len(ahead.factor), len(over))),
                     where=over > 0)


def _stray(strays: Strays, share: FloatArray, paths: int, days: int, random: np.random.Generator) -> FloatArray:
    """Walks (paths, days, P) in logarithms with mean 1: the unit's, and platforms' around it that cancel in total."""
    unit = walk(strays.unit, paths, days, random)
    each = np.stack([walk(state, paths, days, random) for state in strays.platforms], axis=-1)
    path = unit[:, :, None] + each - (each * share).sum(axis=-1, keepdims=True)  # of one platform alone: the unit's
    return np.asarray(path - path.var(axis=0, keepdims=True) / 2)


def _expected(strays: Strays, days: int) -> FloatArray:
    """What tonight's states are expected to leave on each day (days, P)."""
    ahead = np.arange(1, days + 1)
    each = [strays.unit.mean * strays.unit.rho**ahead + state.mean * state.rho**ahead for state in strays.platforms]
    return np.stack(each, axis=-1)


def _scattered(mean: FloatArray, dispersion: FloatArray, chance: FloatArray) -> FloatArray:
    """Gamma draws of `mean` with variance dispersion × mean, by inversion, so that scenarios share their luck."""
    if not (dispersion > 0).all():
        raise ValueError("the scatter of a day has to be above 0")
    return np.asarray(dispersion * gammaincinv(np.maximum(mean / dispersion, 1e-6), chance))
