"""One channel's lines fitted together: Fisher scoring on the posterior, all lines at once.

The variance is proportional to the mean (quasi-Poisson; McCullagh & Nelder 1989, ch. 9): a day is a sum of separate
orders, so it holds for counts and, with a larger factor, for their value. Each line has its own factor, shrunk to the
channel's. Days without spend are left out of the likelihood: they cannot tell what came without spend from what was
carried over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decisions.fitting import pooling
from decisions.fitting.demand import Ar, moments, smooth, whiten
from decisions.fitting.history import History
from decisions.fitting.model import KAPPA, NU, SIGNALS, Days, Spec, active, evaluate
from decisions.fitting.residuals import Data, dispersion, relative, shared_level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROUNDS = 60
TOLERANCE = 2e-3
"""Of the campaigns' means; ten times as much of the log of a spread, which hardly moves a curve."""
LAST_STEPS = 30
LEAST_LINES = 3
"""Lines that it takes to tell what they share from what is their own."""


@dataclass(frozen=True, eq=False)
class ChannelFit:
    """The posterior of a channel's n lines, given what its prior became."""

    spec: Spec
    theta: FloatArray  # (n, p) posterior mode, active parameters
    cov: FloatArray  # (n, p, p)
    prior: pooling.Prior
    dispersion: FloatArray  # (n,) variance of a day's outcome, divided by its expectation
    demand: Ar  # of a line
    state: FloatArray  # (n,) a line's demand on the last day, around 0
    common: FloatArray  # (T,) demand that the lines share, 1 on average
    common_demand: Ar

    def full(self, signals: int) -> FloatArray:
        """All parameters (n, P) of the lines, 0 where the spec has none."""
        theta = np.zeros((len(self.theta), SIGNALS + signals))
        theta[:, active(self.spec, signals)] = self.theta
        return theta


def fit_channel(
    history: History,
    spec: Spec,
    clicks: ChannelFit | None = None,
    *,
    bias: float | FloatArray = 0.0,
    begin: ChannelFit | None = None,
    pooled: float | None = None,
    line_demand: bool = True,
    shared_demand: bool = True,
) -> ChannelFit:
    """Fit the lines of one channel. Raises ValueError where no line has an outcome above zero and none is `pooled`.

    `clicks` is the same lines' fit with clicks for outcome: its saturation is where the outcome's starts from. `begin`
    is a fit to start from. `pooled` is the return on spend of all channels, which counts for one day. `line_demand`
    and `shared_demand` switch a kind of demand off, to measure what it is worth.
    """
    data = _prepare(history, spec, clicks, bias)
    n, days = data.outcome.shape[1], len(data.outcome)
    typical = history.typical
    total = (data.weight * data.outcome).sum(axis=0), (data.weight * history.spend).sum(axis=0)
    pooled = _pooled(*total, typical, pooled)
    names, campaigns = data.columns, int(data.campaign.max()) + 1
    prior = pooling.start(spec, history.signals.shape[-1], campaigns, float(np.log(pooled)), clicks is not None)
    theta = np.zeros((n, SIGNALS + history.signals.shape[-1]))
    theta[:, names] = prior.centre + data.offset
    # Start: each line's return with one day at the pooled return added.
    theta[:, 0] = np.log((np.maximum(total[0], 0) + pooled * typical) / (total[1] + typical))
    phi, own, common, common_ar = np.full(n, pooled), Ar(0.5, 0.01), np.ones(days), Ar(0.5, 0.01)
    own, common_ar = own if line_demand else Ar(0.0, 0.0), common_ar if shared_demand else Ar(0.0, 0.0)
    unsure = np.zeros(days)
    if begin is not None:
        theta[:, names], prior, phi, own, common, common_ar = (
            begin.theta, begin.prior, begin.dispersion, begin.demand, begin.common, begin.common_demand)
    least = 0.01 * pooled * history.spend  # one line near 0 must not set the channel's dispersion
    for _ in range(ROUNDS):
        before = prior
        for _ in range(2):
            theta, cov = _step(data, theta, prior, phi, own, common, unsure)
        mean = np.maximum(evaluate(spec, theta, data.days)[0], least)
        if shared_demand and n >= LEAST_LINES:
            common, unsure, common_ar = shared_level(data, mean, phi, own, common, common_ar)
        residual, precision = relative(data, mean, phi, common, unsure)
        if line_demand:
            own = moments(residual, precision, own)
        phi = dispersion(data, mean * common[:, None], residual, own, unsure)
        inside = prior.line_variance + data.unsure
        prior = pooling.update(prior, theta[:, names] - data.offset, cov, inside, data.campaign)
        spread = np.abs(np.log(prior.line_variance / before.line_variance)).max()
        if np.abs(prior.mean - before.mean).max() < TOLERANCE and spread < 10 * TOLERANCE:
            break
    for _ in range(LAST_STEPS):
        last = theta
        theta, cov = _step(data, theta, prior, phi, own, common, unsure)
        if np.abs(theta - last).max() < 1e-8:
            break
    cov = pooling.with_prior(cov, prior, prior.line_variance + data.unsure, data.campaign)
    mean = np.maximum(evaluate(spec, theta, data.days)[0], least)
    residual, precision = relative(data, mean, phi, common, unsure)
    state = smooth(precision, own, (precision * residual)[..., None])
    return ChannelFit(spec, theta[:, names], cov, prior, phi, own, state[-1, :, 0], common, common_ar)


