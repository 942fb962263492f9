"""What really happened on a business date: impressions, clicks, spend and each conversion.

Reports, orders and web events are all views of these, so that they agree as far as real sources do.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator import world as w
from simulator.catalog import cells, cells_of, line_list
from simulator.market import market
from simulator.world import World, stream


@dataclass(frozen=True, eq=False)
class ClickDay:
    """One business date; counts have one entry a cell, conversions one entry each."""

    impressions: np.ndarray
    clicks: np.ndarray
    spend: np.ndarray  # USD, in whole cents
    conversion_rate: np.ndarray  # expected conversions a click
    invalid: np.ndarray  # [days since, cell]: clicks counted at first and taken back later
    vanishes: np.ndarray  # days after which the row is gone; 0 for never
    cell: np.ndarray  # of each conversion
    lag: np.ndarray  # days from click to order
    value: np.ndarray  # USD, in whole cents
    customer: np.ndarray
    seen: np.ndarray  # uniform: the site's tag saw the order if below the tagged share
    second_device: np.ndarray  # ordered on another device than the click's


@lru_cache(maxsize=128)
def click_day(world: World, day: int) -> ClickDay:
    """Draw a business date from its expectation."""
    rng, c, today = stream(world, "clicks", day), cells(world), market(world).day(day)
    expected = today.response
    lines = len(line_list(world))

    # each ad's share of a day varies; factors are scaled so that a line's cells add up to its expectation
    share = _per_line(rng.gamma(200 * c.share), c.line, lines)
    click_share = _per_line(share * c.click_factor, c.line, lines)
    conversion_share = _per_line(click_share * c.conversion_factor, c.line, lines)
    impressions = rng.poisson(expected.impressions[c.line] * share)
    click_rate = (expected.clicks / expected.impressions)[c.line] * click_share / share
    clicks = rng.binomial(impressions, np.minimum(click_rate, 0.9))
    conversion_rate = (expected.conversions / expected.clicks)[c.line] * conversion_share / click_share
    count = rng.binomial(clicks, np.minimum(conversion_rate, 0.9))

    # Google bills clicks, Meta impressions
    billed = np.where(c.platform == "google_ads", clicks, impressions)
    spend = np.round(today.spend[c.line] * _per_line(billed, c.line, lines), 2)

    first = rng.binomial(clicks, w.INVALID_CLICKS)
    small = np.zeros(len(clicks), dtype=bool)
    for mine in (cells_of(world, platform) for platform in w.ARRIVES_AT_ONCE):
        small[mine] = clicks[mine] <= np.median(clicks[mine]) if len(mine) else False
    invalid = (rng.random(len(clicks)) < w.VANISHING_ROWS) & small
    vanishes = invalid * rng.integers(1, w.VANISHING_WITHIN, len(clicks), endpoint=True)

    cell = np.repeat(np.arange(len(clicks)), count)
    customer = draw_customers(world, rng, np.array([line.loyal for line in line_list(world)])[c.line[cell]])
    mean = market(world).curves.order_value[c.line[cell]]
    return ClickDay(
        impressions=impressions,
        clicks=clicks,
        spend=spend,
        conversion_rate=conversion_rate,
        invalid=np.stack([first, rng.binomial(first, w.INVALID_LEFT)]),
        vanishes=vanishes,
        cell=cell,
        lag=_lags(world, rng, cell),
        value=order_values(world, rng, mean, customer),
        customer=customer,
        seen=rng.random(len(cell)),
        second_device=rng.random(len(cell)) < 0.15,
    )


def arrival_shares(world: World, platform: str) -> np.ndarray:
    """Share of conversions that arrive each day after the click, within the platform's window."""
    at_once = w.ARRIVES_AT_ONCE[platform]
    later = w.ARRIVAL_DECAY[platform] ** np.arange(world.restatement_days - 1)
    return np.concatenate([[at_once], (1 - at_once) * later / max(later.sum(), 1e-9)])


def draw_customers(world: World, rng: np.random.Generator, loyal: np.ndarray) -> np.ndarray:
    """Buyers' numbers; `loyal` is each draw's chance to come from those who buy often."""
    by_habit = np.searchsorted(_habits(world), rng.random(len(loyal)))
    anyone = rng.integers(0, w.CUSTOMERS, len(loyal))
    return np.asarray(np.where(rng.random(len(loyal)) < loyal, by_habit, anyone))


def order_values(
    world: World, rng: np.random.Generator, mean: np.ndarray, customer: np.ndarray
) -> np.ndarray:
    """Order values in USD around their mean, higher for some customers than for others."""
    habit = w.CUSTOMER_SPREAD * stream(world, "purses").standard_normal(w.CUSTOMERS)[customer]
    noise = habit + w.ORDER_SPREAD * rng.standard_normal(len(mean))
    # the mean of a lognormal is above its median by half the variance
    return np.asarray(np.round(mean * np.exp(noise - (w.CUSTOMER_SPREAD**2 + w.ORDER_SPREAD**2) / 2), 2))


def _per_line(amount: np.ndarray, line: np.ndarray, lines: int) -> np.ndarray:
    """Each cell's share of its line's amount; 0 where the line has none."""
    total = np.bincount(line, amount, lines)[line]
    return np.asarray(np.divide(amount, total, out=np.zeros(len(line)), where=total > 0))


def _lags(world: World, rng: np.random.Generator, cell: np.ndarray) -> np.ndarray:
    """Days from click to order, within the platforms' window."""
    lag = np.empty(len(cell), dtype=np.int64)
    for platform in w.ARRIVES_AT_ONCE:
        arrives = arrival_shares(world, platform)
        mine = np.isin(cell, cells_of(world, platform))
        lag[mine] = np.searchsorted(np.cumsum(arrives)[:-1], rng.random(mine.sum()), side="right")
    return lag


@lru_cache(maxsize=8)
def _habits(world: World) -> np.ndarray:
    """Cumulative chance of each customer to be the next who buys out of habit."""
    weight = stream(world, "habits").gamma(0.4, size=w.CUSTOMERS)
    cumulative = np.cumsum(weight)
    return np.asarray(cumulative / cumulative[-1])
