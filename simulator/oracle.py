"""The best steady split of a quarter, on the truth: what a lasting decision could reach.

Budgets are lasting decisions, and no one knows tomorrow's demand and prices; a split that is best for each day's own
luck is out of reach for all. So the oracle holds one split for the quarter, the best for the days as they come. With
SLSQP (Kraft 1988) from several starts on the simulated quarter itself, carry-over, over-delivery and halo included.

**Proof.** Where expected value is concave in the split, as it is line by line without halo and shared audiences, no
split is better by more than `gap`: max over splits s of ∇F(split)·(s - split), the Frank–Wolfe gap (Jaggi 2013). With
them it is not separable and need not be concave: there the gap shows a stationary point, and starts show the rest.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from simulator.quarter import roll, whole_cents
from simulator.response import curves
from simulator.scenarios import QUARTER
from simulator.world import World, stream

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Oracle:
    """The best steady split found, and how good it is known to be."""

    budget_cents: Array  # (lines,)
    value: Array  # (days,) USD, expected
    gap: float  # Frank–Wolfe gap as a share of the value
    starts: Array  # (starts,) value of the quarter reached from each, USD


def steady_oracle(world: World, days: int = QUARTER, starts: int = 3) -> Oracle:
    """The best split of the daily total to hold for `days` days after the history."""
    total, n = world.daily_budget, len(curves(world).usual_spend)
    move = total * 1e-4  # USD, of the central differences

    def loss(share: Array) -> tuple[float, Array]:
        # where a line is near nothing, the step is one-sided
        low, high = (np.maximum(share * total + sign * move * np.eye(n), 0.0) for sign in (-1, 1))
        worth = roll(world, np.concatenate([(share * total)[None], low, high]), days).sum(axis=-1)
        slope = (worth[1 + n :] - worth[1 : 1 + n]) / (np.diagonal(high) - np.diagonal(low))
        return -worth[0] / scale, -slope * total / scale

    scale = float(roll(world, curves(world).usual_spend, days).sum())
    usual = curves(world).usual_spend / total
    rng = stream(world, "oracle")
    best, reached = None, []
    for start in [usual, *rng.dirichlet(np.full(n, 2.0), starts - 1)]:
        found = minimize(
            loss, start, jac=True, method="SLSQP", bounds=[(0.0, 1.0)] * n, options={"maxiter": 100, "ftol": 1e-8},
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        )  # fmt: skip
        reached.append(-found.fun * scale)
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    split = np.maximum(best.x, 0.0)
    value, slope = loss(split / split.sum())
    cents = whole_cents(split, round(total * 100))
    gap = (np.max(-slope) + slope @ split) / -value
    return Oracle(cents, roll(world, cents / 100, days), float(gap), np.array(reached))
