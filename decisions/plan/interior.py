"""The best plan of a concave outcome, and all prices, by a primal-dual interior-point method.

Minimise -f(s) with G (s, y) + x = h for all inequalities, x ≥ 0 their room and z ≥ 0 their prices, y the groups'
spend. Each step is Newton's on the optimality conditions with x · z driven to 0 together (predictor and corrector
after Mehrotra 1992; for convex programs Wright, Primal-Dual Interior-Point Methods, 1997). Some ten to thirty steps
do, whatever the number of lines, and each is a batch of small inversions and a system of the tree's size (`newton`).
Draws of a measure of risk and interactions of lines add a border to that system (`border`), and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from decisions.plan.border import Bordered, System, joined, of_draws, of_effects
from decisions.plan.direction import LINEAR, Newton, Pairs, product
from decisions.plan.dual import Multipliers, row_matrix, step_sums, upper_bound
from decisions.plan.inner import Objective, Shape
from decisions.plan.model import Model
from decisions.plan.newton import Groups, inverse
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.tail import start_of
from decisions.plan.tree import Box, node_sums, own_sums
from decisions.plan.worth import allowed

MOST = 80
"Steps, at most."
STUCK = 10
"Steps without a smaller gap after which rounding is what is left."
LOST = 1e20
"Room times price above which nothing comes back."
ROUND, LOOSE, DAMPED = 3, 1e-5, 0.4
"""Steps without a smaller gap after which steps are shortened, while the relative gap is above `LOOSE`: on curves that
are steep at nothing, whole Newton steps can go round in circles."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Spend (H, n) in currency units, prices, the bound, and whether the limits were met."""

    spend: FloatArray
    prices: Multipliers
    bound: float
    value: float  # what the outcome is worth less the price of all spend
    met: bool
    steps: int
    weights: FloatArray  # (K,) of draws, in the bound


def relax(
    model: Model,
    objective: Objective,
    box: Box,
    lower: IntArray,
    upper: IntArray,
    *,
    rows_aside: float = 1.0,
    steps_aside: float = 0.0,
    tolerance: float = 1e-8,
) -> Relaxed:
    """The best plan of a concave `objective` within `box`, what `narrow` left of `lower` and `upper` (cents).

    Where `rows_aside` and `steps_aside` are 1, rows and steps keep some cents of room, so that whole cents keep them
    too.
    """
    # Where lines take all from each other slopes can run away: such numbers end the method, and the best so far counts.
    with np.errstate(over="ignore", invalid="ignore"):
        return Interior(model, objective, box, lower, upper, rows_aside, steps_aside).solve(tolerance)


