"""The simplest fit of the curves, which `decisions.fitting` has to beat: no clicks, no demand of a line's own.

All lines are fitted together by empirical Bayes (Efron & Morris 1973; Carlin & Louis 2008, ch. 5):
`log(a/k)` and `log(k / typical spend)` are normal around the group's mean, and the group's means and
variances are estimated from all lines by expectation-maximisation. Each line's posterior is Laplace's
approximation, so a line with few days, or one constant spend, keeps the group's shape and a wide error.
Giving `day` removes the demand that all lines share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.curves import Curves

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Hyperpriors, in log units; they matter with few lines and fade with many. The mean of log(k / typical) is
# 0 ± 1: a typical day is half saturated, its last unit returning half of what its average unit returns.
K_MEAN_SD = 1.0
# Between lines, first returns differ by a factor of e^1 = 2.7 and saturation by e^0.5 = 1.6.
SPREAD_START = np.array([1.0, 0.5])
SPREAD_WEIGHT = 3.0  # lines that this guess of the spread counts for
DISPERSION_WEIGHT = 10.0  # days that the group's dispersion counts for in each line's own
DEMAND_WEIGHT = 25.0  # a day's shared demand is 1 ± 0.2 before its outcomes are seen
ROUNDS, TOLERANCE = 80, 1e-3


@dataclass(frozen=True, eq=False)
class Fit(Curves):
    dispersion: FloatArray  # (n,) variance of a day's outcome, divided by its expectation
    demand: FloatArray  # (days,) shared demand of each day, 1 on average; empty when `day` was not given


def fit(
    line: ArrayLike,
    spend: ArrayLike,
    outcome: ArrayLike,
    n_lines: int,
    *,
    weights: ArrayLike | None = None,
    day: ArrayLike | None = None,
) -> Fit:
    """Fit the curves of `n_lines` lines that belong to one group (call once for each group).

    Rows are line-days: `line` (m,) in 0…n_lines-1, `spend` (m,) ≥ 0, `outcome` (m,) projected to its final
    value, NaN while unknown, `weights` (m,) the share of that outcome already known (dividing by a share
    known multiplies the variance by 1/share, so projecting and weighting is the same as fitting the raw
    count), `day` (m,) an index from 0 for estimating the demand that lines share.

    The variance is proportional to the mean (quasi-Poisson; McCullagh & Nelder 1989, ch. 9): a day is a
    sum of separate orders, so it holds for counts and, with a larger factor, for their value; the mean
    stays unbiased under heavy tails, where trimming would not be. Each line has its own factor, so erratic
    lines lean on the group. Days without spend are left out: the curve starts at 0 and cannot explain what
    came without spend.

    A line without any known outcome gets the group's curve, with k scaled to the line's own typical spend or,
    never having spent, to the median line's: k is an amount of money, and being a line like the others is all
    that is known. Raises ValueError on bad rows and when no line has an outcome above zero.
    """
    i, s, y, w = _checked(line, spend, outcome, n_lines, weights)
    log_u = _typical(i, s, n_lines)
    known = (s > 0) & (w > 0) & np.isfinite(y)
    t = None if day is None else np.asarray(day, dtype=np.int64)
    n_days = 0 if t is None or not t.size else int(t.max()) + 1
    i, s, y, w, t = i[known], s[known], y[known], w[known], None if t is None else t[known]
    wy, ws = (np.bincount(i, w * v, n_lines) for v in (y, s))
    if not wy.sum() > 0:
        raise ValueError("no line has an outcome above zero: there is nothing to fit, keep the last split")
    y = np.where(wy[i] < 0, 0.0, y)  # a line whose refunds exceed its orders counts as returning nothing
    x = s / np.exp(log_u)[i]
    days = np.bincount(i, minlength=n_lines)
    seen = days > 0

    # Start: each line's return with one day at the pooled return added, at half saturation.
    pooled, u = wy.sum() / ws.sum(), np.exp(log_u)
    theta = np.stack([np.log(2 * (np.maximum(wy, 0.0) + pooled * u) / (ws + u)), np.zeros(n_lines)], axis=1)
    mean, spread = np.array([np.log(2 * pooled), 0.0]), SPREAD_START**2
    phi = np.full(n_lines, pooled)
    demand, factor = np.ones(n_days), np.ones(s.size)

    for _ in range(ROUNDS):
        before = np.concatenate([mean, np.log(spread)])
        base = s * np.exp(theta[i, 0]) / (1 + x / np.exp(theta[i, 1]))
        if t is not None:
            # Gamma-Poisson posterior mean; with every line moving in step it stays near 1 and claims nothing.
            top, bottom = (np.bincount(t, w * v / phi[i], n_days) + DEMAND_WEIGHT for v in (y, base))
            demand = np.maximum(top, 1.0) / bottom
            demand /= demand.mean()
            factor = demand[t]
        expected = np.maximum(factor * base, 0.01 * pooled * s)  # one line near 0 must not set the group's
        phi = _dispersion(i, w * (y - expected) ** 2 / expected, days)
        theta, cov = _newton(theta, (i, s * factor, x, y, w / phi[i]), mean, spread, steps=4)
        mean, spread = _group(theta[seen], cov[seen], spread)
        if np.abs(np.concatenate([mean, np.log(spread)]) - before).max() < TOLERANCE:
            break
    theta, cov = _newton(theta, (i, s * factor, x, y, w / phi[i]), mean, spread, steps=50)

    low, high = np.full(n_lines, np.inf), np.zeros(n_lines)
    np.minimum.at(low, i, s)
    np.maximum.at(high, i, s)
    k = np.exp(theta[:, 1] + log_u)
    return Fit(
        a=np.exp(theta[:, 0]) * k,
        k=k,
        cov=cov,
        days_observed=days,
        spend_low=np.where(seen, low, 0.0),
        spend_high=high,
        typical_spend=u,
        dispersion=phi,
        demand=demand,
    )


def _checked(
    line: ArrayLike, spend: ArrayLike, outcome: ArrayLike, n_lines: int, weights: ArrayLike | None
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    i = np.asarray(line, dtype=np.int64)
    s, y = np.asarray(spend, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    w = np.ones(s.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if not i.shape == s.shape == y.shape == w.shape or i.ndim != 1:
        raise ValueError("line, spend, outcome and weights must be one-dimensional and equally long")
    if i.size and not 0 <= i.min() <= i.max() < n_lines:
        raise ValueError(f"line indices must lie in 0…{n_lines - 1}")
    if not (np.isfinite(s).all() and np.isfinite(w).all() and (s >= 0).all() and (w >= 0).all()):
        raise ValueError("spend and weights must be finite and not negative")
    return i, s, y, w


def _typical(i: IntArray, s: FloatArray, n_lines: int) -> FloatArray:
    """Log of each line's geometric mean spend; the median line's for lines that never spent."""
    spent = s > 0
    days = np.bincount(i[spent], minlength=n_lines)
    log_u = np.bincount(i[spent], np.log(s[spent]), n_lines) / np.maximum(days, 1)
    return np.where(days > 0, log_u, np.median(log_u[days > 0]) if spent.any() else 0.0)


def _dispersion(i: IntArray, pearson: FloatArray, days: IntArray) -> FloatArray:
    """Pearson's dispersion of each line, shrunk to the group's by `DISPERSION_WEIGHT` days."""
    own = np.bincount(i, pearson, days.size)
    group = own.sum() / max(days.sum() - (days > 0).sum(), 1)  # about one parameter a line
    return np.asarray((own + DISPERSION_WEIGHT * group) / (days + DISPERSION_WEIGHT)).clip(1e-12)


def _newton(
    theta: FloatArray,
    rows: tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray],
    mean: FloatArray,
    spread: FloatArray,
    steps: int,
) -> tuple[FloatArray, FloatArray]:
    """Posterior mode (n, 2) and covariance (n, 2, 2) of every line at once, from `theta`.

    The log-likelihood's curvature is Fisher's plus a term in log k that has either sign; only its positive
    part is kept, so the matrix is never flatter than the truth and a step does not overshoot.
    """
    i, s, x, y, w = rows
    n = len(theta)
    move = np.full((1, 1), np.inf)
    for step in range(steps + 1):
        r = x / (x + np.exp(theta[i, 1]))
        mu = s * np.exp(theta[i, 0]) * (1 - r)
        residual, information = w * (y - mu), w * mu
        h00 = np.bincount(i, information, n) + 1 / spread[0]
        h01 = np.bincount(i, information * r, n)
        h11 = np.bincount(i, information * r**2, n) + 1 / spread[1]
        if step == steps or np.abs(move).max() < 1e-9:
            break
        g0 = np.bincount(i, residual, n) - (theta[:, 0] - mean[0]) / spread[0]
        g1 = np.bincount(i, residual * r, n) - (theta[:, 1] - mean[1]) / spread[1]
        bend = h11 + np.maximum(np.bincount(i, residual * r * (1 - r), n), 0.0)
        move = np.stack([bend * g0 - h01 * g1, h00 * g1 - h01 * g0], axis=1) / (h00 * bend - h01**2)[:, None]
        theta = theta + move.clip(-1.0, 1.0)
    determinant = h00 * h11 - h01**2
    cov = np.stack([h11, -h01, -h01, h00], axis=1) / determinant[:, None]
    return theta, cov.reshape(n, 2, 2)


def _group(theta: FloatArray, cov: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The M-step: the group's means (2,) and variances between lines (2,) under their hyperpriors."""
    n = len(theta)
    mean = theta.mean(axis=0)
    mean[1] *= n / (n + spread[1] / K_MEAN_SD**2)
    second = (theta - mean) ** 2 + cov[:, [0, 1], [0, 1]]
    return mean, (second.sum(axis=0) + SPREAD_WEIGHT * SPREAD_START**2) / (n + SPREAD_WEIGHT)
