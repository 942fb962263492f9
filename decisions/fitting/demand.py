"""Demand that spend did not cause: of each line and shared by a channel's lines, as autoregressive states.

Budgets follow demand, so a fit without them reads demand as return. Where a planner raises a budget because
yesterday went well, yesterday's outcomes show it too: given them, what is left of today's spend says nothing of
today's shock, and the curve is identified (sequential ignorability; Robins 1986). A line's demand `1 + z_t`, with
z_t = rho z_{t-1} + noise, is integrated out by its covariance (penalised quasi-likelihood; Breslow & Clayton 1993);
rho and the variance come from the residuals' autocovariances, pooled over the channel. What a planner knew of today
that no yesterday showed stays in the curve: only an experiment takes that out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RHO = np.linspace(0.3, 0.98, 35)
LEAST_VARIANCE, MOST_VARIANCE = 1e-6, 0.5
MOMENT_LAGS = 6


class Ar(NamedTuple):
    """A stationary autoregressive state of order 1."""

    rho: float
    variance: float  # of the state, not of its noise


def whiten(precision: FloatArray, ar: Ar, a: FloatArray) -> FloatArray:
    """V⁻¹a of columns a (T, n, q), V the covariance of states plus independent noise of `precision` (T, n).

    All lines at once by elimination along the days (Woodbury; the state's precision matrix is tridiagonal).
    """
    weighted = precision[..., None] * a
    return weighted - precision[..., None] * smooth(precision, ar, weighted)


def smooth(precision: FloatArray, ar: Ar, weighted: FloatArray) -> FloatArray:
    """The states' posterior means (T, n, q) given precision × observation, `weighted` (T, n, q)."""
    days = len(precision)
    if ar.variance <= LEAST_VARIANCE:
        return np.zeros_like(weighted)
    inner = 1 / (ar.variance * (1 - ar.rho**2))
    diagonal = np.full(days, (1 + ar.rho**2) * inner)
    diagonal[0] = diagonal[-1] = inner if days > 1 else 1 / ar.variance
    off = -ar.rho * inner
    pivot, out = precision + diagonal[:, None], weighted.copy()
    for t in range(1, days):
        ratio = off / pivot[t - 1]
        pivot[t] -= off * ratio
        out[t] -= ratio[:, None] * out[t - 1]
    out[-1] /= pivot[-1][:, None]
    for t in range(days - 2, -1, -1):
        out[t] = (out[t] - off * out[t + 1]) / pivot[t][:, None]
    return out


def moments(residual: FloatArray, precision: FloatArray, ar: Ar) -> Ar:
    """The state of residuals (T, n), by their autocovariances weighted with what each day can tell under `ar`."""
    weight = np.where(precision > 0, precision / (1 + precision * ar.variance), 0.0)
    covariance = np.zeros(MOMENT_LAGS)
    for lag in range(1, min(MOMENT_LAGS + 1, len(residual))):
        pair = weight[lag:] * weight[:-lag]
        covariance[lag - 1] = (pair * residual[lag:] * residual[:-lag]).sum() / max(pair.sum(), 1e-300)
    powers = RHO[:, None] ** np.arange(1, MOMENT_LAGS + 1)
    variance = np.clip(powers @ covariance / np.maximum((powers**2).sum(axis=1), 1e-12), 0.0, MOST_VARIANCE)
    loss = ((covariance - variance[:, None] * powers) ** 2).sum(axis=1)
    best = int(loss.argmin())
    return Ar(float(RHO[best]), float(variance[best]))


def shared(level: FloatArray, precision: FloatArray, ar: Ar) -> tuple[FloatArray, FloatArray, Ar]:
    """Demand that a channel's lines share: mean (T,) around 0 and variance (T,), and the state, from the lines'
    average relative residual `level` (T,) with `precision` (T,)."""
    own = moments(level[:, None], precision[:, None], ar)
    if own.variance <= LEAST_VARIANCE:
        return np.zeros(len(level)), np.zeros(len(level)), own
    gap = np.abs(np.subtract.outer(np.arange(len(level)), np.arange(len(level))))
    prior = own.variance * own.rho**gap
    root = np.sqrt(precision)
    gain = np.linalg.solve(np.eye(len(level)) + root[:, None] * prior * root, root[:, None] * prior).T
    return gain @ (root * level), np.maximum(np.diag(prior) - (gain * (prior * root)).sum(axis=1), 0.0), own