class Interior:
    """One solve; amounts are in units of `money`, outcomes in units of `worth`, so that numbers are near 1."""

    def __init__(
        self,
        model: Model,
        objective: Objective,
        box: Box,
        lower: IntArray,
        upper: IntArray,
        rows_aside: float,
        steps_aside: float,
    ) -> None:
        self.model, self.objective, self.box = model, objective, box
        self.free = box.lower < box.upper
        # Bounds that only follow from other limits must not carry their price: they are kept out of reach.
        above = np.where(box.upper < upper, np.minimum(upper, 2 * box.upper + 100), upper)
        below = np.where(box.lower > lower, np.maximum(lower, box.lower // 2), lower)
        start = self._start()
        self.money = max(float(start.mean()) / 100, 1e-2)
        unit = 100 * self.money
        self.s = start / unit
        days, size = model.node_low.shape
        moves = node_sums(model, self.free.astype(np.float64)) > 0
        exact = moves & (model.node_low == model.node_high)
        low = moves & ~exact & (model.node_low > node_sums(model, below))
        high = moves & ~exact & (model.node_high < node_sums(model, above))
        self.exact_groups = exact
        self.exact_rows = np.array([row.equal for row in model.rows], dtype=bool)
        limit = np.array([row.limit for row in model.rows], dtype=np.float64)
        each = np.array([min(2.0 * len(row.columns), 0.95 * abs(row.limit)) for row in model.rows])
        spare = rows_aside * each[~self.exact_rows]
        self.rows = row_matrix(model)[~self.exact_rows]
        eye = sparse.eye_array(days * size, format="csr")
        self.exact = sparse.vstack([eye[exact.ravel()], row_matrix(model)[self.exact_rows]]).tocsr()
        self.amounts = np.r_[model.node_low[exact], limit[self.exact_rows]] / unit
        stepped = model.stepped & (self.free[1:] | self.free[:-1])
        room = np.where(model.reach > 0, model.reach, (model.rise - 1) * model.fall * box.lower[:-1])
        margin = steps_aside * np.minimum(1 + model.rise, room / 4)
        self.on = [self.free, self.free, stepped, stepped, low, high, np.ones(spare.size, dtype=bool)]
        sides = [-below, above, model.reach - margin, model.reach - margin, -model.node_low, model.node_high,
                 limit[~self.exact_rows] - spare]  # fmt: skip
        self.h = [side / unit for side in sides]
        # Room that is left so that whole cents keep steps and rows; what it costs is no reason to go on.
        zero = np.zeros(1)
        self.spare = [zero, zero, margin / unit, margin / unit, zero, zero, spare / unit]
        self.groups = Groups(model, self.rows, self.exact)

    def _start(self) -> FloatArray:
        """Where to begin (H, n, cents): lines fill up to their bounds in proportion to what saturates them."""
        box, room = self.box, self.box.upper - self.box.lower
        half = self.objective.response.k.reshape(self.objective.count, -1).mean(axis=0) * 100
        width = np.minimum(room, 4 * half + 1)
        low, most = box.lower.sum(axis=1), width.sum(axis=1)
        target = np.clip(low + most / 4, box.node_low[:, 0], box.node_high[:, 0])
        for row in self.model.rows:
            if row.equal:
                target = np.full(len(low), row.limit / len(low))
        need = np.maximum(target - low, 0)
        full = room.sum(axis=1)
        near = np.divide(need, most, out=np.full(len(low), 0.5), where=most > 0)
        far = np.divide(need, full, out=np.full(len(low), 0.5), where=full > 0)
        parts = np.where((near < 0.9)[:, None], near[:, None] * width, far[:, None] * room)
        return np.asarray(box.lower + np.clip(parts, 1e-4 * width, 0.9 * room))

    def linear(self, s: FloatArray, y: FloatArray) -> Pairs:
        """G (s, y)."""
        model = self.model
        return [-s, s, s[1:] - model.rise * s[:-1], model.fall * s[:-1] - s[1:], -y, y, self.rows @ y.ravel()]

    def back(self, z: Pairs) -> tuple[FloatArray, FloatArray]:
        """G' z, of lines (H, n) and of groups (H, G)."""
        y = z[5] - z[4]
        if z[6].size:
            y = y + (self.rows.T @ z[6]).reshape(y.shape)
        return z[1] - z[0] + step_sums(self.model, z[2], z[3]), y

    def _multipliers(self, z: Pairs, ze: FloatArray, scale: float) -> Multipliers:
        """In outcome per currency unit."""
        low, high, rows = z[4].copy(), z[5].copy(), np.zeros(len(self.model.rows))
        m = int(self.exact_groups.sum())
        low[self.exact_groups], high[self.exact_groups] = np.maximum(-ze[:m], 0), np.maximum(ze[:m], 0)
        rows[~self.exact_rows], rows[self.exact_rows] = z[6], ze[m:]
        return Multipliers(low * scale, high * scale, rows * scale, z[2] * scale, z[3] * scale)

    def _inverses(self, hessian: FloatArray, weights: Pairs) -> tuple[FloatArray, FloatArray]:
        """The lines' inverses of second derivatives and barriers (H, H, n), and the groups' own (H · G,)."""
        model, free, index = self.model, self.free, np.arange(len(hessian))
        hessian[index, index] += weights[0] + weights[1]
        up, down = weights[2], weights[3]
        if self.on[2].any():
            cross = model.rise * up + model.fall * down
            hessian[index[1:], index[1:]] += up + down
            hessian[index[:-1], index[:-1]] += model.rise**2 * up + model.fall**2 * down
            hessian[index[1:], index[:-1]] -= cross
            hessian[index[:-1], index[1:]] -= cross
        if free.all():
            return inverse(hessian), (weights[4] + weights[5]).ravel()
        hessian *= free[:, None] * free
        hessian[index, index] += ~free
        out = inverse(hessian)
        out[index, index] -= ~free
        return out, (weights[4] + weights[5]).ravel()

    def solve(self, tolerance: float) -> Relaxed:
        model, on, s, objective = self.model, self.on, self.s, self.objective
        shape, money, most = model.node_low.shape, self.money, objective.most
        at = objective.shape(s * money, second=True)
        steepest = np.abs(np.where(self.free, np.maximum(at.gradient, model.price) * s, 0)).sum()
        worth = float(steepest) / max(int(self.free.sum()), 1) * money or 1.0
        y, pi, ze, t = node_sums(model, s), np.zeros(shape), np.zeros(self.amounts.size), 0.0
        x = [np.where(o, h - g if i < 2 else np.maximum(h - g, 0.1), 1.0)
             for i, (o, h, g) in enumerate(zip(on, self.h, self.linear(s, y), strict=True))]  # fmt: skip
        z = [np.where(o, 0.1 / a, 0.0) for o, a in zip(on, x, strict=True)]
        if most is not None:
            t, above, below, weight = start_of(at.draws / worth, most, 0.1)
            x, z, on = [*x, above, below], [*z, weight, most - weight], [*on, *np.ones((2, weight.size), dtype=bool)]
            at = objective.shape(s * money, allowed(weight, most), second=True)
        pairs = max(sum(int(o.sum()) for o in on), 1)
        best: Relaxed | None = None
        stuck = 0
        for step in range(MOST):
            r = [np.where(o, g + a - h, 0.0) for o, g, a, h in zip(on, self.linear(s, y), x, self.h, strict=False)]
            re = self.exact @ y.ravel() - self.amounts
            off = max(float(np.abs(a).max(initial=0)) for a in (*r, re)) * money
            mu = product(x, z) / pairs
            prices = self._multipliers(z, ze, worth / money)
            value = float(objective.worst(at.draws) @ at.draws) - model.price * float(s.sum()) * money
            bound = upper_bound(model, (at.lines, at.gradient), self.box, s * money, prices)
            met = off < max(1e-4, 1e-9 * float(s.sum()) * money)
            # The smallest gap, not the lowest bound: chance, or money that returns nothing, may reach the bound long
            # before the plan.
            if best is None or (met, value - bound) > (best.met, best.value - best.bound):
                weights = objective.even if most is None else allowed(z[LINEAR], most)
                best, stuck = Relaxed(s * money, prices, bound, value, bool(met), step, weights), 0
            stuck += met
            round_ = stuck > ROUND and best.bound - best.value > LOOSE * abs(best.value)
            spare = worth * sum(float((a * b).sum()) for a, b in zip(z, self.spare, strict=False))
            size = max(abs(float(at.lines.sum())), model.price * float(s.sum()) * money)
            done = met and bound - spare - value <= tolerance * size
            if done or stuck > STUCK * (1 + round_) or not 0 < mu < LOST:
                break
            system, border = self._system(at, x, z, worth)
            back_s, back_y = self.back(z)
            ry = (self.groups.sums.T @ pi.ravel() + self.exact.T @ ze).reshape(shape) + back_y
            ry[:, 0] += model.price * money / worth
            newton = Newton(
                self, on, x, z, r, re, -at.gradient * (money / worth) + pi[:, model.node] + back_s, ry,
                own_sums(model, s).ravel() + self.groups.sums @ y.ravel(),
                np.zeros(0) if most is None else t - at.draws / worth - x[8] + x[7], system, border,
            )  # fmt: skip
            far, go = newton.step(mu, pairs)
            far *= DAMPED if round_ else 1.0
            s, y, pi, ze, t = s + far * go.s, y + far * go.y, pi + far * go.pi, ze + far * go.ze, t + far * go.t
            x = [a + far * d for a, d in zip(x, go.x, strict=True)]
            z = [b + far * d for b, d in zip(z, go.z, strict=True)]
            at = objective.shape(s * money, None if most is None else allowed(z[LINEAR], most), second=True)
        assert best is not None
        return best

    def _system(self, at: Shape, x: Pairs, z: Pairs, worth: float) -> tuple[System, Bordered | None]:
        """The factored system of a step; with a border where draws or interactions ask for one."""
        blocks, parts = at.blocks * (self.money**2 / worth), []
        if self.model.effects is not None:
            parts.append(of_effects(self.model.effects, blocks))
        if self.objective.most is not None:
            parts.append(of_draws(at.slopes * (self.money / worth), x[7] / z[7] + x[8] / z[8]))
        inverses, own = self._inverses(blocks, [b / a for a, b in zip(x, z, strict=True)])
        factored = self.groups.factor(inverses, own, z[6] / x[6])
        system = System(self.model, self.free, inverses, factored, self.amounts.size)
        return system, Bordered(system, *joined(parts)) if parts else None
