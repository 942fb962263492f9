"""What bids win, from won and lost auctions; the shaded bid against its formula."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.auction_world import world
from decisions.auctions.log import Seen
from decisions.auctions.shading import HOUR_BLOCKS, RATE_BINS, learn, shading

N = 60_000


def seen(n: int = N, rate: np.ndarray | None = None) -> Seen:
    zeros = np.zeros(n, dtype=np.int64)
    return Seen(np.arange(n) * 1_000_000, np.full(n, 0.01) if rate is None else rate, zeros, zeros)


def test_lost_auctions_say_what_they_say() -> None:
    """A logger that bids low loses the dear auctions: counting the won ones alone puts prices too low."""
    random = np.random.default_rng(1)
    price, bid = random.integers(1, 1_000_000, N), random.integers(1, 1_000_000, N)
    lost = bid <= price
    told = learn(seen(), np.where(lost, bid, price), lost)
    won = int((~lost).sum())
    won_only = learn(seen(won), price[~lost], np.zeros(won, dtype=bool))
    cell = told.cell(seen())[0]
    for share in (0.25, 0.5, 0.75):
        assert np.interp(share * 1e6, told.price, told.below[cell]) == pytest.approx(share, abs=0.03)
    assert np.interp(0.5e6, won_only.price, won_only.below[cell]) > 0.7


def test_the_shaded_bid_of_a_uniform_price_is_half_the_worth() -> None:
    """F(b) = b / top: (v − b)·b is largest at v / 2, and at the top where v / 2 is above it."""
    price = np.random.default_rng(2).integers(1, 1_000_000, N)
    market = learn(seen(), price, np.zeros(N, dtype=bool))
    shade, cell = shading(market), market.cell(seen(4))
    worth = np.array([200_000.0, 600_000.0, 1_200_000.0, 9_000_000.0])
    assert shade(worth, cell) == pytest.approx([100_000, 300_000, 600_000, 1_000_000], rel=0.1)


def test_a_bid_never_exceeds_the_worth_and_rises_with_it() -> None:
    log = world(2, 30_000).log
    market = learn(log.seen, log.market_price, log.censored)
    shade, worth = shading(market), np.geomspace(1, 1e10, 200)
    for cell in range(0, len(market.below), 37):
        bid = shade(worth, np.full(worth.size, cell))
        assert (bid <= worth).all()
        assert (np.diff(bid) >= -1e-6 * bid[1:]).all()
    assert (np.diff(market.below, axis=1) >= 0).all()
    assert (market.below >= 0).all() and (market.below <= 1 + 1e-12).all()


def test_prices_that_rise_with_the_rate_are_learnt_by_rate() -> None:
    random = np.random.default_rng(3)
    rate = random.uniform(0.001, 0.1, N)
    price = (rate * 1e7 * random.lognormal(0, 0.1, N)).astype(np.int64)
    market = learn(seen(rate=rate), price, np.zeros(N, dtype=bool))
    cells = market.cell(seen(2, np.array([0.002, 0.098])))
    median = [np.interp(0.5, market.below[c], market.price) for c in cells]
    assert median[1] / median[0] > 5


def test_a_thin_cell_follows_the_larger_one() -> None:
    """Three auctions of a second segment, ten times dearer: their cell stays near what all auctions say."""
    random = np.random.default_rng(4)
    segment = np.zeros(N, dtype=np.int64)
    segment[:3] = 1
    price = random.integers(1, 1_000, N)
    price[:3] = 10_000
    market = learn(replace(seen(), segment=segment), price, np.zeros(N, dtype=bool))
    assert market.below.shape[0] == 2 * HOUR_BLOCKS * RATE_BINS
    thin, thick = market.cell(Seen(np.array([0, 0]), np.full(2, 0.01), np.zeros(2, dtype=np.int64), np.array([1, 0])))
    assert np.abs(market.below[thin] - market.below[thick]).max() < 0.05


def test_nothing_won_teaches_nothing() -> None:
    with pytest.raises(ValueError, match="won auctions"):
        learn(seen(2), np.array([1, 2]), np.array([True, True]))
