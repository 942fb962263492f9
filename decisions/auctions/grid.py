"""The bids of one line for every segment × placement × hour block, and the form in which a platform takes them.

What a click is worth comes from `decisions.bids`: calibrated conversion rate × value over the allocation's shadow
price, paced to the line's budget. Placement, hour block and inventory quality (domain, position) scale it by their
factors (`ratios.factors`), which thin data pull to 1. At first price it is shaded by the win rate; last come floor
and cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.auctions.multipliers import Multipliers, multipliers
from decisions.auctions.shading import best_bids

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LineBids:
    """Bids of m combinations of one line, ten-thousandths of the currency unit."""

    wanted: IntArray  # (m,) 0 where a click is worth less than the floor: to be excluded on the platform
    sent: Multipliers | None  # what says the wanted bids above 0, in their order; None where there is none


def line_bids(
    segment_bid: ArrayLike, clicks: ArrayLike, levels: Mapping[str, ArrayLike], factors: Mapping[str, ArrayLike], *,
    bid_floor: int, bid_cap: int, win_rate: tuple[ArrayLike, ArrayLike] | None = None,
) -> LineBids:
    """Bids of m combinations: their segments' bids (m,) times the factor of each dimension's level.

    `clicks` (m,) expected; `levels` of every dimension that has a percentage on the platform, the segment's too, codes
    from 0 (m,); `factors` of some of them and of inventory quality, each (levels,). `win_rate` at first price: a grid
    of bids (g,) and the share won at each (m, g). Raises ValueError on bad input.
    """
    worth = np.asarray(segment_bid, dtype=np.float64).copy()
    codes = {name: np.asarray(level, dtype=np.int64) for name, level in levels.items()}
    if missing := sorted(set(factors) - set(codes)):
        raise ValueError(f"no levels for the factors of {', '.join(missing)}")
    if not 0 <= bid_floor <= bid_cap or not np.isfinite(worth).all() or (worth < 0).any():
        raise ValueError("bids must be finite and not negative, and the floor not above the cap")
    for name, factor in factors.items():
        of_level = np.asarray(factor, dtype=np.float64)
        if not (np.isfinite(of_level).all() and (of_level >= 0).all()):
            raise ValueError(f"factors of {name} must be finite and not negative")
        worth *= of_level[codes[name]]
    bid = worth
    if win_rate is not None:
        bid = best_bids(worth, *(np.asarray(part, dtype=np.float64) for part in win_rate))
    held = np.minimum(np.maximum(np.floor(bid), bid_floor), bid_cap).astype(np.int64)
    wanted = np.where((worth >= bid_floor) & (bid > 0), held, 0)
    some = wanted > 0
    if not some.any():
        return LineBids(wanted, None)
    return LineBids(wanted, multipliers(wanted[some], np.asarray(clicks, dtype=np.float64)[some],
                                        {name: code[some] for name, code in codes.items()}))
