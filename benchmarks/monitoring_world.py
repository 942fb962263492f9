"""Nights of the simulated advertiser as core and feature partitions, without Spark: some 20 ms a night.

Calm nights are the simulator's own. `Change` plants what monitoring must find. Features are computed as
`spark_jobs/ads.py` and `traffic.py` define them, from what the simulator delivers, but for Google's credit of
part of its conversions to other clicks of the campaign.
"""

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moe import frames, publish, tables
from moe.asof import COVERAGE
from moe.contracts import contract
from moe.settings import settings
from moe.units import Unit
from simulator.catalog import cells, line_list
from simulator.restated import known
from simulator.web import FORM, VIEW, events_of_day
from simulator.world import World
from spark_jobs.ads import PRIOR_CLICKS, PRIOR_CONVERSIONS, PRIOR_IMPRESSIONS, PRIOR_PAID_CLICKS

CORE, ADS = "core.ad_performance__ad_day", "features.ads__line_segment"
TRAFFIC, SCORES = "features.traffic__line_day", "features.score__line_segment"
COUNTS = ("impressions", "clicks", "spend", "conversions", "value")
Counts = dict[str, np.ndarray]


@dataclass(frozen=True)
class Change:
    """What becomes different for the business dates from night `since` on; factors of the expected counts."""

    since: int = 10_000
    clicks: float = 1.0
    conversions: float = 1.0
    price: float = 1.0
    volume: float = 1.0
    value: float = 1.0
    "Of what a conversion is worth."
    bounces: float = 0.0
    "Added to the bounce rate."
    traffic: bool = True
    "Whether the site still delivers."


