"""One step of the interior-point method: where to go, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from decisions.plan.border import Bordered, System
from decisions.plan.problem import FloatArray

if TYPE_CHECKING:
    from decisions.plan.interior import Interior

SHORT = 0.1
"Share of a step below which the next one only centres."
LAG = 0.1
"Share of what slopes are still off by that x · z stays above."
Pairs = list[FloatArray]
"""What each kind of inequality has: lower bounds, upper bounds, rises, falls (…, n), groups' lows, highs, rows; and,
with a measure of risk, each draw's outcome above the value at risk, and its shortfall below (`tail`)."""
LINEAR = 7


@dataclass(frozen=True, eq=False)
class Direction:
    s: FloatArray
    y: FloatArray
    pi: FloatArray
    ze: FloatArray
    t: float  # of the value at risk
    x: Pairs
    z: Pairs


@dataclass(frozen=True, eq=False)
class Newton:
    """Newton's system at one point: what is still off, and the factors."""

    of: Interior
    on: list[np.ndarray]
    x: Pairs
    z: Pairs
    r: Pairs  # of inequalities
    re: FloatArray  # of exact amounts
    rs: FloatArray  # of lines' slopes (H, n)
    ry: FloatArray  # of groups' prices (H, G)
    rj: FloatArray  # of groups' sums (H · G,)
    rd: FloatArray  # of draws' outcomes (K,)
    system: System
    border: Bordered | None

    def towards(self, target: Pairs) -> Direction:
        """The step to x · z + target."""
        of, x, z, r, shape = self.of, self.x, self.z, self.r, self.ry.shape
        push_s, push_y = of.back([(t + b * c) / a for t, a, b, c in zip(target, x, z, r, strict=False)])
        right = (-self.rs - push_s, -self.rj, -(self.ry + push_y).ravel(), -self.re)
        dt, drawn = 0.0, []
        if self.border is None:
            ds, pi, y, ze = self.system.solve(*right)
        else:
            draws, rest = len(self.rd), np.zeros(len(self.border.rows))
            if draws:
                rest[-draws - 1 : -1] = target[8] / z[8] - target[7] / z[7] - self.rd
                rest[-1] = 1 - z[7].sum()
            (ds, pi, y, ze), more = self.border.solve(*right, rest)
            if draws:
                dw, dt = more[-draws - 1 : -1], float(more[-1])
                drawn = [((target[7] - x[7] * dw) / z[7], dw), ((target[8] + x[8] * dw) / z[8], -dw)]
        dpi, dy = pi.reshape(shape), y.reshape(shape)
        dx = [np.where(o, -c - g, 0.0) for o, c, g in zip(self.on, r, of.linear(ds, dy), strict=False)]
        dz = [np.where(o, (t - b * d) / a, 0.0) for o, t, a, b, d in zip(self.on, target, x, z, dx, strict=False)]
        return Direction(ds, dy, dpi, ze, dt, dx + [a for a, _ in drawn], dz + [b for _, b in drawn])

    def step(self, mu: float, pairs: int) -> tuple[float, Direction]:
        """How far to go, and where."""
        on, x, z = self.on, self.x, self.z
        first = self.towards([-a * b for a, b in zip(x, z, strict=True)])
        far = self._far(first, 1.0)
        after = sum(float(((a + far * c) * (b + far * d)).sum())
                    for a, b, c, d in zip(x, z, first.x, first.z, strict=True))  # fmt: skip
        centre = mu * min(1.0, max(after / pairs / mu, 1e-4)) ** 3
        # Pairs that vanish before slopes agree would leave lines at a bound where they do not belong.
        near = np.where(self.of.free, np.minimum(x[0], x[1]), 0.0)
        centre = max(centre, min(mu, LAG * float((np.abs(self.rs) * near).sum()) / pairs))
        aim = [np.where(o, centre - a * b - c * d, 0.0)
               for o, a, b, c, d in zip(on, x, z, first.x, first.z, strict=True)]  # fmt: skip
        direction = self.towards(aim)
        far = self._far(direction, 0.995)
        if far < SHORT:  # far from the central path: towards it first
            direction = self.towards([np.where(o, mu - a * b, 0.0) for o, a, b in zip(on, x, z, strict=True)])
            far = self._far(direction, 0.995)
        return far, direction

    def _far(self, to: Direction, share: float) -> float:
        return min(1.0, share * _longest(self.x, to.x), share * _longest(self.z, to.z))


def product(one: Pairs, other: Pairs) -> float:
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


def _longest(values: Pairs, moves: Pairs) -> float:
    """The largest step that keeps all values above 0."""
    fastest = 0.0
    for value, move in zip(values, moves, strict=True):
        ratio = np.divide(move, value, out=np.zeros_like(value), where=value > 0)
        fastest = max(fastest, -float(ratio.min(initial=0.0)))
    return 1 / fastest if fastest > 0 else np.inf
