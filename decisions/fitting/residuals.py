"""What a channel's days show beyond their curves: residuals, the demand that lines share, and scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.demand import Ar, shared
from decisions.fitting.model import Days, Spec

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DISPERSION_WEIGHT = 10.0
"""Days that the channel's dispersion counts for in each line's own."""


@dataclass(frozen=True, eq=False)
class Data:
    """What stays the same in all rounds."""

    spec: Spec
    days: Days
    outcome: FloatArray  # (T, n), 0 where nothing is known
    weight: FloatArray  # (T, n), 0 where nothing is known
    campaign: IntArray  # (n,)
    columns: IntArray  # (p,)
    offset: FloatArray  # (n, p) what clicks say of a parameter before outcomes are seen
    unsure: FloatArray  # (n, p) and its variance


def relative(
    data: Data, mean: FloatArray, phi: FloatArray, common: FloatArray, unsure: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Residuals relative to the mean, and their precision (T, n) without the line's own demand."""
    expected = mean * common[:, None]
    seen = (data.weight > 0) & (expected > 0)
    residual = np.divide(data.outcome, expected, out=np.ones_like(expected), where=seen) - 1
    scatter = np.divide(phi, data.weight * expected, out=np.ones_like(expected), where=seen)
    return residual, np.where(seen, 1 / (scatter + (unsure / common**2)[:, None]), 0.0)


def shared_level(
    data: Data, mean: FloatArray, phi: FloatArray, own: Ar, common: FloatArray, ar: Ar
) -> tuple[FloatArray, FloatArray, Ar]:
    """Demand that the lines share, from the average of what each line's days show beyond its curve."""
    residual, precision = relative(data, mean, phi, np.ones_like(common), np.zeros_like(common))
    weight = precision / (1 + precision * own.variance)
    total = weight.sum(axis=1)
    level = np.divide((weight * residual).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    found, unsure, ar = shared(level, total, ar)
    return np.maximum(1 + found - found.mean(), 0.05), unsure, ar


def dispersion(
    data: Data, expected: FloatArray, residual: FloatArray, own: Ar, unsure: FloatArray
) -> FloatArray:
    """Each line's dispersion: squared residuals less what demand explains, shrunk to the channel's."""
    information = data.weight * expected
    days = (data.weight > 0).sum(axis=0)
    each = (information * (residual**2 - own.variance - unsure[:, None])).sum(axis=0)
    group = max(each.sum() / max(days.sum() - 2 * (days > 0).sum(), 1), 1e-12)
    return np.asarray(np.maximum((each + DISPERSION_WEIGHT * group) / (days + DISPERSION_WEIGHT), 0.1 * group))

