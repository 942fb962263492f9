"""The job `multipliers`: by how much a line's bids change by hour block, placement, domain and ad position, where later
dates show it.

An hour block's conversions are the site's (features.hour_traffic__line_block), the others' the platform's own. A
percentage is made where the platform takes one for the dimension and the placement is no part of the line itself.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from decisions.auctions.evidence import Effect, effect
from decisions.auctions.percents import LEAST, MOST, percents
from decisions.rows import table_of
from moe.jobs import Night

MULTIPLIERS = "out.bid_multiplier__line_dimension"
HOURS, PLACEMENTS, DOMAINS, POSITIONS = "hour_block", "placement", "domain", "ad_position"
PLACES = {PLACEMENTS, DOMAINS, POSITIONS}
NOT_TAKEN = {"google_ads": {PLACEMENTS, POSITIONS}, "meta_ads": {HOURS, PLACEMENTS, DOMAINS, POSITIONS}}
"""Google reports the network as placement, which has no percentage; Meta schedules hours, on or off, and no bids."""
MOST_LEVELS = 200
"Of a dimension, by clicks: bids on the many small domains stay as they are, and count for nothing here."
PERIOD_DAYS, PERIODS = 7, 6
LEAST_PERIODS = 2
"One to learn from and a later one to judge by."
TAKEN_BACK = "Taken back to 0 %: later dates no longer show that it gains"


@dataclass(frozen=True, eq=False)
class Counts:
    """Clicks and conversions of one dimension, (periods, lines, levels)."""

    dimension: str
    levels: list[str]
    clicks: np.ndarray
    conversions: np.ndarray


def multipliers(
    night: Night, bids: pa.Table, budgets: pa.Table, hours: pa.Table, ads: pa.Table, inventory: pa.Table,
    before: pa.Table,
) -> dict[str, pa.Table]:
    """Rows of out.bid_multiplier__line_dimension: every level of each line and dimension with a percentage."""
    platform = {r["line_id"]: r["platform"] for r in budgets.to_pylist()}
    lines = sorted(platform)
    limits = _Limits(bids, night)
    counted = (_by_hour(hours, lines), None if PLACEMENTS in night.unit.line else _by_placement(ads, lines),
               _by_inventory(DOMAINS, inventory, lines), _by_inventory(POSITIONS, inventory, lines))
    known = [(counts, effect(counts.clicks, counts.conversions)) for counts in counted
             if counts is not None and len(counts.clicks) >= LEAST_PERIODS]
    found = []
    for line in _lines(known, lines, platform, limits):
        found += list(_stated(line, limits))
    rows = found + list(_taken_back(before, found, limits))
    for row in rows:
        row |= {"line_name": limits.name[row["line_id"]], "business_date": night.decided_day}
    return {MULTIPLIERS: table_of(MULTIPLIERS, rows)}


class _Limits:
    """How far each line's bids may move: both their extremes stay within the unit's floor and cap."""

    def __init__(self, bids: pa.Table, night: Night) -> None:
        self.name: dict[str, str] = {}
        self.least: dict[str, Decimal] = {}
        self.most: dict[str, Decimal] = {}
        for r in bids.to_pylist():
            if r["bid"] > 0:
                line = r["line_id"]
                self.name[line] = r["line_name"]
                self.least[line] = min(r["bid"], self.least.get(line, r["bid"]))
                self.most[line] = max(r["bid"], self.most.get(line, r["bid"]))
        self._floor, self._cap = night.unit.bids.floor, night.unit.bids.cap

    def of(self, line: str) -> tuple[int, int]:
        """Least and largest percentage of a line."""
        low = (100 * (self._floor / self.least[line] - 1)).to_integral_value(ROUND_CEILING)
        high = (100 * (self._cap / self.most[line] - 1)).to_integral_value(ROUND_FLOOR)
        return min(max(LEAST, int(low)), 0), max(min(MOST, int(high)), 0)

    def move(self, line: str, made: np.ndarray) -> None:
        """A line's bids with one dimension's percentages on them: the next dimension's come on top."""
        self.least[line] *= 1 + Decimal(int(made.min())) / 100
        self.most[line] *= 1 + Decimal(int(made.max())) / 100


@dataclass(frozen=True, eq=False)
class _Line:
    """A line and a dimension that is to change its bids: the line's number, counts and their effect."""

    line: str
    number: int
    counts: Counts
    effect: Effect


def _lines(
    known: list[tuple[Counts, Effect]], lines: list[str], platform: dict[str, str], limits: _Limits
) -> Iterator[_Line]:
    """The lines whose percentages gain on later dates and are taken by the platform: by hour, and by one of `PLACES`.

    Each of these tells the same clicks apart by where they come from, so that two would count a good place twice.
    """
    for i, line in enumerate(lines):
        good = [_Line(line, i, counts, effect) for counts, effect in known
                if effect.stated[i] and line in limits.least
                and counts.dimension not in NOT_TAKEN.get(platform[line], set())]
        places = [one for one in good if one.counts.dimension in PLACES]
        strongest = max(places, key=lambda one: one.effect.gain[i], default=None)
        yield from (one for one in good if one is strongest or one not in places)


