"""The simplest of the fitted curves as `decisions.curves.Curves`, which today's allocation has a closed form for."""

import numpy as np
from numpy.typing import NDArray

from decisions.curves import Curves
from decisions.fitting.model import KAPPA, RETURN, SIMPLE
from decisions.fitting.posterior import Fitted

FloatArray = NDArray[np.float64]

def curves_of(fitted: Fitted, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ceiling and half saturation (…, n) by parameters (…, n, P): the mode's or draws'. Raises ValueError where a line
    has another curve than `SIMPLE`."""
    if any(spec != SIMPLE for spec in fitted.specs):
        raise ValueError(f"only {SIMPLE} has a closed form: fit with it, or plan with `Fitted.response`")
    kappa = theta[..., KAPPA]
    k = fitted.typical * np.exp(kappa)
    return k * np.exp(theta[..., RETURN] + np.logaddexp(0.0, -kappa)), k  # a/k, of the return at typical spend


def as_curves(fitted: Fitted) -> Curves:
    """Curves of an average day. Raises ValueError where a line has another curve than `SIMPLE`."""
    a, k = curves_of(fitted, fitted.mean)
    kappa = fitted.mean[:, KAPPA]
    # (log a/k, log k) by (RETURN, kappa)
    jacobian = np.zeros((len(k), 2, 2))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1.0
    jacobian[:, 0, 1] = -1 / (1 + np.exp(kappa))
    both = fitted.cov[:, [[RETURN], [KAPPA]], [[RETURN, KAPPA]]]
    return Curves(
        a=a, k=k, cov=jacobian @ both @ jacobian.transpose(0, 2, 1), days_observed=fitted.days_observed,
        spend_low=fitted.spend_low, spend_high=fitted.spend_high, typical_spend=fitted.typical,
    )
