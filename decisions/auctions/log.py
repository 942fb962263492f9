"""An auction log: one row an auction, with the highest competing bid, and what the impression led to.

Prices are int64 nanos: 10⁻⁹ currency units an impression, or 10⁻⁶ a thousand impressions, so that sums are exact.

Censoring: the highest competing bid is known where the logger won (the exchange told the price) and nowhere else. A
lost row says only that the price was at least the logger's bid; such a row is `censored`, and its `market_price`
holds that bid. A replay counts it as lost at any bid, and counts beside it how many bids were above what is known.
Public logs such as iPinYou's hold won auctions only: there a replay speaks of the auctions that the logger won.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NANO = 10**9
MICRO = 10**6
MOST_PRICE = 10**15  # nanos: a million currency units an impression; float64 still counts it exactly


@dataclass(frozen=True, eq=False)
class Seen:
    """What a bidder knows of n auctions before it bids, in order of time."""

    time: IntArray  # (n,) microseconds since 1970, UTC, never falling
    rate: FloatArray  # (n,) predicted clicks, or conversions, of an impression; above 0
    bid_floor: IntArray  # (n,) nanos; 0 for none
    segment: IntArray  # (n,) codes from 0


@dataclass(frozen=True, eq=False)
class AuctionLog:
    """n auctions in order of time. Raises ValueError where arrays do not fit each other."""

    seen: Seen
    market_price: IntArray  # (n,) nanos: the highest competing bid, or the least that it was where `censored`
    censored: NDArray[np.bool_]  # (n,)
    click: IntArray  # (n,) clicks of the impression, known where it was won
    conversion: IntArray  # (n,)

    def __post_init__(self) -> None:
        n = self.seen.time.size
        own = (self.market_price, self.censored, self.click, self.conversion)
        arrays = [*own, *(getattr(self.seen, f.name) for f in fields(Seen))]
        if any(a.shape != (n,) for a in arrays):
            raise ValueError(f"every column of an auction log needs {n} rows, as many as its times")
        if n and (np.diff(self.seen.time) < 0).any():
            raise ValueError("an auction log must be in order of time")
        if not (np.isfinite(self.seen.rate).all() and (self.seen.rate > 0).all()):
            raise ValueError("predicted rates must be finite and above 0")
        if any((a < 0).any() or (a > MOST_PRICE).any() for a in (self.market_price, self.seen.bid_floor)):
            raise ValueError(f"prices must be between 0 and {MOST_PRICE} nanos")
        if float(self.cost.astype(np.float64).sum()) > 9e18:
            raise ValueError("prices add up to more than an int64 of nanos holds: state them in a larger unit")

    def __len__(self) -> int:
        return self.seen.time.size

    @property
    def cost(self) -> IntArray:
        """What winning each auction costs at second price, 0 where that is not known; (n,) nanos."""
        return np.where(self.censored, 0, np.maximum(self.market_price, self.seen.bid_floor))

    @property
    def seconds(self) -> float:
        return float(self.seen.time[-1] - self.seen.time[0]) / MICRO if len(self) else 0.0

    def rows(self, where: slice | IntArray | NDArray[np.bool_]) -> AuctionLog:
        """Some of the auctions, in their order."""
        seen = Seen(*(getattr(self.seen, f.name)[where] for f in fields(Seen)))
        return AuctionLog(seen, self.market_price[where], self.censored[where], self.click[where],
                          self.conversion[where])

    def instant(self, share: float) -> int:
        """The instant at which that share of the log's time is over. Raises ValueError unless it is within the log."""
        if not 0 < share < 1 or not len(self):
            raise ValueError("a log is split by a share of its time between 0 and 1, and must not be empty")
        first, last = int(self.seen.time[0]), int(self.seen.time[-1])
        return first + round(share * (last - first))

    def split(self, instant: int) -> tuple[AuctionLog, AuctionLog]:
        """The auctions before an instant, and those from then on."""
        at = int(np.searchsorted(self.seen.time, instant))
        return self.rows(slice(0, at)), self.rows(slice(at, None))