def _stated(of: _Line, limits: _Limits) -> Iterator[dict[str, Any]]:
    """The levels of a line, unless every percentage is 0."""
    counts, found, i = of.counts, of.effect, of.number
    clicks, conversions = counts.clicks.sum(axis=0)[i], counts.conversions.sum(axis=0)[i]
    share = clicks / clicks.sum()
    least, most = limits.of(of.line)
    made = percents(found.factor[i], share, least, most)
    if not made.any():
        return
    limits.move(of.line, made)
    rate = conversions.sum() / clicks.sum()
    for j in np.flatnonzero(clicks > 0):
        yield {
            "line_id": of.line, "dimension": counts.dimension, "level": counts.levels[j],
            "multiplier_percent": int(made[j]), "conversion_rate": float(rate * found.factor[i, j]),
            "clicks": int(clicks[j]), "conversions": float(conversions[j]),
            "click_share": float(share[j]), "evidence": "line" if found.by_line[i] else "unit",
            "held_out_gain": float(found.gain[i]),
            "reason": _reason(float(found.factor[i, j]), bool(found.by_line[i]), int(made[j]), (least, most)),
        }


def _reason(factor: float, by_line: bool, percent: int, ends: tuple[int, int]) -> str:
    share = f"{abs(factor - 1):.0%}"
    often = f"{share} {'more' if factor >= 1 else 'less'} often than" if share != "0%" else "as often as"
    told = f"A click here converts {often} the line's mean"
    shown = "the line's later dates show it" if by_line else "the unit's lines show it together on later dates"
    notes = ""
    if percent < 0 and (factor >= 1 or share == "0%"):
        notes += "; lowered because better ones are raised, so that the line's spend stays"
    if percent in ends and percent != 0:
        notes += "; held at the end of what floor, cap and platform allow"
    return f"{told}; {shown}{notes}"


def _taken_back(before: pa.Table, found: list[dict[str, Any]], limits: _Limits) -> Iterator[dict[str, Any]]:
    """Percentages of the night before that are not made any more: said once, or they would stay on the platform."""
    made = {(r["line_id"], r["dimension"]) for r in found}
    for r in before.to_pylist():
        if r["evidence"] != "none" and (r["line_id"], r["dimension"]) not in made and r["line_id"] in limits.name:
            yield r | {
                "multiplier_percent": 0, "evidence": "none", "held_out_gain": 0.0, "reason": TAKEN_BACK}


def _by_hour(hours: pa.Table, lines: list[str]) -> Counts | None:
    return _counts(HOURS, lines, [
        (r["business_date"], r["line_id"], r["hour_block"], r["sessions"], r["converting_sessions"])
        for r in hours.to_pylist()])


def _by_placement(ads: pa.Table, lines: list[str]) -> Counts | None:
    """Of the dates whose conversions are reported; a day's rows without a placement say nothing of one."""
    return _counts(PLACEMENTS, lines, [
        (r["business_date"], r["line_id"], r["placement"], r["clicks"], float(r["conversions"]))
        for r in ads.select(["business_date", "line_id", "placement", "clicks", "conversions"]).to_pylist()
        if r["placement"] and r["conversions"] is not None])


def _by_inventory(dimension: str, inventory: pa.Table, lines: list[str]) -> Counts | None:
    """Of the dates whose conversions are reported."""
    return _counts(dimension, lines, [
        (r["business_date"], r["line_id"], r["level"], r["clicks"], float(r["conversions"]))
        for r in inventory.filter(pc.equal(inventory["dimension"], dimension)).to_pylist()
        if r["conversions"] is not None])


def _counts(dimension: str, lines: list[str], rows: list[tuple[date, str, str, int, float]]) -> Counts | None:
    """Rows summed by week, the newest `PERIODS` that end with the newest date; None without rows or with one level."""
    at = {line: i for i, line in enumerate(lines)}
    size: Counter[str] = Counter()
    for _, line, level, clicks, _ in rows:
        size[level] += clicks if line in at else 0
    levels = sorted(sorted(+size, key=lambda level: (-size[level], level))[:MOST_LEVELS])
    number = {level: j for j, level in enumerate(levels)}
    rows = [r for r in rows if r[1] in at and r[2] in number]
    if len(levels) < 2:
        return None
    newest = max(r[0] for r in rows)
    sums = np.zeros((2, PERIODS, len(lines), len(levels)))
    for day, line, level, clicks, conversions in rows:
        age = (newest - day).days // PERIOD_DAYS
        if age < PERIODS:
            sums[:, PERIODS - 1 - age, at[line], number[level]] += clicks, conversions
    seen = sums[0].any(axis=(1, 2))
    return Counts(dimension, levels, sums[0][seen], sums[1][seen])
