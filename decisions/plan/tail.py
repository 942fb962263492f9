"""Where the interior-point method starts with the draws of a measure of risk.

The mean of the worst draws is max t - c Σ ξ over ξ ≥ t - F, ξ ≥ 0, with c the largest weight of one draw (Rockafellar &
Uryasev 2000). Each draw has two pairs of room and price: ξ + F - t with its weight w, and ξ with what is left of c.
"""

from __future__ import annotations

import numpy as np

from decisions.plan.problem import FloatArray


def start_of(outcomes: FloatArray, most: float, product: float) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """t, and of each draw (K,) both rooms and its weight, such that all products of room and price are `product`.

    With z = t - F the rooms x and x + z have product / x + product / (x + z) = c; t is where the weights add up to 1.
    """

    def rooms(t: float) -> tuple[FloatArray, FloatArray]:
        z = t - outcomes
        half = product / most
        # The root of x² + (z - 2 half) x - half z = 0 that leaves both rooms above 0, without cancellation.
        root = np.hypot(z, 2 * half)
        x = np.where(z <= 0, (2 * half - z + root) / 2, half * (1 + 2 * half / (z + root)))
        other = np.where(z >= 0, (2 * half + z + root) / 2, half * (1 + 2 * half / (root - z)))
        return x, other

    spread = float(np.ptp(outcomes)) + 10 * product * len(outcomes)
    low, high = float(outcomes.min()) - spread, float(outcomes.max()) + spread
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if (product / rooms(t)[0]).sum() < 1 else (low, t)
    x, other = rooms(t)
    return t, x, other, product / x
