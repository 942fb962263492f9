"""Bids in the form that platforms take: one base bid and a percentage for each segment, placement and hour block.

A platform multiplies the percentages of an auction's segment, placement and hour block, each from −90 % to +900 % and
whole, onto the base bid. The bids that are wanted for each combination are seldom such a product: the nearest one, in
logarithms and weighted by clicks, is a weighted additive fit.

What a bid loses: where clicks grow with the power e of the bid up to what a click is worth, and each is paid at what
it took to win it, a bid of ρ times the wanted one keeps ρᵉ·(1 + e − e·ρ) of the surplus: all of it at ρ = 1, for e =
1 all but (1 − ρ)².
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LEAST, MOST = -90, 900
ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Multipliers:
    """A base bid and whole percentages. Losses are shares of the surplus that the wanted bids would keep, each on top
    of those before."""

    base: int  # ten-thousandths of the currency unit
    percent: dict[str, IntArray]  # of each dimension, by level; LEAST to MOST, 0 for a level without clicks
    bid: IntArray  # (m,) what the platform bids for each row, ten-thousandths
    lost_to_form: float  # that bids are a product
    lost_to_range: float  # that percentages end at LEAST and MOST
    lost_to_rounding: float  # that they and the base are whole, and the bid rounded down
    clipped: dict[str, IntArray]  # levels at an end of the range, by dimension


def multipliers(
    bid: ArrayLike, clicks: ArrayLike, levels: Mapping[str, ArrayLike], *, elasticity: float = 1.0,
    least: int = LEAST, most: int = MOST,
) -> Multipliers:
    """The base bid and percentages nearest to the wanted bids of m rows of one line.

    `bid` (m,) ten-thousandths of the currency unit, above 0; `clicks` (m,) expected, the rows' weights; `levels` of
    each dimension the row's level, codes from 0. `elasticity` of clicks to the bid is for the losses alone. `least`
    and `most`: the platform's range. A row that should not be bid for at all is an exclusion, which no multiplier
    says: leave it out. Raises ValueError on bad input.
    """
    wanted, weight = np.asarray(bid, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    codes = {name: np.asarray(level, dtype=np.int64) for name, level in levels.items()}
    _check(wanted, weight, codes, elasticity, least, most)
    free, base = _nearest(np.log(wanted), weight, codes)
    held = _clipped(free, np.log(wanted), weight, codes, np.log(1 + least / 100), np.log(1 + most / 100))
    percent = {name: np.clip(np.rint(100 * np.expm1(f)), least, most).astype(np.int64) for name, f in held.items()}
    center = _mean(np.log(wanted) - sum(np.log1p(p / 100)[codes[name]] for name, p in percent.items()), weight)
    whole_base = max(int(np.rint(np.exp(center))), 1)
    # Whole numbers of any size, so that a bid is exact before it is rounded down.
    product, scale = np.full(wanted.shape, whole_base, dtype=object), 1
    for name, p in percent.items():
        product, scale = product * (100 + p[codes[name]]).astype(object), scale * 100
    made = np.array([int(b) // scale for b in product], dtype=np.int64)
    loose = _kept(np.exp(base + sum(f[codes[n]] for n, f in free.items())) / wanted, wanted * weight, elasticity)
    tied = np.log(wanted) - sum(f[codes[n]] for n, f in held.items())
    tight = _kept(np.exp(np.log(wanted) - tied + _mean(tied, weight)) / wanted, wanted * weight, elasticity)
    final = _kept(made / wanted, wanted * weight, elasticity)
    ends = {name: np.flatnonzero((p == least) | (p == most)) for name, p in percent.items()}
    return Multipliers(whole_base, percent, made, 1 - loose, loose - tight, tight - final, ends)


def _mean(values: FloatArray, weight: FloatArray) -> float:
    return float(np.average(values, weights=weight if weight.any() else None))


def _nearest(
    log_bid: FloatArray, weight: FloatArray, codes: Mapping[str, IntArray]
) -> tuple[dict[str, FloatArray], float]:
    """Weighted least squares of log bids on the levels, each dimension's mean at 0; and the constant (backfitting)."""
    base = _mean(log_bid, weight)
    effect = {name: np.zeros(int(c.max()) + 1) for name, c in codes.items()}
    mass = {name: np.bincount(c, weight, effect[name].size).astype(np.float64) for name, c in codes.items()}
    for _ in range(ROUNDS):
        largest = 0.0
        for name, c in codes.items():
            rest = log_bid - base - sum(effect[o][codes[o]] for o in codes if o != name)
            sums = np.bincount(c, weight * rest, mass[name].size)
            mean = np.divide(sums, mass[name], out=np.zeros_like(sums), where=mass[name] > 0)
            shift = float(np.average(mean, weights=mass[name])) if mass[name].any() else 0.0
            new = np.where(mass[name] > 0, mean - shift, 0.0)
            base += shift
            largest = max(largest, float(np.abs(new - effect[name]).max(initial=0.0)))
            effect[name] = new
        if largest < 1e-10:
            break
    return effect, base


def _clipped(
    effect: Mapping[str, FloatArray], log_bid: FloatArray, weight: FloatArray, codes: Mapping[str, IntArray],
    least: float, most: float,
) -> dict[str, FloatArray]:
    """Effects within the range: first each dimension about the middle of what it asks for, where the mean would not
    fit."""
    held = {}
    for name, f in effect.items():
        used = f[np.bincount(codes[name], weight, f.size) > 0]
        shift = 0.0
        if used.size and (used.min() < least or used.max() > most):
            # The base takes the shift up. Where even the middle does not fit, both ends are clipped alike.
            middle = (used.max() + used.min()) / 2 - (most + least) / 2
            fits = (used.max() - most, used.min() - least)
            shift = float(np.clip(0.0, *fits)) if fits[0] <= fits[1] else float(middle)
        held[name] = np.where(np.bincount(codes[name], weight, f.size) > 0, np.clip(f - shift, least, most), 0.0)
    return held


def _kept(ratio: FloatArray, worth: FloatArray, e: float) -> float:
    """Share of the surplus that bids at these ratios to the wanted ones keep; `worth` weighs the rows."""
    if not worth.any():
        return 1.0
    return float(np.average(ratio**e * (1 + e - e * ratio), weights=worth))


def _check(
    bid: FloatArray, clicks: FloatArray, codes: Mapping[str, IntArray], elasticity: float, least: int, most: int
) -> None:
    if bid.ndim != 1 or not bid.size or any(a.shape != bid.shape for a in (clicks, *codes.values())):
        raise ValueError("bids, clicks and every dimension's levels need one value a row, and one row at least")
    if not (np.isfinite(bid).all() and (bid > 0).all() and np.isfinite(clicks).all() and (clicks >= 0).all()):
        raise ValueError("bids must be above 0 and clicks not negative: a row that gets no bid is an exclusion")
    if any((c < 0).any() for c in codes.values()) or not elasticity > 0 or not -100 < least <= 0 <= most:
        raise ValueError("levels are codes from 0, the elasticity is above 0, the range holds 0 and is above −100 %")
