"""Sums over the tree of groups, and what every group and line can still get within all the others' limits.

Bounds of sums over a tree that are made consistent, once up and once down, are exact: any value of a line within
its bounds then belongs to some plan of that day. Steps tie a day to the one before and are passed over both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from decisions.plan.model import Model
from decisions.plan.problem import IntArray

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds (cents) of lines (H, n) and groups (H, G) that agree with each other."""

    lower: IntArray
    upper: IntArray
    node_low: IntArray
    node_high: IntArray


def own_sums(model: Model, values: NDArray[Number]) -> NDArray[Number]:
    """Sums (…, G) of lines (…, n) that lie directly in each group."""
    out = np.zeros((*values.shape[:-1], len(model.groups)), dtype=values.dtype)
    starts = np.flatnonzero(np.r_[True, model.node[1:] != model.node[:-1]])
    out[..., model.node[starts]] = np.add.reduceat(values, starts, axis=-1)
    return out


def node_sums(model: Model, values: NDArray[Number]) -> NDArray[Number]:
    """Sums (…, G) of all lines under each group."""
    out = own_sums(model, values)
    for at in range(len(model.groups) - 1, 0, -1):
        out[..., model.parent[at]] += out[..., at]
    return out


def narrow(model: Model, lower: IntArray, upper: IntArray) -> Box | None:
    """The bounds within `lower` and `upper` that other limits leave; None where they leave nothing."""
    lower, upper = lower.copy(), upper.copy()
    low, high = model.node_low, model.node_high
    for _ in range(4):
        before = lower, upper
        box = _tree(model, *_steps(model, lower, upper), low, high)
        if box is None:
            return None
        lower, upper = box.lower, box.upper
        low, high = _over_days(model, box)
        same = np.array_equal(low, box.node_low) and np.array_equal(high, box.node_high)
        if same and np.array_equal(before[0], lower) and np.array_equal(before[1], upper):
            break
    return box


def _over_days(model: Model, box: Box) -> tuple[IntArray, IntArray]:
    """Groups' bounds of each day that sums over days leave."""
    low, high = box.node_low.copy(), box.node_high.copy()
    for row in model.rows:
        if (row.coefficients == 1).all() or (row.coefficients == -1).all():
            least, most = low.flat[row.columns], high.flat[row.columns]
            if row.coefficients[0] == 1:
                high.flat[row.columns] = np.minimum(most, int(row.limit) - (least.sum() - least))
            if row.coefficients[0] == -1 or row.equal:
                low.flat[row.columns] = np.maximum(least, int(abs(row.limit)) - (most.sum() - most))
    return low, high


def _steps(model: Model, lower: IntArray, upper: IntArray) -> tuple[IntArray, IntArray]:
    lower, upper = lower.copy(), upper.copy()
    for t in range(1, len(lower)):
        on = model.stepped[t - 1]
        most = np.floor(model.rise * upper[t - 1] + model.reach + 1e-6)
        least = np.ceil(model.fall * lower[t - 1] - model.reach - 1e-6)
        upper[t] = np.where(on, np.minimum(upper[t], most), upper[t])
        lower[t] = np.where(on, np.maximum(lower[t], least), lower[t])
    for t in range(len(lower) - 1, 0, -1):
        on = model.stepped[t - 1]
        least = np.ceil((lower[t] - model.reach) / model.rise - 1e-6)
        lower[t - 1] = np.where(on, np.maximum(lower[t - 1], least), lower[t - 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(model.fall > 0, np.floor((upper[t] + model.reach) / model.fall + 1e-6), np.inf)
        upper[t - 1] = np.where(on, np.minimum(upper[t - 1], most), upper[t - 1])
    return lower, upper


def narrow_day(model: Model, day: int, lower: IntArray, upper: IntArray) -> Box | None:
    """The same within one day and its groups; arrays of one row."""
    return _tree(model, lower[None], upper[None], model.node_low[[day]], model.node_high[[day]])


def _tree(model: Model, lower: IntArray, upper: IntArray, low: IntArray, high: IntArray) -> Box | None:
    last = len(model.groups) - 1
    sum_low, sum_high = own_sums(model, lower), own_sums(model, upper)
    low, high = low.copy(), high.copy()
    for at in range(last, -1, -1):
        low[:, at] = np.maximum(low[:, at], sum_low[:, at])
        high[:, at] = np.minimum(high[:, at], sum_high[:, at])
        if at:
            sum_low[:, model.parent[at]] += low[:, at]
            sum_high[:, model.parent[at]] += high[:, at]
    if (low > high).any() or (lower > upper).any():
        return None
    # What the children got on the way up is what a child leaves to its siblings, before it is narrowed itself.
    up_low, up_high = low.copy(), high.copy()
    for at in range(1, last + 1):
        above = model.parent[at]
        low[:, at] = np.maximum(low[:, at], low[:, above] - (sum_high[:, above] - up_high[:, at]))
        high[:, at] = np.minimum(high[:, at], high[:, above] - (sum_low[:, above] - up_low[:, at]))
    of = model.node
    new_lower = np.maximum(lower, low[:, of] - (sum_high[:, of] - upper))
    new_upper = np.minimum(upper, high[:, of] - (sum_low[:, of] - lower))
    return Box(new_lower, new_upper, low, high)
