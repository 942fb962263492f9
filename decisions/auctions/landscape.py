"""What bids win of the auctions of a day, as the unit's bid landscapes tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decisions.auctions.shading import best_bids

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SCALE = 10_000
"Parts of the currency unit that bids are whole numbers of."


@dataclass(frozen=True, eq=False)
class Landscape:
    """What bids win a day, of m rows at g bids, rising. A row of NaN has none. Between two bids both curves are
    straight, below the least bid clicks fall to none at 0, and above the largest nothing more is won."""

    bid: IntArray  # (g,) ten-thousandths, rising, all above 0
    clicks: FloatArray  # (m, g) never falling
    cost_per_click: FloatArray  # (m, g) currency units, never falling

    def at(self, bid: IntArray) -> tuple[FloatArray, FloatArray]:
        """Clicks and their cost at one bid a row, each (m,); a click never costs more than the bid."""
        nothing = np.zeros((len(bid), 1)) + 0.0 * self.clicks[:, :1]
        grid = np.concatenate([[0], self.bid])
        clicks = _between(grid, np.hstack([nothing, self.clicks]), bid)
        cost = _between(grid, np.hstack([nothing, self.cost_per_click]), bid)
        return clicks, np.minimum(cost, bid / SCALE)

    def shading(self) -> Callable[[FloatArray], FloatArray]:
        """Of worths (m,), the bids that keep most of (worth − bid) × clicks at first price, in ten-thousandths; the
        worth itself where a row has no curve. A bid never falls as its worth rises."""
        points = np.concatenate([[0], self.bid])
        # Ten steps between two bids of the landscape: clicks are straight between them, the best bid is not at them.
        grid = np.unique(np.linspace(points[:-1], points[1:], 11).round().astype(np.int64))[1:]
        known, rows = ~np.isnan(self.clicks[:, 0]), len(self.clicks)
        won = np.nan_to_num(np.stack([self.at(np.full(rows, b))[0] for b in grid], axis=1))
        return lambda worth: np.where(known, best_bids(worth, grid.astype(np.float64), won), worth)


def _between(grid: IntArray, values: FloatArray, at: IntArray) -> FloatArray:
    """Linear interpolation with one row of values each."""
    right = np.clip(np.searchsorted(grid, at, side="right"), 1, grid.size - 1)
    low, high = (np.take_along_axis(values, j[:, None], axis=1)[:, 0] for j in (right - 1, right))
    share = np.minimum((at - grid[right - 1]) / (grid[right] - grid[right - 1]), 1.0)
    return np.asarray(low + share * (high - low))
