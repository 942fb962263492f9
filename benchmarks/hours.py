"""Bid percentages by hour block: false ones where hours do not matter, and those found where they are planted.

The simulator's visits know their line, hour and purchase, and its conversion rate has no hour effect: each percentage
stated there is false. An effect is planted by dropping conversions by the hour of their click, in all lines alike or
in some alone, and taken along to days after the lookback, on which the percentages are judged: conversions at the same
spend, where a click costs its bid and clicks follow it, above those without percentages.

    python -m benchmarks.hours --seeds 10
    python -m benchmarks.hours --company   # placements of a real company's campaigns, in MOE_TEST_DATA
"""

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from decisions.auctions.evidence import Effect, effect
from decisions.auctions.percents import percents
from moe.settings import settings
from simulator import world as w
from simulator.catalog import cells, line_list
from simulator.sessions import sessions_of_day
from simulator.world import World

PERIODS, DAYS, LATER, BLOCKS = 6, 7, 14, 6
SHAPES = {
    "none": np.ones(BLOCKS),
    "±10 %": np.array([0.9, 0.95, 1.0, 1.05, 1.1, 1.0]),
    "±25 %": np.array([0.75, 0.85, 1.0, 1.1, 1.25, 1.05]),
    "±50 %": np.array([0.5, 0.7, 1.0, 1.2, 1.5, 1.1]),
}