def _pooled(outcome: FloatArray, spend: FloatArray, typical: FloatArray, known: float | None) -> float:
    """The channel's return on spend, with one day of each line at the return that is `known` of others."""
    if known is not None:
        return float((max(outcome.sum(), 0.0) + known * typical.sum()) / (spend.sum() + typical.sum()))
    if not outcome.sum() > 0:
        raise ValueError("no line has an outcome above zero: there is nothing to fit, keep the last split")
    return float(outcome.sum() / spend.sum())


def _prepare(history: History, spec: Spec, clicks: ChannelFit | None, bias: float | FloatArray) -> Data:
    seen = (history.spend > 0) & (history.known > 0) & np.isfinite(history.outcome)
    weight = np.where(seen, history.known, 0.0)
    outcome = np.where(seen, history.outcome, 0.0)
    # A line whose refunds exceed its orders counts as returning nothing.
    outcome = np.where((weight * outcome).sum(axis=0) < 0, 0.0, outcome)
    _, campaign = np.unique(np.array(history.campaigns), return_inverse=True)
    columns = active(spec, history.signals.shape[-1])
    offset, unsure = np.zeros((2, len(campaign), len(columns)))
    if clicks is not None:
        ours, theirs = (np.isin(active(s, history.signals.shape[-1]), (KAPPA, NU)) for s in (spec, clicks.spec))
        offset[:, ours] = clicks.theta[:, theirs]
        unsure[:, ours] = np.diagonal(clicks.cov, axis1=1, axis2=2)[:, theirs]
    return Data(spec, Days.of(history, bias), outcome, weight, campaign, columns, offset, unsure)


def _step(
    data: Data, theta: FloatArray, prior: pooling.Prior, phi: FloatArray, own: Ar, common: FloatArray,
    unsure: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """One step of Fisher scoring: parameters (n, P), and the covariance (n, p, p) where the step began."""
    mean, jac = evaluate(data.spec, theta, data.days)
    residual, precision = relative(data, mean, phi, common, unsure)
    columns = np.concatenate([jac, residual[..., None]], axis=-1)
    against = whiten(precision, own, columns)
    product = np.matmul(jac.transpose(1, 2, 0), against.transpose(1, 0, 2))
    gradient, information = product[..., -1], product[..., :-1]
    apart = theta[:, data.columns] - data.offset - prior.mean[data.campaign]
    inside = 1 / (prior.line_variance + data.unsure)
    gradient = gradient - apart * inside
    information = information + inside[:, :, None] * np.eye(jac.shape[-1])
    cov = np.linalg.inv(information)
    cov = (cov + cov.transpose(0, 2, 1)) / 2
    moved = theta.copy()
    moved[:, data.columns] += (cov @ gradient[..., None])[..., 0].clip(-0.5, 0.5)
    return moved, cov
