"""What platforms may spend of a month's budgets at worst, and the pace that keeps a month's total whatever they do.

The rules are of `decisions.plan.delivery`. Past budgets are those that the nights decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import numpy as np

from decisions.periods import Period
from decisions.plan.delivery import EXACT, GOOGLE, META, Delivery, most_a_day, worst_period
from decisions.plan.problem import IntArray

RULES = {"google_ads": GOOGLE, "meta_ads": META}
"By the platform's name in core; any other stops at the day's budget."


def rule_of(platform: str, last: date, days: int) -> Delivery:
    """A platform's rule over a month of `days` that ends on `last`.

    A week that the month's end cuts after k days may spend all its seven days' budget in them, as far as days allow.
    """
    rule = RULES.get(platform, EXACT)
    if rule.period != "week":
        return rule
    cut = (last.weekday() + 1) % 7
    return Delivery(rule.day_factor, days + max(min(rule.day_factor * cut, rule.period_factor) - cut, 0.0), "month")


def held_to(period: Period, platforms: Iterable[str], past: Mapping[date, int], tomorrow: date) -> int:
    """The largest budget a day, however lines share it, that cannot carry the period over its total, in cents.

    The strictest platform's rule is taken for all money: with any mix the worst case is then within it.
    """
    budgets = [past.get(period.first + timedelta(days=t), 0) for t in range((tomorrow - period.first).days)]
    return min(
        most_a_day(rule_of(platform, period.last, period.days), period.override.cents, days=period.days,
                   days_left=period.days_left(tomorrow), past_budget_cents=budgets, spent_cents=period.spent_cents)
        for platform in platforms
    )  # fmt: skip


def worst_of(
    period: Period, tomorrow: date, platform: str, planned: IntArray, past: Mapping[date, int], spent_cents: int
) -> int:
    """The most that a platform may have spent in the period when it is over, in cents.

    `planned` (H,) are its budgets from tomorrow on, days after them are taken at their mean; `past` its budgets by
    day, `spent_cents` what it spent of the period.
    """
    left = period.days_left(tomorrow)
    rest = np.full(left - len(planned), int(np.ceil(planned.mean())), dtype=np.int64)
    budgets = [past.get(period.first + timedelta(days=t), 0) for t in range((tomorrow - period.first).days)]
    return worst_period(rule_of(platform, period.last, period.days), np.r_[planned, rest], days=period.days,
                        past_budget_cents=budgets, spent_cents=spent_cents)  # fmt: skip
