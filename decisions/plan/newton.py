"""The linear system of one step of the interior-point method, by the structure of lines and groups.

A line's own second derivatives are a block of H × H. Eliminating all lines leaves a system over the groups alone:
their prices π, their spend y and the prices of exact amounts (Schur complement; Boyd & Vandenberghe 2004, §C.4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse.linalg import splu

from decisions.plan.model import Model
from decisions.plan.problem import FloatArray
from decisions.plan.tree import own_sums

Solver = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
CHUNK = 2048
"Lines that are inverted together: their blocks stay in the processor's cache."
DENSE = 600
"Unknowns up to which a dense solver beats a sparse one."
TINY = 1e-10
"Keeps the system regular where two exact amounts say the same."


def inverse(blocks: FloatArray) -> FloatArray:
    """Inverses of symmetric positive definite blocks (H, H, n), by the sweep operator (Goodnight 1979)."""
    out = np.empty_like(blocks)
    for start in range(0, blocks.shape[2], CHUNK):
        a = blocks[:, :, start : start + CHUNK].copy()
        for k in range(len(a)):
            pivot = 1 / np.maximum(a[k, k], 1e-14)  # what rounding leaves of a step that holds like an equality
            row = a[k] * pivot
            column = a[:, k].copy()
            column[k] = 0
            a -= column[:, None] * row
            a[:, k] = -column * pivot
            a[k] = row
            a[k, k] = pivot
        out[:, :, start : start + CHUNK] = a
    return out


class Groups:
    """The system [-P J 0; J' D+C'WC E'; 0 E -δ] over days × groups, factored anew for each P, D and W."""

    def __init__(self, model: Model, rows: sparse.csr_array, exact: sparse.csr_array) -> None:
        days, size = model.node_low.shape
        self.model, self.rows, self.exact, self.m = model, rows, exact, days * size
        at = np.arange(self.m)
        up = model.parent[at % size]
        above = (at - at % size + up)[up >= 0]
        links = sparse.csr_array((np.ones(above.size), (above, at[up >= 0])), shape=(self.m, self.m))
        self.sums = (links - sparse.eye_array(self.m)).tocsr()  # J: children's spend less the group's own
        self.has = np.unique(model.node)
        t, u, g = np.meshgrid(np.arange(days), np.arange(days), self.has, indexing="ij")
        self.block_at = (t * size + g).ravel(), (u * size + g).ravel()
        e = exact.shape[0]
        fixed = sparse.block_array([[None, self.sums, sparse.csr_array((self.m, e))], [self.sums.T, None, exact.T],
                                    [sparse.csr_array((e, self.m)), exact, -TINY * sparse.eye_array(e)]])  # fmt: skip
        self.dense = 2 * self.m + e <= DENSE
        self.fixed = fixed.toarray() if self.dense else fixed.tocsc()

    def factor(self, inverses: FloatArray, own: FloatArray, weights: FloatArray) -> Solver:
        """From lines' inverses (H, H, n), the groups' own second derivatives (H · G,) and the rows' weights (R,)."""
        m, at = self.m, np.arange(self.m) + self.m
        blocks = own_sums(self.model, inverses)[:, :, self.has].ravel()
        curve = self.rows.T @ (self.rows * weights[:, None]) if weights.size else None
        if self.dense:
            matrix = self.fixed.copy()
            matrix[self.block_at] -= blocks
            matrix[at, at] += own
            if curve is not None:
                matrix[m : 2 * m, m : 2 * m] += curve.toarray()
            factors = lu_factor(matrix, overwrite_a=False, check_finite=False)

            def once(right: FloatArray) -> FloatArray:
                return np.asarray(lu_solve(factors, right, check_finite=False))
        else:
            row, column, value = np.r_[self.block_at[0], at], np.r_[self.block_at[1], at], np.r_[-blocks, own]
            matrix = self.fixed + sparse.csc_array((value, (row, column)), shape=self.fixed.shape)
            if curve is not None:
                c = curve.tocoo()
                matrix = matrix + sparse.csc_array((c.data, (c.row + m, c.col + m)), shape=self.fixed.shape)
            once = splu(matrix).solve

        def solve(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            right = np.concatenate([a, b, c])
            x = once(right)
            x = x + once(right - matrix @ x)
            return x[:m], x[m : 2 * m], x[2 * m :]

        return solve
