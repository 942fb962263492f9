"""The expected outcome of every line and day, and its derivatives by the line's parameters.

    outcome = typical spend × exp(RETURN + weekday + trend + signals) × (effective / typical)^BIAS
              × h(effective / k) / h(typical / k)

RETURN is the log of what a currency unit brings at the line's typical spend, which data tell best. BIAS is
confounding, the power of spend in an outcome that spend did not cause (see `confounding`); an experiment sees the curve
without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.carry import LAGS, PARAMETERS, Carry, kernel
from decisions.fitting.history import History
from decisions.fitting.shapes import Shape, log_saturation

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RETURN, KAPPA, NU, KEPT, KEPT_TOO, WEEKDAY, TREND, SIGNALS = 0, 1, 2, 3, 4, 5, 11, 12
"""Columns of the unconstrained parameters (n, 12 + signals). WEEKDAY is six contrasts of seven days."""

# Orthonormal contrasts (Helmert's): the seven weekdays' effects add up to 0 and no day is the special one.
CONTRASTS = np.array([[1.0 / np.sqrt(j * (j + 1)) if i < j else (-j / np.sqrt(j * (j + 1)) if i == j else 0.0)
                       for j in range(1, 7)] for i in range(7)])


class Spec(NamedTuple):
    """Which curve and which carry-over a channel has."""

    shape: Shape
    carry: Carry


SIMPLE = Spec("hill1", "none")
"""Hill's curve with exponent 1 and no carry-over: no other was closer to the simulator's truth (docs/choices.md)."""

def active(spec: Spec, signals: int) -> IntArray:
    """Columns of the parameters that the spec uses."""
    used = [RETURN]
    used += [KAPPA] if spec.shape not in ("power", "rate") else []
    used += [NU] if spec.shape in ("hill", "power") else []
    used += [KEPT, KEPT_TOO][: PARAMETERS[spec.carry]]
    return np.array([*used, *range(WEEKDAY, SIGNALS + signals)], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Days:
    """What the model reads of T days and n lines; a line may stand here more than once, with other spend."""

    line: IntArray  # (n,) index into the parameters
    spend: FloatArray  # (LAGS-1+T, n), with the days before
    typical: FloatArray  # (n,)
    common: FloatArray  # (T, 7): weekday contrasts and trend
    signals: FloatArray  # (T, n, q)
    bias: float | FloatArray  # (n,) power of spend in an outcome that spend did not cause

    @classmethod
    def of(cls, history: History, bias: float | FloatArray) -> Days:
        """All days of a history."""
        return cls(np.arange(len(history.line_ids)), history.with_past(), history.typical, common(history),
                   history.signals, bias)


def common(history: History) -> FloatArray:
    """Weekday contrasts and trend (T, 7); the trend runs from -0.5 to 0.5 over the history."""
    weekday = (history.first_day.weekday() + np.arange(history.days)) % 7
    trend = np.linspace(-0.5, 0.5, history.days) if history.days > 1 else np.zeros(1)
    return np.concatenate([CONTRASTS[weekday], trend[:, None]], axis=1)


def evaluate(spec: Spec, theta: FloatArray, days: Days) -> tuple[FloatArray, FloatArray]:
    """Expected outcome (T, n) and the derivatives of its log (T, n, p) by the active parameters of `theta` (N, P)."""
    own = theta[days.line]
    length = len(days.common)
    shares, by_kept = kernel(spec.carry, own[:, KEPT : KEPT_TOO + 1])
    effective, moved = np.zeros((length, len(own))), np.zeros((length, len(own), PARAMETERS[spec.carry]))
    for lag in range(LAGS if spec.carry != "none" else 1):
        past = days.spend[LAGS - 1 - lag : LAGS - 1 - lag + length]
        effective += shares[lag] * past
        if PARAMETERS[spec.carry]:
            moved += past[..., None] * by_kept[lag, :, : PARAMETERS[spec.carry]]
    floor = 1e-6 * days.typical
    v = np.log(np.maximum(effective, floor) / days.typical)
    at, slope, at_kappa, at_nu = log_saturation(spec.shape, v, own[:, KAPPA], own[:, NU])
    usual, _, usual_kappa, usual_nu = log_saturation(spec.shape, np.zeros(len(own)), own[:, KAPPA], own[:, NU])
    log_mean = own[:, RETURN] + at - usual + days.bias * v + days.common @ own[:, WEEKDAY:SIGNALS].T
    log_mean += (days.signals * own[:, SIGNALS:]).sum(axis=-1)
    mean = np.where(effective > floor, days.typical * np.exp(np.minimum(log_mean, 50.0)), 0.0)
    kept = (slope + days.bias)[..., None] * moved / np.maximum(effective, floor)[..., None]
    wanted = active(spec, days.signals.shape[-1])
    jac = np.empty((*v.shape, len(wanted)))
    for column, name in enumerate(wanted):
        if name == RETURN:
            jac[..., column] = 1
        elif name == KAPPA:
            jac[..., column] = at_kappa - usual_kappa
        elif name == NU:
            jac[..., column] = at_nu - usual_nu
        elif name in (KEPT, KEPT_TOO):
            jac[..., column] = kept[..., name - KEPT]
        elif name < SIGNALS:
            jac[..., column] = days.common[:, name - WEEKDAY, None]
        else:
            jac[..., column] = days.signals[..., name - SIGNALS]
    return mean, jac
