"""What the bids' nightly correction does to a line in a replayed second-price market, beside no correction.

Each day of `benchmarks.auction_world` is a day of one line with a daily budget, which the platform stops at. Bids are
the predicted click rate times a base, the base off from the right one by a factor, as a bid from a wrong rate or price
is. The correction sees a day's spend when the next day's bids are due. Drift: volume and prices wander from day to day.
The right base is the one constant that spends most of the budgets over all days without being stopped early.

    python -m benchmarks.bid_feedback --seeds 5
"""

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.auction_world import DAY, START, world
from decisions.auctions.feedback import corrected, none

DAYS, AUCTIONS = 28, 400_000
SHARE = 0.25  # of the market's cost that a day's budget is


class Market:
    """A log, day by day, and what a base bid spends and wins of it."""

    def __init__(self, seed: int) -> None:
        log = world(seed, AUCTIONS, DAYS).log
        day = (log.seen.time - START) // DAY
        order = np.argsort(log.seen.time, kind="stable")
        self.days = [order[day[order] == d] for d in range(DAYS)]
        self.price = np.maximum(log.market_price, log.seen.bid_floor).astype(float)
        self.rate, self.click = log.seen.rate, log.click
        self.budget = SHARE * self.price.sum() / DAYS

    def play(self, day: int, base: float) -> tuple[float, float, bool]:
        """Spend and clicks of a day, and whether the budget stopped it."""
        rows = self.days[day]
        won = rows[base * self.rate[rows] > self.price[rows]]
        spent = self.price[won].cumsum()
        kept = int(np.searchsorted(spent, self.budget, side="right"))
        return float(spent[kept - 1]) if kept else 0.0, float(self.click[won[:kept]].sum()), kept < len(won)

    def right(self) -> float:
        """The base whose mean spend, not stopped, is the budget."""
        low, high = 1.0, 1e12
        for _ in range(60):
            middle = (low * high) ** 0.5
            spend = self.price[middle * self.rate > self.price].sum() / DAYS
            low, high = (middle, high) if spend < self.budget else (low, middle)
        return low


def play(market: Market, off: float, feedback: bool) -> tuple[float, float, float, float]:
    """Spend over budget and clicks of the last three weeks, days stopped early, and the standard deviation of the
    correction's log over them."""
    state, base = none(1), off * market.right()
    rows, logs = [], []
    for day in range(DAYS):
        spend, clicks, stopped = market.play(day, base * (state.factor[0] if feedback else 1.0))
        rows.append((spend / market.budget, clicks, stopped))
        logs.append(state.log[0])
        # A day that the budget stopped would have spent more: the night sees only that it was spent.
        state = corrected(state, [market.budget], [spend])
    later = np.array(rows[7:], dtype=float)
    return later[:, 0].mean(), later[:, 1].sum(), later[:, 2].mean(), float(np.std(logs[7:]))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    markets = [Market(300 + seed) for seed in range(asked.seeds)]
    table = Table(title=f"{asked.seeds} markets, {DAYS} days, budget {SHARE:.0%} of the market; days 8 to {DAYS}")
    for name in ("base bid", "spend of budget, without", "with", "clicks with over without", "days stopped, without",
                 "with", "wander of the log"):
        table.add_column(name, justify="right")
    for off in (0.6, 0.8, 1.0, 1.25, 1.6):
        without, corrected_ = (np.array([play(m, off, on) for m in markets]) for on in (False, True))
        gain = corrected_[:, 1] / without[:, 1] - 1
        table.add_row(f"{off:g} × right", f"{without[:, 0].mean():.1%}", f"{corrected_[:, 0].mean():.1%}",
                      f"{gain.mean():+.1%} ± {gain.std(ddof=1) / len(gain)**0.5:.1%}", f"{without[:, 2].mean():.0%}",
                      f"{corrected_[:, 2].mean():.0%}", f"{corrected_[:, 3].mean():.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
