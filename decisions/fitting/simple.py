"""The simplest of the fitted curves as `decisions.curves.Curves`, which today's allocation has a closed form for."""

import numpy as np

from decisions.curves import Curves
from decisions.fitting.model import KAPPA, RETURN, Spec
from decisions.fitting.posterior import Fitted

SIMPLE = Spec("hill1", "none")
"""Hill's curve with exponent 1 and no carry-over: no other was closer to the simulator's truth (docs/choices.md)."""


def as_curves(fitted: Fitted) -> Curves:
    """Curves of an average day. Raises ValueError where a line has another curve than `SIMPLE`."""
    if any(spec != SIMPLE for spec in fitted.specs):
        raise ValueError(f"only {SIMPLE} has a closed form: fit with it, or plan with `Fitted.response`")
    kappa = fitted.mean[:, KAPPA]
    k = fitted.typical * np.exp(kappa)
    slope = np.exp(fitted.mean[:, RETURN] + np.logaddexp(0.0, -kappa))  # a/k, of the return at typical spend
    # (log a/k, log k) by (RETURN, kappa)
    jacobian = np.zeros((len(k), 2, 2))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1.0
    jacobian[:, 0, 1] = -1 / (1 + np.exp(kappa))
    both = fitted.cov[:, [[RETURN], [KAPPA]], [[RETURN, KAPPA]]]
    return Curves(
        a=slope * k, k=k, cov=jacobian @ both @ jacobian.transpose(0, 2, 1), days_observed=fitted.days_observed,
        spend_low=fitted.spend_low, spend_high=fitted.spend_high, typical_spend=fitted.typical,
    )
