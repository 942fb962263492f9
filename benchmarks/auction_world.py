"""Auction logs from a market that no strategy of `decisions.auctions` contains.

The market price is the highest of several kinds of bidders: retargeters, who see a noisy part of what makes people
click and bid more for it; brand campaigns with round prices and daily budgets that run out in the evening; a long
tail of many small bidders, whose number follows the volume; and now and then a campaign that enters for some days.
Volume follows the hour and the weekday. The click rate is logistic in latent traits of user, place and hour; what the
log predicts of it sees those traits with noise, is too sure of itself (slope 1.25 on the log-odds), and off by
segment.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from decisions.auctions.log import MICRO, AuctionLog, FloatArray, IntArray, Seen

START = 1_780_000_000 // 86_400 * 86_400 * MICRO
DAY = 86_400 * MICRO
SEGMENTS = 12
CPM = 10**6  # nanos an impression, by 1 currency unit a thousand


@dataclass(frozen=True, eq=False)
class World:
    log: AuctionLog  # its rates predict clicks
    for_conversions: AuctionLog  # its rates predict conversions
    click_rate: FloatArray  # (n,) the truth
    conversion_rate: FloatArray  # (n,) of an impression


def world(seed: int, auctions: int = 500_000, days: int = 10, *, calm: bool = False) -> World:
    """A log of about `auctions` won auctions over `days` days; a calm one has no drift and no biased predictions."""
    random = np.random.default_rng([seed, 20261123])
    drift = 0.0 if calm else 1.0
    time = _times(random, auctions, days, drift)
    n, hour, day = time.size, time // (3600 * MICRO) % 24, (time - START) // DAY
    segment = random.choice(SEGMENTS, n, p=random.dirichlet(np.full(SEGMENTS, 2.0)))
    user, place = random.normal(0, 0.9, n), random.normal(0, 0.5, n)
    log_odds = (-6.3 + random.normal(0, 0.5, SEGMENTS)[segment] + user + place
                + 0.25 * np.sin((hour - 15) / 24 * 2 * np.pi) + 0.2 * np.maximum(user, 0) * place)
    click_rate = 1 / (1 + np.exp(-log_odds))
    told = log_odds + drift * (random.normal(0, 0.4, n) + random.normal(0, 0.2, SEGMENTS)[segment])
    predicted = 1 / (1 + np.exp(-((1 + 0.25 * drift) * (told + 6) - 6)))
    eager = random.normal(0, 0.5, SEGMENTS)[segment] + 0.3 * user + random.normal(0, 0.3, n)
    buys = np.minimum(0.04 * np.exp(eager), 0.9)
    price, floor = _prices(random, n, hour, day, days, user, place, segment, drift)
    click = random.random(n) < click_rate
    conversion = (click & (random.random(n) < buys)).astype(np.int64)
    known_buys = 0.04 * np.exp(0.8 * np.log(buys / 0.04) + random.normal(0, 0.2, n))

    def log(rate: FloatArray) -> AuctionLog:
        return AuctionLog(Seen(time, rate, floor, segment), price, np.zeros(n, dtype=bool), click.astype(np.int64),
                          conversion)

    return World(log(predicted), log(predicted * np.minimum(known_buys, 1.0)), click_rate, click_rate * buys)


def table(made: World) -> pa.Table:
    """The log as a file holds it, with the columns' names of `moe replay` and prices per thousand impressions."""
    log = made.log
    return pa.table({
        "time": pa.array(log.seen.time, pa.timestamp("us", "UTC")), "market_price": log.market_price / CPM,
        "bid_floor": log.seen.bid_floor / CPM, "click": log.click, "conversion": log.conversion,
        "click_rate": log.seen.rate, "conversion_rate": made.for_conversions.seen.rate / log.seen.rate,
        "segment": [f"segment {s}" for s in log.seen.segment],
    })


def _times(random: np.random.Generator, auctions: int, days: int, drift: float) -> IntArray:
    hours = np.arange(days * 24)
    volume = 1 + 0.6 * np.sin((hours % 24 - 14) / 24 * 2 * np.pi) + 0.15 * (hours // 24 % 7 >= 5)
    volume *= np.exp(drift * (np.repeat(np.cumsum(random.normal(0, 0.08, days)), 24)
                              + random.normal(0, 0.1, hours.size)))
    counts = random.poisson(auctions * volume / volume.sum())
    within = random.random(counts.sum()) * 3600 * MICRO
    return np.sort(START + np.repeat(hours, counts) * 3600 * MICRO + within.astype(np.int64))


def _prices(
    random: np.random.Generator, n: int, hour: IntArray, day: IntArray, days: int,
    user: FloatArray, place: FloatArray, segment: IntArray, drift: float,
) -> tuple[IntArray, IntArray]:
    """Highest competing bid and floor of each auction, nanos."""
    level = np.exp(drift * np.cumsum(random.normal(0, 0.07, days)))[day]
    retargets = random.random(n) < 0.35
    retargeter = np.where(retargets, np.exp(0.4 + 0.55 * user + 0.25 * place + random.normal(0, 0.5, n)), 0)
    last_hour = random.integers(16, 24, days)[day]
    there = (random.random(n) < 0.7) & (hour < last_hour)
    brand = there * random.choice([0.5, 0.8, 1.0, 1.5, 2.5], n) * np.exp(random.normal(0, 0.3, SEGMENTS))[segment]
    crowd = 2 + 3 * (1 + np.sin((hour - 14) / 24 * 2 * np.pi))
    tail = 0.35 * random.gamma(1.6, 0.5, n) * np.log1p(crowd + random.exponential(2, n))
    enters = int(random.integers(2, days))
    campaign = drift * ((day >= enters) & (day < enters + 3) & (segment < 4)) * random.gamma(4.0, 0.35, n)
    floor = random.choice([0.0, 0.1, 0.3, 0.6], n, p=[0.4, 0.3, 0.2, 0.1])
    price = np.maximum.reduce([retargeter, brand, tail, campaign]) * level
    return (price * CPM).astype(np.int64), (floor * CPM).astype(np.int64)
