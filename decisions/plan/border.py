"""What draws and interactions add to a step of the interior-point method: a few unknowns that touch all lines.

Without them the system of a step falls apart into lines and groups (`newton`). With them it is that system M with a
border, [M N; N' G]: solved for each column of N at once, and then a dense system of the border's own size is left
(Schur complement). Draws: the weight of each in the measure of risk, and the value at risk. Interactions E = I + U V':
the givers' sums p = V's and their prices, so that E'DE need not be formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from decisions.plan.effects import Effects
from decisions.plan.model import Model
from decisions.plan.newton import Solver
from decisions.plan.problem import FloatArray
from decisions.plan.tree import own_sums

Solution = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"Changes of lines' spend (H, n), groups' prices (H · G,), groups' spend (H · G,) and prices of exact amounts."


@dataclass(frozen=True, eq=False)
class System:
    """Newton's system of lines and groups alone, factored."""

    model: Model
    free: np.ndarray  # (H, n)
    inverses: FloatArray  # (H, H, n)
    factored: Solver
    exact: int  # amounts that must be met

    def solve(self, right: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray) -> Solution:
        h = np.einsum("tun,un->tn", self.inverses, np.where(self.free, right, 0.0))
        pi, y, ze = self.factored(a - own_sums(self.model, h).ravel(), b, c)
        back = pi.reshape(len(h), -1)[:, self.model.node]
        return h - np.einsum("tun,un->tn", self.inverses, back), pi, y, ze

    def columns(self, right: FloatArray) -> Solution:
        """The same for many right sides of lines (m, H, n), the rest 0; the answers' last axis, lines' first, is m."""
        m, days, _ = right.shape
        flat = np.where(self.free, right, 0.0)
        h = flat * self.inverses[0, 0] if days == 1 else np.einsum("tun,mun->mtn", self.inverses, flat)
        groups = own_sums(self.model, h).reshape(m, -1).T
        pi, y, ze = self.factored(-groups, np.zeros_like(groups), np.zeros((self.exact, m)))
        back = pi.T.reshape(m, days, -1)[:, :, self.model.node]
        spread = back * self.inverses[0, 0] if days == 1 else np.einsum("tun,mun->mtn", self.inverses, back)
        return h - spread, pi, y, ze


class Bordered:
    """The system with its border: columns (m, H, n) on lines, and a corner (m, m)."""

    def __init__(self, system: System, columns: FloatArray, corner: FloatArray) -> None:
        self.system, self.rows = system, np.where(system.free, columns, 0.0).reshape(len(columns), -1)
        self.answers = system.columns(columns)
        left = corner - self.rows @ self.answers[0].reshape(len(columns), -1).T
        self.factors = lu_factor(left, check_finite=False)

    def solve(
        self, right: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray, border: FloatArray
    ) -> tuple[Solution, FloatArray]:
        """The changes, and those of the border's unknowns (m,)."""
        s, pi, y, ze = self.system.solve(right, a, b, c)
        more = lu_solve(self.factors, border - self.rows @ s.ravel(), check_finite=False)
        each = self.answers
        s = s - np.tensordot(more, each[0], axes=1)
        return (s, pi - each[1] @ more, y - each[2] @ more, ze - each[3] @ more), more


def of_effects(effects: Effects, blocks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns (2 H r, H, n) and corner of interactions; `blocks` (H, H, n) are minus the second derivatives."""
    days, r = len(blocks), effects.receivers.shape[1]
    bent = np.einsum("tun,nc->uctn", blocks, effects.receivers)  # by day and sum: what it bends on each day and line
    paid = np.zeros((days, r, days, effects.givers.shape[0]))
    index = np.arange(days)
    paid[index, :, index] = -effects.givers.T
    curve = np.einsum("uctn,nd->uctd", bent, effects.receivers).reshape(days * r, days * r)
    one = np.eye(days * r)
    corner = np.block([[curve, one], [one, np.zeros_like(one)]])
    return np.concatenate([bent.reshape(days * r, days, -1), paid.reshape(days * r, days, -1)]), corner


def of_draws(slopes: FloatArray, room: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns (K + 1, H, n) and corner of draws: their slopes (K, H, n), and how far each weight is from its limits."""
    count = len(room)
    corner = np.zeros((count + 1, count + 1))
    corner[np.arange(count), np.arange(count)] = -room
    corner[:count, count] = corner[count, :count] = 1
    return np.concatenate([-slopes, np.zeros((1, *slopes.shape[1:]))]), corner


def joined(parts: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """Several borders as one; they touch each other through the lines alone."""
    sizes = [len(corner) for _, corner in parts]
    corner, at = np.zeros((sum(sizes), sum(sizes))), 0
    for (_, own), size in zip(parts, sizes, strict=True):
        corner[at : at + size, at : at + size] = own
        at += size
    return np.concatenate([columns for columns, _ in parts]), corner
