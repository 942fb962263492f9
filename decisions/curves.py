"""Saturating response of each budget line to its daily spend.

`value(s) = a·s / (s + k)`: the Hill curve with exponent 1 (Michaelis & Menten 1913; Hill 1910). `a` is the
most a day can return, `k` the spend that returns half of it, and `a/k` the return of the first currency
unit. `decisions.fitting` fits it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.response import HILL, Response

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curves:
    """Fitted curves of n lines; money in currency units a day, outcome in the unit that was fitted."""

    a: FloatArray  # (n,) outcome a day at unlimited spend
    k: FloatArray  # (n,) spend a day that returns half of `a`
    cov: FloatArray  # (n, 2, 2) posterior covariance of (log(a/k), log k)
    days_observed: IntArray  # (n,) days with spend and a known outcome
    spend_low: FloatArray  # (n,) smallest and
    spend_high: FloatArray  # (n,) largest spend that the data support; both 0 where nothing is known
    typical_spend: FloatArray  # (n,) geometric mean of the days with spend

    def value(self, spend: ArrayLike) -> FloatArray:
        """Expected outcome a day at `spend` (…, n)."""
        s = np.asarray(spend, dtype=np.float64)
        return np.asarray(self.a * s / (s + self.k))

    def marginal(self, spend: ArrayLike) -> FloatArray:
        """Outcome of the next currency unit at `spend` (…, n): the derivative of `value`."""
        s = np.asarray(spend, dtype=np.float64)
        return np.asarray(self.a * self.k / (s + self.k) ** 2)

    def spend_at(self, price: float) -> FloatArray:
        """Spend (n,) at which the next unit returns `price` > 0; 0 where even the first returns less."""
        return np.asarray(np.maximum(np.sqrt(self.a * self.k) / np.sqrt(price) - self.k, 0.0))

    def response(self) -> Response:
        """The response to one day's spend, without carry-over."""
        one, zero = np.ones(len(self.a)), np.zeros((1, len(self.a)))
        return Response(np.full(len(self.a), HILL), self.a[None], self.k, one, one[None], zero)

    def value_se(self, spend: ArrayLike) -> FloatArray:
        """Standard error of `value` at `spend` (…, n), by the delta method; not the scatter of one day."""
        s = np.asarray(spend, dtype=np.float64)
        r = s / (s + self.k)
        variance = self.cov[:, 0, 0] + 2 * r * self.cov[:, 0, 1] + r**2 * self.cov[:, 1, 1]
        return np.asarray(self.value(s) * np.sqrt(variance))
