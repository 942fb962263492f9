"""Product lines that want the same money: the front of plans of which none is better for all of them.

Outcomes are concave in the plan, so every efficient plan is the best for some weights, and each solve with weights
gives a point of the front and a line that no plan lies beyond (its bound). For two objectives the next weights are
those of the chord where points and lines are furthest apart (sandwich algorithm, Rote 1992): the front is known to a
distance that is published with it. For more, weights lie evenly on the simplex (Das & Dennis 1998).

The point to take is configured: weights of the product lines' outcomes, or the knee, which gives up least of all ranges
together (Das 1999): for a concave front the best plan for weights of one over each range.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from decisions.plan.inner import Objective
from decisions.plan.model import build
from decisions.plan.problem import FloatArray, Problem
from decisions.plan.solve import Plan, solve

LEAST = 1e-4
"Weight of the others where one objective is at its best: of equal plans the one that is better for them."
CLOSE = 1e-3
"Distance of points and bound, as a share of the ranges, at which two objectives' front is known."
SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Point:
    weights: dict[str, float]  # of a unit of each objective's outcome
    values: dict[str, float]  # expected outcome of each objective
    plan: Plan  # its value, bound and prices are of the weighted sum
    dominated: bool  # another point is as good for all and better for one; by rounding alone


@dataclass(frozen=True, eq=False)
class Front:
    points: list[Point]  # the best for the first objective first
    chosen: Point
    best: dict[str, float]  # what each objective could have alone, about
    worst: dict[str, float]  # what is left for it where others are at their best
    distance: float | None  # no plan is further beyond the points' chords, as a share of the ranges; None: not known


def front(
    problem: Problem,
    objectives: Mapping[str, Sequence[str]],
    *,
    weights: Mapping[str, float] | None = None,
    points: int = 12,
) -> Front:
    """The front of two or more `objectives` (names of their lines), and the point of `weights`, the knee without.

    Raises ValueError for objectives that are none, Infeasible where limits cannot hold.
    """
    asked = _Asked(problem, objectives)
    names, count = asked.names, len(asked.names)
    ends = [asked.at(np.where(np.arange(count) == at, 1.0, LEAST)) for at in range(count)]
    reached = np.array([_values(point) for point in ends])
    best, worst = reached.max(axis=0), reached.min(axis=0)
    ranges = np.where(best - worst > SAME * np.abs(best), best - worst, np.maximum(np.abs(best), 1e-300))
    if count == 2:
        found, distance = _between(asked, ends, ranges, points)
    else:
        found, distance = ends + [asked.at(at / ranges) for at in _lattice(count, points)], None
    if weights is not None:
        if set(weights) != set(names) or not all(np.isfinite(w) and w >= 0 for w in weights.values()):
            raise ValueError(f"the point of the front needs a weight of 0 or more of each of {', '.join(names)}")
        chosen = asked.at(np.array([weights[name] for name in names]))
    else:
        chosen = asked.at(1 / ranges)
    # A point with the same plan gives way, so that the one that is taken has the weights that were asked for.
    others = [p for p in found if not np.array_equal(p.plan.cents, chosen.plan.cents)]
    found = sorted(_marked([*others, chosen]), key=lambda point: tuple(-_values(point)))
    taken = next(p for p in found if p.plan is chosen.plan)
    alone, left = (dict(zip(names, ends.tolist(), strict=True)) for ends in (best, worst))
    return Front(found, taken, alone, left, distance)


class _Asked:
    """The problem with other weights, and what a plan returns to each objective."""

    def __init__(self, problem: Problem, objectives: Mapping[str, Sequence[str]]) -> None:
        if len(objectives) < 2:
            raise ValueError("a front is of two objectives or more: name the lines of each")
        if problem.risk.measure != "mean":
            raise ValueError("a front is of expected outcomes: set the problem's risk to 'mean'")
        known = {name: at for at, name in enumerate(problem.names)}
        for name, lines in objectives.items():
            if unknown := [line for line in lines if line not in known]:
                raise ValueError(f"objective {name!r} lists the unknown line {unknown[0]!r}: take it out")
            if not lines:
                raise ValueError(f"objective {name!r} has no lines: name one or leave it out")
        self.problem, self.names = problem, sorted(objectives)
        self.own = np.zeros((len(objectives), len(known)))
        for at, name in enumerate(self.names):
            self.own[at, [known[line] for line in objectives[name]]] = 1.0
        self.base = np.ones(len(known)) if problem.weights is None else np.asarray(problem.weights)
        self.model = build(problem)
        self.truth = Objective(self.model)

    def at(self, weights: FloatArray) -> Point:
        """The best plan for weights (m,) of the objectives, brought to 1 together."""
        weights = weights / weights.sum()
        plan = solve(replace(self.problem, weights=self.base * (weights @ self.own), status_quo_cents=None))
        lines = self.truth.by_line(plan.cents[:, self.model.order] / 100).mean(axis=0)
        values = self.own[:, self.model.order] @ lines
        return Point(dict(zip(self.names, weights.tolist(), strict=True)),
                     dict(zip(self.names, values.tolist(), strict=True)), plan, False)  # fmt: skip


def _between(asked: _Asked, ends: list[Point], ranges: FloatArray, most: int) -> tuple[list[Point], float]:
    """Points from one end to the other, and the largest distance that is left between them and their bounds."""
    found = list(ends)
    while True:
        gaps = [_apart(one, other, ranges) for one, other in itertools.pairwise(found)]
        at = int(np.argmax([gap for gap, _ in gaps]))
        if len(found) >= most or gaps[at][0] <= CLOSE:
            return found, gaps[at][0]
        found.insert(at + 1, asked.at(gaps[at][1] / ranges))


def _apart(one: Point, other: Point, ranges: FloatArray) -> tuple[float, FloatArray]:
    """How far the corner of two neighbours' bounds lies beyond their chord, in ranges; and the chord's normal."""
    a, b = _values(one) / ranges, _values(other) / ranges
    normal = np.maximum(np.array([b[1] - a[1], a[0] - b[0]]), 0)
    if normal.sum() <= SAME:
        return 0.0, np.ones(2)
    normal = normal / normal.sum()
    lines = np.array([_weights(point) * ranges for point in (one, other)])
    limits = np.array([point.plan.upper_bound for point in (one, other)])
    if abs(np.linalg.det(lines / lines.sum(axis=1, keepdims=True))) <= SAME:
        return 0.0, normal
    corner = np.linalg.solve(lines, limits)
    return max(float(normal @ (corner - a)), 0.0), normal


def _lattice(count: int, points: int) -> list[FloatArray]:
    """Weights inside the simplex, as many as `points` allows."""
    parts = count
    while sum(1 for _ in _splits(parts + 1, count)) <= max(points - count, 1):
        parts += 1
    return [np.array(split) / parts for split in _splits(parts, count)]


def _splits(total: int, count: int) -> list[tuple[int, ...]]:
    return [s for s in itertools.product(range(1, total), repeat=count) if sum(s) == total]


def _marked(points: list[Point]) -> list[Point]:
    """Each point with whether another dominates it."""
    values = np.array([_values(point) for point in points])
    out = []
    for at, point in enumerate(points):
        as_good = (values >= values[at] * (1 - 1e-12)).all(axis=1) & (values > values[at] * (1 + SAME)).any(axis=1)
        out.append(replace(point, dominated=bool(as_good.any())))
    return out


def _values(point: Point) -> FloatArray:
    return np.array(list(point.values.values()))


def _weights(point: Point) -> FloatArray:
    return np.array(list(point.weights.values()))
