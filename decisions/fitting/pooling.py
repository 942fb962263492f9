"""Partial pooling: a line's parameters are normal around its campaign's, a campaign's around its channel's.

Means and variances are estimated from all lines by empirical Bayes (Efron & Morris 1973; Carlin & Louis 2008, ch. 5).
The means are solved with the lines integrated out (Lindley & Smith 1972), all parameters together: what data tell is
often a sum of two of them, as saturation and confounding, and only their joint error is honest. The priors below
matter with few lines and fade with many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.model import KAPPA, KEPT, KEPT_TOO, NU, RETURN, SIGNALS, TREND, Spec, active

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SPREAD_WEIGHT = 3.0
"""Lines (or campaigns) that the first guess of a spread counts for."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Of p active parameters: the channel's, the campaigns' means, and the spreads below them."""

    centre: FloatArray  # (p,) what is known of the channel before its data
    centre_variance: FloatArray  # (p,)
    start: FloatArray  # (2, p) first guess of the variances between campaigns and between a campaign's lines
    campaign_variance: FloatArray  # (p,)
    line_variance: FloatArray  # (p,)
    mean: FloatArray  # (campaigns, p)
    mean_cov: FloatArray  # (campaigns, p, p) how well the campaigns' means are known


def start(spec: Spec, signals: int, campaigns: int, log_return: float, offset: bool) -> Prior:
    """The prior of a channel before its data are seen; `log_return` is its pooled return on spend. With `offset`,
    KAPPA is the difference to what clicks have shown."""
    # centre, sd of the channel, of campaigns, of lines. A typical day is half saturated, 0.4 to 2.7 times.
    known = {RETURN: (log_return, 1.0, 0.5, 0.4),
             TREND: (0.0, 0.02, 0.02, 0.05), KAPPA: (0.0, 0.3, 0.15, 0.15) if offset else (0.0, 1.0, 0.3, 0.4)}
    known[NU] = (0.0, 0.25, 0.1, 0.1) if spec.shape == "hill" else (0.4, 0.8, 0.3, 0.3)
    known[KEPT] = (-1.1, 1.0, 0.3, 0.3) if spec.carry == "geometric" else (0.0, 0.3, 0.1, 0.1)
    known[KEPT_TOO] = (0.0, 0.7, 0.3, 0.3)
    if spec.shape == "rate":  # with spend, in the last column: the planners of an account's lines are the same
        known[SIGNALS + signals - 1] = (0.0, 0.15, 0.05, 0.05)
    table = np.array([known.get(int(name), (0.0, 0.1, 0.05, 0.05) if name < SIGNALS else (0.0, 0.5, 0.2, 0.2))
                      for name in active(spec, signals)])
    centre, variance = table[:, 0], np.maximum(table[:, 1:] ** 2, 1e-6)
    return Prior(centre, variance[:, 0], variance[:, 1:].T, variance[:, 1], variance[:, 2],
                 np.tile(centre, (campaigns, 1)), np.tile(np.diag(variance[:, 0] + variance[:, 1]), (campaigns, 1, 1)))


def update(
    prior: Prior, theta: FloatArray, cov: FloatArray, line_variance: FloatArray, campaign: IntArray
) -> Prior:
    """The prior after one look at the lines' posteriors: means `theta` (n, p), covariances `cov` (n, p, p), found
    under the variances `line_variance` (n, p)."""
    groups, p = prior.mean.shape
    inside = 1 / line_variance
    pull = cov * inside[:, None, :]  # how a line's posterior follows its campaign's mean
    each = inside[:, :, None] * (np.eye(p) - pull)  # what a line tells of that mean
    told, seen = np.zeros((groups, p, p)), np.zeros((groups, p))
    np.add.at(told, campaign, each)
    np.add.at(seen, campaign, inside * (theta - (pull @ prior.mean[campaign][..., None])[..., 0]))
    within = np.asarray(np.linalg.inv(told + np.diag(1 / prior.campaign_variance)), dtype=np.float64)
    follow = within / prior.campaign_variance
    between = 1 / prior.campaign_variance
    channel_cov: FloatArray = np.linalg.inv(
        np.diag(1 / prior.centre_variance) + (between[:, None] * (np.eye(p) - follow)).sum(axis=0))
    channel = channel_cov @ (prior.centre / prior.centre_variance
                             + (between * (within @ seen[..., None])[..., 0]).sum(axis=0))
    mean = (within @ (seen + channel * between)[..., None])[..., 0]
    mean_cov = within + follow @ channel_cov @ follow.transpose(0, 2, 1)
    apart = _variance(within, follow, channel_cov) + (mean - channel) ** 2
    alone = _variance(cov, pull, mean_cov[campaign]) + (theta - mean[campaign]) ** 2
    alone = np.maximum(alone.sum(axis=0) - (line_variance - prior.line_variance).sum(axis=0), 0.0)
    spread = [(second + SPREAD_WEIGHT * first) / (count + SPREAD_WEIGHT)
              for second, first, count in zip((apart.sum(axis=0), alone), prior.start, (groups, len(theta)),
                                              strict=True)]
    return replace(prior, mean=mean, mean_cov=mean_cov,
                   campaign_variance=spread[0], line_variance=spread[1])


def with_prior(cov: FloatArray, prior: Prior, line_variance: FloatArray, campaign: IntArray) -> FloatArray:
    """The lines' covariances (n, p, p) with the uncertainty of their campaigns' means (Kass & Steffey 1989)."""
    pull = cov / line_variance[:, None, :]
    return np.asarray(cov + pull @ prior.mean_cov[campaign] @ pull.transpose(0, 2, 1))


def _variance(cov: FloatArray, pull: FloatArray, above: FloatArray) -> FloatArray:
    """Variances (…, p) of the distance between a parameter and the mean above it, which has covariance `above`."""
    rest = pull - np.eye(cov.shape[-1])
    return np.diagonal(cov + rest @ above @ rest.swapaxes(-1, -2), axis1=-2, axis2=-1)
