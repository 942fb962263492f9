"""Carry-over kernels: the share of a day's spend that works on that day and on each of the days after it.

- `geometric`: shares fall by a constant factor (Broadbent 1979, as Jin et al. 2017 normalise it);
- `weibull_pdf`: shares follow a Weibull density, so that the peak may come days later;
- `weibull_cdf`: the share that is kept from one day to the next changes with age as Weibull's survival does.

Both Weibull forms are those of Robyn (Meta 2021), normalised so that the shares add up to 1: then carry-over moves a
line's outcome in time and does not change what its spend returns when it is steady.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Carry = Literal["none", "geometric", "weibull_pdf", "weibull_cdf"]
CARRIES: tuple[Carry, ...] = get_args(Carry)
LAGS = 14
"""Days on which a day's spend works, its own included."""
PARAMETERS: dict[Carry, int] = {"none": 0, "geometric": 1, "weibull_pdf": 2, "weibull_cdf": 2}
"""Geometric: logit of the share kept a day. Weibull: log shape and log scale in days."""


def kernel(carry: Carry, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares (LAGS, n) of n lines from their parameters (n, 2), and their derivatives (LAGS, n, 2)."""
    n = len(parameters)
    if carry == "none":
        shares = np.zeros((LAGS, n))
        shares[0] = 1
        return shares, np.zeros((LAGS, n, 2))
    log_weight, by = _log_weights(carry, parameters)
    weight = np.exp(log_weight - log_weight.max(axis=0))
    shares = weight / weight.sum(axis=0)
    return shares, shares[..., None] * (by - (shares[..., None] * by).sum(axis=0))


def _log_weights(carry: Carry, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logs of the shares up to a constant (LAGS, n), and their derivatives (LAGS, n, 2)."""
    lag = np.arange(LAGS, dtype=np.float64)[:, None]
    first, second = parameters[:, 0], parameters[:, 1]
    by = np.zeros((LAGS, len(parameters), 2))
    if carry == "geometric":
        log_kept = -np.logaddexp(0.0, -first)
        by[..., 0] = lag * -np.expm1(log_kept)
        return lag * log_kept, by
    shape = np.exp(first)
    log_age = np.log(lag + 1) - second if carry == "weibull_pdf" else np.log(np.maximum(lag, 1e-300)) - second
    hazard = np.exp(np.minimum(shape * log_age, 50.0))  # (age / scale)^shape, where it is not astronomical
    if carry == "weibull_pdf":
        by[..., 0] = shape * log_age * (1 - hazard)
        by[..., 1] = shape * (hazard - 1)
        return (shape - 1) * log_age - hazard, by
    hazard[0] = 0
    by[..., 0] = -np.cumsum(hazard * shape * log_age, axis=0)
    by[..., 1] = np.cumsum(hazard * shape, axis=0)
    return -np.cumsum(hazard, axis=0), by
