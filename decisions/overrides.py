"""What a person says about money: locks, floors, caps and a month's total, each dated, signed and explained.

A row is checked when it is made; rows against each other, and against the night's lines, in `line_limits`.
An override that has ended, or that starts later, says nothing.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["lock", "floor", "cap", "monthly_total"]
NONE = -1  # in arrays of cents: nobody said anything


@dataclass(frozen=True)
class Override:
    """One instruction; amounts in currency units a day (`monthly_total`: a calendar month).

    A lock without an amount keeps the line at the budget that it has. Raises ValueError on a bad row.
    """

    override_id: str
    kind: Kind
    line_id: str | None
    amount: Decimal | None
    reason: str
    who: str
    entered_on: date
    until: date

    def __post_init__(self) -> None:
        problem = None
        if self.kind not in get_args(Kind):
            problem = f"unknown kind {self.kind!r}: use one of {', '.join(get_args(Kind))}"
        elif (self.line_id is None) != (self.kind == "monthly_total"):
            problem = f"a {self.kind} {'takes no' if self.line_id is not None else 'needs a'} line"
        elif self.amount is None:
            problem = None if self.kind == "lock" else f"a {self.kind} needs an amount"
        elif not self.amount.is_finite() or self.amount < 0:
            problem = f"the amount is {self.amount}: it must be a number that is not negative"
        elif self.amount != self.amount.quantize(Decimal("0.01")):
            problem = f"the amount {self.amount} has more than two decimals"
        if problem is None and self.until < self.entered_on:
            problem = f"it ends on {self.until}, before it was entered on {self.entered_on}"
        if problem is not None:
            raise ValueError(f"override {self.override_id}: {problem}")

    @property
    def cents(self) -> int:
        """The amount in cents; `NONE` without one."""
        return NONE if self.amount is None else int(self.amount * 100)


@dataclass(frozen=True, eq=False)
class LineLimits:
    """The overrides of each of n lines: the tightest floor and cap, and whose they are. A lock is both."""

    floor_cents: NDArray[np.int64]  # (n,), `NONE` where there is none
    cap_cents: NDArray[np.int64]  # (n,), `NONE` where there is none
    floor_by: tuple[Override | None, ...]
    cap_by: tuple[Override | None, ...]


def active(overrides: Iterable[Override], night: date) -> tuple[Override, ...]:
    """Those in force for the decision of the night of D = `night`, which is the budget of D+1."""
    return tuple(o for o in overrides if o.entered_on <= night and o.until >= night + timedelta(days=1))


def line_limits(
    overrides: Iterable[Override], line_ids: Sequence[str], previous_cents: NDArray[np.int64]
) -> LineLimits:
    """Floors and caps of the lines `line_ids` (n,) from the active overrides.

    `previous_cents` (n,) is what a lock without an amount keeps. Of several floors on a line the highest
    holds, of several caps the lowest. Raises ValueError, with every problem in one message, where an override
    names an unknown line or where two on the same line cannot both hold.
    """
    index = {line_id: at for at, line_id in enumerate(line_ids)}
    floor, cap = np.full(len(index), NONE, dtype=np.int64), np.full(len(index), NONE, dtype=np.int64)
    floor_by: list[Override | None] = [None] * len(index)
    cap_by: list[Override | None] = [None] * len(index)
    problems = []
    # A lock goes last, so that where it agrees with a floor or a cap the report names the lock.
    for o in sorted(overrides, key=lambda o: (o.kind == "lock", o.entered_on, o.override_id)):
        if o.line_id is None:
            continue
        if o.line_id not in index:
            problems.append(f"override {o.override_id}: the {o.kind} is on an unknown line {o.line_id!r}")
            continue
        at = index[o.line_id]
        cents = int(previous_cents[at]) if o.amount is None else o.cents
        if o.kind in ("lock", "floor") and cents >= floor[at]:
            floor[at], floor_by[at] = cents, o
        if o.kind in ("lock", "cap") and (cap[at] == NONE or cents <= cap[at]):
            cap[at], cap_by[at] = cents, o
    for low, high, low_o, high_o in zip(floor, cap, floor_by, cap_by, strict=True):
        if low_o is not None and high_o is not None and low > high:
            under, over = (
                f"the {o.kind} {o.override_id} of {cents / 100:,.2f} ({o.who})"
                for o, cents in ((low_o, low), (high_o, high))
            )
            problems.append(f"line {low_o.line_id!r}: {under} is above {over}: end one of them")
    if problems:
        raise ValueError("; ".join(problems))
    return LineLimits(floor, cap, tuple(floor_by), tuple(cap_by))


def total_tonight(
    overrides: Iterable[Override], night: date, spent_cents: int, default_cents: int
) -> tuple[int, Override | None]:
    """Tonight's total for D+1 in cents, and the month's total that set it, if one is active.

    What is left of the month's total is spread evenly over the days from D+1 to the month's end; whole cents
    are rounded down, so the last day gets the rest. `spent_cents`: spend of D+1's month up to and including D
    (0 on the 1st). A month that is overspent gets 0. Raises ValueError where two monthly totals are active.
    """
    totals = [o for o in overrides if o.kind == "monthly_total"]
    if len(totals) > 1:
        several = ", ".join(o.override_id for o in totals)
        raise ValueError(f"several monthly totals are active: {several}; end all but one")
    if not totals:
        return default_cents, None
    tomorrow = night + timedelta(days=1)
    days_left = calendar.monthrange(tomorrow.year, tomorrow.month)[1] - tomorrow.day + 1
    return max(totals[0].cents - spent_cents, 0) // days_left, totals[0]
