"""Replay strategies against a log: learn on its first part, bid in the rest, and count what they would have bought.

Every strategy gets the same training part, and every scale the same number of replays of it. Tuning maximises the
sum of calibrated rates of what was won: at small budgets a training part has a handful of clicks, and to choose by
those is to choose noise. The training part's budget is the judged part's, by the length of the two.

An auction is won by a bid above the market price, not below the floor; it costs the larger of the two at second
price, the bid at first price. The first auction won that the money left cannot pay ends the replay of its budget: no
nano is overspent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from decisions.auctions.calibration import calibrate
from decisions.auctions.log import NANO, AuctionLog, FloatArray, IntArray
from decisions.auctions.strategies import Static, constant, in_nanos, linear, ortb, priced, spent

STRATEGIES = ("constant", "mcpc", "linear", "ortb", "ours")
VARIANTS = {"ours": {}, "ours_uncalibrated": {"calibrated": False}, "ours_unpaced": {"paced": False},
            "ours_unshaded": {"shaded": False}, "linear_paced": {"calibrated": False, "shaded": False}}
"""Ours with parts left out: the last is the linear bid under our pacing."""
WON = np.concatenate([np.geomspace(1e-4, 0.5, 16), [0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0]])
"""Shares of the training part that the first scales tried would win without a budget."""
FINE, ROUNDS = 12, 2
"""Replays of the training part around the best scale, so many a round."""
ORTB_C = 2.0 ** np.arange(-3, 5)
"""ORTB's c, in mean market prices: the paper's second parameter, each with as many scales as the others have."""


@dataclass(frozen=True)
class Bought:
    """What one strategy bought for one budget."""

    strategy: str
    budget_nanos: int
    auctions: int
    impressions: int
    clicks: int
    conversions: int
    spend_nanos: int
    unknown: int  # bids above a censored price: counted as lost, though some may have won

    @property
    def spend(self) -> float:
        return self.spend_nanos / NANO

    @property
    def win_rate(self) -> float:
        return self.impressions / self.auctions if self.auctions else 0.0

    @property
    def ecpc(self) -> float | None:
        """Currency units a click; None without clicks."""
        return self.spend / self.clicks if self.clicks else None

    @property
    def ecpa(self) -> float | None:
        return self.spend / self.conversions if self.conversions else None


def settle(name: str, log: AuctionLog, bid: IntArray, budget: int, *, first_price: bool) -> Bought:
    """Count what bids (n,) buy in order of time until the budget, in nanos, is spent."""
    cost = spent(log, bid, first_price=first_price)
    won = (bid > log.market_price) & (bid >= log.seen.bid_floor) & ~log.censored
    stop = _stops(cost, [budget])[0]
    here = won[:stop]
    return Bought(
        name, budget, len(log), int(here.sum()), int(log.click[:stop][here].sum()),
        int(log.conversion[:stop][here].sum()), int(cost[:stop].sum()),
        int((log.censored & (bid > log.market_price))[:stop].sum()),
    )


def _stops(cost: IntArray, budgets: Sequence[int]) -> IntArray:
    """For each budget the number of auctions until one is won that it cannot pay."""
    return np.asarray(np.searchsorted(np.cumsum(cost), budgets, side="right"))


def replay(
    log: AuctionLog, judged_from: int, budgets: Sequence[float], strategies: Sequence[str] = STRATEGIES, *,
    first_price: bool = False, conversions: bool = False,
) -> list[Bought]:
    """Replay each strategy, in their order, under each budget, a share of what the judged part costs at second price.

    The log before the instant `judged_from` trains. Its rates predict what is bought: clicks, or with `conversions`
    those. Raises ValueError on an unknown strategy, a share out of range, or a part without events.
    """
    known = sorted({*STRATEGIES, *VARIANTS})
    if wrong := [s for s in strategies if s not in known]:
        raise ValueError(f"unknown strategies: {', '.join(wrong)}; choose from {', '.join(known)}")
    if not budgets or any(not 0 < share <= 1 for share in budgets):
        raise ValueError("budgets are shares of the judged part's cost: above 0, at most 1")
    train, judged = log.split(judged_from)
    _check(train, judged, conversions)
    total = int(judged.cost.sum())
    money = [int(total * share) for share in budgets]
    length = train.seconds / judged.seconds
    events = train.conversion if conversions else train.click
    made = _Trained(train, events, [int(m * length) for m in money], first_price)
    bought = []
    for name in strategies:
        for m, bids in zip(money, made.players(name), strict=True):
            bought.append(settle(name, judged, bids(judged, m), m, first_price=first_price))
    return bought


def _check(train: AuctionLog, judged: AuctionLog, conversions: bool) -> None:
    events = (train.conversion if conversions else train.click)[~train.censored]
    if not events.sum():
        raise ValueError(f"the training part has no {'conversion' if conversions else 'click'} to learn from: "
                         "give a longer log, or a larger training share")
    prices = [part.market_price[~part.censored].max(initial=0) for part in (train, judged)]
    if not train.seconds or not judged.seconds or not min(prices):
        raise ValueError("each part of the log needs auctions over some time, with known prices above 0")


Player = Callable[[AuctionLog, int], IntArray]


class _Trained:
    """Strategies tuned on the training part for each of its budgets."""

    def __init__(self, train: AuctionLog, events: IntArray, budgets: Sequence[int], first_price: bool) -> None:
        self._train, self._events, self._budgets, self._first_price = train, events, budgets, first_price
        won = ~train.censored
        calibration = calibrate(train.seen.rate[won], train.seen.segment[won], events[won])
        self._worth = np.where(won, calibration(train.seen.rate, train.seen.segment), 0.0)

    def players(self, name: str) -> list[Player]:
        """One a budget."""
        train = self._train
        if name in VARIANTS:
            made = priced(train, self._events, first_price=self._first_price, **VARIANTS[name])

            def play(judged: AuctionLog, budget: int) -> IntArray:
                def outcome(tick: slice, bids: IntArray) -> int:
                    return int(spent(judged.rows(tick), bids, first_price=self._first_price).sum())

                return made.play(judged.seen, budget, int(judged.seen.time[-1]) + 1, outcome)

            return [play] * len(self._budgets)
        if name == "mcpc":
            per_event = float(train.cost.sum()) / float(self._events[~train.censored].sum())
            return [lambda judged, _: in_nanos(judged.seen.rate * per_event)] * len(self._budgets)
        if name == "ortb":
            mean = float(train.market_price[~train.censored].mean())
            families = [ortb(c * mean) for c in ORTB_C]
        else:
            families = [constant() if name == "constant" else linear(float(train.seen.rate.mean()))]
        return [partial(_static, *choice) for choice in self._tuned(families)]

    def _tuned(self, families: Sequence[Static]) -> list[tuple[Static, float]]:
        """The best strategy and scale of each budget."""
        found = [(-1.0, families[0], 1.0)] * len(self._budgets)
        for family in families:
            priced_above_0 = ~self._train.censored & (self._train.market_price > 0)
            critical = family.critical(self._train.market_price[priced_above_0].astype(np.float64),
                                       self._train.seen.rate[priced_above_0])
            scales = np.quantile(critical, WON) * (1 + 1e-9)
            coarse = self._returned(family, scales, self._budgets)
            for j, budget in enumerate(self._budgets):
                at, near, value = int(np.argmax(coarse[:, j])), scales, coarse[:, j]
                for _ in range(ROUNDS):
                    near = np.geomspace(near[max(at - 1, 0)], near[min(at + 1, near.size - 1)], FINE)
                    value = self._returned(family, near, [budget])[:, 0]
                    at = int(np.argmax(value))
                if value[at] > found[j][0]:
                    found[j] = (float(value[at]), family, float(near[at]))
        return [(family, scale) for _, family, scale in found]

    def _returned(self, family: Static, scales: FloatArray, budgets: Sequence[int]) -> FloatArray:
        """Sum of calibrated rates won in the training part, (scales, budgets)."""
        result = np.zeros((scales.size, len(budgets)))
        for row, scale in zip(result, scales, strict=True):
            bid = in_nanos(family.bid(self._train.seen.rate, float(scale)))
            cost = spent(self._train, bid, first_price=self._first_price)
            won = (bid > self._train.market_price) & (bid >= self._train.seen.bid_floor)
            worth = np.concatenate([[0.0], np.cumsum(self._worth * won)])
            row[:] = worth[_stops(cost, budgets)]
        return result


def _static(family: Static, scale: float, judged: AuctionLog, budget: int) -> IntArray:
    return in_nanos(family.bid(judged.seen.rate, scale))
