"""What a bidder does in each auction, before it knows the price.

Static strategies have one scale, tuned on the training part, and one bid a predicted rate:

- `constant`: one bid for all.
- `mcpc`: rate × the training part's cost per click; the largest cost per click, without regard to a budget.
- `linear`: base bid × rate / mean rate (Perlich et al. 2012, Bid optimizing and inventory scoring in targeted online
  advertising).
- `ortb`: √(c·rate/λ + c²) − c (ORTB1 of Zhang, Yuan & Wang 2014, Optimal real-time bidding for display advertising).

`ours` is `Priced`: worth at the calibrated rate over a shadow price that follows the spend, shaded at first price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from decisions.auctions.calibration import Calibration, calibrate
from decisions.auctions.log import MICRO, MOST_PRICE, AuctionLog, FloatArray, IntArray, Seen
from decisions.auctions.pacing import Pacer
from decisions.auctions.shading import MarketPrices, Shading, learn, shading

Outcome = Callable[[slice, IntArray], int]
"""What bids for a stretch of auctions spend, in nanos: all that a bidder is told, after it has bid."""
PRICES = 64
SECONDS_A_TICK, FEWEST_TICKS, MOST_TICKS = 900, 100, 1_000
HOURS = 24


@dataclass(frozen=True)
class Static:
    """A bid as a function of the rate and one scale; `critical` is the scale above which an auction is won."""

    name: str
    bid: Callable[[FloatArray, float], FloatArray]
    critical: Callable[[FloatArray, FloatArray], FloatArray]  # of market price and rate


def constant() -> Static:
    return Static("constant", lambda rate, scale: np.full(rate.shape, scale), lambda price, rate: price)


def linear(mean_rate: float) -> Static:
    return Static("linear", lambda rate, scale: scale * rate / mean_rate, lambda price, rate: price * mean_rate / rate)


def ortb(c: float) -> Static:
    """The scale is 1/λ; `c` the price at which half of the auctions are won in the paper's win model b / (c + b)."""
    return Static(
        "ortb", lambda rate, scale: np.sqrt(c * rate * scale + c * c) - c,
        lambda price, rate: price * (price + 2 * c) / (c * rate),
    )


