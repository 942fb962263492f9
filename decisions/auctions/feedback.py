"""Pacing from night to night: a line's bids are moved by what it spent of its budget, and by its cost per conversion.

`pacing` paces one budget over the ticks of a day, where spend is seen after each. A night sees a day's spend once,
when the next day's bids are due, and the platform's daily budget starts anew: what is left to correct is a bid level
that is wrong day after day. That is integral control on log(spend / budget). A day's delay and an elasticity of spend
to the bid up to 2 leave the loop without oscillation at a gain of 1 / (4 · 2) (Åström & Murray 2021, Feedback systems,
ch. 11: an integrator with a delay of one step is critically damped at a loop gain of 1 / 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
GAIN = 1 / 8
COST_GAIN = 1 / 60
"""The cost per conversion is a mean over two weeks that ended a week ago: 15 days of delay in place of one or two."""
NOISE = 0.1
"""A spend this near to the budget is as good as on it: demand moves by as much from day to day."""
FORGOTTEN = 1 / 5
"""Share of a raise that is taken back after a day on budget. A budget that stops a line hides how much more it would
have spent, so days with much demand tell nothing and days with little raise the bids: without it they drift up, as
`benchmarks.bid_feedback` shows."""
MOST_STEP = float(np.log(1.1))
LEAST, MOST = float(np.log(0.5)), float(np.log(1.5))
"""Ends of the correction. What a bid this far off does not mend is no matter of the bid."""
BELIEVED = 2.0
"""A platform spends at most twice a daily budget: above it, the budget on the platform was another."""
ACTIONS = 20.0
"""Conversions that the target counts for in the observed cost."""


@dataclass(frozen=True, eq=False)
class Correction:
    """Log factors on the bids of n lines: the state that the next night starts from."""

    spend: FloatArray  # (n,) LEAST to MOST
    cost: FloatArray  # (n,) LEAST to MOST, where it holds nothing

    @property
    def log(self) -> FloatArray:
        """The lower of the two: a line that costs too much is not raised to spend its budget."""
        return np.minimum(self.spend, self.cost)

    @property
    def factor(self) -> FloatArray:
        return np.exp(self.log)


def none(lines: int) -> Correction:
    """Where no night was before."""
    return Correction(np.zeros(lines), np.full(lines, MOST))


def corrected(
    before: Correction, budget: ArrayLike, spend: ArrayLike, *, can_rise: ArrayLike = True, can_fall: ArrayLike = True,
    cost: ArrayLike = 0.0, conversions: ArrayLike = 0.0, target: float | None = None,
) -> Correction:
    """The next correction of n lines, from a day's `spend` of the `budget` that was released for it.

    NaN budgets and spends, none at all and more than `BELIEVED` budgets tell nothing: the correction stays. `can_rise`
    and `can_fall`: whether the bids of that day could move further; where they could not, an error in that direction
    is not added up (anti-windup by conditional integration). `cost` and `conversions` are those of the matured days,
    `target` the largest mean cost per conversion. Raises ValueError on negative amounts.
    """
    planned, spent = np.asarray(budget, dtype=np.float64), np.asarray(spend, dtype=np.float64)
    if (planned < 0).any() or (spent < 0).any() or (target is not None and not 0 < target < np.inf):
        raise ValueError("budgets and spends must not be negative, and a target is above 0")
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log(spent / planned)
        tells = np.isfinite(error) & (spent <= BELIEVED * planned)
    on_budget = tells & (error > -NOISE / 2) & (error < NOISE)
    error = np.where(tells & (np.abs(error) > NOISE), error, 0.0)
    held_by_cost = before.cost < before.spend
    stuck = ((error < 0) & (~np.asarray(can_rise, dtype=np.bool_) | held_by_cost)) | (
        (error > 0) & ~np.asarray(can_fall, dtype=np.bool_)
    )
    step = np.clip(-GAIN * np.where(stuck, 0.0, error), -MOST_STEP, MOST_STEP)
    step = np.where(on_budget, -FORGOTTEN * np.maximum(before.spend, 0.0), step)
    return Correction(np.clip(before.spend + step, LEAST, MOST), _by_cost(before, cost, conversions, target))


def _by_cost(before: Correction, cost: ArrayLike, conversions: ArrayLike, target: float | None) -> FloatArray:
    if target is None:
        return np.full_like(before.cost, MOST)
    paid, count = np.asarray(cost, dtype=np.float64), np.asarray(conversions, dtype=np.float64)
    error = np.log((paid / target + ACTIONS) / (count + ACTIONS))
    step = np.clip(-COST_GAIN * error, -MOST_STEP, MOST_STEP)
    # From the correction in force, so that one that did not hold has not run away when it must.
    moves = (before.cost <= before.spend) | (error > 0)
    return np.where(moves, np.clip(before.log + step, LEAST, MOST), MOST)
