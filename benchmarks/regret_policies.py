"""Policies that a simulated quarter compares: each is a function from what is seen in a night to tomorrow's split.

To add one: a function `Seen -> int64 cents (lines,)`, and its line in `POLICIES`. Only `true_curves` reads the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import numpy as np
from scipy.optimize import minimize

from benchmarks import hill_fit
from decisions.allocation import allocate, scaled_status_quo
from decisions.curves import Curves
from decisions.fitting import SIMPLE, Fitted, fit, history
from decisions.fitting.simple import as_curves
from decisions.jobs.curves import LEAST_KNOWN
from decisions.jobs.responses import supported
from decisions.limits import MOST, Bounds, bounds
from decisions.overrides import NONE, LineLimits
from moe.units import Budget
from simulator import world as w
from simulator.market import market
from simulator.mechanisms import trends
from simulator.quarter import Policy, Seen, whole_cents
from simulator.response import curves, steady_response
from simulator.world import World

MAX_STEP, LEAST_STEP = 0.2, 20 / 12_000  # the shipped unit's; the second as a share of the total
EXPLORE = Budget.model_fields["explore"].default  # the shipped unit's
FREE = 1e6  # a step that binds no line


def limits(seen: Seen, step: float) -> Bounds:
    """Tonight's bounds as the allocate job sets them, without a unit's floor and cap."""
    n, least = len(seen.line), max(round(LEAST_STEP * seen.total_cents), 1)
    zero, cap = np.zeros(n, dtype=np.int64), np.full(n, MOST)
    return bounds(seen.previous_cents, zero, cap, seen.total_cents, max_step=step, least_step_cents=least)


def keep(seen: Seen) -> np.ndarray:
    """The first day's split, every day."""
    return seen.previous_cents


def roas(seen: Seen) -> np.ndarray:
    """By last week's return on spend as reported, within the steps: twice the return, twice the budget."""
    returned = seen.value[-7:].sum(axis=0) / np.maximum(seen.spend[-7:].sum(axis=0), 1.0)
    allowed = limits(seen, MAX_STEP)
    wanted = whole_cents(seen.previous_cents * (returned + 1e-6), seen.total_cents)
    return scaled_status_quo(wanted, seen.total_cents, allowed.lower_cents, allowed.upper_cents)


def fit_lines(seen: Seen, spend: np.ndarray, outcome: np.ndarray, share: np.ndarray, clicks: bool = True) -> Fitted:
    """Lines as the curves job fits them, to outcomes (days, lines) of which `share` is known."""
    days, n = spend.shape
    names = [str(at).zfill(4) for at in range(n)]
    dates = [seen.first_day + timedelta(days=day) for day in range(days)]
    known = history(
        [(name, name, platform) for name, platform in zip(names, seen.platform, strict=True)],
        names * days, np.repeat(dates, n).tolist(), spend.ravel(), outcome.ravel(), known=share.ravel(),
        clicks=seen.clicks.ravel() if clicks else None,
    )
    return fit(known, specs=dict.fromkeys(set(seen.platform), SIMPLE))


def fit_curves(seen: Seen, spend: np.ndarray, outcome: np.ndarray, share: np.ndarray, clicks: bool = True) -> Curves:
    """Curves of `fit_lines`."""
    return as_curves(fit_lines(seen, spend, outcome, share, clicks))


def tonight(seen: Seen) -> Fitted:
    """Tonight's fit of the product."""
    share = np.maximum(seen.share_known("value"), LEAST_KNOWN)
    return fit_lines(seen, seen.spend, seen.value / share, share)


def fitted(seen: Seen) -> Curves:
    """Tonight's curves of the product."""
    return as_curves(tonight(seen))


def simplest(seen: Seen) -> Curves:
    """Tonight's curves by the simplest fit."""
    days, n = seen.spend.shape
    share = np.maximum(seen.share_known("value"), LEAST_KNOWN).ravel()
    line, day = np.tile(np.arange(n), days), np.repeat(np.arange(days), n)
    return hill_fit.fit(line, seen.spend.ravel(), seen.value.ravel() / share, n, weights=share, day=day)


def best_split(seen: Seen, response: Curves, step: float) -> np.ndarray:
    """The product's allocation on curves."""
    allowed = limits(seen, step)
    lower, upper = allowed.lower_cents, allowed.upper_cents
    status_quo = scaled_status_quo(seen.previous_cents, seen.total_cents, lower, upper)
    return allocate(response, seen.total_cents, lower, upper, status_quo).budget_cents


def ours(seen: Seen) -> np.ndarray:
    """The product: fit, demand of tomorrow, the range that data support, steps of 20 % a night, allocate."""
    return planned(seen)


def planned(seen: Seen, demand: bool = True, explore: float | None = EXPLORE) -> np.ndarray:
    """The product's split, with or without what tomorrow's demand and the data's range say."""
    share = np.maximum(seen.share_known("value"), LEAST_KNOWN)
    found = fit_lines(seen, seen.spend, seen.value / share, share)
    response, late = as_curves(found), (seen.first_day + timedelta(days=seen.night) - found.end).days
    if demand:
        response = replace(response, a=response.a * found.season(late + 1)[late])
    usual, n = limits(seen, MAX_STEP), len(seen.line)
    nobody = np.full(n, NONE, dtype=np.int64)
    said = LineLimits(nobody, nobody, (None,) * n, (None,) * n)
    most = supported(response, Budget(total=Decimal(0), explore=explore, max_step=MAX_STEP), seen.previous_cents, said)
    upper = np.minimum(usual.upper_cents, most)
    upper = upper if np.minimum(upper, seen.total_cents).sum() >= seen.total_cents else usual.upper_cents
    status_quo = scaled_status_quo(seen.previous_cents, seen.total_cents, usual.lower_cents, upper)
    return allocate(response, seen.total_cents, usual.lower_cents, upper, status_quo).budget_cents


