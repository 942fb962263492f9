"""The concave envelope of S-shaped returns over the range that a day's effective spend can reach.

A Hill curve with n > 1 bends upwards first. Its envelope over [a, b] is the straight line from a to the point whose
tangent goes through the curve at a (or to b, where that lies further), and the curve itself from there on. It is
nowhere below the curve, so that a bound on it is a bound on the curve (Falk & Soland 1969).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decisions.plan.problem import FloatArray
from decisions.response import HILL, Response, saturation, slope


@dataclass(frozen=True, eq=False)
class Envelope:
    """Per day and line (T, n): `start + rise · u` for u below `touch`, and the curve from there on."""

    touch: FloatArray  # 0 where the curve is its own envelope
    start: FloatArray
    rise: FloatArray


def bends(response: Response) -> bool:
    """Whether any line returns more from its second unit than from its first."""
    return bool(((response.family == HILL) & (response.n > 1)).any())


def envelope(response: Response, lower: FloatArray, upper: FloatArray) -> Envelope:
    """Over spend between `lower` and `upper` (H, n), in currency units."""
    shape = response.scale.shape
    touch, start, rise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    a, b = response.effective(lower) / response.k, response.effective(upper) / response.k
    n = np.broadcast_to(response.n, shape)
    turn = np.where(n > 1, (np.maximum(n - 1, 0) / (n + 1)) ** (1 / n), 0.0)
    at = (response.family == HILL) & (n > 1) & (a < turn) & (b > a)
    low, high, n = a[at], b[at], n[at]
    family = np.full(low.shape, HILL)
    # Between the turn and far out, the tangent's height over the curve's start falls through zero once.
    left, right = np.minimum(turn[at], high), high
    bottom = saturation(family, low, n)
    for _ in range(80):
        middle = (left + right) / 2
        above = saturation(family, middle, n) - bottom < slope(family, middle, n) * (middle - low)
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    touch[at] = np.where(right < high, right, np.inf)
    chord = (saturation(family, right, n) - bottom) / (right - low)
    # The tangent's slope and the chord's agree but for the search's last bit; the larger is above the curve.
    rise[at] = np.where(right < high, np.maximum(chord, slope(family, right, n)), chord)
    start[at] = bottom - rise[at] * low
    return Envelope(touch, start, rise)
