"""The outcome of a plan, its gradient and its curvature, for many lines at once.

Lines do not act on each other, so the second derivative of n lines over H days is n blocks of H × H. Arrays hold
lines last: each step of the arithmetic runs over neighbouring numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decisions.plan.envelope import Envelope
from decisions.plan.problem import FloatArray
from decisions.response import HILL, LOGISTIC, POWER, Response

LEAST = 1e-12
"Effective spend over k below which slopes are taken there: curves with n < 1 start with an endless one."


class Objective:
    """Σ over draws, days and lines of outcome; with envelopes, of those instead of what bends upwards."""

    def __init__(self, responses: Sequence[Response], envelopes: Sequence[Envelope] | None, days: int) -> None:
        self.responses = responses
        self.envelopes = envelopes
        self.days = days
        self.products = [_lag_products(r.kernel, days) for r in responses]

    def value(self, spend: FloatArray) -> float:
        """Outcome of a plan (H, n)."""
        if self.envelopes is None:  # exact down to nothing spent, where `LEAST` stands for it below
            return float(sum(response.value(spend) for response in self.responses))
        return float(self.lines(spend).sum())

    def lines(self, spend: FloatArray) -> FloatArray:
        """Outcome (n,) of each line."""
        return self.slopes(spend)[0]

    def slopes(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Outcome (n,) of each line, and the gradient (H, n)."""
        value, gradient, _ = self._sum(spend, second=False)
        return value, gradient

    def curvature(self, spend: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Outcome (n,), gradient (H, n) and minus the second derivative (H, H, n)."""
        return self._sum(spend, second=True)

    def _sum(self, spend: FloatArray, second: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
        n = spend.shape[1]
        total, gradient = np.zeros(n), np.zeros((self.days, n))
        blocks = np.zeros((self.days, self.days, n)) if second else np.zeros(0)
        for at, response in enumerate(self.responses):
            cover = None if self.envelopes is None else self.envelopes[at]
            u = np.maximum(response.effective(spend) / response.k, LEAST)
            value, first, curve = _derivatives(response, u, cover)
            total += (response.scale * value).sum(axis=0)
            gradient += _back(response, response.scale / response.k * first, self.days)
            if second:
                _add_blocks(blocks, -response.scale / response.k**2 * curve, self.products[at])
        return total, gradient, blocks


def _derivatives(
    response: Response, u: FloatArray, cover: Envelope | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """h, h' and h'' at u (T, n)."""
    family = response.family
    if (family == family[0]).all():
        out = _family(int(family[0]), u, response.n)
    else:
        out = np.empty_like(u), np.empty_like(u), np.empty_like(u)
        for kind in (HILL, LOGISTIC, POWER):
            at = np.flatnonzero(family == kind)
            if at.size:
                for whole, part in zip(out, _family(kind, u[:, at], response.n[at]), strict=True):
                    whole[:, at] = part
    if cover is not None:
        flat = u < cover.touch
        value = np.where(flat, cover.start + cover.rise * u, out[0])
        return value, np.where(flat, cover.rise, out[1]), np.where(flat, 0.0, out[2])
    return out


def _family(kind: int, u: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    if kind == LOGISTIC:
        h = np.tanh(u / 2)
        rest = 1 - h * h
        return h, rest / 2, -h * rest / 2
    p = u if (n == 1).all() else u**n
    if kind == POWER:
        first = n * p / u
        return p, first, first * (n - 1) / u
    p = np.minimum(p, 1e100)
    under = 1 / (1 + p)
    first = n * p / u * under * under
    return p * under, first, first / u * ((n - 1) - (n + 1) * p) * under


def _back(response: Response, at: FloatArray, horizon: int) -> FloatArray:
    """From slopes by effective day (T, n) to slopes by day of spend (H, n)."""
    days = len(at)
    out = np.zeros((horizon, at.shape[1]))
    for lag, share in enumerate(response.kernel[:days]):
        last = min(horizon, days - lag)
        out[:last] += share * at[lag : lag + last]
    return out


def _lag_products(kernel: FloatArray, days: int) -> list[FloatArray]:
    """For each distance d of two days of spend: kernel[j + d] · kernel[j] (L - d, n)."""
    return [kernel[d:] * kernel[: len(kernel) - d] for d in range(min(days, len(kernel)))]


def _add_blocks(out: FloatArray, weight: FloatArray, products: list[FloatArray]) -> None:
    """Add Σ over days of weight · (share of day t's spend) · (share of day t''s) to (H, H, n)."""
    horizon = len(out)
    for d, product in enumerate(products):
        for t in range(horizon - d):
            lags = min(len(product), len(weight) - t - d)
            both = np.einsum("jn,jn->n", weight[t + d : t + d + lags], product[:lags])
            out[t, t + d] += both
            if d:
                out[t + d, t] += both
