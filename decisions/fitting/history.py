"""What is known of the lines: their groups and their days, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.fitting.carry import LAGS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RECENT = 7
"""Days whose mean is today's spend."""


@dataclass(frozen=True, eq=False)
class History:
    """T days of n lines, sorted by line_id. Money in currency units a day.

    `outcome` is projected to its final value, NaN while nothing is known; `known` is the share of it already known
    (dividing by a share known multiplies the variance by 1/share, so projecting and weighting is the same as fitting
    the raw count). `signals` are market signals in log units or otherwise centred, 0 on a usual day.
    """

    line_ids: tuple[str, ...]
    campaigns: tuple[str, ...]  # (n,)
    channels: tuple[str, ...]  # (n,)
    first_day: date
    spend: FloatArray  # (T, n), 0 where no row says otherwise
    outcome: FloatArray  # (T, n)
    known: FloatArray  # (T, n), 0 to 1
    signals: FloatArray  # (T, n, q)
    clicks: FloatArray | None  # (T, n), NaN where unknown
    typical: FloatArray  # (n,) geometric mean of a line's days with spend; the median line's where it never spent

    @property
    def days(self) -> int:
        return len(self.spend)

    @property
    def today(self) -> FloatArray:
        """Mean spend (n,) of the last days."""
        return np.asarray(self.spend[-RECENT:].mean(axis=0))

    def with_past(self) -> FloatArray:
        """Spend (LAGS-1+T, n), the days before the first held to be like the first week."""
        before = np.where(self.spend[0] > 0, self.spend[:RECENT].mean(axis=0), 0.0)
        return np.concatenate([np.tile(before, (LAGS - 1, 1)), self.spend])

    def until(self, days: int) -> History:
        """The first days alone."""
        return replace(self, spend=self.spend[:days], outcome=self.outcome[:days], known=self.known[:days],
                       signals=self.signals[:days], clicks=None if self.clicks is None else self.clicks[:days])

    def of(self, lines: IntArray) -> History:
        """Some lines alone."""
        return replace(
            self, line_ids=tuple(self.line_ids[i] for i in lines), campaigns=tuple(self.campaigns[i] for i in lines),
            channels=tuple(self.channels[i] for i in lines), spend=self.spend[:, lines],
            outcome=self.outcome[:, lines], known=self.known[:, lines], signals=self.signals[:, lines],
            clicks=None if self.clicks is None else self.clicks[:, lines], typical=self.typical[lines],
        )


def history(
    lines: Sequence[tuple[str, str, str]],
    line_id: Sequence[str],
    day: Sequence[date],
    spend: ArrayLike,
    outcome: ArrayLike,
    *,
    known: ArrayLike | None = None,
    clicks: ArrayLike | None = None,
    signals: ArrayLike | None = None,
) -> History:
    """The history of `lines` (line_id, campaign, channel), each a budget line with or without rows.

    Rows are line-days (m,): spend ≥ 0, outcome or NaN, the share `known` of it (1 where not given), clicks or NaN,
    signals (m, q).
    Raises ValueError on a bad row, which it names.
    """
    listed = sorted(lines)
    ids = tuple(name for name, _, _ in listed)
    twice = [a for a, b in pairwise(ids) if a == b]
    if twice:
        raise ValueError(f"line {twice[0]!r} is listed twice: name one campaign and one channel for each line")
    count = len(line_id)
    s, y = np.asarray(spend, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    w = np.ones(count) if known is None else np.asarray(known, dtype=np.float64)
    c = np.full(count, np.nan) if clicks is None else np.asarray(clicks, dtype=np.float64)
    x = np.zeros((count, 0)) if signals is None else np.asarray(signals, dtype=np.float64)
    if not count == len(day) == len(s) == len(y) == len(w) == len(x) == len(c):
        raise ValueError("line_id, day, spend, outcome, known, clicks and signals must be equally long")
    if not count:
        raise ValueError("the history has no row: load the days that the platforms reported before fitting")
    _check(line_id, day, s, y, w, c, x)
    first = min(day)
    place = _places(ids, line_id, day, first)
    shape = (int(place.max()) // len(ids) + 1, len(ids))

    def panel(column: FloatArray, fill: float) -> FloatArray:
        out = np.full((shape[0] * shape[1], *column.shape[1:]), fill)
        out[place] = column
        return out.reshape(*shape, *column.shape[1:])

    spent = panel(s, 0.0)
    return History(ids, tuple(name for _, name, _ in listed), tuple(name for _, _, name in listed), first, spent,
                   panel(y, np.nan), panel(w, 0.0), panel(x, 0.0), None if clicks is None else panel(c, np.nan),
                   typical_spend(spent))


def _check(
    line_id: Sequence[str], day: Sequence[date], s: FloatArray, y: FloatArray, w: FloatArray, c: FloatArray,
    x: FloatArray,
) -> None:
    """Raise ValueError for the first row with a number that cannot be."""
    for bad, column, name, advice in (
        (~np.isfinite(s) | (s < 0), s, "spend", "it must be a number that is not negative: correct the delivery"),
        (np.isinf(y), y, "outcome", "leave it empty (NaN) while it is not known"),
        (np.isinf(c) | (c < 0), c, "clicks", "they are a count, or empty (NaN) where unknown"),
        (~np.isfinite(w) | (w < 0) | (w > 1), w, "known", "the share of the outcome already known lies in 0…1"),
        (~np.isfinite(x).all(axis=1), x, "signals", "fill a missing signal with 0, its usual value"),
    ):
        if np.any(bad):
            at = int(np.flatnonzero(bad)[0])
            raise ValueError(f"line {line_id[at]!r} on {day[at]}: {name} is {column[at]}; {advice}")


def _places(ids: tuple[str, ...], line_id: Sequence[str], day: Sequence[date], first: date) -> IntArray:
    """Each row's place in the panel of days × lines."""
    index = {name: at for at, name in enumerate(ids)}
    unknown = next((name for name in line_id if name not in index), None)
    if unknown is not None:
        raise ValueError(f"line {unknown!r} has rows and is not in the list of lines: add it with its campaign")
    place = np.array([(d - first).days * len(ids) + index[name] for name, d in zip(line_id, day, strict=True)])
    order = np.sort(place)
    again = order[1:][order[1:] == order[:-1]]
    if again.size:
        when = first + timedelta(days=int(again[0]) // len(ids))
        raise ValueError(f"line {ids[again[0] % len(ids)]!r} has two rows on {when}: add them up")
    return place.astype(np.int64)


def typical_spend(spend: FloatArray) -> FloatArray:
    """Geometric mean (n,) of the days with spend of each line; the median line's where it never spent."""
    spent = spend > 0
    days = spent.sum(axis=0)
    log = np.log(np.where(spent, spend, 1.0)).sum(axis=0) / np.maximum(days, 1)
    return np.exp(np.where(days > 0, log, np.median(log[days > 0]) if days.any() else 0.0))

