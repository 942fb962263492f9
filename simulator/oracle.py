"""The best steady split of a quarter, on the truth: what a lasting decision could reach.

Budgets are lasting decisions, and no one knows tomorrow's demand and prices; a split that is best for each day's own
luck is out of reach for all. So the oracle holds one split for the quarter, the best for the days as they come. With
SLSQP (Kraft 1988) from several starts on the simulated quarter itself, carry-over, over-delivery and halo included.

**Proof.** Where expected value is concave in the split, as it is line by line without halo, shared audiences and
over-delivery, no split is better by more than `gap`: max over splits s of ∇F(split)·(s - split), the Frank–Wolfe gap
(Jaggi 2013). With them value need not be concave (a platform that is ahead of a budget ignores its first cents): there
the gap says how stationary the split is, and the agreement of the starts says the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from simulator.quarter import roll, whole_cents
from simulator.response import curves
from simulator.scenarios import QUARTER
from simulator.world import World, stream

Array = np.ndarray
ROUNDS, CLOSE = 100, 1e-4  # of evening out; the gap at which it stops


@dataclass(frozen=True, eq=False)
class Oracle:
    """The best steady split found, and how good it is known to be."""

    budget_cents: Array  # (lines,)
    value: Array  # (days,) USD, expected
    gap: float  # Frank–Wolfe gap as a share of the value
    starts: Array  # (starts,) value of the quarter reached from each, USD


def steady_oracle(world: World, days: int = QUARTER, starts: int = 3) -> Oracle:
    """The best split of the daily total to hold for `days` days after the history."""
    total, usual = world.daily_budget, curves(world).usual_spend / world.daily_budget
    scale = float(roll(world, usual * total, days).sum())

    def worth(share: Array) -> tuple[float, Array]:
        """Value of a split and its slopes by central differences, in multiples of the usual split's value."""
        move = np.diag(1e-3 * share + 1e-7)
        low, high = np.maximum(share - move, 0.0), share + move
        value = roll(world, np.concatenate([share[None], low, high]) * total, days).sum(axis=-1) / scale
        n = len(share)
        return float(value[0]), (value[1 + n :] - value[1 : 1 + n]) / np.diagonal(high - low)

    def loss(share: Array) -> tuple[float, Array]:
        value, slope = worth(share)
        return -value, -slope

    rng, reached = stream(world, "oracle"), []
    for start in [usual, *rng.dirichlet(np.full(len(usual), 2.0), starts - 1)]:
        found = minimize(
            loss, start, jac=True, method="SLSQP", bounds=[(1e-7, 1.0)] * len(usual),
            options={"maxiter": 100, "ftol": 1e-8},
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        )  # fmt: skip
        reached.append((-found.fun, found.x / found.x.sum()))
    _, best = max(reached, key=lambda pair: pair[0])
    split, gap = _level(worth, best)
    cents = whole_cents(split, round(total * 100))
    return Oracle(cents, roll(world, cents / 100, days), gap, np.array([value for value, _ in reached]) * scale)


def _level(worth: Callable[[Array], tuple[float, Array]], split: Array) -> tuple[Array, float]:
    """Even out the slopes that SLSQP leaves on lines too small to matter to it, and the gap that is left."""
    best, gap, least = split, np.inf, 0.0
    for _ in range(ROUNDS):
        value, slope = worth(split)
        least = least or value * (1 - 1e-8)
        now = float(slope.max() - slope @ split) / value
        if now < gap and value >= least:
            best, gap = split, now
        if gap < CLOSE:
            break
        # exponentiated gradient (Kivinen & Warmuth 1997): lines with steeper slopes grow in proportion
        split = split * np.exp(np.clip(slope / (slope @ split) - 1, -1, 1) / 2)
        split = split / split.sum()
    return best, gap
