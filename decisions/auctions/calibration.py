"""Predicted rates put right by what happened: a line on the log-odds, and a shrunk ratio a segment.

The line is Platt's (1999, Probabilistic outputs for support vector machines), fitted as a posterior mode: a prior of
standard deviation 0.3 on its slope keeps it near the prediction where events are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from decisions.auctions.log import FloatArray, IntArray
from decisions.auctions.ratios import shrunk_ratios

PRIOR_SD = (1.0, 0.3)  # of the line's intercept and slope
BINS = 2_000
LEAST, MOST = 1e-9, 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Calibration:
    intercept: float
    slope: float
    ratio: FloatArray  # (segments,)

    def __call__(self, rate: FloatArray, segment: IntArray) -> FloatArray:
        """Calibrated rates (n,); a segment that was not seen has the ratio 1."""
        line = expit(self.intercept + self.slope * logit(np.clip(rate, LEAST, MOST)))
        known = segment < self.ratio.size
        return np.asarray(line * np.where(known, self.ratio[np.where(known, segment, 0)], 1.0))


def calibrate(rate: FloatArray, segment: IntArray, events: IntArray) -> Calibration:
    """Calibration of the auctions that were won, (n,) each; several events of one impression count as one."""
    if not rate.size:
        raise ValueError("calibration needs auctions that were won")
    x, y = logit(np.clip(rate, LEAST, MOST)), np.minimum(events, 1)
    # Rows of nearly one rate are one row: a million rows take the time of two thousand.
    order = np.argsort(x, kind="stable")
    first = np.unique(np.linspace(0, x.size, BINS, endpoint=False).astype(np.int64))
    n = np.diff([*first, x.size]).astype(np.float64)
    intercept, slope = _line(np.add.reduceat(x[order], first) / n, np.add.reduceat(y[order], first), n)
    given = expit(intercept + slope * x)
    groups = int(segment.max()) + 1
    ratios = shrunk_ratios(np.bincount(segment, y, groups), np.bincount(segment, given, groups))
    return Calibration(intercept, slope, ratios.ratio)


def _line(x: FloatArray, y: IntArray, n: FloatArray) -> tuple[float, float]:
    """Mode of a binomial regression on a line with a normal prior around (0, 1), by Newton's steps."""
    design, prior = np.stack([np.ones_like(x), x], axis=1), np.array([0.0, 1.0])
    precision, at = np.diag(1 / np.square(PRIOR_SD)), np.array([0.0, 1.0])
    for _ in range(50):
        p = expit(design @ at)
        gradient = design.T @ (y - n * p) - precision @ (at - prior)
        hessian = (design * (n * p * (1 - p))[:, None]).T @ design + precision
        step = np.linalg.solve(hessian, gradient)
        at = at + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0]), float(at[1])
