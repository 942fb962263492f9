"""The concave envelope of returns that are not concave over the range that a day's effective spend can reach.

A Hill curve with n > 1 bends upwards first. Its envelope over [a, b] is the straight line from a to the point whose
tangent goes through the curve at a (or to b, where that lies further), and the curve itself from there on. It is
nowhere below the curve, so that a bound on it is a bound on the curve (Falk & Soland 1969). A curve of any kind that
other lines can push below nothing is flat there, at 0, and has the same envelope.
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


def envelope(response: Response, a: FloatArray, b: FloatArray) -> Envelope | None:
    """Over effective spend from `a` to `b` (T, n), over k; None where all curves are concave there."""
    shape = response.scale.shape
    touch, start, rise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    n = np.broadcast_to(response.n, shape)
    bent = (response.family == HILL) & (n > 1)
    if not (bent | (a < 0)).any():
        return None
    turn = np.where(bent, (np.maximum(n - 1, 0) / (n + 1)) ** (1 / n), 0.0)
    nothing = (a < 0) & (b <= 0)
    touch[nothing] = np.inf
    at = ((bent & (a < turn)) | (a < 0)) & (b > a) & ~nothing
    low, high, n, family = a[at], b[at], n[at], np.broadcast_to(response.family, shape)[at]
    # Between the turn and far out, the tangent's height over the curve's start falls through zero once.
    left, right = np.minimum(turn[at], high), high
    bottom = saturation(family, low, n)
    for _ in range(80):
        middle = np.maximum((left + right) / 2, 1e-300)
        above = saturation(family, middle, n) - bottom < slope(family, middle, n) * (middle - low)
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    touch[at] = np.where(right < high, right, np.inf)
    chord = (saturation(family, right, n) - bottom) / (right - low)
    # The tangent's slope and the chord's agree but for the search's last bit; the larger is above the curve.
    rise[at] = np.where(right < high, np.maximum(chord, slope(family, right, n)), chord)
    start[at] = bottom - rise[at] * low
    return Envelope(touch, start, rise)
