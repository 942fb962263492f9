"""The outcome of a plan in every draw, its gradient and its curvature, for many lines at once.

Lines act on each other through few sums at most (`effects`), so the second derivative by effective spend of n lines
over H days is n blocks of H × H. Arrays hold lines last, and draws side by side along them: each step of the arithmetic
runs over neighbouring numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.plan.envelope import Envelope
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.worth import most_weight, weights_of
from decisions.response import HILL, LOGISTIC, POWER, Response

LEAST = 1e-12
"Effective spend over k below which slopes are taken there: curves with n < 1 start with an endless one."


@dataclass(frozen=True, eq=False)
class Shape:
    """A plan's outcome nearby, of the mixture of draws that was asked for."""

    draws: FloatArray  # (K,) outcome of each draw
    lines: FloatArray  # (n,) outcome of the mixture, and its
    gradient: FloatArray  # (H, n)
    slopes: FloatArray  # (K, H, n) gradient of each draw
    blocks: FloatArray  # (H, H, n) minus the second derivative by effective spend before carry-over


class Objective:
    """What draws of days and lines return; with an envelope, that instead of what is not concave.

    `most` is the largest weight of one draw in the measure of risk (`worth`), None where all weigh the same.
    """

    def __init__(self, model: Model, cover: Envelope | None = None, draws: IntArray | None = None) -> None:
        self.model, self.cover, self.days = model, cover, model.shape[0]
        self.response, self.count = model.response, model.draws
        self.most = most_weight(model.risk, model.draws)
        if draws is not None:  # the worst of these alone
            self.response, self.cover = _part(model.response, model.draws, draws), _cover(cover, model.draws, draws)
            self.count, self.most = len(draws), 1.0 if len(draws) > 1 else None
        self.products = _lag_products(self.response.kernel, self.days)
        self.even = np.full(self.count, 1 / self.count)

    def reached(self, spend: FloatArray) -> FloatArray:
        """Effective spend (T, K · n) over k."""
        effects = self.model.effects
        direct = spend if effects is None else effects.reached(spend)
        return np.asarray(self.response.effective(np.tile(direct, (1, self.count))) / self.response.k)

    def by_line(self, spend: FloatArray) -> FloatArray:
        """Outcome (K, n) of each line in each draw, exact down to nothing spent; of the curves, not of a cover."""
        effects = self.model.effects
        direct = spend if effects is None else effects.reached(spend)
        daily = self.response.daily(np.tile(direct, (1, self.count)))
        return np.asarray(daily.sum(axis=0).reshape(self.count, -1))

    def outcomes(self, spend: FloatArray) -> FloatArray:
        """Outcome of a plan (H, n) in each draw (K,), as `by_line`."""
        return np.asarray(self.by_line(spend).sum(axis=1))

    def nothing(self, weights: FloatArray | None = None) -> FloatArray:
        """Outcome (n,) of each line of a mixture where nothing is spent; `shape` takes steep starts a little above."""
        none = self.by_line(np.zeros((self.days, self.model.shape[1])))
        return np.asarray((self.even if weights is None else weights) @ none)

    def worst(self, draws: FloatArray) -> FloatArray:
        """The weights (K,) of draws in the measure of these outcomes."""
        return weights_of(draws, self.most)

    def shape(self, spend: FloatArray, weights: FloatArray | None = None, second: bool = False) -> Shape:
        """The mixture by `weights` (K,), the mean where none are given, around a plan (H, n)."""
        response, effects, count = self.response, self.model.effects, self.count
        weights = self.even if weights is None else weights
        value, first, curve = _derivatives(response, self.reached(spend), self.cover)
        each = (response.scale * value).sum(axis=0).reshape(count, -1)
        slopes = _back(response, response.scale / response.k * first, self.days).reshape(self.days, count, -1)
        slopes = np.ascontiguousarray(slopes.transpose(1, 0, 2))
        if effects is not None:
            slopes = effects.back(slopes)
        gradient = slopes[0] if count == 1 else np.tensordot(weights, slopes, axes=1)
        blocks = np.zeros((0, 0, 0))
        if second:
            blocks = _blocks(-response.scale / response.k**2 * curve, self.products, self.days, weights)
        return Shape(each.sum(axis=1), weights @ each, gradient, slopes, blocks)

    def slopes(self, spend: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Outcome (n,) of each line in a mixture of draws, and the gradient (H, n)."""
        shape = self.shape(spend, weights)
        return shape.lines, shape.gradient


def _part(response: Response, count: int, draws: IntArray) -> Response:
    def some(array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(*array.shape[:-1], count, -1)[..., draws, :].reshape(*array.shape[:-1], -1)

    return Response(some(response.family), some(response.scale), some(response.k), some(response.n),
                    some(response.kernel), some(response.offset))  # fmt: skip


def _cover(cover: Envelope | None, count: int, draws: IntArray) -> Envelope | None:
    if cover is None:
        return None
    days = len(cover.touch)
    parts = (x.reshape(days, count, -1)[:, draws].reshape(days, -1) for x in (cover.touch, cover.start, cover.rise))
    return Envelope(*parts)


def _derivatives(
    response: Response, u: FloatArray, cover: Envelope | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """h, h' and h'' at u (T, n)."""
    family, above = response.family, np.maximum(u, LEAST)
    if (family == family[0]).all():
        out = _family(int(family[0]), above, response.n)
    else:
        out = np.empty_like(u), np.empty_like(u), np.empty_like(u)
        for kind in (HILL, LOGISTIC, POWER):
            at = np.flatnonzero(family == kind)
            if at.size:
                for whole, part in zip(out, _family(kind, above[:, at], response.n[at]), strict=True):
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


def _blocks(at: FloatArray, products: list[FloatArray], horizon: int, weights: FloatArray) -> FloatArray:
    """Σ over draws and days of weight · at · (share of day t's spend) · (share of day t''s): (H, H, n)."""
    out = np.zeros((horizon, horizon, at.shape[1] // len(weights)))
    for d, product in enumerate(products):
        for t in range(horizon - d):
            lags = min(len(product), len(at) - t - d)
            both = np.einsum("jn,jn->n", at[t + d : t + d + lags], product[:lags])
            out[t, t + d] = weights @ both.reshape(len(weights), -1)
            out[t + d, t] = out[t, t + d]
    return out
