"""The job `multipliers`: by how much a line's bids change by hour block and placement, where later dates show it.

An hour block's conversions are the site's (features.hour_traffic__line_block), a placement's the platform's own. A
percentage is made where the platform takes one for the dimension and the placement is no part of the line itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.auctions.evidence import effect
from decisions.auctions.multipliers import LEAST, MOST
from decisions.auctions.percents import percents
from decisions.rows import table_of
from moe.jobs import Night

MULTIPLIERS = "out.bid_multiplier__line_dimension"
HOURS, PLACEMENTS = "hour_block", "placement"
NOT_TAKEN = {"google_ads": {PLACEMENTS}, "meta_ads": {HOURS, PLACEMENTS}}
"""Google reports the network as placement, which has no percentage; Meta schedules hours, on or off, and no bids."""
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
    night: Night, bids: pa.Table, budgets: pa.Table, hours: pa.Table, ads: pa.Table, before: pa.Table
) -> dict[str, pa.Table]:
    """Rows of out.bid_multiplier__line_dimension: every level of each line and dimension with a percentage."""
    platform = {r["line_id"]: r["platform"] for r in budgets.to_pylist()}
    lines = sorted(platform)
    limits = _Limits(bids, night)
    found = []
    for counts in (_by_hour(hours, lines), None if PLACEMENTS in night.unit.line else _by_placement(ads, lines)):
        if counts is not None and len(counts.clicks) >= LEAST_PERIODS:
            found += list(_stated(counts, lines, platform, limits))
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


def _stated(
    counts: Counts, lines: list[str], platform: dict[str, str], limits: _Limits
) -> Iterator[dict[str, Any]]:
    """The levels of the lines whose percentage gains on later dates, is taken by the platform, and is not 0."""
    found = effect(counts.clicks, counts.conversions)
    clicks, conversions = counts.clicks.sum(axis=0), counts.conversions.sum(axis=0)
    for i in np.flatnonzero(found.stated):
        line = lines[i]
        if line not in limits.least or counts.dimension in NOT_TAKEN.get(platform[line], set()):
            continue
        share = clicks[i] / clicks[i].sum()
        least, most = limits.of(line)
        made = percents(found.factor[i], share, least, most)
        if not made.any():
            continue
        limits.move(line, made)
        rate = conversions[i].sum() / clicks[i].sum()
        for j in np.flatnonzero(clicks[i] > 0):
            yield {
                "line_id": line, "dimension": counts.dimension, "level": counts.levels[j],
                "multiplier_percent": int(made[j]), "conversion_rate": float(rate * found.factor[i, j]),
                "clicks": int(clicks[i, j]), "conversions": float(conversions[i, j]),
                "click_share": float(share[j]), "evidence": "line" if found.by_line[i] else "unit",
                "held_out_gain": float(found.gain[i]),
                "reason": _reason(float(found.factor[i, j]), bool(found.by_line[i]), int(made[j]), (least, most)),
            }


def _reason(factor: float, by_line: bool, percent: int, ends: tuple[int, int]) -> str:
    told = f"A click here converts {abs(factor - 1):.0%} {'more' if factor >= 1 else 'less'} often than the line's mean"
    shown = "the line's later dates show it" if by_line else "the unit's lines show it together on later dates"
    held = percent in ends and percent != 0
    return f"{told}; {shown}" + ("; held at the end of what floor, cap and platform allow" if held else "")


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


def _counts(dimension: str, lines: list[str], rows: list[tuple[date, str, str, int, float]]) -> Counts | None:
    """Rows summed by week, the newest `PERIODS` that end with the newest date; None without rows or with one level."""
    at = {line: i for i, line in enumerate(lines)}
    rows = [r for r in rows if r[1] in at]
    levels = sorted({r[2] for r in rows})
    if len(levels) < 2:
        return None
    newest = max(r[0] for r in rows)
    sums = np.zeros((2, PERIODS, len(lines), len(levels)))
    number = {level: j for j, level in enumerate(levels)}
    for day, line, level, clicks, conversions in rows:
        age = (newest - day).days // PERIOD_DAYS
        if age < PERIODS:
            sums[:, PERIODS - 1 - age, at[line], number[level]] += clicks, conversions
    seen = sums[0].any(axis=(1, 2))
    return Counts(dimension, levels, sums[0][seen], sums[1][seen])
