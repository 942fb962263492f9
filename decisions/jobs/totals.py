"""How much all lines may spend on each day of the plan: a daily total, what a period leaves, or by a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from decisions.amounts import cents
from decisions.jobs.delivery import held_to
from decisions.limits import money
from decisions.overrides import Override
from decisions.periods import Period, period_tonight
from decisions.plan import Total
from decisions.plan.problem import IntArray
from moe.jobs import Night
from moe.units import Target

LATE_DAYS = 3
"A delivery that is late comes within them, as a rule."


@dataclass(frozen=True, eq=False)
class Money:
    """The total of a plan: `low` to `high` each day, and over all days where `exact`."""

    low: IntArray  # (H,) cents
    high: IntArray
    even: IntArray  # (H,) cents of a status quo: the fixed total, or a period's even pace
    period: Period | None = None
    target: Target | None = None
    notes: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the days add up to a fixed amount."""
        return self.target is None

    def total(self) -> Total:
        """As the plan takes it. A target of an average is searched for by its price, see `solve_to_target`."""
        if self.target is None:
            fixed = np.array_equal(self.low, self.high)
            return Total.daily(self.low) if fixed else Total.horizon(int(self.even.sum()), self.low, self.high)
        price = {"profit": 1.0, "marginal_return": float(self.target.value or 0)}.get(self.target.kind, 0.0)
        return Total.flexible(price, self.low, self.high)


def money_of(
    in_force: Sequence[Override], rows: list[dict[str, Any]], past: list[dict[str, Any]], night: Night, floors: int
) -> Money:
    """What the unit, its period's total or its target say; `floors`: what lines must get in all, in cents.

    `rows` are line-days of spend, `past` line-days of budgets. A plan ends with the period whose total it follows.
    Where less than the floors is left, the floors are spent: to keep yesterday's budgets would cost more. Raises
    ValueError where two totals hold, or where a target is set that the unit has no range for.
    """
    budget, tomorrow = night.unit.budget, night.decided_day
    target = _target(in_force, night)
    unreported = assumed(rows, past, night)
    rows = [*rows, *unreported]
    period = period_tonight(in_force, night.date, _spent(rows))
    if period is None and target is not None:
        low, high = (np.full(budget.horizon, cents(v), dtype=np.int64) for v in (target.low, target.high))
        return Money(low, high, low, None, target)
    if period is None:
        even = np.full(budget.horizon, cents(budget.total), dtype=np.int64)
        return Money(even, even, even)
    days = min(budget.horizon, period.days_left(tomorrow))
    even, notes = period.even(tomorrow, days), [_said(period), *_counted(unreported, period)]
    if target is not None:
        notes.append(f"The target of the unit rests while the {period.word}'s total holds.")
    if days < budget.horizon:
        notes.append(f"The plan looks {days} {'day' if days == 1 else 'days'} ahead, to the end of the {period.word}.")
    if (even < floors).any() or period.left_cents <= 0:
        notes.append(_short(period, floors, int(even[0])))
        even = np.maximum(even, floors)
        return Money(even, even, even, period, None, tuple(notes))
    if budget.delivery == "hold_total" and period.override.kind == "monthly_total":
        most = held_to(period, rows, past, tomorrow)
        if (even > most).any():
            notes.append(f"Platforms may spend more than their daily budgets: {money(most)} a day instead of "
                         f"{money(int(even[0]))}, so that the month cannot pass its total.")
            even = np.minimum(even, max(most, floors))
            return Money(even, even, even, period, None, tuple(notes))
    low = np.maximum(np.ceil(even * (1 - budget.pacing) - 1e-6).astype(np.int64), floors)
    high = np.floor(even * (1 + budget.pacing) + 1e-6).astype(np.int64)
    return Money(low, high, even, period, None, tuple(notes))


def _target(in_force: Sequence[Override], night: Night) -> Target | None:
    """The unit's target, with the number that a person set."""
    target, said = night.unit.budget.target, [o for o in in_force if o.kind == "target"]
    if len(said) > 1:
        raise ValueError(f"several targets are active: {', '.join(o.override_id for o in said)}; end all but one")
    if said and (target is None or target.kind == "profit"):
        raise ValueError(f"override {said[0].override_id}: the unit has no target that takes a number: add `target` "
                         f"with kind, value, low and high to its budget")
    return target if not said or target is None else target.model_copy(update={"value": said[0].amount})


def assumed(
    rows: list[dict[str, Any]], past: list[dict[str, Any]], night: Night
) -> list[dict[str, Any]]:
    """Budgets of the days that a platform has not reported yet, as spend: they run while its delivery is late. One that
    is silent for longer than LATE_DAYS has stopped, and spends nothing."""
    newest: dict[str, date] = {}
    for r in rows:
        newest[r["platform"]] = max(newest.get(r["platform"], r["business_date"]), r["business_date"])
    return [{"platform": r["platform"], "business_date": r["business_date"], "spend": r["budget"]} for r in past
            if r["platform"] in newest and newest[r["platform"]] < r["business_date"] <= night.date
            and (night.date - newest[r["platform"]]).days <= LATE_DAYS]


def _counted(unreported: list[dict[str, Any]], period: Period) -> list[str]:
    by_platform: dict[str, Decimal] = {}
    for r in (r for r in unreported if r["business_date"] >= period.first):
        by_platform[r["platform"]] = by_platform.get(r["platform"], Decimal(0)) + r["spend"]
    return [f"{platform} has not reported its newest spend yet: its budget of {money(cents(amount))} counts as spent."
            for platform, amount in sorted(by_platform.items()) if amount]


def _spent(rows: list[dict[str, Any]]) -> dict[date, int]:
    """Cents of all lines by day."""
    days: dict[date, Decimal] = {}
    for r in rows:
        days[r["business_date"]] = days.get(r["business_date"], Decimal(0)) + r["spend"]
    return {day: cents(spent) for day, spent in days.items()}


def _said(period: Period) -> str:
    o = period.override
    return f"The total follows the {period.word}'s total of {o.amount:,.2f} set by {o.who}: {o.reason}"


def _short(period: Period, floors: int, even: int) -> str:
    over = -period.left_cents
    what = f"is overspent by {money(over)}" if over >= 0 else f"leaves {money(even)} a day"
    if not floors:
        return f"The {period.word}'s total {what}: nothing is spent. Raise it, or end it."
    return (f"The {period.word}'s total {what}, and floors add up to {money(floors)} a day: the floors are spent. "
            f"Lower floors, or raise the {period.word}'s total.")


