"""The saturations in log form, with the derivatives that a fit needs.

`log h` is a function of `v = log(effective spend / typical spend)`, of `kappa = log(k / typical spend)` and of one
more number `nu`: the log of Hill's exponent, or the logit of the power curve's. `hill1` is Hill's curve with the
exponent fixed at 1 (Michaelis & Menten 1913), the simplest of them. `rate` is no saturation: proportional, for an
outcome by clicks instead of spend (see `foresight`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from decisions.response import HILL, LOGISTIC, POWER

FloatArray = NDArray[np.float64]
Shape = Literal["hill1", "hill", "logistic", "power", "rate"]
SHAPES: tuple[Shape, ...] = ("hill1", "hill", "logistic", "power")
FAMILY: dict[Shape, int] = {"hill1": HILL, "hill": HILL, "logistic": LOGISTIC, "power": POWER}
"The number by which `decisions.response` knows each shape."


def exponent(shape: Shape, nu: FloatArray) -> FloatArray:
    """The exponent n of `decisions.response` of each line."""
    if shape == "hill":
        return np.exp(nu)
    return 1 / (1 + np.exp(-nu)) if shape == "power" else np.ones_like(nu)


def log_saturation(
    shape: Shape, v: FloatArray, kappa: FloatArray, nu: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """`log h` and its derivatives by v, kappa and nu; the first derivative is the elasticity. Arguments broadcast."""
    n = exponent(shape, nu)
    if shape in ("power", "rate"):
        return n * v, n + 0 * v, 0 * v, v * n * (1 - n)
    u = v - kappa
    if shape == "logistic":
        x = np.exp(np.minimum(u, 6.0))  # beyond e^6 the curve is flat to the last digit
        elasticity = x / np.sinh(np.minimum(x, 300.0))
        return np.log(np.tanh(x / 2)), elasticity, -elasticity, 0 * v
    log_h = -np.logaddexp(0.0, -n * u)
    elasticity = n * -np.expm1(log_h)
    return log_h, elasticity, -elasticity, elasticity * u if shape == "hill" else 0 * v
