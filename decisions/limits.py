"""What each line may get tonight: the unit's bounds, the largest step, and what people decided.

Money is int64 cents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.overrides import NONE, LineLimits

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
    least_step_cents: int  # the step that is allowed to every line
    widened_step: float | None  # the same, where the total was out of reach of the usual step


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
    most_total_cents: int | None = None,
    minimum_cents: ArrayLike = 0,
    widen: float = 1.0,
) -> Bounds:
    """Tonight's bounds of n lines, which hold a split of `total_cents`, or of a total from there to `most_total_cents`.
    Where that is below `total_cents`, they hold a split of both: a period's days differ by a cent.

    A line moves from `previous_cents` (the previous night's candidate) by at most the share `max_step` of
    it, or by `least_step_cents` where that is more, so that a line at 0 can start; a line that is off below its
    `minimum_cents` (n,) can move by that. The unit's `min_cents`
    and `max_cents` (n,) come before the step; overrides come before the step and before the unit's
    minimum, but not before its maximum, which protects from a typing error. Where steps alone put the
    total out of reach, they are widened for all lines by the smallest factor from `widen` on that reaches it.
    Raises Infeasible.
    """
    previous = np.asarray(previous_cents, dtype=np.int64)
    least = np.broadcast_to(np.asarray(min_cents, dtype=np.int64), previous.shape)
    most = np.broadcast_to(np.minimum(np.asarray(max_cents, dtype=np.int64), MOST), previous.shape)
    if not max_step > 0 or least_step_cents < 1:
        raise ValueError("the largest step must be above 0 and the least step a cent or more: lock a line to hold it")
    highest = total_cents if most_total_cents is None else most_total_cents
    floor = cap = np.full(previous.shape, NONE, dtype=np.int64)
    if overrides is not None:
        floor, cap = overrides.floor_cents, overrides.cap_cents
    _check_lines(least, most, floor, cap, names)

    def least_step(factor: float) -> float:
        return float(np.ceil(factor * least_step_cents - 1e-6))

    def within(factor: float) -> tuple[IntArray, IntArray]:
        reach = np.maximum(factor * np.maximum(max_step * previous, least_step_cents), least_step(factor))
        reach = np.maximum(reach, minimum_cents)
        # Inwards to whole cents, as the plan's own steps go.
        lower = np.clip(np.ceil(np.maximum(previous - reach, 0.0) - 1e-6), least, most).astype(np.int64)
        upper = np.clip(np.floor(np.minimum(previous + reach, most) + 1e-6), least, most).astype(np.int64)
        lower = np.where(floor == NONE, lower, np.maximum(lower, floor))
        upper = np.where(cap == NONE, np.maximum(lower, upper), np.minimum(np.maximum(lower, upper), cap))
        return np.minimum(lower, upper), upper

    def reaches(factor: float) -> bool:
        lower, upper = within(factor)
        return bool(lower.sum() <= highest and total_cents <= np.minimum(upper, total_cents).sum())

    check_total(total_cents, *within(np.inf), names, highest)
    factor = widen
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
    return Bounds(lower, upper, lower_from, upper_from, factor * max_step, int(least_step(factor)), widened)


def _check_lines(least: IntArray, most: IntArray, floor: IntArray, cap: IntArray, names: Sequence[str] | None) -> None:
    problems = []
    for low, high, what in (
        (least, most, "the minimum {} is above the maximum {}: lower one or raise the other by {}"),
        (floor, most, "the override asks for {} but the line's maximum is {}: lower the override by {}"),
        (floor, np.where(cap == NONE, most, cap), "the floor {} is above the cap {}: lower the floor by {}"),
    ):
        for at in np.flatnonzero((low > high) & (low != NONE)):
            amounts = (money(v) for v in (low[at], high[at], low[at] - high[at]))
            problems.append(f"line {_name(int(at), names)}: {what.format(*amounts)}")
    if problems:
        raise Infeasible("; ".join(dict.fromkeys(problems)))


def check_total(
    total: int, lower: IntArray, upper: IntArray, names: Sequence[str] | None = None, most: int | None = None
) -> None:
    """Raise Infeasible where the bounds are crossed or no split within them adds up to `total` cents (to `most`)."""
    if (lower > upper).any() or (lower < 0).any():
        crossed = np.flatnonzero((lower > upper) | (lower < 0))
        raise Infeasible(f"bounds are negative or crossed on lines {crossed.tolist()}")
    most = total if most is None else most
    floors, caps = int(lower.sum()), int(np.minimum(upper, total).sum())
    if floors <= most and total <= caps:
        return
    if floors > most:
        limit, order, short = lower, np.argsort(-lower, kind="stable")[:5], floors - most
        text = f"floors add up to {money(floors)} but the total is {money(most)}: "
        text += f"lower a floor or raise the total by {money(short)}; the largest floors are "
    else:
        limit, order, short = upper, np.argsort(upper, kind="stable")[:5], total - caps
        text = f"caps add up to {money(caps)}, less than the total of {money(total)}: "
        text += f"raise a cap or lower the total by {money(short)}; the smallest caps are "
    raise Infeasible(text + ", ".join(f"{_name(int(at), names)} at {money(limit[at])}" for at in order))


def _name(at: int, names: Sequence[str] | None) -> str:
    return str(at) if names is None else repr(names[at])


def money(cents: int | float) -> str:
    """Cents as people write the amount."""
    return f"{cents / 100:,.2f}"
