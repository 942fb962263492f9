"""A bid per line and segment, from what a click is worth and what money must return tonight.

A click is worth `conversion_rate × value_per_conversion`. At the optimum of the allocation the last
currency unit returns the shadow price λ everywhere, so a click may cost its worth divided by λ; a line
whose clicks would then cost more than its budget scales all its bids by one factor (Balseiro & Gur 2019,
Learning in repeated auctions with budgets; Conitzer et al. 2022, Multiplicative pacing equilibria: value
over 1 + multiplier).

Spend model: where the unit delivers bid landscapes, the clicks that a bid wins at their clearing price (`Landscape`).
Elsewhere the segment's expected clicks at today's cost per click, each paid at the lower of the bid and that cost:
fewer clicks at a lower bid are not modelled there, so expected spend errs on the high side. Either never falls as a
bid rises, so bisection finds the largest factor that fits.

Bids are int64 ten-thousandths of the currency unit, for DECIMAL(18, 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.auctions.landscape import SCALE, Landscape

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST = 10**15  # where no cap is given; a float still counts it exactly


@dataclass(frozen=True, eq=False)
class Bids:
    """Bids of m line × segment rows, in the order given."""

    bid: IntArray  # (m,) ten-thousandths of the currency unit; 0 means do not bid
    expected_clicks: FloatArray  # (m,) a day at the bid
    expected_spend_cents: IntArray  # (m,) adds up, for each line, to its expected spend rounded down
    binding: NDArray[np.str_]  # (m,) 'cap', 'floor', 'budget' or '' where the bid is the click's worth
    reason: tuple[str, ...]  # (m,) one sentence
    pace: FloatArray  # (n,) the factor of each line, 1 where its budget does not bind
    can_rise: NDArray[np.bool_]  # (n,) whether a larger correction would raise a bid of the line
    can_fall: NDArray[np.bool_]  # (n,) whether a smaller one would lower one


def bids(
    line: ArrayLike,
    conversion_rate: ArrayLike,
    value_per_conversion: ArrayLike,
    clicks: ArrayLike,
    cost_per_click: ArrayLike,
    budget_cents: ArrayLike,
    shadow_price: ArrayLike,
    *,
    price_floor: ArrayLike,
    bid_floor: ArrayLike = 0,
    bid_cap: ArrayLike = MOST,
    landscape: Landscape | None = None,
    correction: ArrayLike = 1.0,
    first_price: bool = False,
) -> Bids:
    """Bid of each line × segment row, so that no line is expected to spend more than its budget.

    Rows (m,): `line` in 0…n-1, calibrated `conversion_rate` of a click (above 1 where the platform reports
    so), `value_per_conversion` in the unit of the curves' outcome, `clicks` expected a day at the current
    `cost_per_click` (currency units); a row of the `landscape` replaces both. `budget_cents` (n,).
    `shadow_price` is the allocation's, of each line (n,) or of all, as is `price_floor`, below which it does not fall:
    1 never pays more for a click than it returns, 1.25 keeps a fifth of its value as margin. `bid_floor` and `bid_cap`
    (scalar or (m,)) are ten-thousandths. A line that cannot afford its floors drops its least worthy segments (bid 0),
    because a platform refuses a bid below its floor. `correction` (n,) multiplies the bids at last, by what the line
    spent of its budgets lately (`auctions.feedback`): within floor and cap, and not above what a click returns at the
    `price_floor`. At `first_price` a click costs its bid, and rows of the landscape bid what keeps most of the click's
    worth; the others bid the worth, since nothing tells what a lower bid wins. Raises ValueError on bad input.
    """
    i = np.asarray(line, dtype=np.int64)
    budget = np.asarray(budget_cents, dtype=np.int64)
    rate, value, n_clicks, cost = (
        np.broadcast_to(np.asarray(v, dtype=np.float64), i.shape)
        for v in (conversion_rate, value_per_conversion, clicks, cost_per_click)
    )
    floor, cap = (np.broadcast_to(np.asarray(v, dtype=np.int64), i.shape) for v in (bid_floor, bid_cap))
    price, least_price = (np.broadcast_to(np.asarray(v, dtype=np.float64), budget.shape)
                          for v in (shadow_price, price_floor))
    price = np.maximum(price, least_price)
    _check(i, budget, (rate, value, n_clicks, cost), floor, cap, price, least_price)

    worth = np.minimum(rate * value / price[i] * SCALE, MOST)
    wanted = np.clip(worth, floor, cap)

    def bought(bid: IntArray) -> tuple[FloatArray, FloatArray]:
        """Clicks and currency units a day of each row."""
        paid = bid / SCALE if first_price else np.minimum(bid / SCALE, cost)
        if landscape is None:
            return n_clicks, n_clicks * paid
        won, price = landscape.at(bid)
        price = bid / SCALE if first_price else price
        known = ~np.isnan(won)
        return np.where(known, won, n_clicks), np.where(known, won * price, n_clicks * paid)

    def spend(bid: IntArray) -> FloatArray:
        return bought(bid)[1]

    def fits(bid: IntArray) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(i, spend(bid), budget.size) * 100 <= budget + 1e-6)

    shade = landscape.shading() if first_price and landscape is not None else np.asarray

    def paced(pace: FloatArray) -> IntArray:
        return np.asarray(np.maximum(np.floor(shade(wanted * pace[i])).astype(np.int64), floor))

    high = np.ones(budget.size)
    low = fits(paced(high)).astype(np.float64)
    for _ in range(60):
        middle = (low + high) / 2
        good = fits(paced(middle))
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    low = np.where(budget == 0, 0.0, low)
    bid = paced(low)
    bid = np.where(fits(bid)[i], bid, _affordable(i, rate * value, spend(floor), floor, budget))
    bid = np.where(budget[i] == 0, 0, bid)
    moved = np.broadcast_to(np.asarray(correction, dtype=np.float64), budget.shape)
    if not (np.isfinite(moved).all() and (moved > 0).all()):
        raise ValueError("corrections must be finite and above 0")
    most = np.minimum(np.minimum(rate * value / least_price[i] * SCALE, MOST).astype(np.int64), cap)
    made, most = _corrected(bid, moved[i], floor, most)
    rises, falls = (np.bincount(i, room & (made > 0), budget.size) > 0 for room in (made < most, made > floor))
    # Where bids were raised because less was spent than expected, the spend model says too much: the budget holds.
    model = np.bincount(i, spend(made), budget.size) * 100
    held = np.divide(budget, model, out=np.ones(budget.size), where=(model > budget) & (moved > 1))

    full = paced(np.ones(budget.size))
    shaded = np.where(full < np.floor(wanted), np.floor(wanted), 0).astype(np.int64)
    rests_on = [bid < full, worth > cap, worth < floor]
    binding = np.select(rests_on, ["budget", "cap", "floor"], "")
    text = tuple(
        _reason(str(why), int(b), int(least), int(money), float(low[at]), float(price[at]), int(worth_of))
        + _told(float(moved[at]))
        for why, b, least, money, at, worth_of in zip(binding, bid, floor, budget[i], i, shaded, strict=True)
    )
    clicks_won, cents = bought(made)[0] * held[i], spend(made) * held[i] * 100
    return Bids(made, clicks_won, _whole_cents(i, cents), binding, text, low, rises, falls)


def _check(
    i: IntArray,
    budget: IntArray,
    numbers: tuple[FloatArray, ...],
    floor: IntArray,
    cap: IntArray,
    price: FloatArray,
    least_price: FloatArray,
) -> None:
    if i.ndim != 1 or (i.size and not 0 <= i.min() <= i.max() < budget.size):
        raise ValueError(f"line must be one-dimensional, with indices in 0…{budget.size - 1}")
    if any(not np.isfinite(v).all() or (v < 0).any() for v in numbers):
        raise ValueError("rates, values, clicks and costs must be finite and not negative")
    if not ((least_price > 0).all() and np.isfinite(price).all()) or (budget < 0).any():
        raise ValueError("the price floor must be above 0, the price finite and no budget negative")
    if (floor < 0).any() or (floor > cap).any() or (cap > MOST).any():
        crossed = np.flatnonzero(floor > cap).tolist()
        raise ValueError(f"bid floors must not be negative nor above their caps; rows {crossed}")


def _corrected(bid: IntArray, by: FloatArray, floor: IntArray, most: IntArray) -> tuple[IntArray, IntArray]:
    """Bids above 0 times their correction, from their floor to `most`, and where each could have gone to."""
    top = np.maximum(most, bid)  # a floor may be above what a click returns
    asked = np.minimum(np.floor(bid * by + 1e-9), MOST).astype(np.int64)
    return np.where(bid > 0, np.clip(asked, np.minimum(floor, bid), top), 0), top


def _affordable(i: IntArray, worth: FloatArray, spend: FloatArray, bid: IntArray, budget: IntArray) -> IntArray:
    """The bids of each line's worthiest segments, as many as its budget holds, and 0 for the rest."""
    order = np.lexsort((-worth, i))
    # Hundredths of a cent, rounded up: whole numbers add up the same in any order, and never past the budget.
    so_far = np.cumsum(np.ceil(spend[order] * SCALE))
    first = np.searchsorted(i[order], i[order])
    so_far -= np.where(first > 0, so_far[first - 1], 0.0)
    kept = np.zeros(i.size, dtype=np.bool_)
    kept[order] = so_far <= budget[i[order]] * (SCALE // 100)
    return np.asarray(bid * kept, dtype=np.int64)


def _whole_cents(i: IntArray, cents: FloatArray) -> IntArray:
    """Whole cents a row that add up, in each line, to the line's sum rounded down (cumulative rounding)."""
    order = np.argsort(i, kind="stable")
    lines, first = i[order], np.searchsorted(i[order], i[order])
    summed = np.cumsum(cents[order])
    summed -= np.where(first > 0, summed[first - 1], 0.0)
    so_far = np.floor(summed + 1e-6).astype(np.int64)
    earlier = np.where(np.arange(lines.size) > first, np.roll(so_far, 1), 0)
    whole = np.empty_like(so_far)
    whole[order] = so_far - earlier
    return whole


def _told(correction: float) -> str:
    """What the feedback on the line's spend adds to a reason; nothing for less than half a percent."""
    if abs(correction - 1) < 0.005:
        return ""
    return f"; {'raised' if correction > 1 else 'lowered'} by {abs(correction - 1):.0%} for what the line spent lately"


def _reason(binding: str, bid: int, floor: int, budget: int, pace: float, price: float, shaded: int) -> str:
    if budget == 0:
        return "No bid: the line has no budget"
    if binding == "budget" and bid == 0:
        return "No bid: the line's budget goes to segments worth more a click"
    if binding == "budget" and bid == floor:
        return f"Lowered to the floor of {bid / SCALE:,.4f}, so that the line stays within its budget"
    if binding == "budget":
        return f"Lowered to {pace:.0%} of a click's worth, so that the line stays within its budget"
    if binding == "cap":
        return f"Held at the cap of {bid / SCALE:,.4f}; a click here is worth more"
    if binding == "floor":
        return f"Held at the floor of {bid / SCALE:,.4f}; a click here is worth less"
    if shaded and bid:
        return f"Shaded from the {shaded / SCALE:,.4f} that a click is worth: at first price this bid keeps most of it"
    if shaded:
        return "No bid: at first price no bid that wins keeps anything of what a click is worth"
    return f"What a click returns, divided by the {price:,.2f} that money returns elsewhere"