def counts(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Clicks that the tag saw and their conversions: (days, lines, blocks), hours of the ad accounts."""
    of, lines = cells(world).line, len(line_list(world))
    clicks, conversions = np.zeros((2, PERIODS * DAYS + LATER, lines, BLOCKS))
    for day in range(len(clicks)):
        s = sessions_of_day(world, day)
        paid = s.cell >= 0
        block = (s.at - w.account_midnight(world, day)) // 3_600_000_000 // (24 // BLOCKS)
        at = of[s.cell[paid]] * BLOCKS + np.clip(block[paid], 0, BLOCKS - 1)
        clicks[day] = np.bincount(at, minlength=lines * BLOCKS).reshape(lines, BLOCKS)
        # Those who stay for sure are the clicks of buyers.
        conversions[day] = np.bincount(at, s.stays[paid], lines * BLOCKS).reshape(lines, BLOCKS)
    return clicks, conversions


def planted(conversions: np.ndarray, shape: np.ndarray, lines: np.ndarray, seed: int) -> np.ndarray:
    """Conversions thinned by block in some lines; in the others by as much, whatever the block."""
    rng = np.random.default_rng([seed, 20261123])
    keep = np.where(lines[:, None], shape / shape.max(), (shape / shape.max()).mean())
    return rng.binomial(conversions.astype(np.int64), np.broadcast_to(keep, conversions.shape)).astype(float)


def fitted(clicks: np.ndarray, conversions: np.ndarray) -> Effect:
    """The effect as the night would see it: six weeks, week by week."""
    days = PERIODS * DAYS
    weeks = [c[:days].reshape(PERIODS, DAYS, *c.shape[1:]).sum(axis=1) for c in (clicks, conversions)]
    return effect(*weeks)


def later_gain(found: Effect, clicks: np.ndarray, rate: np.ndarray, stated: np.ndarray) -> tuple[float, float]:
    """Conversions of the later days at the same spend with the percentages, over those without, less 1; and with
    those that the true rates would set. Clicks follow the bid in proportion, and each costs its bid."""
    n = clicks[PERIODS * DAYS:].sum(axis=0)
    share = n / n.sum(axis=1, keepdims=True)

    def won(factor: np.ndarray) -> float:
        made = np.array([percents(f, s, -90, 900) for f, s in zip(factor, share, strict=True)]) / 100 + 1
        # What the percentages leave of the line's budget goes into its base bid.
        base = 1 / np.sqrt((share * made**2).sum(axis=1, keepdims=True))
        return float((n * rate * made * base).sum() / (n * rate).sum() - 1)

    own = rate / (rate * share).sum(axis=1, keepdims=True)
    return won(np.where(stated[:, None], found.factor, 1.0)), won(own)


def company() -> None:
    """Percentages by placement of a real company's display campaigns of 2020, judged on the two weeks after each."""
    path = settings().test_data / "online_ads_performance" / "online_advertising_performance_data.csv"
    rows = pd.read_csv(path).dropna(subset="placement")
    months = rows.month.map({"April": 4, "May": 5, "June": 6})
    rows["date"] = pd.to_datetime({"year": 2020, "month": months, "day": rows.day})
    table = Table(title="Placements of a real company, percentages of six weeks on the two weeks after them")
    for name in ("six weeks to", "campaign", "stated", "percentages", "conversions later"):
        table.add_column(name)
    for end in pd.to_datetime(["2020-05-12", "2020-05-26", "2020-06-09"]):
        age = (end - rows.date).dt.days
        period = np.where(age >= 0, PERIODS - 1 - age // DAYS, np.where(age >= -LATER, PERIODS, -1))
        kept = rows.assign(period=period)[period >= 0]
        lines, places = sorted(kept.campaign_number.unique()), sorted(kept.placement.unique())
        sums = np.zeros((2, PERIODS + 1, len(lines), len(places)))
        at = [kept.period, kept.campaign_number.map(lines.index), kept.placement.map(places.index)]
        for of, column in zip(sums, ("clicks", "post_click_conversions"), strict=True):
            np.add.at(of, tuple(np.asarray(index) for index in at), kept[column])
        found = effect(sums[0, :PERIODS], sums[1, :PERIODS])
        for i, line in enumerate(lines):
            before, (n, y) = sums[0, :PERIODS, i].sum(axis=0), sums[:, PERIODS, i]
            made = percents(found.factor[i], before / before.sum(), -90, 900)
            bid = 1 + made / 100
            same_spend = np.sqrt(n @ bid**2 / n.sum()) if n.sum() else np.nan
            gain = y @ bid / y.sum() / same_spend - 1 if y.sum() else np.nan
            told = ", ".join(f"{place} {p:+d}" for place, p in zip(places, made, strict=True))
            later = "none came" if np.isnan(gain) else f"{gain:+.1%} of {y.sum():,.0f}"
            table.add_row(str(end.date()), line, "yes" if found.stated[i] else "no", told, later)
    Console().print(table)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--events", type=int, default=33_000, help="web events a day of the simulated site")
    parser.add_argument("--company", action="store_true", help="a real company's placements in place of the simulator")
    asked = parser.parse_args()
    if asked.company:
        company()
        return
    worlds = [World(seed=1000 + s, events_per_day=asked.events) for s in range(asked.seeds)]
    seen = [counts(world) for world in worlds]
    table = Table(title=f"{asked.seeds} worlds × {seen[0][0].shape[1]} lines, {PERIODS} weeks, judged on {LATER} days")
    for name in ("hour effect", "in", "lines with it stated", "lines without it stated", "conversions later",
                 "with the true rates"):
        table.add_column(name, justify="left" if name in ("hour effect", "in") else "right")
    for label, shape in SHAPES.items():
        for where in ("all lines", "a third of lines") if label != "none" else ("no line",):
            rows = [_one(c, y, shape, where, seed) for seed, (c, y) in enumerate(seen)]
            with_it, without, hit, missed = np.array([r[:4] for r in rows]).sum(axis=0)
            gains = np.array([r[4:] for r in rows])
            table.add_row(label, where, f"{hit:.0f} of {with_it:.0f}", f"{missed:.0f} of {without:.0f}",
                          *(f"{100 * g.mean():+.2f} ± {100 * g.std(ddof=1) / len(g)**0.5:.2f} %" for g in gains.T))
    Console().print(table)


def _one(clicks: np.ndarray, drawn: np.ndarray, shape: np.ndarray, where: str, seed: int) -> tuple[float, ...]:
    lines = np.arange(clicks.shape[1])
    mine = {"all lines": lines >= 0, "a third of lines": lines % 3 == 0, "no line": lines < 0}[where]
    y = planted(drawn, shape, mine, seed)
    found = fitted(clicks, y)
    # The true rate by line is that of all days; by block it is what was planted.
    mean = drawn.sum(axis=(0, 2)) / clicks.sum(axis=(0, 2))
    rate = mean[:, None] * np.where(mine[:, None], shape, shape.mean())
    return (mine.sum(), (~mine).sum(), (found.stated & mine).sum(), (found.stated & ~mine).sum(),
            *later_gain(found, clicks, rate, found.stated))


if __name__ == "__main__":
    main()
