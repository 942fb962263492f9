"""How much better a line's clicks convert at each level of a dimension (hour block, placement), and whether it is so.

The factors are pooled from line to unit: the unit's by level, pulled to 1 by as much as the data do not tell them from
chance (`ratios`), and each line's own deviation from them. Few lines may deviate, and those by much, which one variance
for all would hide: a line deviates with a probability, and by a gamma of one shape, both estimated from all lines (a
spike and a slab; Johnstone & Silverman 2004, Needles and straw in haystacks).

A factor is stated only where it beats no factor on later dates: each period's conversions are judged by factors fitted
on the periods before it. The ratio of the two likelihoods, multiplied over the periods, is an e-value: under no effect
its mean is at most 1, so that it exceeds 1 / α with a probability of at most α, whatever the factors were (Dawid 1984,
Prequential analysis; Grünwald, de Heide & Koolen 2024, Safe testing). Over lines, e-BH holds the share of false ones at
α under any dependence (Wang & Ramdas 2022, False discovery rate control with e-values).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from decisions.auctions.ratios import shrunk_ratios

FloatArray = NDArray[np.float64]
SHAPES = np.geomspace(2, 1_000, 12)
CHANCES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.98)
FALSE_SHARE = 0.05
"""Share of the lines with an effect that may be false, and the probability that a unit's is."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What is known of n lines at b levels."""

    factor: FloatArray  # (n, b) conversion rate over the line's mean, whose mean over the line's clicks is 1
    gain: FloatArray  # (n,) log likelihood of later conversions with the factors, above that without
    by_line: NDArray[np.bool_]  # (n,) the line's own conversions show it
    by_unit: NDArray[np.bool_]  # (n,) the rest of the lines show it together, and this one's do not speak against it

    @property
    def stated(self) -> NDArray[np.bool_]:
        return self.by_line | self.by_unit


def effect(clicks: ArrayLike, conversions: ArrayLike) -> Effect:
    """The factors of all periods, and the evidence for them. `clicks` and `conversions` are (periods, n, b), the
    periods in order of time; conversions may be fractions. Raises ValueError on bad input."""
    n, y = np.asarray(clicks, dtype=np.float64), np.asarray(conversions, dtype=np.float64)
    if n.ndim != 3 or n.shape != y.shape or not n.size:
        raise ValueError("clicks and conversions need one value a period, line and level")
    if any(not np.isfinite(v).all() or (v < 0).any() for v in (n, y)):
        raise ValueError("clicks and conversions must be finite and not negative")
    y = np.where(n > 0, y, 0.0)  # a conversion without a click of its level is another's
    gain = np.zeros(n.shape[1])
    for t in range(1, len(n)):
        gain += _log_ratio(_fitted(n[:t], y[:t]), n[t], y[t])
    factor = _fitted(n, y)
    gain /= _dispersion(factor, n, y)
    by_line = _discovered(gain, FALSE_SHARE)
    # Without the lines that show it alone, and only where most of the others gain: an effect of some says nothing of
    # the rest.
    rest = gain[~by_line]
    together = bool(rest.size) and rest.sum() >= -np.log(FALSE_SHARE) and np.median(rest) > 0
    by_unit = ~by_line & (gain > 0) & together
    return Effect(_normalised(factor, n.sum(axis=0)), gain, by_line, by_unit)


def _fitted(n: FloatArray, y: FloatArray) -> FloatArray:
    """Factors (n, b) from some periods: the unit's times the line's own."""
    spread = _dispersion(np.ones(n.shape[1:]), n, y)
    clicks, events = n.sum(axis=0), y.sum(axis=0) / spread
    # Against the line's own rate of the same period, so that neither a growing line nor a busy week looks like hours.
    rate = np.divide(y.sum(axis=2), n.sum(axis=2), out=np.zeros(y.shape[:2]), where=n.sum(axis=2) > 0)
    expected = (n * rate[:, :, None]).sum(axis=0) / spread
    of_unit = shrunk_ratios(events.sum(axis=0), expected.sum(axis=0)).ratio
    unit = _normalised(np.broadcast_to(of_unit, clicks.shape), clicks)
    return np.asarray(unit * _own(events, expected * unit))


def _own(y: FloatArray, e: FloatArray) -> FloatArray:
    """Mean ratio (n, b) of each line's events to those expected as the unit's, given whether it deviates."""
    best, found = 0.0, np.ones_like(y)
    for k in SHAPES:
        # Log likelihood of a line's events if it deviates (negative binomial) above that if not (Poisson).
        above = (gammaln(y + k) - gammaln(k) + k * np.log(k) - (k + y) * np.log(k + e) + e).sum(axis=1)
        for chance in CHANCES:
            each = np.logaddexp(np.log(chance) + above, np.log1p(-chance))
            if each.sum() > best:
                deviates = np.exp(np.log(chance) + above - each)[:, None]
                best, found = each.sum(), 1 + deviates * ((y + k) / (e + k) - 1)
    return found


def _log_ratio(factor: FloatArray, n: FloatArray, y: FloatArray) -> FloatArray:
    """Log likelihood ratio (lines,) of a period's conversions over the levels, given each line's sum and clicks."""
    return np.asarray((y * np.log(_normalised(factor, n))).sum(axis=1))


def _normalised(factor: FloatArray, clicks: FloatArray) -> FloatArray:
    """Factors whose mean over each line's clicks is 1."""
    total = clicks.sum(axis=1)
    mean = np.divide((factor * clicks).sum(axis=1), total, out=np.ones(len(total)), where=total > 0)
    return np.asarray(factor / mean[:, None])


def _dispersion(factor: FloatArray, n: FloatArray, y: FloatArray) -> float:
    """Variance of the unit's conversions by period and level over their mean, 1 at least: days differ in their hours
    by more than chance, and counts then say less (McCullagh & Nelder 1989, Generalized linear models, 4.5)."""
    if len(n) < 2:
        return 1.0
    mean = np.stack([y_t.sum(axis=1)[:, None] * _shares(_normalised(factor, n_t) * n_t)
                     for n_t, y_t in zip(n, y, strict=True)]).sum(axis=1)
    seen = y.sum(axis=1)
    # Against what each level brought over all periods: that the levels differ is no dispersion.
    level = np.divide(seen.sum(axis=0), mean.sum(axis=0), out=np.ones(seen.shape[1]), where=mean.sum(axis=0) > 0)
    mean = mean * level
    free = (mean.shape[0] - 1) * (mean.shape[1] - 1)
    if free < 1:
        return 1.0
    pearson = np.divide((seen - mean) ** 2, mean, out=np.zeros_like(mean), where=mean > 0)
    return float(max(pearson.sum() / free, 1.0))


def _shares(weight: FloatArray) -> FloatArray:
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0))


def _discovered(log_e: FloatArray, level: float) -> NDArray[np.bool_]:
    """e-BH: the k largest e-values, where the k-th is at least n / (k·level), for the largest such k."""
    order = np.argsort(-log_e, kind="stable")
    needed = np.log(log_e.size / (np.arange(1, log_e.size + 1) * level))
    passed = np.flatnonzero(log_e[order] >= needed)
    found = np.zeros(log_e.size, dtype=np.bool_)
    found[order[: passed[-1] + 1 if passed.size else 0]] = True
    return found
