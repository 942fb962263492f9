"""The KPIs that a campaign can be judged by, and their daily series as a night knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.criteria.noise import Noise, noise

FloatArray = NDArray[np.float64]
Row = Mapping[str, Any]

DAYS = 84
"Days of history that a noise is measured on: twelve of each weekday, and not the season before."
OWN_LEVEL = 14
"Known days from which a campaign's days, and those before it, have a level of their own."
MEASURES = ("clicks", "sessions", "conversions", "conversion_value", "spend")


@dataclass(frozen=True)
class Kpi:
    """A sum of a day, or a ratio of sums over days."""

    name: str
    words: str
    of: str
    per: str | None = None
    money: bool = False
    lower_is_better: bool = False


KPIS = {kpi.name: kpi for kpi in (
    Kpi("conversion_value", "conversion value", "conversion_value", money=True),
    Kpi("return_on_ad_spend", "return on spend", "conversion_value", "spend"),
    Kpi("conversions", "conversions", "conversions"),
    Kpi("cost_per_acquisition", "cost per conversion", "spend", "conversions", money=True, lower_is_better=True),
    Kpi("sessions", "sessions", "sessions"),
    Kpi("clicks", "clicks", "clicks"),
)}
"From what counts most for the company to what is seen soonest."


@dataclass(frozen=True, eq=False)
class Series:
    """Sums of a campaign's lines by day, every day from `first` on; NaN where a day is not known yet."""

    first: date
    sums: dict[str, FloatArray]  # by measure, (n,) each
    delay: dict[str, int]  # by measure: days until a day is known
    night: date

    def days(self, since: date, until: date) -> slice:
        return slice(max((since - self.first).days, 0), max((until - self.first).days + 1, 0))

    def delay_of(self, kpi: Kpi) -> int:
        return max(self.delay[measure] for measure in (kpi.of, kpi.per) if measure is not None)

    def known(self, kpi: Kpi) -> NDArray[np.bool_]:
        """Days (n,) on which the KPI's sums are final, as far as the platforms' past deliveries tell."""
        ages = (self.night - self.first).days - np.arange(len(self.sums[kpi.of]))
        both = np.isfinite(self.sums[kpi.of]) & (np.isfinite(self.sums[kpi.per]) if kpi.per else True)
        return np.asarray(both & (ages >= self.delay_of(kpi)))

    def value(self, kpi: Kpi, days: slice) -> float | None:
        """The mean of a day, or the ratio of sums, over the known days; None where there is none."""
        known = self.known(kpi)[days]
        if not known.any():
            return None
        total = float(self.sums[kpi.of][days][known].sum())
        if kpi.per is None:
            return total / int(known.sum())
        per = float(self.sums[kpi.per][days][known].sum())
        return total / per if per > 0 else None

    def noise(self, kpi: Kpi, start: date | None = None) -> Noise | None:
        """From the last `DAYS` days; None where too few are known or nothing happened on them.

        The KPI may have another level from `start` on: what a campaign changes is not its noise.
        """
        days = self.days(self.night - timedelta(days=DAYS - 1), self.night)
        known = self.known(kpi)[days]
        dates = np.arange(len(known)) + days.start
        since = dates >= (start - self.first).days if start is not None else np.zeros(len(known), dtype=bool)
        if min(int(known[since].sum()), int(known[~since].sum())) < OWN_LEVEL:
            since[:] = False
        influence = np.full(len(known), np.nan)
        for part in (known & since, known & ~since):
            per = 0.0 if kpi.per is None else _relative(self.sums[kpi.per][days][part])
            influence[part] = _relative(self.sums[kpi.of][days][part]) - per
        return noise(influence, self.weekdays(days)) if np.isfinite(influence).any() else None

    def weekdays(self, days: slice) -> NDArray[np.int64]:
        """0 is Monday."""
        start, stop, _ = days.indices(len(self.sums["spend"]))
        return (np.arange(start, stop) + self.first.weekday()) % 7


def _relative(sums: FloatArray) -> FloatArray:
    """Deviation from the mean, over the mean; NaN where that is 0."""
    mean = float(sums.mean()) if sums.size else 0.0
    return sums / mean - 1 if mean > 0 else np.full(sums.size, np.nan)


def series(
    rows: Iterable[Row], sessions: Iterable[Row], delay_of: Callable[[str, str], int], reported: date, night: date
) -> Series | None:
    """The series of some lines together: `rows` of marts.ad_performance__line_day, `sessions` of
    features.traffic__line_day. `delay_of` gives the days until a platform's measure is known. None without rows.

    A day from the lines' first to `reported`, the newest that their platforms reported, counts as zero where nothing
    stands; one whose outcome is open, and one after it, are not known.
    """
    rows = list(rows)
    if not rows:
        return None
    first = min(r["business_date"] for r in rows)
    n = (night - first).days + 1
    sums = {measure: np.zeros(n) for measure in MEASURES}
    for r in rows:
        at = (r["business_date"] - first).days
        for measure in ("clicks", "conversions", "conversion_value", "spend"):
            open_ = r[measure] is None or (measure.startswith("conversion") and not r["outcome_known"])
            sums[measure][at] += np.nan if open_ else float(r[measure])
    visits = [r for r in sessions if r["business_date"] >= first]
    since = min(((r["business_date"] - first).days for r in visits), default=n)
    sums["sessions"][:since] = np.nan
    for r in visits:
        sums["sessions"][(r["business_date"] - first).days] += r["sessions"]
    for sum_ in sums.values():
        sum_[max((reported - first).days + 1, 0) :] = np.nan
    platforms = {r["platform"] for r in rows}
    return Series(first, sums, {m: max(delay_of(p, m) for p in platforms) for m in MEASURES}, night)
