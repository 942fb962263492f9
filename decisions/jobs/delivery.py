"""What platforms may spend of a month's budgets at worst, and the pace that keeps a month's total whatever they do.

The rules are of `decisions.plan.delivery`. Past budgets are those that the nights decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np

from decisions.amounts import cents
from decisions.periods import Period
from decisions.plan.delivery import EXACT, GOOGLE, META, Account, Delivery, most_a_day, worst_period
from decisions.plan.problem import IntArray

RULES = {"google_ads": (GOOGLE,), "meta_ads": (META,), "several": (GOOGLE, META)}
"""By the platform's name in core, `several` for lines that span platforms: any of the rules may hold for them. A
platform that is not named stops at the day's budget."""
Rows = Iterable[Mapping[str, Any]]


def rules_of(platform: str) -> tuple[Delivery, ...]:
    return RULES.get(platform, (EXACT,))


def held_to(period: Period, spend: Rows, budgets: Rows, tomorrow: date) -> int:
    """The largest budget a day, however platforms share it, that cannot carry the period over its total, in cents.

    `spend` and `budgets` are line-days with platform, business_date and `spend` or `budget`.
    """
    spend, budgets = list(spend), list(budgets)
    platforms = sorted({r["platform"] for r in spend}) or ["none"]
    known = [(_by_day(spend, platform, "spend", period.first, tomorrow),
              _by_day(budgets, platform, "budget", period.first, tomorrow)) for platform in platforms]
    return min(
        most_a_day([Account(rule, budget, spent) for rule, (spent, budget) in zip(rules, known, strict=True)],
                   period.override.cents, period.first, period.days_left(tomorrow))
        for rules in product(*map(rules_of, platforms))
    )  # fmt: skip


def worst_of(period: Period, tomorrow: date, platform: str, planned: IntArray, spend: Rows, budgets: Rows) -> int:
    """The most that a platform may have spent in the period when it is over, in cents.

    `planned` (H,) are its budgets from tomorrow on, days after them are taken at their mean; `spend` and `budgets` are
    line-days as for `held_to`.
    """
    rest = np.full(period.days_left(tomorrow) - len(planned), int(np.ceil(planned.mean())), dtype=np.int64)
    spent = _by_day(spend, platform, "spend", period.first, tomorrow)
    budget = _by_day(budgets, platform, "budget", period.first, tomorrow)
    return max(worst_period(Account(rule, budget, spent), np.r_[planned, rest], period.first)
               for rule in rules_of(platform))


def _by_day(rows: Rows, platform: str, column: str, first: date, tomorrow: date) -> IntArray:
    """Cents of a platform on each day of the period that is over."""
    days = {first + timedelta(days=t): Decimal(0) for t in range((tomorrow - first).days)}
    for r in rows:
        if r["platform"] == platform and r["business_date"] in days:
            days[r["business_date"]] += r[column] or 0
    return np.array([cents(amount) for amount in days.values()], dtype=np.int64)
