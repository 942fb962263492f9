"""Pacing: the price of money that makes a budget last, corrected after every tick by what was spent.

A bid is an impression's worth over the shadow price λ (Balseiro & Gur 2019, Learning in repeated auctions with
budgets). The plan says what each tick ahead is expected to spend at each λ; its level follows the observed spend, and
λ solves level × spend ahead at λ = money left, so that a λ holds as long as the plan is right: spend follows the
demand instead of the clock.

A target for the cost per action holds a second price by integral control, and the larger of the two prices is bid with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
MEMORY = 1 / 6
"""Share of the money left over which the observed level is remembered: the nearer the end, the faster it is learnt."""
TRUST = 1 / 50
"""Share of the budget that the plan's own level counts for at first, and over which it is remembered at least."""
LEVELS = (0.1, 10.0)
"""Least and largest observed over planned spend that is believed: an outage says nothing of what comes after."""
ACTIONS = 20.0
"""Actions over which the cost per action is remembered, and for which its target counts."""
MOST_STEP = 2.0
"""Largest factor by which the cost per action moves its price in one tick."""


class Pacer:
    """Shadow price of a budget over T ticks.

    `plan` (T, g) is the expected spend of each tick at each of the g `prices`, which rise; a plan never rises with the
    price. `budget` and spends are in one unit of money. Spending within `left` after every tick is the caller's part;
    `price` is infinite once nothing is left. Raises ValueError on a plan or a budget that cannot be paced.
    """

    def __init__(
        self, budget: float, plan: ArrayLike, prices: ArrayLike, cost_per_action: float | None = None
    ) -> None:
        self._plan, self._prices = np.asarray(plan, dtype=np.float64), np.asarray(prices, dtype=np.float64)
        _check(budget, self._plan, self._prices, cost_per_action)
        self._ahead = np.vstack([self._plan[::-1].cumsum(axis=0)[::-1], np.zeros(self._prices.size)])
        self.left, self._tick = float(budget), 0
        self._spent = self._expected = self._trust = TRUST * budget
        self._target, self._cost, self._actions = cost_per_action, 0.0, 0.0
        self._action_price = 0.0
        self.price = self._solved()

    @property
    def level(self) -> float:
        """Observed over planned spend of late, 1 where nothing was seen."""
        return float(np.clip(self._spent / self._expected, *LEVELS)) if self._expected else 1.0

    def update(self, spend: float, actions: float = 0.0) -> float:
        """What the tick spent and brought at `price`; the next tick's price. Raises ValueError on an overspend."""
        if self._tick == len(self._plan):
            raise ValueError(f"the plan has {len(self._plan)} ticks, and all are over")
        if not 0 <= spend <= self.left or actions < 0:
            raise ValueError(f"a tick spent {spend} of the {self.left} left: the cap is the caller's to keep")
        expected = float(np.interp(self.price, self._prices, self._plan[self._tick]))
        keep = np.exp(-max(expected, spend) / max(MEMORY * self.left, self._trust)) if self._trust else 0.0
        self._spent, self._expected = keep * self._spent + spend, keep * self._expected + expected
        self.left -= spend
        self._tick += 1
        if self._target is not None:
            self._hold_cost(spend, actions)
        self.price = self._solved()
        return self.price

    def _solved(self) -> float:
        """The price at which the rest of the plan spends what is left; the cost per action's, if that is larger."""
        if self.left <= 0:
            return np.inf
        ahead = self._ahead[self._tick] * self.level
        # Interpolated in logarithms, where spend against price is nearly straight.
        rising = np.log(np.maximum(ahead[::-1], 1e-300))
        price = float(np.exp(np.interp(np.log(self.left), rising, np.log(self._prices[::-1]))))
        return max(price, self._action_price)

    def _hold_cost(self, spend: float, actions: float) -> None:
        """Move the cost per action's price by a share of its error, so small that it does not swing: with a memory of m
        ticks the loop is critically damped at a gain of 1 / (4 m)."""
        assert self._target is not None
        memory = np.exp(-max(actions, spend / self._target) / ACTIONS)
        self._cost, self._actions = memory * self._cost + spend, memory * self._actions + actions
        error = np.log((self._cost / self._target + ACTIONS) / (self._actions + ACTIONS))
        # The target's own weight halves the error that is seen, so the gain is twice a quarter.
        step = np.clip(np.exp((1 - memory) / 2 * error), 1 / MOST_STEP, MOST_STEP)
        binds = self.price == self._action_price
        # From the price in force, so that a price that did not bind has not run away when it must.
        moved = float(np.clip(self.price * step, self._prices[0], self._prices[-1]))
        self._action_price = moved if binds or error > 0 else 0.0


def _check(budget: float, plan: FloatArray, prices: FloatArray, target: float | None) -> None:
    if plan.ndim != 2 or plan.shape[1:] != prices.shape or prices.size < 2 or not len(plan):
        raise ValueError("a plan needs one row a tick, one column a price, and two prices or more")
    if not (np.isfinite(prices).all() and (prices > 0).all() and (np.diff(prices) > 0).all()):
        raise ValueError("prices must be finite, above 0 and rising")
    if not np.isfinite(plan).all() or (plan < 0).any() or (np.diff(plan, axis=1) > 1e-9 * plan[:, :-1] + 1e-9).any():
        raise ValueError("planned spend must be finite, not negative, and never rise with the price")
    if not np.isfinite(budget) or budget < 0 or (target is not None and not 0 < target < np.inf):
        raise ValueError("the budget must not be negative, and a cost per action must be above 0")