def in_nanos(bid: FloatArray) -> IntArray:
    """Whole nanos, rounded down."""
    return np.minimum(bid, MOST_PRICE).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Priced:
    """Worth at the calibrated rate over the shadow price, shaded at first price; learnt from a training part.

    An impression's worth is its rate, so that the shadow price is clicks (or conversions) a nano.
    """

    calibration: Calibration | None
    market: tuple[MarketPrices, Shading] | None  # at first price, with shading
    scale: FloatArray  # (PRICES,) nanos a click: 1 / shadow price, falling
    spend: FloatArray  # (HOURS, PRICES) expected nanos a second by hour of the day (UTC)
    paced: bool = True

    def rate(self, seen: Seen) -> FloatArray:
        return self.calibration(seen.rate, seen.segment) if self.calibration else seen.rate

    def bid(self, rate: FloatArray, cell: IntArray | None, floor: IntArray, scale: float) -> IntArray:
        """Bids of impressions (n,) at one scale; one that shading put below the floor is raised to it, if worth it."""
        worth = np.minimum(rate * scale, float(MOST_PRICE))
        if self.market is None or cell is None:
            return in_nanos(worth)
        return in_nanos(np.where(worth >= floor, np.maximum(self.market[1](worth, cell), floor), 0.0))

    def cells(self, seen: Seen) -> IntArray | None:
        return self.market[0].cell(seen) if self.market else None

    def play(self, seen: Seen, budget: int, end: int, outcome: Outcome) -> IntArray:
        """Bids (n,) of one budget until the instant `end`, tick by tick, each after the outcome of those before."""
        rate, cell, bids = self.rate(seen), self.cells(seen), np.zeros(seen.time.size, dtype=np.int64)
        if not seen.time.size:
            return bids
        edges = _ticks(int(seen.time[0]), end)
        middle = (edges[:-1] + edges[1:]) // 2
        plan = self.spend[middle // (3600 * MICRO) % HOURS] * (np.diff(edges) / MICRO)[:, None]
        pacer = Pacer(budget, plan, 1 / self.scale)
        start, at = pacer.price, np.searchsorted(seen.time, edges[1:-1])
        for low, high in zip([0, *at], [*at, seen.time.size], strict=True):
            tick = slice(int(low), int(high))
            price = pacer.price if self.paced else start
            if not np.isfinite(price) or pacer.left <= 0:
                break
            bids[tick] = self.bid(rate[tick], None if cell is None else cell[tick], seen.bid_floor[tick], 1 / price)
            pacer.update(min(outcome(tick, bids[tick]), pacer.left))
        return bids


def _ticks(start: int, end: int) -> IntArray:
    seconds = max((end - start) / MICRO, 1.0)
    count = int(np.clip(seconds / SECONDS_A_TICK, FEWEST_TICKS, MOST_TICKS))
    return np.linspace(start, start + seconds * MICRO, count + 1).astype(np.int64)


def priced(
    train: AuctionLog, events: IntArray, *, first_price: bool,
    calibrated: bool = True, paced: bool = True, shaded: bool = True,
) -> Priced:
    """Learn from a training part; `events` (n,) are its clicks, or its conversions. Parts can be left out."""
    won = ~train.censored
    calibration = calibrate(train.seen.rate[won], train.seen.segment[won], events[won]) if calibrated else None
    market = learn(train.seen, train.market_price, train.censored) if first_price and shaded else None
    blank = Priced(calibration, (market, shading(market)) if market else None, np.empty(0), np.empty(0), paced)
    rate, cell = blank.rate(train.seen), blank.cells(train.seen)
    # From the scale that wins a ten-thousandth to twenty times the one that wins all: a shaded bid asks for more worth.
    critical = train.market_price[won] / rate[won]
    least, most = np.quantile(critical[critical > 0], [1e-4, 1.0])
    scale = np.geomspace(20 * most, least / 2, PRICES)
    hour = train.seen.time // (3600 * MICRO) % HOURS
    exposure = _seconds_by_hour(int(train.seen.time[0]), int(train.seen.time[-1]))
    spend = np.empty((HOURS, PRICES))
    for j, s in enumerate(scale):
        bid = blank.bid(rate, cell, train.seen.bid_floor, float(s))
        spend[:, j] = np.bincount(hour, spent(train, bid, first_price=first_price), HOURS)
    mean = spend.sum(axis=0) / exposure.sum()
    # An hour seen for minutes says little: half an hour of the mean beside it.
    by_hour = (spend + 1800 * mean) / (exposure + 1800)[:, None]
    return Priced(calibration, blank.market, scale, np.minimum.accumulate(by_hour, axis=1), paced)


def spent(log: AuctionLog, bid: IntArray, *, first_price: bool) -> IntArray:
    """What each auction costs at these bids without a budget, (n,) nanos. A tie is lost."""
    won = (bid > log.market_price) & (bid >= log.seen.bid_floor) & ~log.censored
    return np.where(won, bid if first_price else log.cost, 0)


def _seconds_by_hour(start: int, end: int) -> FloatArray:
    """Seconds of each hour of the day between two instants."""
    edges = np.unique(np.concatenate([[start, end], np.arange(start // (3600 * MICRO) + 1,
                                                              end // (3600 * MICRO) + 1) * 3600 * MICRO]))
    edges = edges[(edges >= start) & (edges <= end)]
    seconds = np.bincount(edges[:-1] // (3600 * MICRO) % HOURS, np.diff(edges) / MICRO, HOURS)
    return np.asarray(seconds, dtype=np.float64)
