"""Tomorrow's money over the budget lines: the split that maximises the expected outcome, exact to the cent.

Maximise Σ fᵢ(sᵢ) with Σ sᵢ = total and lowerᵢ ≤ sᵢ ≤ upperᵢ, every fᵢ concave. At the optimum all lines
that are free to move return the same for their next unit, the shadow price λ, and sᵢ(λ) has a closed form;
so the problem is one search for λ (water-filling by dual bisection: Boyd & Vandenberghe, Convex
Optimization 2004, §5.5.3; Bretthauer & Shetty 1995, The nonlinear resource allocation problem). Any λ
bounds the optimum from above (weak duality, §5.1.3), which is the proof beside the numbers.

Money is int64 cents; curves, prices and outcomes count currency units. The sums that steer the search are
sums of whole cents, so the order of the lines does not change the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.curves import Curves
from decisions.overrides import NONE, LineLimits, Override

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.str_]
MOST = 10**15  # cents; a float still counts it exactly


class Infeasible(ValueError):
    """The bounds and the total cannot both hold; the message names the lines, the amounts and the repair."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """What each of n lines may get tonight, and which rule says so.

    Rules: 'floor' and 'cap' (the unit's minimum and maximum), 'step', 'override'.
    """

    lower_cents: IntArray
    upper_cents: IntArray
    lower_from: TextArray
    upper_from: TextArray
    step: float  # the largest relative step in force
    widened_step: float | None  # the same, where the total was out of reach of the usual step


@dataclass(frozen=True, eq=False)
class Allocation:
    """A split of the total over n lines, with its proof."""

    budget_cents: IntArray  # (n,), adds up to the total
    shadow_price: float  # outcome of one more currency unit of total
    expected_value: float  # Σ fᵢ at the budget
    upper_bound: float  # no split within the bounds is expected to return more
    gap: float  # (upper_bound - expected_value) / upper_bound
    binding: TextArray  # (n,) 'floor', 'cap' or '' where the line is free


class Reason(NamedTuple):
    code: str
    text: str


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
    _check_total(total_cents, lower, upper)
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
    binding = np.where(at_floor, "floor", np.where(budget == upper, "cap", ""))
    return Allocation(budget, price, value, bound, (bound - value) / bound if bound > 0 else 0.0, binding)


def bounds(
    previous_cents: ArrayLike,
    min_cents: ArrayLike,
    max_cents: ArrayLike,
    total_cents: int,
    *,
    max_step: float,
    least_step_cents: int,
    overrides: LineLimits | None = None,
    names: Sequence[str] | None = None,
) -> Bounds:
    """Tonight's bounds of n lines, which hold a split of `total_cents`.

    A line moves from `previous_cents` (the previous night's candidate) by at most the share `max_step` of
    it, or by `least_step_cents` where that is more, so that a line at 0 can start. The unit's `min_cents`
    and `max_cents` (n,) come before the step; overrides come before the step and before the unit's
    minimum, but not before its maximum, which protects from a typing error. Where steps alone put the
    total out of reach, they are widened for all lines by the smallest factor that reaches it. Raises
    Infeasible.
    """
    previous = np.asarray(previous_cents, dtype=np.int64)
    least = np.broadcast_to(np.asarray(min_cents, dtype=np.int64), previous.shape)
    most = np.broadcast_to(np.minimum(np.asarray(max_cents, dtype=np.int64), MOST), previous.shape)
    if not max_step > 0 or least_step_cents < 1:
        raise ValueError("the largest step must be above 0 and the least step a cent or more: lock a line to hold it")
    floor = cap = np.full(previous.shape, NONE, dtype=np.int64)
    if overrides is not None:
        floor, cap = overrides.floor_cents, overrides.cap_cents
    _check_lines(least, most, floor, cap, names)

    def within(factor: float) -> tuple[IntArray, IntArray]:
        reach = factor * np.maximum(max_step * previous, least_step_cents)
        lower = np.clip(np.rint(np.maximum(previous - reach, 0.0)), least, most).astype(np.int64)
        upper = np.clip(np.rint(np.minimum(previous + reach, most)), least, most).astype(np.int64)
        lower = np.where(floor == NONE, lower, np.maximum(lower, floor))
        upper = np.where(cap == NONE, np.maximum(lower, upper), np.minimum(np.maximum(lower, upper), cap))
        return np.minimum(lower, upper), upper

    def reaches(factor: float) -> bool:
        lower, upper = within(factor)
        return bool(lower.sum() <= total_cents <= np.minimum(upper, total_cents).sum())

    _check_total(total_cents, *within(np.inf), names)
    factor = 1.0
    if not reaches(factor):
        while not reaches(factor):
            factor *= 2
        short = factor / 2
        while factor - short > 1e-9 * factor:
            middle = (short + factor) / 2
            short, factor = (short, middle) if reaches(middle) else (middle, factor)
    lower, upper = within(factor)
    # Where the two bounds met, the line may rest on the opposite rule: a cap that fell by more than a step.
    met = lower == upper
    lower_from = np.select(
        [(lower == floor) | (met & (lower == cap)), lower == least, met & (lower == most)],
        ["override", "floor", "cap"],
        "step",
    )
    upper_from = np.select(
        [(upper == cap) | (met & (upper == floor)), upper == most, met & (upper == least)],
        ["override", "cap", "floor"],
        "step",
    )
    widened = None if factor == 1.0 else factor * max_step
    return Bounds(lower, upper, lower_from, upper_from, factor * max_step, widened)


def scaled_status_quo(
    previous_cents: ArrayLike, total_cents: int, lower_cents: ArrayLike, upper_cents: ArrayLike
) -> IntArray:
    """Doing nothing: the previous split (n,) scaled to tonight's total, in the bounds, exact to the cent.

    Lines keep their proportions to each other except where a bound stops them. Raises Infeasible.
    """
    lower, upper = np.asarray(lower_cents, dtype=np.int64), np.asarray(upper_cents, dtype=np.int64)
    previous = np.asarray(previous_cents, dtype=np.int64)
    _check_total(total_cents, lower, upper)
    upper = np.minimum(upper, total_cents)
    shape = (previous if previous.any() else np.ones_like(previous)).astype(np.float64)
    # Dividing by p instead of scaling lets the same search serve: less money at a higher p. Between these two
    # ends every line that had money goes from its upper bound to its lower one.
    high, low = 4 * float(shape.max()), float((shape[shape > 0] / (1 + upper[shape > 0])).min())
    _, below, above = _bisect(lambda p: _cents(np.clip(shape / p, lower, upper)), low, high, total_cents, lower, upper)
    return _meet(below, above, total_cents)


REASON_CODES = (
    *("locked", "override_floor", "override_cap", "floor", "cap", "step_up", "step_down"),
    *("raised", "lowered", "kept", "stopped", "not_funded"),
)


def reason(
    previous_cents: ArrayLike,
    allocation: Allocation,
    limits: Bounds,
    curves: Curves,
    overrides: LineLimits | None = None,
    *,
    currency: str = "dollar",
) -> list[Reason]:
    """For each line a code (one of `REASON_CODES`) and a short sentence that says why it gets what it gets.

    The sentence compares what the next currency unit returned at the previous budget with the shadow
    price, which is what it returns tonight wherever money is free to move: a free line rises exactly if
    that is more.
    """
    previous = np.asarray(previous_cents, dtype=np.int64)
    first, marginal = curves.marginal(0), curves.marginal(previous / 100)
    against = f"against {_rate(allocation.shadow_price)} across the lines"

    def why(at: int) -> Reason:
        old, new, binding = int(previous[at]), int(allocation.budget_cents[at]), str(allocation.binding[at])
        moved = "Raised" if new > old else "Lowered" if new < old else "Held"
        person = _person(at, new, binding, overrides)
        if person is not None:
            signed = f"by {person.who} until {person.until}: {person.reason}"
            if person.kind == "lock":
                return Reason("locked", f"Locked {signed}")
            code = f"override_{person.kind}"
            return Reason(code, f"{_to(moved)} the {person.kind} of {_money(new)} set {signed}")
        unknown = "" if curves.days_observed[at] else "; not observed yet, so judged like the other lines"
        rule = {"floor": limits.lower_from, "cap": limits.upper_from}[binding][at] if binding else ""
        if rule == "step":
            # The least step speaks as an amount, the relative one as a share.
            change = abs(new - old)
            size = f"{limits.step * 100:.3g} %" if change <= limits.step * old + 1 else _money(change)
            size += ", widened to reach the total" if limits.widened_step is not None else ""
            code = "step_up" if binding == "cap" else "step_down"
            return Reason(code, f"{moved} by the largest step allowed ({size}){unknown}")
        if rule == "cap" or (rule == "floor" and new > 0):
            return Reason(rule, f"{_to(moved)} its {rule} of {_money(new)}")

        if new == 0:
            code, word = ("stopped", "Stopped") if old > 0 else ("not_funded", "Not funded")
            text = f"{word}: the first {currency} here would return {_rate(first[at])}"
        elif abs(new - old) <= max(0.005 * old, 1):
            code, text = "kept", f"Kept: the next {currency} here returns {_rate(marginal[at])}"
        else:
            code, text = moved.lower(), f"{moved}: the next {currency} here returned {_rate(marginal[at])}"
        return Reason(code, f"{text}, {against}{unknown}")

    return [why(at) for at in range(previous.size)]


def _person(at: int, budget: int, binding: str, overrides: LineLimits | None) -> Override | None:
    """The override that the budget rests on, if it rests on one."""
    if overrides is None:
        return None
    low, high = overrides.floor_by[at], overrides.cap_by[at]
    on_low, on_high = budget == overrides.floor_cents[at], budget == overrides.cap_cents[at]
    for it, on in ((low, on_low), (high, on_high)):
        if it is not None and on and it.kind == "lock":
            return it
    if on_high and (binding == "cap" or (binding == "floor" and not on_low)):
        return high
    return low if on_low and binding else None


def _to(moved: str) -> str:
    return "Held at" if moved == "Held" else f"{moved} to"


def _money(cents: int | float) -> str:
    return f"{cents / 100:,.2f}"


def _rate(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"


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


def _check_lines(least: IntArray, most: IntArray, floor: IntArray, cap: IntArray, names: Sequence[str] | None) -> None:
    problems = []
    for low, high, what in (
        (least, most, "the minimum {} is above the maximum {}: lower one or raise the other by {}"),
        (floor, most, "the override asks for {} but the line's maximum is {}: lower the override by {}"),
        (floor, np.where(cap == NONE, most, cap), "the floor {} is above the cap {}: lower the floor by {}"),
    ):
        for at in np.flatnonzero((low > high) & (low != NONE)):
            amounts = (_money(v) for v in (low[at], high[at], low[at] - high[at]))
            problems.append(f"line {_name(int(at), names)}: {what.format(*amounts)}")
    if problems:
        raise Infeasible("; ".join(dict.fromkeys(problems)))


def _check_total(total: int, lower: IntArray, upper: IntArray, names: Sequence[str] | None = None) -> None:
    if (lower > upper).any() or (lower < 0).any():
        crossed = np.flatnonzero((lower > upper) | (lower < 0))
        raise Infeasible(f"bounds are negative or crossed on lines {crossed.tolist()}")
    floors, caps = int(lower.sum()), int(np.minimum(upper, total).sum())
    if floors <= total <= caps:
        return
    if floors > total:
        limit, order, short = lower, np.argsort(-lower, kind="stable")[:5], floors - total
        text = f"floors add up to {_money(floors)} but the total is {_money(total)}: "
        text += f"lower a floor or raise the total by {_money(short)}; the largest floors are "
    else:
        limit, order, short = upper, np.argsort(upper, kind="stable")[:5], total - caps
        text = f"caps add up to {_money(caps)}, less than the total of {_money(total)}: "
        text += f"raise a cap or lower the total by {_money(short)}; the smallest caps are "
    raise Infeasible(text + ", ".join(f"{_name(int(at), names)} at {_money(limit[at])}" for at in order))


def _name(at: int, names: Sequence[str] | None) -> str:
    return str(at) if names is None else repr(names[at])