@dataclass
class Nights:
    """A unit's nights from the world's first day; `write` makes partitions up to a night."""

    seed: int
    name: str
    change: Change = field(default_factory=Change)
    first: date = date(2026, 6, 1)

    def __post_init__(self) -> None:
        self.world = World(seed=self.seed, first_day=self.first)
        c = cells(self.world)
        segment = np.where(c.device == "", c.group_name, c.device)
        pairs = sorted(set(zip(c.line.tolist(), segment.tolist(), strict=True)))
        where = {pair: index for index, pair in enumerate(pairs)}
        self.key = np.array([where[pair] for pair in zip(c.line.tolist(), segment.tolist(), strict=True)])
        lines = line_list(self.world)
        self.line = np.array([str(lines[index].campaign_id) for index, _ in pairs])
        self.segment = np.array([name for _, name in pairs])
        self.platform = np.array([lines[index].kind.platform for index, _ in pairs])
        self.written = -1
        self._known: dict[int, Counts] = {}
        self._visits: dict[int, dict[str, np.ndarray]] = {}

    @cached_property
    def unit(self) -> Unit:
        source = {"name": "ads", "mapping": "none", "path": "none"}
        return Unit(unit=self.name, name=self.name, currency="USD", first_night=self.first, line=("campaign_id",),
                    sources=(source,), budget={"total": 12000}, bids={"cap": 6}, folder=Path("/nowhere"))

    def turned(self, change: Change) -> "Nights":
        """The same nights so far, with another future."""
        other = copy(self)
        other.change, other._known, other._visits = change, dict(self._known), dict(self._visits)
        return other

    def night(self, index: int) -> date:
        return self.first + timedelta(days=index)

    def write(self, through: int) -> "Nights":
        """Core and feature partitions of the nights up to `through` that are not there."""
        for index in range(self.written + 1, through + 1):
            delivered = dict(self._delivered(index))
            self._known |= delivered
            self._core(index, delivered)
            put(ADS, self.name, self.night(index), self.ads(index))
            if self.change.traffic or index < self.change.since:
                put(TRAFFIC, self.name, self.night(index), self.traffic(index))
        self.written = max(self.written, through)
        return self

    def _delivered(self, index: int) -> Iterator[tuple[int, Counts]]:
        """Counts by line and segment of each business date that the night's deliveries cover."""
        google, meta = (known(self.world, platform, index) for platform in ("google_ads", "meta_ads"))
        for pair in zip(google, meta, strict=True):
            day = (pair[0].day - self.first).days
            counts = {name: np.zeros(len(self.line)) for name in COUNTS}
            for part in pair:
                for name in COUNTS:
                    np.add.at(counts[name], self.key[part.cell], getattr(part, name))
            yield day, self._changed(day, counts)

    def _changed(self, day: int, counts: Counts) -> Counts:
        if day < self.change.since:
            return counts
        c, rng = self.change, np.random.default_rng([self.seed, day])
        clicks = rng.poisson(counts["clicks"] * c.clicks * c.volume) if c.clicks * c.volume != 1 else counts["clicks"]
        factor = c.conversions * c.clicks * c.volume
        converted = rng.poisson(counts["conversions"] * factor) if factor != 1 else counts["conversions"]
        worth = counts["value"] / np.maximum(counts["conversions"], 1) * c.value
        return {"impressions": np.round(counts["impressions"] * c.volume), "clicks": clicks,
                "spend": counts["spend"] * c.price * c.clicks * c.volume, "conversions": converted,
                "value": worth * converted}

    def _core(self, index: int, delivered: dict[int, Counts]) -> None:
        days, n = sorted(delivered), len(self.line)
        money = pa.decimal128(18, 6)

        def column(name: str, kind: pa.DataType) -> pa.Array:
            values = np.concatenate([delivered[day][name] for day in days]).astype(float)
            return pa.array(np.round(values, 2)).cast(kind)

        spend, value = column("spend", money), column("value", money)
        text = dict.fromkeys(("ad_group_id", "ad_id", "placement", "region"), pa.repeat("", len(days) * n))
        line, platform = np.tile(self.line, len(days)), np.tile(self.platform, len(days))
        usd, none = pa.repeat("USD", len(line)), pa.nulls(len(line), money)
        put(CORE, self.name, self.night(index), {
            "source": pa.repeat("ads", len(line)), "account_id": platform, "platform": platform,
            "business_date": [self.night(day) for day in days for _ in range(n)], "campaign_id": line, **text,
            "segment": np.tile(self.segment, len(days)), "campaign_name": line, "line_id": line, "line_name": line,
            "impressions": column("impressions", pa.int64()), "clicks": column("clicks", pa.int64()), "spend": spend,
            "currency": usd, "spend_original": spend, "currency_original": usd,
            "conversions": column("conversions", money), "conversion_value": value,
            "conversion_value_original": value,
            "view_conversions": none, "view_conversion_value": none})
        accounts = sorted(set(self.platform.tolist()))
        put(COVERAGE, self.name, self.night(index), {
            "source": ["ads"] * len(days) * len(accounts), "account_id": [a for _ in days for a in accounts],
            "business_date": [self.night(day) for day in days for _ in accounts]})

    def ads(self, index: int) -> dict[str, Any]:
        """Columns of features.ads__line_segment."""
        def total(name: str, days: int) -> np.ndarray:
            return sum((self._known[d][name] for d in range(max(index - days + 1, 0), index + 1)), np.zeros(1))

        week, month = ({name: total(name, days) for name in COUNTS} for days in (7, 28))
        active = sum(self._known[d]["impressions"] > 0 for d in range(max(index - 27, 0), index + 1))
        return {
            "line_id": self.line, "segment": self.segment, "platform": self.platform,
            "impressions_7d": week["impressions"], "clicks_7d": week["clicks"], "spend_7d": week["spend"],
            "click_rate_7d": shrunk(week["clicks"], week["impressions"], PRIOR_IMPRESSIONS),
            "click_rate_28d": shrunk(month["clicks"], month["impressions"], PRIOR_IMPRESSIONS),
            "conversion_rate_28d": shrunk(month["conversions"], month["clicks"], PRIOR_CLICKS),
            "value_per_conversion_28d": shrunk(month["value"], month["conversions"], PRIOR_CONVERSIONS, self.line),
            "cost_per_click_7d": shrunk(week["spend"], week["clicks"], PRIOR_PAID_CLICKS),
            "days_active_28d": np.asarray(active, dtype=float), **self._stamps(index, len(self.line))}

    def traffic(self, index: int) -> dict[str, Any]:
        """Columns of features.traffic__line_day: the last three dates."""
        days = range(max(index - 2, 0), index + 1)
        for day in days:
            if day not in self._visits:
                self._visits[day] = self._day_of_visits(day)
        parts = [self._visits[day] for day in days]
        size = sum(len(part["line_id"]) for part in parts)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} | {
            "business_date": [self.night(d) for d, part in zip(days, parts, strict=True) for _ in part["line_id"]],
            "event_at": [midnight(self.night(d)) for d, part in zip(days, parts, strict=True)
                         for _ in part["line_id"]], "known_at": [midnight(self.night(index))] * size}

    def _day_of_visits(self, day: int) -> dict[str, np.ndarray]:
        sessions, events = events_of_day(self.world, day)
        paid = sessions.cell >= 0
        line = cells(self.world).line[sessions.cell[paid]]
        count = len(sessions.at)

        def by_line(amount: np.ndarray) -> np.ndarray:
            return np.bincount(line, amount[paid], len(line_list(self.world)))

        visits = by_line(np.ones(count))
        bounces = by_line(np.bincount(events.session, minlength=count) == 1) / np.maximum(visits, 1)
        here = visits > 0
        if day >= self.change.since:
            bounces = np.minimum(bounces + self.change.bounces, 1.0)
        views, forms = (by_line(np.bincount(events.session, events.name == name, count)) for name in (VIEW, FORM))
        lines = np.array([str(found.campaign_id) for found in line_list(self.world)])
        return {"line_id": lines[here], "sessions": visits[here].astype(int), "bounce_rate": bounces[here],
                "pages_per_session": (views / np.maximum(visits, 1))[here],
                "forms_per_session": (forms / np.maximum(visits, 1))[here]}

    def _stamps(self, index: int, size: int) -> dict[str, Any]:
        return {name: [midnight(self.night(index))] * size for name in ("event_at", "known_at")}

    def features(self, index: int) -> pd.DataFrame:
        """What a night's model reads: the partitions as they were written in that night."""
        night, added = self.night(index), ["unit", "night", "event_at", "known_at"]
        ads = tables.read(ADS, self.name, night).to_pandas().drop(columns=added)
        paths = tables.files(TRAFFIC, self.name, night, night)
        visits = tables.read_file(paths[0]) if paths else contract(TRAFFIC).schema.empty_table()
        newest = visits.to_pandas().sort_values("business_date").groupby("line_id", as_index=False).last()
        return ads.merge(newest.drop(columns=[*added, "business_date"]), on="line_id", how="left")

    def score(self, since: int, through: int, version: str) -> None:
        """Scores of nights by a bundle: what the job `score` writes, without Feast's join of every night."""
        from serving.bundle import Bundle
        from training.dataset import columns

        bundle = Bundle.load(settings().bundles / version)
        for index in range(since, through + 1):
            frame = self.features(index)
            tomorrow = pd.Series(pd.Timestamp(self.night(index + 1)), index=frame.index)
            rates = bundle.predict(columns(frame, tomorrow))
            put(SCORES, self.name, self.night(index), {
                "line_id": frame["line_id"], "segment": frame["segment"], **rates,
                "model_version": [version] * len(frame)})


