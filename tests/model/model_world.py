"""A small advertiser with known rates, written as core and feature partitions, for the tests of the model."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moe import frames, tables
from moe.contracts import contract
from moe.units import Unit

FIRST = date(2026, 3, 2)  # a Monday
ADS, TRAFFIC = "features.ads__line_segment", "features.traffic__line_day"
CORE, COVERAGE = "core.ad_performance__ad_day", "core.coverage__account_day"
SEGMENTS = ("new", "returning", "loyal")
KNOWN = np.array([0.6, 0.85, 1.0])
"Share of a date's conversions that nights 0, 1 and 2 after it report."
SEGMENT_VALUE = np.array([0.6, 1.0, 1.6])
"Value of a segment's conversion by its line's: what the line's own mean does not tell."
WEEKDAY = np.array([1.0, 1.05, 1.1, 1.0, 0.95, 0.75, 0.7])


def unit(name: str = "shop") -> Unit:
    source = {"name": "ads", "mapping": "none", "path": "none"}
    return Unit(unit=name, name=name, currency="EUR", first_night=FIRST, line=("campaign_id",), sources=(source,),
                budget={"total": 1000}, bids={"cap": 5}, folder=Path("/nowhere"))


def cutoff(night: date) -> datetime:
    return datetime.combine(night + timedelta(days=1), time.min, tzinfo=UTC)


def put(table: str, unit_name: str, night: date, columns: dict[str, Any]) -> None:
    written = frames.write(pa.table(columns), contract(table), unit_name, night)
    tables.put_in_place(written.temporary, written.target)


@dataclass
class World:
    """`nights` of a unit with `lines` lines. Rates follow the weekday, drift, and the site's bounce rate."""

    nights: int = 42
    lines: int = 12
    seed: int = 3
    name: str = "shop"
    traffic: bool = True
    conversions: bool = True
    per_click: float = 0.06
    "Usual conversions a click: above 1 where a platform counts several."
    exposure: float = 1.0
    drift: float = 0.04
    "Daily standard deviation of the click rate's logarithm."
    structure: bool = True
    "Whether weekdays, visits and the segment's value matter."
    values: bool = True
    "Whether the platform reports conversion values."
    own_weeks: float = 0.0
    "How far each line's week is its own: a daily deviation of its click rate's logarithm."
    before: int = 28
    "Days of history before the first night."
    counts: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        days, n = self.before + self.nights, self.lines * len(SEGMENTS)
        self.line = np.repeat([f"line_{i:03d}" for i in range(self.lines)], len(SEGMENTS))
        self.segment = np.tile(SEGMENTS, self.lines)
        self.platform = np.where(np.arange(n) // len(SEGMENTS) % 2, "meta_ads", "google_ads")
        drift = np.cumsum(rng.normal(0, self.drift, (days, n)), axis=0)
        weekday = np.array([(FIRST.weekday() - self.before + d) % 7 for d in range(days)])
        bounce = np.repeat(rng.uniform(0.2, 0.8, (days, self.lines)), len(SEGMENTS), axis=1)
        by_weekday = WEEKDAY[weekday] ** self.structure
        own = np.repeat(np.sin(np.arange(self.lines) + 2 * np.pi / 7 * weekday[:, None]), len(SEGMENTS), axis=1)
        drift += self.own_weeks * own
        self.click_rate = rng.lognormal(np.log(0.02), 0.6, n) * by_weekday[:, None] * np.exp(drift)
        self.conversion_rate = rng.lognormal(np.log(self.per_click), 0.4, n) * np.exp(
            -1.5 * self.structure * (np.roll(bounce, 1, axis=0) - 0.5)  # yesterday's visits foretell buyers
        )
        self.counts = {"impressions": rng.poisson(rng.lognormal(8.0, 0.7, n) * self.exposure, (days, n))}
        self.counts["clicks"] = rng.poisson(self.counts["impressions"] * self.click_rate)
        # Attribution spreads credit: counts are fractions.
        final = rng.poisson(self.counts["clicks"] * self.conversion_rate * 4) / 4 * self.conversions
        self.counts["conversions"] = np.round(final, 6)
        self.bounce = bounce[:, :: len(SEGMENTS)]
        line_value = np.repeat(rng.lognormal(np.log(40.0), 0.4, self.lines), len(SEGMENTS))
        self.value = line_value * np.tile(SEGMENT_VALUE, self.lines) ** self.structure
        # Orders differ: the standard deviation of one is 0.6 of its mean.
        self.counts["value"] = np.round(rng.gamma(3 * self.counts["conversions"]) / 3 * self.value, 2)

    def night(self, index: int) -> date:
        return FIRST + timedelta(days=index)

    @property
    def last(self) -> date:
        return self.night(self.nights - 1)

    def write(self) -> "World":
        for index in range(self.nights):
            self.write_core(index)
            self.write_ads(index)
            if self.traffic:
                self.write_traffic(index)
        return self

    def write_core(self, index: int) -> None:
        """Night `index` delivers its own date and restates the two before."""
        ages = range(min(index, 2) + 1)
        parts = [self._core_rows(index - age, age) for age in ages]
        put(CORE, self.name, self.night(index), {k: np.concatenate([p[k] for p in parts]).tolist() for k in parts[0]})
        put(COVERAGE, self.name, self.night(index), {
            "source": ["ads"] * len(ages), "account_id": ["a"] * len(ages),
            "business_date": [self.night(index - age) for age in ages]})

    def _core_rows(self, index: int, age: int) -> dict[str, np.ndarray]:
        at, n = self.before + index, len(self.line)
        text = {name: np.full(n, "") for name in ("ad_group_id", "ad_id", "placement", "region")}
        conversions = [Decimal(str(round(c * KNOWN[age], 6))) for c in self.counts["conversions"][at]]
        values = [Decimal(str(round(v * KNOWN[age], 2))) if self.values else None for v in self.counts["value"][at]]
        money = np.full(n, Decimal("1.5"))
        return {
            "source": np.full(n, "ads"), "account_id": np.full(n, "a"),
            "business_date": np.full(n, self.night(index), dtype=object), "platform": self.platform,
            "campaign_id": self.line, **text, "segment": self.segment, "campaign_name": self.line,
            "line_id": self.line, "line_name": self.line, "impressions": self.counts["impressions"][at],
            "clicks": self.counts["clicks"][at], "spend": money, "currency": np.full(n, "EUR"),
            "spend_original": money, "currency_original": np.full(n, "EUR"),
            "conversions": np.array(conversions, dtype=object), "conversion_value": np.array(values, dtype=object),
            "conversion_value_original": np.array(values, dtype=object),
            "view_conversions": np.full(n, None), "view_conversion_value": np.full(n, None)}

    def write_ads(self, index: int, night: date | None = None, **changed: Any) -> None:
        until = self.before + index + 1
        week = {k: v[max(until - 7, 0) : until].sum(axis=0) for k, v in self.counts.items()}
        month = {k: v[max(until - 28, 0) : until].sum(axis=0) for k, v in self.counts.items()}
        night = night or self.night(index)
        put(ADS, self.name, night, {
            "line_id": self.line, "segment": self.segment, "platform": self.platform,
            "impressions_7d": week["impressions"], "clicks_7d": week["clicks"], "spend_7d": week["clicks"] * 0.8,
            "click_rate_7d": _shrunk(week["clicks"], week["impressions"], 1000),
            "click_rate_28d": _shrunk(month["clicks"], month["impressions"], 1000),
            "conversion_rate_28d": _shrunk(month["conversions"], month["clicks"], 100),
            "value_per_conversion_28d": self._value_per_conversion(month) * self.values,
            "cost_per_click_7d": np.full(len(self.line), 0.8),
            "days_active_28d": np.full(len(self.line), 28.0),
            "event_at": [cutoff(night)] * len(self.line), "known_at": [cutoff(night)] * len(self.line)} | changed)

    def _value_per_conversion(self, month: dict[str, np.ndarray]) -> np.ndarray:
        value, conversions = (month[name].reshape(-1, len(SEGMENTS)).sum(axis=1) for name in ("value", "conversions"))
        return np.repeat(_shrunk(value, conversions, 10), len(SEGMENTS))

    def write_traffic(self, index: int, **changed: Any) -> None:
        lines = sorted(set(self.line))
        put(TRAFFIC, self.name, self.night(index), {
            "line_id": lines, "business_date": [self.night(index)] * len(lines), "sessions": [200] * len(lines),
            "bounce_rate": self.bounce[self.before + index], "pages_per_session": [3.0] * len(lines),
            "forms_per_session": [0.1] * len(lines), "event_at": [cutoff(self.night(index))] * len(lines),
            "known_at": [cutoff(self.night(index))] * len(lines)} | changed)


@dataclass(frozen=True)
class Trained:
    """A world, the training set of its last night, and what `moe train` said."""

    world: World
    frame: pd.DataFrame
    result: dict[str, Any]


def _shrunk(events: np.ndarray, exposure: np.ndarray, prior: float) -> np.ndarray:
    mean = events.sum() / max(exposure.sum(), 1)
    return (events + prior * mean) / (exposure + prior)
