"""A bound that no plan within the limits exceeds, from any prices: weak duality.

A concave outcome lies below its tangent plane at any point ŝ. Limits enter with a price of 0 or more each (any sign
for equalities), and what is left is a sum over line-days, each at the better end of its bounds (Boyd & Vandenberghe,
Convex Optimization 2004, §5.1.3). Nothing is assumed about how point and prices were found: bad ones give a high
bound, never a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from decisions.plan.model import Model
from decisions.plan.problem import FloatArray
from decisions.plan.tree import Box


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Outcome of one more currency unit of room in each limit; 0 or more, but for equalities."""

    node_low: FloatArray  # (H, G), of a group that may spend less: for an exact amount both may stand
    node_high: FloatArray
    rows: FloatArray  # (R,)
    rise: FloatArray  # (H-1, n)
    fall: FloatArray


def row_matrix(model: Model) -> sparse.csr_array:
    """The coefficients (R, H · G) of the model's rows."""
    days, size = model.node_low.shape
    if not model.rows:
        return sparse.csr_array((0, days * size))
    at = np.repeat(np.arange(len(model.rows)), [len(row.columns) for row in model.rows])
    columns = np.concatenate([row.columns for row in model.rows])
    return sparse.csr_array((np.concatenate([row.coefficients for row in model.rows]), (at, columns)),
                            shape=(len(model.rows), days * size))  # fmt: skip


def node_prices(model: Model, prices: Multipliers) -> FloatArray:
    """What a unit spent in each group must return (H, G): its own limits' prices and those of all groups above."""
    by_rows: FloatArray = np.asarray(row_matrix(model).T @ prices.rows).reshape(prices.node_low.shape)
    out: FloatArray = prices.node_high - prices.node_low + by_rows
    out[:, 0] += model.price
    for at in range(1, len(model.groups)):
        out[:, at] += out[:, model.parent[at]]
    return out


def step_sums(model: Model, rise: FloatArray, fall: FloatArray) -> FloatArray:
    """What a unit on each day of a line takes of the room of its steps, at their prices (H, n)."""
    out = np.zeros((len(rise) + 1, rise.shape[1]))
    out[1:] += rise - fall
    out[:-1] += model.fall * fall - model.rise * rise
    return out


def reduced(model: Model, gradient: FloatArray, prices: Multipliers) -> FloatArray:
    """What one more unit on a line-day returns beyond all prices (H, n): the price of its own bounds."""
    charge = node_prices(model, prices)[:, model.node] + step_sums(model, prices.rise, prices.fall)
    return np.asarray(gradient - charge)


def upper_bound(
    model: Model, tangent: tuple[FloatArray, FloatArray], box: Box, point: FloatArray, prices: Multipliers
) -> float:
    """The bound on outcome less the price of all spend.

    `tangent` holds the lines' outcome (n,) and its gradient (H, n) at `point` (H, n, currency units); the bound holds
    for plans within `box`.
    """
    lines, gradient = tangent
    gradient = np.where(box.lower < box.upper, gradient, 0.0)  # an amount that is given has no other end
    left = reduced(model, gradient, prices)
    best = np.maximum(left * box.lower, left * box.upper) / 100
    limits = (prices.node_high * box.node_high - prices.node_low * box.node_low).sum() / 100
    limits += float(prices.rows @ np.array([row.limit for row in model.rows])) / 100 if model.rows else 0.0
    limits += float(((prices.rise + prices.fall) * model.reach).sum()) / 100
    return float((lines - (gradient * point).sum(axis=0) + best.sum(axis=0)).sum() + limits)
