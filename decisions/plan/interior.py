"""The best plan of a concave outcome, and all prices, by a primal-dual interior-point method.

Every line's second derivative is a block of H × H, which all lines invert together; only the groups' prices, H a
group, tie lines to each other. So a Newton step is one batch of small inversions and one linear system of the size
of the tree (Schur complement; Boyd & Vandenberghe 2004, §11.7; predictor and corrector after Mehrotra 1992). Some
thirty steps do, whatever the number of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse.linalg import splu

from decisions.plan.dual import Multipliers, row_matrix, upper_bound
from decisions.plan.inner import Objective
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray
from decisions.plan.tree import Box, node_sums, own_sums

CHUNK = 2048
"Lines that are inverted together: their blocks stay in the processor's cache."
DEBUG = False
DENSE = 500
"Unknowns up to which a dense solver beats a sparse one."


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Spend (H, n) in currency units, prices, the bound, and whether the limits were met."""

    spend: FloatArray
    prices: Multipliers
    bound: float
    value: float  # outcome less the price of all spend
    met: bool
    iterations: int


def inverse(blocks: FloatArray) -> FloatArray:
    """Inverses of symmetric positive definite blocks (H, H, n), by the sweep operator (Goodnight 1979)."""
    out = np.empty_like(blocks)
    for start in range(0, blocks.shape[2], CHUNK):
        a = blocks[:, :, start : start + CHUNK].copy()
        for k in range(len(a)):
            pivot = 1 / a[k, k]
            row = a[k] * pivot
            column = a[:, k].copy()
            column[k] = 0
            a -= column[:, None] * row
            a[:, k] = -column * pivot
            a[k] = row
            a[k, k] = pivot
        out[:, :, start : start + CHUNK] = a
    return out


