"""Expected outcome of spend: what the fit hands to whoever decides, and what both must read alike.

A line's spend works on its own day and on later ones: `effective_t = offset_t + Σ_j kernel_j · spend_{t-j}`. The
outcome of a day is `scale_t · h(effective_t / k)`, with one saturation `h` a line:

- `HILL`: `u^n / (1 + u^n)` (Hill 1910), concave for n ≤ 1, S-shaped above it;
- `LOGISTIC`: `tanh(u / 2)`, the logistic curve that starts at nothing (Jin et al. 2017, Bayesian Methods for Media
  Mix Modeling, discuss it beside Hill's);
- `POWER`: `u^n` with 0 < n < 1: returns fall and never end.

Money is in currency units a day, outcome in the unit that was fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HILL, LOGISTIC, POWER = 0, 1, 2


def saturation(family: IntArray, u: FloatArray, n: FloatArray) -> FloatArray:
    """h(u) of u ≥ 0; all arguments broadcast, lines last."""
    u = np.maximum(u, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        powered = u**n  # where that is too large a number, the ceiling
        hill = np.where(np.isfinite(powered), powered / (1 + powered), 1.0)
    return np.asarray(np.choose(family, [hill, np.tanh(u / 2), powered]))


def slope(family: IntArray, u: FloatArray, n: FloatArray) -> FloatArray:
    """h'(u) of u > 0. Hill's and the power curve's first unit returns infinitely much where n < 1."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rise = n * u ** (n - 1)
        hill = rise / (1 + u**n) ** 2
    return np.asarray(np.choose(family, [hill, 0.5 / np.cosh(np.minimum(u, 700.0) / 2) ** 2, rise]))


@dataclass(frozen=True, eq=False)
class Response:
    """Response of n lines over the T days that a plan of H days works on (H ≤ T: the rest is carry-over).

    Days after the plan hold what is assumed to be spent then, in `offset`, so that what carries over the horizon
    counts at its worth and not as if nothing followed.
    """

    family: IntArray  # (n,) HILL, LOGISTIC or POWER
    scale: FloatArray  # (T, n) outcome a day at the ceiling (of a power curve: at effective spend k)
    k: FloatArray  # (n,) effective spend at half the ceiling (HILL); the unit of u elsewhere
    n: FloatArray  # (n,) exponent; 1 for LOGISTIC, which has none
    kernel: FloatArray  # (L, n) share of a day's spend that works 0 … L-1 days later; adds up to 1
    offset: FloatArray  # (T, n) effective spend from before the plan and from after it

    def effective(self, spend: ArrayLike) -> FloatArray:
        """Effective spend (…, T, n) of a plan (…, H, n)."""
        s = np.asarray(spend, dtype=np.float64)
        days, horizon = len(self.scale), s.shape[-2]
        x = np.broadcast_to(self.offset, (*s.shape[:-2], *self.offset.shape)).copy()
        for lag, share in enumerate(self.kernel[:days]):
            last = min(horizon, days - lag)
            x[..., lag : lag + last, :] += share * s[..., :last, :]
        return x

    def daily(self, spend: ArrayLike) -> FloatArray:
        """Expected outcome (…, T, n) of a plan (…, H, n)."""
        return self.scale * saturation(self.family, self.effective(spend) / self.k, self.n)

    def value(self, spend: ArrayLike) -> FloatArray:
        """Expected outcome (…) of a plan (…, H, n), all days and lines together."""
        return np.asarray(self.daily(spend).sum(axis=(-2, -1)))

    def gradient(self, spend: ArrayLike) -> FloatArray:
        """Outcome of one more currency unit on each day of a plan: (…, H, n)."""
        s = np.asarray(spend, dtype=np.float64)
        days, horizon = len(self.scale), s.shape[-2]
        at = self.scale / self.k * slope(self.family, self.effective(s) / self.k, self.n)
        out = np.zeros_like(s)
        for lag, share in enumerate(self.kernel[:days]):
            last = min(horizon, days - lag)
            out[..., :last, :] += share * at[..., lag : lag + last, :]
        return out