def shrunk(above: np.ndarray, below: np.ndarray, strength: float, by: np.ndarray | None = None) -> np.ndarray:
    """A ratio of each row, or of all rows with its `by`, drawn to the unit's."""
    mean = above.sum() / below.sum() if below.sum() else 0.0
    if by is not None:
        _, group = np.unique(by, return_inverse=True)
        above, below = (np.bincount(group, part)[group] for part in (above, below))
    return np.asarray((above + strength * mean) / (below + strength))


def midnight(night: date) -> pd.Timestamp:
    return pd.Timestamp(datetime.combine(night + timedelta(days=1), time.min), tz="UTC").as_unit("us")


def put(table: str, unit: str, night: date, columns: dict[str, Any]) -> None:
    written = frames.write(pa.table(columns), contract(table), unit, night)
    tables.put_in_place(written.temporary, written.target)


def train(nights: Nights, index: int) -> str:
    """A real model of the unit, trained on what was known in a night; gives its version."""
    from moe.train import train as run

    return str(run(nights.unit, nights.night(index))["version"])


def baseline_model(nights: Nights, index: int) -> str:
    """For tests of what is around the model: a version whose scores a test writes itself."""
    version, night = f"{index:016x}", nights.night(index)
    folder = settings().bundles / version
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"unit": nights.name, "training_night": night.isoformat(), "calibration": {}}
    (folder / "bundle.json").write_text(json.dumps(facts))
    publish.move("model", nights.name, version, expected=None, effective=night, who="test", reason="test", facts={})
    return version
