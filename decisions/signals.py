"""Market signals: what a unit knows of its days beside its own advertising, such as promotions, holidays or an index.

A signal that moves with spend and with sales would be read as return; in the fit it takes its own share, and its known
values of days ahead say what those days will bring.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEAST_DAYS = 3
"Days that differ from a signal's usual value before anything is learned from it."


def panel(rows: list[dict[str, Any]], first: date, last: date, ahead: int) -> tuple[tuple[str, ...], FloatArray]:
    """Signals that the days `first` to `last` can teach, and their values (days + ahead, q).

    Rows have signal, business_date, value. A signal counts in standard deviations from its usual value, which is 0 for
    an event (fewer than half of the days have a row) and the median for an index; a day without a row is usual. What
    lies ahead stays within what was seen: of a stronger promotion than ever nothing is known.
    """
    days = (last - first).days + 1
    names = sorted({r["signal"] for r in rows})
    values = np.full((days + ahead, len(names)), np.nan)
    for r in rows:
        at = (r["business_date"] - first).days
        if 0 <= at < days + ahead:
            values[at, names.index(r["signal"])] = r["value"]
    kept, columns = [], []
    for name, column in zip(names, values.T, strict=True):
        seen = column[:days][np.isfinite(column[:days])]
        usual = float(np.median(seen)) if 2 * seen.size > days else 0.0
        filled = np.where(np.isfinite(column), column, usual)
        if np.count_nonzero(filled[:days] != usual) < LEAST_DAYS:
            continue
        at = (filled - usual) / filled[:days].std()
        kept.append(name)
        columns.append(np.clip(at, at[:days].min(), at[:days].max()))
    return tuple(kept), np.array(columns).reshape(len(kept), days + ahead).T


def of_rows(values: FloatArray, first: date, days: list[date]) -> FloatArray:
    """The signals (m, q) of the rows of these days."""
    return values[[(day - first) // timedelta(days=1) for day in days]]
