"""What a platform may spend of its daily budgets, and the budgets that keep a period's total whatever it does.

A daily budget is an average to a platform. Google Ads may spend twice of it on one day and 30.4 times of it in a
calendar month (support.google.com/google-ads/answer/2375423); Meta 1.75 times on one day and seven times in a
calendar week (facebook.com/business/help/190490051321426). Where budgets change within a period, the period's limit
goes by their average over its days. A plan's budgets are expected spend; the amounts here are the worst case beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from decisions.plan.problem import IntArray


@dataclass(frozen=True)
class Delivery:
    """A platform's rule: so many times the daily budget on a day, and in a period of days."""

    day_factor: float
    period_factor: float
    period: str  # 'month' or 'week'


GOOGLE = Delivery(2.0, 30.4, "month")
META = Delivery(1.75, 7.0, "week")
EXACT = Delivery(1.0, np.inf, "month")
"A platform that stops at the day's budget."
RULES = {"google": GOOGLE, "meta": META}


def worst_day(rule: Delivery, budget_cents: ArrayLike) -> IntArray:
    """The most that may be spent on each day, in cents like the budgets (…)."""
    return np.asarray(np.floor(np.asarray(budget_cents) * rule.day_factor + 1e-6), dtype=np.int64)


def worst_period(
    rule: Delivery, planned_cents: ArrayLike, *, days: int, past_budget_cents: ArrayLike = (), spent_cents: int = 0
) -> int:
    """The most that a period of `days` may have cost when it is over.

    `planned_cents` (d,) are the budgets of the days that are left, `past_budget_cents` those of the days before, and
    `spent_cents` what those cost. Raises ValueError where days do not add up.
    """
    planned, past = np.asarray(planned_cents, dtype=np.int64), np.asarray(past_budget_cents, dtype=np.int64)
    _check(days, planned.size, past.size, spent_cents)
    limit = rule.period_factor / days * float(planned.sum() + past.sum())
    left = min(float(worst_day(rule, planned).sum()), max(limit - spent_cents, 0.0))
    return spent_cents + int(np.floor(left + 1e-6))


def most_a_day(
    rule: Delivery,
    total_cents: int,
    *,
    days: int,
    days_left: int,
    past_budget_cents: ArrayLike = (),
    spent_cents: int = 0,
) -> int:
    """The largest daily budget for the days left that cannot carry a period's spend over `total_cents`.

    Either the days themselves cannot spend what is left, or the platform's own limit of the period lies within the
    total: the larger of the two. 0 where the total is spent.
    """
    past = np.asarray(past_budget_cents, dtype=np.int64)
    _check(days, days_left, past.size, spent_cents)
    by_day = (total_cents - spent_cents) / (rule.day_factor * days_left)
    by_period = (total_cents * days / rule.period_factor - float(past.sum())) / days_left
    if spent_cents > total_cents:
        return 0
    return max(int(np.floor(max(by_day, by_period) + 1e-9)), 0)


def _check(days: int, left: int, past: int, spent_cents: int) -> None:
    if left < 1 or left + past > days:
        raise ValueError(f"{past} past days and {left} to come do not fit a period of {days} days")
    if spent_cents < 0:
        raise ValueError("what was spent so far cannot be negative")
