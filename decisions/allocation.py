"""Tomorrow's money over the budget lines: the split that maximises the expected outcome, exact to the cent.

Maximise Σ fᵢ(sᵢ) with Σ sᵢ = total and lowerᵢ ≤ sᵢ ≤ upperᵢ, every fᵢ concave. At the optimum all lines
that are free to move return the same for their next unit, the shadow price λ, and sᵢ(λ) has a closed form;
so the problem is one search for λ (water-filling by dual bisection: Boyd & Vandenberghe, Convex
Optimization 2004, §5.5.3; Bretthauer & Shetty 1995, The nonlinear resource allocation problem). Any λ
bounds the optimum from above (weak duality, §5.1.3), which is the proof beside the numbers. The night asks
`decisions.plan`, which knows days, steps and groups; this closed form checks it and splits curves of any shape.

Money is int64 cents; curves, prices and outcomes count currency units. The sums that steer the search are
sums of whole cents, so the order of the lines does not change the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.curves import Curves
from decisions.limits import check_total
from decisions.plan.prices import Price

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Allocation:
    """A split of the total over n lines, with its proof."""

    budget_cents: IntArray  # (n,), adds up to the total
    shadow_price: float  # outcome of one more currency unit of total
    expected_value: float  # Σ fᵢ at the budget
    upper_bound: float  # no split within the bounds is expected to return more
    gap: float  # (upper_bound - expected_value) / upper_bound
    binding: TextArray  # (n,) 'floor', 'cap', the name of a group's limit, or '' where the line is free
    money_price: FloatArray  # (n,) what a line's next unit must return: the shadow price and its groups' prices
    group_prices: tuple[Price, ...] = ()  # what the limits of groups cost


def allocate(
    curves: Curves,
    total_cents: int,
    lower_cents: ArrayLike,
    upper_cents: ArrayLike,
    status_quo_cents: ArrayLike | None = None,
) -> Allocation:
    """The best split of `total_cents` within the bounds (n,).

    With `status_quo_cents` (n,), a split that keeps the bounds and the total, the answer is never worse on
    the curves than that: where rounding to cents would make it so, the status quo is returned. Raises
    Infeasible.
    """
    lower, upper = np.asarray(lower_cents, dtype=np.int64), np.asarray(upper_cents, dtype=np.int64)
    check_total(total_cents, lower, upper)
    free = lower < upper
    # Out of reach of any line, so that it never sets the price, and small enough to add up over all lines.
    most = np.minimum(upper, 2 * total_cents + 1)

    def at(price: float) -> FloatArray:
        return np.clip(curves.spend_at(price) * 100, lower, most)

    if free.any():
        # At `high` every free line rests on its lower bound, at `low` on its upper one.
        high = float(curves.marginal(lower / 100)[free].max())
        low = float(curves.marginal(most / 100)[free].min())
        price, below, above = _bisect(lambda p: _cents(at(p)), low, high, total_cents, lower, most)
        budget = _meet(below, above, total_cents)
    else:
        # No money can move, so what one unit more returns is what the split returns at its margin.
        budget, share = lower, lower / max(int(lower.sum()), 1)
        price = float(curves.marginal(lower / 100) @ share)

    continuous = at(price) / 100 if price > 0 else most / 100
    bound = float(curves.value(continuous).sum() + price * (total_cents / 100 - continuous.sum()))
    value = float(curves.value(budget / 100).sum())
    if status_quo_cents is not None:
        status_quo = np.asarray(status_quo_cents, dtype=np.int64)
        if status_quo.sum() != total_cents or (status_quo < lower).any() or (status_quo > upper).any():
            raise ValueError("the status quo does not keep tonight's total and bounds: scale it first")
        if (before := float(curves.value(status_quo / 100).sum())) > value:
            budget, value = status_quo, before
        assert value >= before
    bound = max(bound, value)  # equal up to the last bits
    marginal = curves.marginal(budget / 100)
    at_floor = (budget == lower) & (free | (marginal < price))
    binding = np.where(at_floor, "floor", np.where(budget == upper, "cap", "")).astype(np.object_)
    gap = (bound - value) / bound if bound > 0 else 0.0
    return Allocation(budget, price, value, bound, gap, binding, np.full(budget.size, price))


def scaled_status_quo(
    previous_cents: ArrayLike, total_cents: int, lower_cents: ArrayLike, upper_cents: ArrayLike
) -> IntArray:
    """Doing nothing: the previous split (n,) scaled to tonight's total, in the bounds, exact to the cent.

    Lines keep their proportions to each other except where a bound stops them. Raises Infeasible.
    """
    lower, upper = np.asarray(lower_cents, dtype=np.int64), np.asarray(upper_cents, dtype=np.int64)
    previous = np.asarray(previous_cents, dtype=np.int64)
    check_total(total_cents, lower, upper)
    upper = np.minimum(upper, total_cents)
    shape = (previous if previous.any() else np.ones_like(previous)).astype(np.float64)
    # Dividing by p instead of scaling lets the same search serve: less money at a higher p. Between these two
    # ends every line that had money goes from its upper bound to its lower one.
    high, low = 4 * float(shape.max()), float((shape[shape > 0] / (1 + upper[shape > 0])).min())
    _, below, above = _bisect(lambda p: _cents(np.clip(shape / p, lower, upper)), low, high, total_cents, lower, upper)
    return _meet(below, above, total_cents)


def _cents(amount: FloatArray) -> IntArray:
    """To the nearest cent: a line gets its next cent if that, at its middle, returns the price or more."""
    return np.rint(amount).astype(np.int64)


def _bisect(
    at: Callable[[float], IntArray], low: float, high: float, total: int, lower: IntArray, upper: IntArray
) -> tuple[float, IntArray, IntArray]:
    """Where the spend `at(price)`, which falls with the price, meets the total.

    Returns the price, the spend (cents) just above it, at most the total, and just below it, at least that.
    """
    below, above = lower, upper
    if below.sum() == total:
        return high, below, below
    if above.sum() == total:
        return low, above, above
    for _ in range(200):
        price = float(np.sqrt(low * high)) if low > 0 else high * 1e-3
        if not low < price < high:
            break
        spend = at(price)
        if (spent := int(spend.sum())) == total:
            return price, spend, spend
        if spent < total:
            high, below = price, spend
        else:
            low, above = price, spend
    return high, below, above


def _meet(below: IntArray, above: IntArray, total: int) -> IntArray:
    """The split between two splits that adds up to `total`.

    The two differ only in lines that want their next cents at the same price, so any share is as good: every
    line goes the same share of the way, and single cents follow in the order of the lines.
    """
    budget, room, missing = below.copy(), above - below, total - int(below.sum())
    if missing == 0:
        return budget
    # A hair less than the share, so that the whole cents never add up to more than is missing.
    budget += np.floor(room * (missing / int(room.sum()) * (1 - 1e-12))).astype(np.int64)
    while (missing := total - int(budget.sum())) > 0:
        budget[np.flatnonzero(budget < above)[:missing]] += 1
    return budget