class Interior:
    """One solve; amounts are in units of `money`, outcomes in units of `worth`, so that numbers are near 1."""

    def __init__(self, model: Model, objective: Objective, box: Box, lower: FloatArray, upper: FloatArray) -> None:
        self.model, self.objective, self.box = model, objective, box
        self.free = box.lower < box.upper
        # Bounds that only follow from other limits must not carry their price: they are kept out of reach.
        above = np.where(box.upper < upper, np.minimum(upper, 2 * box.upper + 100), upper)
        below = np.where(box.lower > lower, np.maximum(lower, box.lower // 2), lower)
        share = self._fill()
        self.money = max(float((box.lower + share * (box.upper - box.lower)).mean()) / 100, 1e-2)
        unit = 100 * self.money
        self.lower, self.upper = below / unit, np.where(self.free, above / unit, np.inf)
        self.lower = np.where(self.free, self.lower, -np.inf)
        self.s = (box.lower + share * (box.upper - box.lower)) / unit
        self._limits(below, above, unit)
        days = model.shape[0]
        self.stepped = model.stepped & self.free[1:] | model.stepped & self.free[:-1]
        least = model.fall * box.lower[:-1]
        room = np.where(model.reach > 0, model.reach, (model.rise - 1) * least)
        margin = np.minimum(1 + model.rise, room / 4)  # so that whole cents keep the step
        self.reach, self.margin = (model.reach - margin) / unit, margin / unit
        self.has_steps = days > 1 and bool(self.stepped.any())

    def _fill(self) -> FloatArray:
        """How far each day's lines stand between their bounds at the start."""
        box = self.box
        low, high = box.lower.sum(axis=1), box.upper.sum(axis=1)
        target = (box.node_low[:, 0] + np.minimum(box.node_high[:, 0], high)) / 2
        for row in self.model.rows:
            if row.equal:
                target = np.full(len(low), row.limit / len(low))
        share = np.divide(target - low, high - low, out=np.full(len(low), 0.5), where=high > low)
        return np.asarray(np.clip(share, 1e-4, 0.9))[:, None]

    def _limits(self, below: FloatArray, above: FloatArray, unit: float) -> None:
        """Rows C y ≤ d and E y = e over the groups' spend y, without those that other bounds already imply."""
        model = self.model
        days, size = model.node_low.shape
        moves = node_sums(model, self.free.astype(np.float64)) > 0
        exact = moves & (model.node_low == model.node_high)
        self.low = moves & ~exact & (model.node_low > node_sums(model, below.astype(np.float64)))
        self.high = moves & ~exact & (model.node_high < node_sums(model, above.astype(np.float64)))
        self.exact = exact
        eye = sparse.eye_array(days * size, format="csr")
        rows = row_matrix(model)
        self.equal_rows = np.array([row.equal for row in model.rows], dtype=bool)
        limit = np.array([row.limit for row in model.rows], dtype=np.float64)
        slack = np.array([0.0 if row.equal else 2.0 * len(row.columns) for row in model.rows])
        slack = np.minimum(slack, np.where(limit > 0, limit * 1e-4, 2.0))
        limit = limit - slack
        self.slack = slack[~self.equal_rows] / unit
        self.c = sparse.vstack([-eye[self.low.ravel()], eye[self.high.ravel()], rows[~self.equal_rows]]).tocsr()
        self.d = np.r_[-model.node_low[self.low], model.node_high[self.high], limit[~self.equal_rows]] / unit
        self.e = sparse.vstack([eye[exact.ravel()], rows[self.equal_rows]]).tocsr()
        self.f = np.r_[model.node_low[exact], limit[self.equal_rows]] / unit
        at = np.arange(days * size)
        up = model.parent[at % size]
        inner = up >= 0
        ones = np.ones(int(inner.sum()))
        above_at = at[inner] - at[inner] % size + up[inner]
        self.j = (sparse.csr_array((ones, (above_at, at[inner])), shape=(days * size,) * 2) - eye).tocsr()

    def multipliers(self, worth: float) -> Multipliers:
        """The prices so far, in outcome per currency unit."""
        model, scale = self.model, worth / self.money
        days, size = model.node_low.shape
        low, high, rows = np.zeros((days, size)), np.zeros((days, size)), np.zeros(len(model.rows))
        a, b = int(self.low.sum()), int(self.high.sum())
        low[self.low], high[self.high] = self.z[:a], self.z[a : a + b]
        rows[~self.equal_rows] = self.z[a + b :]
        m = int(self.exact.sum())
        low[self.exact], high[self.exact] = np.maximum(-self.ze[:m], 0), np.maximum(self.ze[:m], 0)
        rows[self.equal_rows] = self.ze[m:]
        return Multipliers(low * scale, high * scale, rows * scale, self.pu * scale, self.pd * scale)

    def _steps_back(self, rise: FloatArray, fall: FloatArray) -> FloatArray:
        out = np.zeros_like(self.s)
        out[1:] += rise - fall
        out[:-1] += self.model.fall * fall - self.model.rise * rise
        return out

    def _steps_of(self, s: FloatArray) -> tuple[FloatArray, FloatArray]:
        return s[1:] - self.model.rise * s[:-1], self.model.fall * s[:-1] - s[1:]

    def solve(self, tolerance: float, most: int = 80) -> Relaxed:
        model, objective, free = self.model, self.objective, self.free
        days, size = model.node_low.shape
        lines, gradient, hessian = objective.curvature(self.s * self.money)
        worth = max(float(np.abs(np.where(free, gradient * self.s, 0)).sum()) * self.money / max(free.sum(), 1), 1e-300)
        price = model.price * self.money / worth
        mu = 0.1
        sl, su = self.s - self.lower, self.upper - self.s
        zl, zu = np.where(free, mu / sl, 0), np.where(free, mu / su, 0)
        y = node_sums(model, self.s)
        w = np.maximum(self.d - self.c @ y.ravel(), 0.1)
        self.z, self.ze = mu / w, np.zeros(self.e.shape[0])
        pi = np.zeros((days, size))
        up, down = self._steps_of(self.s)
        wu, wd = np.maximum(self.reach - up, 0.1), np.maximum(self.reach - down, 0.1)
        self.pu, self.pd = np.where(self.stepped, mu / wu, 0), np.where(self.stepped, mu / wd, 0)
        pairs = 2 * free.sum() + 2 * self.stepped.sum() + w.size
        best: Relaxed | None = None
        iteration, stuck = 0, 0
        total = max(float(y[:, 0].sum()), 1e-12)
        for iteration in range(most):
            up, down = self._steps_of(self.s)
            ru = np.where(self.stepped, up + wu - self.reach, 0)
            rd = np.where(self.stepped, down + wd - self.reach, 0)
            rw, re = self.c @ y.ravel() + w - self.d, self.e @ y.ravel() - self.f
            off = max(np.abs(rw).max(initial=0), np.abs(re).max(initial=0), np.abs(ru).max(initial=0),
                      np.abs(rd).max(initial=0))  # fmt: skip
            mu = ((np.where(free, sl * zl + su * zu, 0)).sum() + (wu * self.pu + wd * self.pd).sum()
                  + w @ self.z) / max(pairs, 1)  # fmt: skip
            if DEBUG: print(iteration, mu, off)
            prices = self.multipliers(worth)
            value = float(lines.sum()) - model.price * float(self.s.sum()) * self.money
            bound = upper_bound(model, objective, self.box, self.s * self.money, prices)
            # What the room for rounding costs is no reason to go on.
            aside = worth * float(((self.pu + self.pd) * self.margin).sum() + self.z[w.size - self.slack.size :] @ self.slack)
            met = off * self.money * 100 < max(0.01, 1e-9 * total * self.money * 100)
            if best is None or (met and not best.met) or (met >= best.met and bound < best.bound):
                best, stuck = Relaxed(self.s * self.money, prices, bound, value, bool(met), iteration), 0
            else:
                stuck += 1
            if DEBUG: print("   ", bound, value, met, primal if iteration else 0, centre if iteration else 0)
            if met and bound - aside - value <= tolerance * max(abs(value), abs(float(lines.sum())), 1e-300) or stuck > 12:
                break
            g = gradient * (self.money / worth)
            rs = -g - zl + zu + pi[:, model.node] + self._steps_back(self.pu, self.pd)
            ry = (self.j.T @ pi.ravel() + self.c.T @ self.z + self.e.T @ self.ze).reshape(days, size)
            ry[:, 0] += price
            # The sums of lines are kept exactly from step to step, but for rounding.
            rj = own_sums(model, self.s).ravel() + self.j @ y.ravel()
            q = hessian * (self.money**2 / worth)
            index = np.arange(days)
            q[index, index] += zl / sl + zu / su
            if self.has_steps:
                a, b = self.pu / wu, self.pd / wd
                q[index[1:], index[1:]] += a + b
                q[index[:-1], index[:-1]] += model.rise**2 * a + model.fall**2 * b
                q[index[1:], index[:-1]] -= model.rise * a + model.fall * b
                q[index[:-1], index[1:]] -= model.rise * a + model.fall * b
            if not free.all():
                q *= free[:, None] * free
                q[index, index] += ~free
            qi = inverse(q)
            if not free.all():
                qi[index, index] -= ~free
            factor = self._factor(qi, self.z / w)

            def direction(tl, tu, tau, tad, tw):  # type: ignore[no-untyped-def]
                right = -rs + tl / sl - np.where(free, tu / su, 0)
                if self.has_steps:
                    right -= self._steps_back((tau + self.pu * ru) / wu, (tad + self.pd * rd) / wd)
                right = np.where(free, right, 0)
                h = np.einsum("tun,un->tn", qi, right)
                by = -ry.ravel() - self.c.T @ ((tw + self.z * rw) / w)
                dpi, dy, dze = factor(-rj - own_sums(model, h).ravel(), by, -re)
                ds = h - np.einsum("tun,un->tn", qi, dpi.reshape(days, size)[:, model.node])
                dw = -rw - self.c @ dy
                dz = (tw - self.z * dw) / w
                du, dd = self._steps_of(ds)
                du, dd = -ru - du, -rd - dd
                return (ds, (tl - zl * ds) / sl, np.where(free, (tu + zu * ds) / su, 0), dy.reshape(days, size),
                        dpi.reshape(days, size), dw, dz, dze, np.where(self.stepped, du, 0),
                        np.where(self.stepped, dd, 0), np.where(self.stepped, (tau - self.pu * du) / wu, 0),
                        np.where(self.stepped, (tad - self.pd * dd) / wd, 0))  # fmt: skip

            def longest(step):  # type: ignore[no-untyped-def]
                ds, dzl, dzu, _, _, dw, dz, _, du, dd, dpu, dpd = step
                pairs_of = [(sl, ds), (su, -ds), (w, dw), (wu, du), (wd, dd)], [(zl, dzl), (zu, dzu), (self.z, dz),
                            (self.pu, dpu), (self.pd, dpd)]  # fmt: skip
                return [min((float(np.min(-x[d < 0] / d[d < 0], initial=np.inf)) for x, d in some), default=np.inf)
                        for some in pairs_of]  # fmt: skip

            affine = direction(np.where(free, -sl * zl, 0), np.where(free, -su * zu, 0), -wu * self.pu, -wd * self.pd,
                               -w * self.z)  # fmt: skip
            a = min(1.0, *longest(affine))
            ds, dzl, dzu, _, _, dw, dz, _, du, dd, dpu, dpd = affine
            after = (np.where(free, (sl + a * ds) * (zl + a * dzl) + (su - a * ds) * (zu + a * dzu), 0)).sum()
            after += ((wu + a * du) * (self.pu + a * dpu) + (wd + a * dd) * (self.pd + a * dpd)).sum()
            after += (w + a * dw) @ (self.z + a * dz)
            centre = mu * min(1.0, max(after / max(pairs, 1) / mu, 1e-4)) ** 3 if mu > 0 else 0.0
            step = direction(np.where(free, centre - sl * zl - ds * dzl, 0), np.where(free, centre - su * zu + ds * dzu, 0),
                             np.where(self.stepped, centre - wu * self.pu - du * dpu, 0),
                             np.where(self.stepped, centre - wd * self.pd - dd * dpd, 0), centre - w * self.z - dw * dz)
            primal, dual = (min(1.0, 0.995 * x) for x in longest(step))
            primal = dual = min(primal, dual)
            ds, dzl, dzu, dy, dpi, dw, dz, dze, du, dd, dpu, dpd = step
            self.s = self.s + primal * ds
            sl, su = np.where(free, sl + primal * ds, np.inf), np.where(free, su - primal * ds, np.inf)
            y, w, wu, wd = y + primal * dy, w + primal * dw, wu + primal * du, wd + primal * dd
            zl, zu, pi, self.z, self.ze = zl + dual * dzl, zu + dual * dzu, pi + dual * dpi, self.z + dual * dz, self.ze + dual * dze
            self.pu, self.pd = self.pu + dual * dpu, self.pd + dual * dpd
            lines, gradient, hessian = objective.curvature(self.s * self.money)
        assert best is not None
        return best

    def _factor(self, qi: FloatArray, weights: FloatArray):  # type: ignore[no-untyped-def]
        """A solver of [-P J 0; J' C'WC E'; 0 E -δ] for the groups' prices, spend and exact amounts."""
        model = self.model
        days, size = model.node_low.shape
        blocks = own_sums(model, qi)  # (H, H, G)
        m, e = days * size, self.e.shape[0]
        cwc = self.c.T @ (self.c * weights[:, None])
        has = np.flatnonzero(own_sums(model, np.ones(len(model.node))) > 0)
        t, u, g = np.meshgrid(np.arange(days), np.arange(days), has, indexing="ij")
        p = sparse.csr_array((blocks[:, :, has].ravel(), ((t * size + g).ravel(), (u * size + g).ravel())), shape=(m, m))
        matrix = sparse.block_array([[-p, self.j, None], [self.j.T, cwc, self.e.T],
                                     [None, self.e, -1e-10 * sparse.eye_array(e)]], format="csc")  # fmt: skip
        if 2 * m + e <= DENSE:
            factor = lu_factor(matrix.toarray(), check_finite=False)
            def solver(right):  # type: ignore[no-untyped-def]
                return lu_solve(factor, right, check_finite=False)
        else:
            solver = splu(matrix).solve

        def solve(a, b, c):  # type: ignore[no-untyped-def]
            right = np.concatenate([a, b, c])
            x = solver(right)
            x = x + solver(right - matrix @ x)
            return x[:m], x[m : 2 * m], x[2 * m :]

        return solve


def relax(model: Model, objective: Objective, box: Box, lower: FloatArray, upper: FloatArray,
          tolerance: float = 1e-6) -> Relaxed:
    """The best plan of a concave `objective` within `box`, what `narrow` left of `lower` and `upper` (cents)."""
    return Interior(model, objective, box, lower, upper).solve(tolerance)
