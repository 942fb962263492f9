"""What is known of the lines: their groups and their days, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

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
    if len(set(ids)) != len(ids):
        twice = next(a for a, b in zip(ids, ids[1:], strict=False) if a == b)
        raise ValueError(f"line {twice!r} is listed twice: name one campaign and one channel for each line")
    s, y = np.asarray(spend, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    w = np.ones(s.shape) if known is None else np.asarray(known, dtype=np.float64)
    x = np.zeros((len(s), 0)) if signals is None else np.asarray(signals, dtype=np.float64)
    c = np.full(s.shape, np.nan) if clicks is None else np.asarray(clicks, dtype=np.float64)
    if not len(line_id) == len(day) == len(s) == len(y) == len(w) == len(x) == len(c):
        raise ValueError("line_id, day, spend, outcome, known, clicks and signals must be equally long")
    if not len(day):
        raise ValueError("the history has no row: load the days that the platforms reported before fitting")
    index = {name: at for at, name in enumerate(ids)}
    unknown = next((name for name in line_id if name not in index), None)
    if unknown is not None:
        raise ValueError(f"line {unknown!r} has rows and is not in the list of lines: add it with its campaign")
    bad = ~np.isfinite(s) | (s < 0)
    _refuse(bad, line_id, day, s, "spend", "spend must be a number that is not negative: correct the delivery")
    _refuse(np.isinf(y), line_id, day, y, "outcome", "leave it empty (NaN) while it is not known")
    _refuse(np.isinf(c) | (c < 0), line_id, day, c, "clicks", "clicks are a count, or empty (NaN) where unknown")
    bad = ~np.isfinite(w) | (w < 0) | (w > 1)
    _refuse(bad, line_id, day, w, "known", "the share of the outcome already known lies in 0…1")
    _refuse(~np.isfinite(x).all(axis=1), line_id, day, w, "signals", "fill the missing signal with 0, its usual value")
    first = min(day)
    t = np.array([(d - first).days for d in day], dtype=np.int64)
    i = np.array([index[name] for name in line_id], dtype=np.int64)
    place = t * len(ids) + i
    order = np.sort(place)
    if (order[1:] == order[:-1]).any():
        again = order[1:][order[1:] == order[:-1]][0]
        when = first + timedelta(days=int(again) // len(ids))
        raise ValueError(f"line {ids[again % len(ids)]!r} has two rows on {when}: add them up")
    shape = (int(t.max()) + 1, len(ids))
    panel = [np.full(shape, fill) for fill in (0.0, np.nan, 0.0, np.nan)]
    for into, column in zip(panel, (s, y, w, c), strict=True):
        into[t, i] = column
    more = np.zeros((*shape, x.shape[1]))
    more[t, i] = x
    return History(ids, tuple(c for _, c, _ in listed), tuple(c for _, _, c in listed), first, *panel[:3], more,
                   None if clicks is None else panel[3], typical_spend(panel[0]))


def typical_spend(spend: FloatArray) -> FloatArray:
    """Geometric mean (n,) of the days with spend of each line; the median line's where it never spent."""
    spent = spend > 0
    days = spent.sum(axis=0)
    log = np.log(np.where(spent, spend, 1.0)).sum(axis=0) / np.maximum(days, 1)
    return np.exp(np.where(days > 0, log, np.median(log[days > 0]) if days.any() else 0.0))


def _refuse(
    bad: NDArray[np.bool_], line_id: Sequence[str], day: Sequence[date], column: FloatArray, name: str, advice: str
) -> None:
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise ValueError(f"line {line_id[at]!r} on {day[at]}: {name} is {column[at]}; {advice}")
