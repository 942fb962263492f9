"""The fitted lines: what is believed of each, how surely, and the `Response` that decisions are made with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.fitting.carry import LAGS, kernel
from decisions.fitting.model import CONTRASTS, KAPPA, KEPT, KEPT_TOO, NU, RETURN, SIGNALS, TREND, WEEKDAY, Spec
from decisions.fitting.shapes import FAMILY, exponent, log_saturation
from decisions.response import Response

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EXPLORE = 0.2
"""Share by which a plan may go beyond the spend that data support, so that they come to support more."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The posterior of n lines, sorted by line_id. Money in currency units a day, outcome in the unit fitted.

    Parameters are unconstrained, in the columns that `model` names, P = 12 + signals; those that a line's spec lacks
    are 0 without variance.
    """

    line_ids: tuple[str, ...]
    campaigns: tuple[str, ...]
    channels: tuple[str, ...]
    specs: tuple[Spec, ...]
    end: date  # last day of the data
    mean: FloatArray  # (n, P) posterior mode
    cov: FloatArray  # (n, P, P) Laplace's covariance, with confounding and the pooled means' error in it
    together: FloatArray  # (n, P) the part of it by which a channel's lines move as one, one standard deviation
    calibrated: NDArray[np.bool_]  # (n,) whether an experiment of its own is in it; else it is observational
    days_observed: IntArray  # (n,) days with spend and a known outcome
    typical: FloatArray  # (n,)
    today: FloatArray  # (n,) mean spend of the last days
    spend_low: FloatArray  # (n,) the range of spend that data support; both 0 where nothing is known
    spend_high: FloatArray  # (n,)
    past: FloatArray  # (LAGS-1, n) spend of the last days, which still works
    dispersion: FloatArray  # (n,) variance of a day's outcome, divided by its expectation
    demand: FloatArray  # (2, n) demand on the last day above the usual 1: the line's own, and its channel's
    memory: FloatArray  # (2, n) what is left of either a day later

    @property
    def evidence(self) -> tuple[str, ...]:
        """How each line's curve is known, as tables write it."""
        return tuple("calibrated" if yes else "observational" for yes in self.calibrated)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Spend (n,) between which a plan stays unless told otherwise: what data support, and a share to explore."""
        return self.spend_low * (1 - EXPLORE), self.spend_high * (1 + EXPLORE)

    def draws(self, count: int, seed: int) -> FloatArray:
        """Parameters (count, n, P) from the posterior. Lines of a channel share the error that no data show."""
        random = np.random.default_rng(seed)
        own = self.cov - self.together[:, :, None] * self.together[:, None, :]
        value, vector = np.linalg.eigh(own)  # covariances have rank below P: no Cholesky
        root = vector * np.sqrt(np.maximum(value, 0.0))[:, None, :]
        names, channel = np.unique(np.array(self.channels), return_inverse=True)
        shift = random.standard_normal((count, len(names)))[:, channel]
        alone = np.einsum("npk,cnk->cnp", root, random.standard_normal((count, *self.mean.shape)))
        return np.asarray(self.mean + alone + shift[..., None] * self.together)

    def value(self, spend: ArrayLike, theta: FloatArray | None = None) -> FloatArray:
        """Expected outcome (…, n) a day of holding `spend` (…, n) on an average day of the data.

        `theta` is one draw (n, P), or many (count, n, P) with `spend` (n,).
        """
        return self._steady(spend, theta)[0]

    def marginal(self, spend: ArrayLike, theta: FloatArray | None = None) -> FloatArray:
        """Outcome of one more currency unit a day, held: the derivative of `value`, at spend above 0."""
        return self._steady(spend, theta)[1]

    def response(
        self,
        horizon: int,
        *,
        days: int | None = None,
        later_spend: ArrayLike | None = None,
        season: ArrayLike | None = None,
        theta: FloatArray | None = None,
    ) -> Response:
        """The response to a plan of `horizon` days from the day after the data, for the mode or for one draw `theta`.

        `days` ≥ horizon are counted (by default until the last spend has worked), with `later_spend` (n,) a day after
        the plan (today's by default). `season` (days, n) multiplies what weekday, trend and fading demand expect, for
        what else is known to come. Raises ValueError where these do not fit each other.
        """
        own = self.mean if theta is None else theta
        carries = any(spec.carry != "none" for spec in self.specs)
        length = (horizon + (LAGS - 1 if carries else 0)) if days is None else days
        if not 1 <= horizon <= length:
            raise ValueError(f"a plan of {horizon} days cannot work on {length}: ask for at least one day, and count "
                             "at least the plan's own days")
        factor = np.ones((length, len(self.line_ids))) if season is None else np.asarray(season, dtype=np.float64)
        if factor.shape != (length, len(self.line_ids)):
            raise ValueError(f"season has shape {factor.shape}: give one factor a day and line, "
                             f"{(length, len(self.line_ids))}")
        later = np.asarray(self.today if later_spend is None else later_spend, dtype=np.float64)
        family, n = np.zeros(len(own), dtype=np.int64), np.ones(len(own))
        k, usual = np.zeros(len(own)), np.zeros(len(own))
        shares = np.zeros((LAGS, len(own)))
        for spec, i in self._specs():
            family[i] = FAMILY[spec.shape]
            n[i] = exponent(spec.shape, own[i, NU])
            k[i] = self.typical[i] * np.exp(own[i, KAPPA])
            usual[i] = log_saturation(spec.shape, np.zeros(len(i)), own[i, KAPPA], own[i, NU])[0]
            shares[:, i] = kernel(spec.carry, own[i, KEPT : KEPT_TOO + 1])[0]
        scale = self.typical * np.exp(own[:, RETURN] - usual) * self.season(length, own) * factor
        return Response(family, scale, k, n, shares, self._offset(shares, horizon, length, later))

    def season(self, length: int, theta: FloatArray | None = None, signals: ArrayLike | None = None) -> FloatArray:
        """What each of `length` days after the data is expected to return beside an average one (length, n): weekday,
        the trend where it ended, demand that fades, and market `signals` (length, q), usual ones where not given."""
        own = self.mean if theta is None else theta
        ahead = np.arange(1, length + 1)
        known = CONTRASTS[(self.end.weekday() + ahead) % 7] @ own[:, WEEKDAY:TREND].T + 0.5 * own[:, TREND]
        if signals is not None:
            known = known + np.asarray(signals, dtype=np.float64) @ own[:, SIGNALS:].T
        demand = 1 + self.demand[:, None, :] * self.memory[:, None, :] ** ahead[:, None]
        return np.asarray(np.exp(known) * np.maximum(demand, 0.05).prod(axis=0))

    def _specs(self) -> Iterator[tuple[Spec, IntArray]]:
        for spec in sorted(set(self.specs)):
            yield spec, np.array([i for i, own in enumerate(self.specs) if own == spec], dtype=np.int64)

    def _steady(self, spend: ArrayLike, theta: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        own = self.mean if theta is None else theta
        s = np.maximum(np.asarray(spend, dtype=np.float64), 1e-9 * self.typical)
        shape = np.broadcast_shapes(s.shape, own.shape[:-1])
        value, marginal = np.zeros(shape), np.zeros(shape)
        s = np.broadcast_to(s, shape)
        for spec, i in self._specs():
            kappa, nu = own[..., i, KAPPA], own[..., i, NU]
            log_h, slope, *_ = log_saturation(spec.shape, np.log(s[..., i] / self.typical[i]), kappa, nu)
            usual = log_saturation(spec.shape, np.zeros_like(kappa), kappa, nu)[0]
            value[..., i] = self.typical[i] * np.exp(own[..., i, RETURN] + log_h - usual)
            marginal[..., i] = value[..., i] * slope / s[..., i]
        return value, marginal

    def _offset(self, shares: FloatArray, horizon: int, length: int, later: FloatArray) -> FloatArray:
        """Effective spend (length, n) from before the plan and from after it."""
        around = np.concatenate([self.past, np.zeros((horizon, len(later))), np.tile(later, (length - horizon, 1))])
        offset = np.zeros((length, len(later)))
        for lag in range(LAGS):
            offset += shares[lag] * around[LAGS - 1 - lag : LAGS - 1 - lag + length]
        return offset
