"""What a platform may spend of its daily budgets, and the budgets that keep a period's total whatever it does.

A daily budget is an average to a platform. Google Ads may spend twice of it on one day and 30.4 times of it in a
calendar month (support.google.com/google-ads/answer/2375423); Meta 1.75 times on one day and seven times in a
calendar week, Sunday to Saturday (facebook.com/business/help/190490051321426). Where budgets change within a month or
week, its limit goes by their average over its days; of a week that the period cuts, the days outside are taken to have
the budgets of those inside. A plan's budgets are expected spend; the amounts here are the worst case beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from decisions.plan.problem import IntArray


@dataclass(frozen=True)
class Delivery:
    """A platform's rule: so many times the daily budget on a day, and in a calendar week or month."""

    day_factor: float
    span_factor: float
    span: Literal["week", "month"]


GOOGLE = Delivery(2.0, 30.4, "month")
META = Delivery(1.75, 7.0, "week")
EXACT = Delivery(1.0, np.inf, "month")
"A platform that stops at the day's budget."


@dataclass(frozen=True, eq=False)
class Account:
    """What a platform was given and spent on the days of a period that are over, in cents (p,)."""

    rule: Delivery
    budget_cents: IntArray
    spent_cents: IntArray

    def __post_init__(self) -> None:
        if self.budget_cents.shape != self.spent_cents.shape:
            raise ValueError(f"{len(self.budget_cents)} days of budgets and {len(self.spent_cents)} of spend")
        if (self.spent_cents < 0).any():
            raise ValueError("what was spent so far cannot be negative")


@dataclass(frozen=True)
class _Span:
    """The days of a week or month that lie in a period. After those that are over, `limit` cents and `factor` times the
    budgets of the others can be spent; `limit` is below 0 where more was spent already."""

    days_left: slice  # of the days left
    factor: float
    limit: float


def worst_day(rule: Delivery, budget_cents: ArrayLike) -> IntArray:
    """The most that may be spent on each day, in cents like the budgets (…)."""
    return np.asarray(np.floor(np.asarray(budget_cents) * rule.day_factor + 1e-6), dtype=np.int64)


def worst_period(account: Account, planned_cents: ArrayLike, first: date) -> int:
    """The most that a period may have cost when it is over, in cents.

    It begins on `first`; `planned_cents` (d,) are the budgets of its days left, after those of `account`.
    """
    planned, most = np.asarray(planned_cents, dtype=np.int64), 0.0
    for span in _spans(account, first, planned.size):
        left = float(planned[span.days_left].sum())
        most += min(account.rule.day_factor * left, max(span.limit + span.factor * left, 0.0))
    return int(account.spent_cents.sum()) + int(np.floor(most + 1e-6))


def most_a_day(accounts: Sequence[Account], total_cents: int, first: date, days_left: int) -> int:
    """The largest daily budget for the days left that cannot carry a period's spend over `total_cents`, however the
    platforms share it; 0 where the total is spent. Raises ValueError without an account or a day.
    """
    if not accounts or days_left < 1:
        raise ValueError("a daily budget needs a platform and a day")
    room = total_cents - sum(int(account.spent_cents.sum()) for account in accounts)
    if room < 0:
        return 0
    # Where a week's or month's limit is behind its spend, either nothing more is spent in it or the limit holds.
    spans = [list(_spans(account, first, days_left)) for account in accounts]
    behind = sum(span.limit < 0 for own in spans for span in own)
    worst = min(_filled(accounts, spans, held, room) for held in product((False, True), repeat=behind))
    return int(np.floor(worst + 1e-9))


def _filled(
    accounts: Sequence[Account], spans: Sequence[list[_Span]], held: Iterable[bool], room: float
) -> float:
    """The daily budget with which the worst sharing spends `room`.

    The most that a platform may spend is concave in its daily budget and piecewise linear, so that the worst sharing
    gives every next cent to the piece with the steepest slope.
    """
    pieces, choice = [], iter(held)
    for account, own in zip(accounts, spans, strict=True):
        slope, bends = 0.0, []
        for span in own:
            days = span.days_left.stop - span.days_left.start
            if span.limit >= 0:
                slope += account.rule.day_factor * days
                if span.limit < np.inf:
                    bend = (account.rule.day_factor - span.factor) * days
                    bends.append((span.limit / bend, bend))
            elif next(choice):
                slope, room = slope + span.factor * days, room - span.limit
        at = 0.0
        for end, bend in sorted(bends):
            pieces.append((slope, end - at))
            slope, at = slope - bend, end
        pieces.append((slope, np.inf))
    daily = 0.0
    for slope, length in sorted(pieces, reverse=True):
        if slope <= 0 or slope * length >= room:
            return daily + room / slope if slope > 0 else np.inf
        room, daily = room - slope * length, daily + length
    raise AssertionError("the last piece of an account has no end")


def _spans(account: Account, first: date, days_left: int) -> Iterator[_Span]:
    """The weeks or months that have a day left."""
    rule, past = account.rule, len(account.budget_cents)
    days = [first + timedelta(days=t) for t in range(past + days_left)]
    start = 0
    for _, inside in groupby(days, _week if rule.span == "week" else _month):
        stop = start + len(list(inside))
        if stop > past:
            factor = min(rule.day_factor, rule.span_factor / (stop - start))
            limit = np.inf
            if factor < rule.day_factor:
                limit = factor * float(account.budget_cents[start:].sum()) - float(account.spent_cents[start:].sum())
            yield _Span(slice(max(start - past, 0), stop - past), factor, limit)
        start = stop


def _week(day: date) -> date:
    """The Sunday that begins it."""
    return day - timedelta(days=(day.weekday() + 1) % 7)


def _month(day: date) -> date:
    return day.replace(day=1)