def slsqp(seen: Seen) -> np.ndarray:
    """scipy's SLSQP on the product's curves and bounds."""
    response, allowed, total = fitted(seen), limits(seen, MAX_STEP), seen.total_cents / 100
    scale = float(response.value(seen.previous_cents / 100).sum())
    low, high = allowed.lower_cents / seen.total_cents, np.minimum(allowed.upper_cents / seen.total_cents, 1.0)
    found = minimize(
        lambda x: -response.value(x * total).sum() / scale,
        seen.previous_cents / seen.total_cents,
        jac=lambda x: -response.marginal(x * total) * total / scale,
        bounds=list(zip(low, high, strict=True)),
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": 200, "ftol": 1e-9},
    )
    return whole_cents(np.clip(found.x, low, high), seen.total_cents)


@dataclass(frozen=True, eq=False)
class TrueCurves:
    """The true lasting response, one line at a time around a split: what `allocate` needs of curves."""

    spend: np.ndarray  # (lines, points) USD a day
    slope: np.ndarray  # (lines, points) falling

    def value(self, spend: np.ndarray) -> np.ndarray:
        """The integral of `marginal`, by the trapezoid rule that is exact for it."""
        s = np.asarray(spend, dtype=float)
        steps = np.diff(self.spend, axis=1) * (self.slope[:, 1:] + self.slope[:, :-1]) / 2
        area = np.concatenate([np.zeros((len(s), 1)), steps.cumsum(axis=1)], axis=1)
        above = [np.searchsorted(x, v) for x, v in zip(self.spend, s, strict=True)]
        at = np.clip(above, 1, self.spend.shape[1] - 1) - 1
        row = np.arange(len(s))
        return area[row, at] + (s - self.spend[row, at]) * (self.slope[row, at] + self.marginal(s)) / 2

    def marginal(self, spend: np.ndarray) -> np.ndarray:
        """Linear between the points."""
        return np.array([np.interp(v, x, y) for v, x, y in zip(spend, self.spend, self.slope, strict=True)])

    def spend_at(self, price: float) -> np.ndarray:
        """The inverse of `marginal`; 0 where even the first unit returns less."""
        at = [np.interp(-price, -y, x, left=0.0) for x, y in zip(self.spend, self.slope, strict=True)]
        return np.array(at)


def true_response(
    world: World, around: np.ndarray, demand: np.ndarray | float, price: np.ndarray | float
) -> TrueCurves:
    """Slopes of what all lines return together when one line's lasting spend (USD a day) changes."""
    n, points = len(around), np.concatenate([[0.0], np.geomspace(2e-4, 1.0, 60)]) * world.daily_budget
    line, at = np.repeat(np.arange(n), len(points)), np.tile(points, n)
    move = world.daily_budget * 1e-5
    worth = []
    for sign in (0.0, 1.0):
        split = np.tile(around, (len(line), 1))
        split[np.arange(len(line)), line] = at + sign * move
        worth.append(steady_response(world, split, demand, price).value.sum(axis=1))
    slope = ((worth[1] - worth[0]) / move).reshape(n, -1)
    # a hair of fall where curves are flat, so that every price meets one spend
    falling = np.minimum.accumulate(slope, axis=1) - 1e-9 * np.arange(len(points))
    return TrueCurves(np.tile(points, (n, 1)), np.maximum(falling, 1e-12 * np.arange(len(points), 0, -1)))


def true_curves(world: World, step: float, known_day: bool = False) -> Policy:
    """Our optimiser on the true lasting curves, at the demand of the season and trend, or of tomorrow itself."""

    def policy(seen: Seen) -> np.ndarray:
        day = seen.night + 1
        wave = w.WAVE_SIZE * np.sin(2 * np.pi * day / w.WAVE_DAYS)
        weekend = np.exp(2 / 7 * curves(world).weekend)
        demand, price = np.exp(wave + trends(world) * day) * weekend, np.ones(len(seen.line))
        if known_day:
            tomorrow = market(world).conditions(day)
            demand, price = tomorrow.demand, tomorrow.price
        return best_split(seen, true_response(world, seen.previous_cents / 100, demand, price), step)

    return policy


POLICIES: dict[str, Callable[[World], Policy]] = {
    "keep the split": lambda world: keep,
    "last week's ROAS": lambda world: roas,
    "SLSQP, same curves": lambda world: slsqp,
    "ours": lambda world: ours,
    "ours, usual demand": lambda world: partial(planned, demand=False),
    "ours, any range": lambda world: partial(planned, explore=None),
    "ours, simplest fit": lambda world: lambda seen: best_split(seen, simplest(seen), MAX_STEP),
    "ours, true curves": lambda world: true_curves(world, MAX_STEP),
}
