"""Totals of a month or a quarter: what is left of one, spread over the days that are left of it."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from decisions.overrides import Override

MONTHS = {"monthly_total": 1, "quarterly_total": 3}
WORD = {"monthly_total": "month", "quarterly_total": "quarter"}


@dataclass(frozen=True)
class Period:
    """A total in force for a calendar month or quarter, as a night finds it."""

    override: Override
    first: date
    last: date
    spent_cents: int  # from `first` up to the night

    @property
    def word(self) -> str:
        return WORD[self.override.kind]

    @property
    def left_cents(self) -> int:
        """Below 0 where the period is overspent."""
        return self.override.cents - self.spent_cents

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def days_left(self, tomorrow: date) -> int:
        return (self.last - tomorrow).days + 1

    def even(self, tomorrow: date, days: int) -> NDArray[np.int64]:
        """What is left, spread evenly: cents of the next `days`, at most the days left. The last day gets the rest."""
        left, whole = max(self.left_cents, 0), self.days_left(tomorrow)
        ends = np.array([left * day // whole for day in range(days + 1)], dtype=np.int64)
        return np.asarray(np.diff(ends))


def bounds_of(kind: str, day: date) -> tuple[date, date]:
    """First and last day of the period of a kind that `day` lies in."""
    months = MONTHS[kind]
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    month = first.month + months - 1
    return first, first.replace(month=month, day=calendar.monthrange(first.year, month)[1])


def period_tonight(
    overrides: Iterable[Override], night: date, spent_by_day: Mapping[date, int]
) -> Period | None:
    """The total that rules tomorrow, of the active overrides; `spent_by_day` are cents up to the night.

    A month's total comes before a quarter's: the quarter then spreads what is left over its other days. Raises
    ValueError where two of one kind are active.
    """
    tomorrow, given = night + timedelta(days=1), list(overrides)
    for kind in MONTHS:
        totals = [o for o in given if o.kind == kind]
        if len(totals) > 1:
            several = ", ".join(o.override_id for o in totals)
            raise ValueError(f"several {WORD[kind]}ly totals are active: {several}; end all but one")
        if totals:
            first, last = bounds_of(kind, tomorrow)
            spent = sum(cents for day, cents in spent_by_day.items() if first <= day <= night)
            return Period(totals[0], first, last, spent)
    return None
