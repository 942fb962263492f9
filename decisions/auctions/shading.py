"""What bids win, learnt from won and lost auctions, and the bid of the largest expected surplus at first price.

The share of auctions with a market price below a bid is 1 minus the product-limit estimate of survival (Kaplan &
Meier 1958), which uses a lost auction for what it says: its price was not below the logger's bid. A small cell is
pulled to a larger one. At first price a bid b of an impression worth v keeps (v − b)·F(b); the best b is found on a
grid of prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decisions.auctions.log import MICRO, FloatArray, IntArray, Seen

PRICES = 128
WORTHS = 128
RATE_BINS, HOUR_BLOCKS, SEGMENTS = 6, 6, 20
PULL = 200.0
"""Auctions that the larger cell counts for in the share of a smaller one."""


@dataclass(frozen=True, eq=False)
class MarketPrices:
    """Distribution of the highest competing bid in cells of segment × hour block × predicted rate."""

    price: FloatArray  # (g,) nanos, rising
    below: FloatArray  # (cells, g) share of auctions with a market price below it; never falling
    rate_edge: FloatArray  # (RATE_BINS - 1,) of predicted rates
    segment_cell: IntArray  # (segments,) the SEGMENTS largest have cells of their own, the rest share the last

    def cell(self, seen: Seen) -> IntArray:
        """Cell of each auction, (n,)."""
        known = seen.segment < self.segment_cell.size
        segment = np.where(known, self.segment_cell[np.where(known, seen.segment, 0)], self.segment_cell.max())
        block = seen.time // (86_400 // HOUR_BLOCKS * MICRO) % HOUR_BLOCKS
        rate = np.searchsorted(self.rate_edge, seen.rate, side="right")
        return np.asarray((segment * HOUR_BLOCKS + block) * RATE_BINS + rate)


def learn(seen: Seen, market_price: IntArray, censored: NDArray[np.bool_]) -> MarketPrices:
    """Market prices of the auctions of a log, (n,) each; a censored price is what it was at least."""
    if not market_price.size or censored.all():
        raise ValueError("the market's prices are learnt from won auctions, and there is none")
    cost = np.maximum(market_price, seen.bid_floor).astype(np.float64)
    told = cost[~censored]
    grid = np.unique(np.concatenate([np.quantile(told, np.linspace(0.002, 0.998, PRICES)) + 1, [told.max() + 1]]))
    counts = np.bincount(seen.segment)
    own = np.argsort(-counts, kind="stable")[: SEGMENTS - 1]
    segment_cell = np.full(counts.size, min(own.size, SEGMENTS - 1), dtype=np.int64)
    segment_cell[own] = np.arange(own.size)
    edge = np.quantile(seen.rate, np.linspace(0, 1, RATE_BINS + 1)[1:-1])
    made = MarketPrices(grid, np.empty((0, grid.size)), edge, segment_cell)
    cell, cells = made.cell(seen), (int(segment_cell.max()) + 1) * HOUR_BLOCKS * RATE_BINS
    bucket = np.searchsorted(grid, cost, side="right")  # below grid[bucket]
    shape = (cells, grid.size + 1)
    events = np.bincount((cell * shape[1] + bucket)[~censored], minlength=cells * shape[1]).reshape(shape)
    lost = np.bincount((cell * shape[1] + bucket)[censored], minlength=cells * shape[1]).reshape(shape)

    def estimate(groups: IntArray) -> tuple[FloatArray, FloatArray]:
        """Share below each price by group of cells, and the group's auctions."""
        n = int(groups.max()) + 1
        summed = np.zeros((2, n, shape[1]))
        for sums, counted in zip(summed, (events, lost), strict=True):
            np.add.at(sums, groups, counted)
        return _below(*summed), summed.sum(axis=(0, 2))[:, None]

    def pulled(groups: IntArray, parent: FloatArray) -> FloatArray:
        own, n = estimate(groups)
        return np.asarray((n * own + PULL * parent) / (n + PULL))

    number = np.arange(cells)
    everything = estimate(np.zeros_like(number))[0]
    by_rate = pulled(number % RATE_BINS, everything)
    return MarketPrices(grid, pulled(number, by_rate[number % RATE_BINS]), edge, segment_cell)


def _below(events: FloatArray, lost: FloatArray) -> FloatArray:
    """Product-limit estimate of the share below each price of the grid, (cells, g)."""
    every = events + lost
    at_risk = every[:, ::-1].cumsum(axis=1)[:, ::-1]
    survived = 1 - np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    return np.asarray(1 - np.cumprod(survived, axis=1)[:, :-1])


@dataclass(frozen=True, eq=False)
class Shading:
    """The best first-price bid by cell and worth."""

    worth: FloatArray  # (w,) nanos, rising by one factor
    bid: FloatArray  # (cells, w) never above the worth

    def __call__(self, worth: FloatArray, cell: IntArray) -> FloatArray:
        """Bids (n,) for impressions of a worth (n,); between two worths on a straight line of the logarithm."""
        first, step = np.log(self.worth[0]), np.log(self.worth[1] / self.worth[0])
        at = np.clip((np.log(np.maximum(worth, 1e-300)) - first) / step, 0, self.worth.size - 1)
        left = np.minimum(at.astype(np.int64), self.worth.size - 2)
        share = at - left
        bid = (1 - share) * self.bid[cell, left] + share * self.bid[cell, left + 1]
        return np.asarray(np.minimum(bid, worth))


def shading(market: MarketPrices) -> Shading:
    """The bid of the largest expected surplus (worth − bid)·share won, for every cell and a grid of worths."""
    bid = market.price
    worth = np.geomspace(max(bid[0] / 2, 1.0), bid[-1] * 50, WORTHS)
    best = np.empty((market.below.shape[0], worth.size))
    for j, v in enumerate(worth):
        best[:, j] = best_bids(np.full(len(best), v), bid, market.below)
    return Shading(worth, best)


def best_bids(worth: FloatArray, bid: FloatArray, win_rate: FloatArray) -> FloatArray:
    """The bid of the grid (g,) with the largest (worth − bid)·win rate, (m,); 0 where none has a surplus.

    `worth` (m,) in the bids' unit, `win_rate` (m, g) the share won at each bid of the grid.
    """
    surplus = np.maximum(worth[:, None] - bid, 0.0) * win_rate
    at = np.argmax(surplus, axis=1)
    return np.where(surplus[np.arange(at.size), at] > 0, bid[at], 0.0)
