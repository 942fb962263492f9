"""One day's choice of lines that are off, by integer programming (HiGHS) over tangents.

A line's gain is below all its tangents; multiplied by whether the line is on, they meet at nothing where it is off
(perspective cuts, Frangioni & Gentile 2006), which is the tightest concave description of "nothing or from the
minimum on". Tangents at each answer make the next one finer. Nodes are limited, not time.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from decisions.plan.dual import row_matrix
from decisions.plan.inner import Objective
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray
from decisions.plan.rounding import members
from decisions.plan.tree import Box

LINES = 300
"Lines up to which this closes the gap within seconds; beyond, few lines are between off and on, and prices do."
ROUNDS, NODES = 2, 100


def choose(model: Model, objective: Objective, box: Box, spend: FloatArray) -> tuple[np.ndarray | None, float]:
    """Which lines are on (n,), and a bound on outcome less money's price; tangents start near `spend` (1, n)."""
    n = spend.shape[1]
    low = np.maximum(box.lower[0], model.minimum) / 100
    high = np.maximum(box.upper[0] / 100, low)
    nothing = objective.nothing()
    must = (box.lower[0] > 0) | (model.minimum == 0)
    may = low * 100 <= box.upper[0]
    eye = sparse.eye_array(n, format="csr")
    empty = sparse.csr_array((n, n))
    within = [
        sparse.hstack([eye, -sparse.diags_array(high), empty]),
        sparse.hstack([-eye, sparse.diags_array(low), empty]),
    ]
    limits = [LinearConstraint(matrix.tocsr(), -np.inf, 0.0) for matrix in within]
    sums = sparse.hstack([members(model), sparse.csr_array((len(model.groups), 2 * n))]).tocsr()
    limits.append(LinearConstraint(sums, model.node_low[0] / 100, model.node_high[0] / 100))
    if model.rows:
        limit = np.array([row.limit for row in model.rows]) / 100
        least = np.where([row.equal for row in model.rows], limit, -np.inf)
        limits.append(LinearConstraint(row_matrix(model) @ sums, least, limit))

    def tangents(at: FloatArray) -> LinearConstraint:
        value, gradient = objective.slopes(at[None])
        rest = value - nothing - gradient[0] * at
        return LinearConstraint(
            sparse.hstack([-sparse.diags_array(gradient[0]), -sparse.diags_array(rest), eye]).tocsr(), -np.inf, 0.0
        )

    reach = np.minimum(high, 8 * np.maximum(low, spend[0]) + 1)
    limits += [tangents(np.maximum(low + (reach - low) * share, 0.01)) for share in np.linspace(0, 1, 12) ** 2]
    limits.append(tangents(np.clip(spend[0], np.maximum(low, 0.01), None)))
    cost = np.r_[np.full(n, model.price), np.zeros(n), -np.ones(n)]
    bounds = Bounds(np.r_[np.zeros(n), must, np.full(n, -np.inf)], np.r_[high, may, np.full(n, np.inf)])
    on, bound = None, np.inf
    for _ in range(ROUNDS):
        found = milp(cost, integrality=np.repeat([0, 1, 0], n), bounds=bounds, constraints=limits,
                     options={"mip_rel_gap": 1e-4, "node_limit": NODES})  # fmt: skip
        if found.mip_dual_bound is not None:
            bound = min(bound, float(nothing.sum()) - float(found.mip_dual_bound))
        if found.x is None:
            break
        on = found.x[n : 2 * n] > 0.5
        limits.append(tangents(np.where(on, np.clip(found.x[:n], np.maximum(low, 0.01), None), np.maximum(low, 0.01))))
    return on, bound
