"""Factors of one dimension as whole percentages that leave a line's expected spend where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LEAST, MOST = -90, 900
"What platforms take, in whole percent."
SPEND_POWER = 2.0
"""Spend grows with at most this power of the bid: clicks in proportion to it, each at the bid. Where clicks or their
price grow by less, percentages that hold the spend under this power hold it too (the mean of powers)."""


def percents(factor: ArrayLike, share: ArrayLike, least: int, most: int) -> IntArray:
    """Whole percentages (b,) on the bids of one line, nearest to `factor` (b,) of its mean level.

    `share` (b,) of the line's clicks, adding up to 1. All bids are lowered by one factor, so that the mean of the
    bids' changes to the `SPEND_POWER` is 1 at most, and rounded down. `least` ≤ 0 ≤ `most` bound the percentages; a
    level without clicks gets 0. Raises ValueError on bad input.
    """
    ratio, weight = np.asarray(factor, dtype=np.float64), np.asarray(share, dtype=np.float64)
    if ratio.ndim != 1 or ratio.shape != weight.shape or not -100 < least <= 0 <= most:
        raise ValueError("one factor and one share a level, and bounds above −100 that hold 0")
    if not (np.isfinite(ratio).all() and (ratio >= 0).all() and (weight >= 0).all() and abs(weight.sum() - 1) < 1e-6):
        raise ValueError("factors must be finite and not negative, and shares add up to 1")
    ratio = ratio / ratio.max() if ratio.max() > 0 else np.ones_like(ratio)
    low, high = 1 + least / 100, 1 + most / 100

    def bid(scale: float) -> FloatArray:
        return np.clip(scale * ratio, low, high)

    def fits(scale: float) -> bool:
        return spend(bid(scale), weight) <= 1.0

    below, above = 0.0, 1.0
    while fits(above) and above < 1e6:
        below, above = above, above * 2
    for _ in range(60):
        middle = (below + above) / 2
        below, above = (middle, above) if fits(middle) else (below, middle)
    whole = np.floor(100 * (bid(below) - 1) + 1e-9).astype(np.int64)
    return np.asarray(np.where(weight > 0, np.maximum(whole, least), 0))


def spend(bid: FloatArray, share: FloatArray) -> float:
    """Expected spend at these multiples of the bids, over that at the bids themselves."""
    return float((share * bid**SPEND_POWER).sum())
