"""A problem as arrays: lines in an order of their own, groups as a tree, every limit beside its name.

Lines stand sorted by group and name, so that the order in which they were given does not reach the arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.plan.effects import Effects, effects
from decisions.plan.limits import TOTAL, Row, first_step, group_limits, line_bounds, step_rule
from decisions.plan.problem import FloatArray, Group, IntArray, Problem, Risk, TextArray
from decisions.response import HILL, LOGISTIC, POWER, Response


@dataclass(frozen=True, eq=False)
class Model:
    order: IntArray  # (n,) where each line stood in the problem
    names: list[str]
    response: Response  # draw after draw along its lines: (T, K · n)
    draws: int
    risk: Risk
    effects: Effects | None  # of lines on each other
    lower: IntArray  # (H, n) cents
    upper: IntArray
    lower_from: TextArray  # (H, n) 'floor', 'step', 'override …'
    upper_from: TextArray
    minimum: IntArray  # (n,) cents; 0: cannot be switched off
    node: IntArray  # (n,) the group of a line, ascending; 0 is the total
    groups: list[str]
    parent: IntArray  # (G,) smaller than the group's own number; -1 for the total
    node_low: IntArray  # (H, G) cents
    node_high: IntArray
    node_low_from: TextArray
    node_high_from: TextArray
    rows: list[Row]  # what a group's bounds of one day cannot say
    rise: FloatArray  # (n,) s[t] ≤ rise · s[t-1] + reach
    fall: FloatArray  # (n,) s[t] ≥ fall · s[t-1] - reach
    reach: FloatArray  # (n,) cents
    stepped: np.ndarray  # (H-1, n) whether the step to day t+1 counts
    price: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.lower.shape[0], self.lower.shape[1]


def build(problem: Problem) -> Model:
    """Check and compile. Raises ValueError with what to do; limits that cross are left to `conflict`."""
    days, n = problem.days, len(problem.names)
    if n == 0:
        raise ValueError("there are no lines: nothing to decide")
    if days < 1:
        raise ValueError("a plan has one day or more")
    if len(set(problem.names)) < n:
        raise ValueError(f"line {_twice(problem.names)!r} is listed twice: names must differ")
    _check_responses(problem, days, n)
    groups, parent, node_of = _tree(problem)
    node = np.array([node_of.get(name, 0) for name in problem.names], dtype=np.int64)
    order = np.array(sorted(range(n), key=lambda i: (node[i], problem.names[i])), dtype=np.int64)
    names = [problem.names[i] for i in order]
    weights = np.ones(n) if problem.weights is None else np.asarray(problem.weights, dtype=np.float64)
    response = _stacked(problem.responses, order, weights)
    minimum = np.broadcast_to(np.asarray(problem.minimum_cents, dtype=np.int64), n)[order]
    lower, upper, lower_from, upper_from = line_bounds(problem, days, n, order, names)
    rise, fall, reach = step_rule(problem, order, minimum)
    if problem.steps is not None:
        previous = np.asarray(problem.steps.previous_cents, dtype=np.int64)[order]
        first_step(previous, rise, fall, reach, (lower, upper), (lower_from, upper_from))
    # A bound that moves by more than a step wins over it, as it does on the first day.
    stepped = (rise * upper[:-1] + reach >= lower[1:]) & (fall * lower[:-1] - reach <= upper[1:])
    stepped &= problem.steps is not None
    on = (minimum > 0) & (lower > 0)
    lower = np.where(on, np.maximum(lower, np.minimum(minimum, upper)), lower)
    low, high, low_from, high_from, rows = group_limits(problem, days, groups, parent)
    between = None if problem.interactions is None else effects(problem.interactions, order, days)
    return Model(order, names, response, len(problem.responses), problem.risk, between, lower, upper, lower_from,
                 upper_from, minimum, node[order], groups, parent, low, high, low_from, high_from, rows, rise, fall,
                 reach, stepped, problem.total.price)  # fmt: skip


def _twice(names: Sequence[str]) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)


def _check_responses(problem: Problem, days: int, n: int) -> None:
    if not problem.responses:
        raise ValueError("a plan needs a response to spend, or several draws of it")
    for response in problem.responses:
        if response.scale.shape[0] < days or response.scale.shape[1] != n:
            raise ValueError(f"the response is of {response.scale.shape} days × lines, the plan of {(days, n)}")
        bad = ~np.isfinite(response.scale).all(axis=0) | ~np.isfinite(response.offset).all(axis=0)
        bad |= ~np.isfinite(response.kernel).all(axis=0) | ~np.isfinite(response.k) | ~np.isfinite(response.n)
        bad |= (response.scale < 0).any(axis=0) | (response.kernel < 0).any(axis=0) | (response.offset < 0).any(axis=0)
        bad |= (response.k <= 0) | (response.n <= 0) | ((response.family == POWER) & (response.n >= 1))
        bad |= (response.family == LOGISTIC) & (response.n != 1) | ~np.isin(response.family, [HILL, LOGISTIC, POWER])
        if bad.any():
            name = problem.names[int(np.flatnonzero(bad)[0])]
            raise ValueError(f"the response of line {name!r} has a number that is missing or out of range: fit it "
                             f"again, or leave the line out ({int(bad.sum())} such lines)")  # fmt: skip
    if problem.weights is not None and not (np.isfinite(problem.weights) & (problem.weights >= 0)).all():
        raise ValueError("weights of lines must be 0 or more")
    if not problem.total.price >= 0:
        raise ValueError("the price of money must be 0 or more")
    if problem.risk.measure not in ("mean", "var", "cvar") or not 0 < problem.risk.level <= 1:
        raise ValueError(f"risk is 'mean', 'var' or 'cvar' at a level above 0 and up to 1, not {problem.risk}")


def _stacked(responses: Sequence[Response], order: IntArray, weights: FloatArray) -> Response:
    """All draws as one response; days and lags that a draw does not have return nothing."""
    days, lags = max(len(r.scale) for r in responses), max(len(r.kernel) for r in responses)

    def rows(parts: list[FloatArray], size: int) -> FloatArray:
        out = np.zeros((size, len(order) * len(parts)))
        for at, part in enumerate(parts):
            out[: len(part), at * len(order) : (at + 1) * len(order)] = part[:, order]
        return out

    return Response(
        np.concatenate([r.family[order] for r in responses]), rows([r.scale * weights for r in responses], days),
        np.concatenate([r.k[order] for r in responses]), np.concatenate([r.n[order] for r in responses]),
        rows([r.kernel for r in responses], lags), rows([r.offset for r in responses], days),
    )  # fmt: skip


def _tree(problem: Problem) -> tuple[list[str], IntArray, dict[str, int]]:
    """Names of groups with parents first, the parent of each, and the group of each line that is in one."""
    by_name = {group.name: group for group in problem.groups}
    if len(by_name) < len(problem.groups):
        raise ValueError(f"group {_twice([g.name for g in problem.groups])!r} is listed twice: names must differ")
    for group in problem.groups:
        if group.parent is not None and group.parent not in by_name:
            raise ValueError(f"group {group.name!r} has the unknown parent {group.parent!r}")

    def depth(group: Group) -> int:
        steps, at = 1, group
        while at.parent is not None:
            at, steps = by_name[at.parent], steps + 1
            if steps > len(by_name):
                raise ValueError(f"group {group.name!r} lies within itself: follow its parents and cut the circle")
        return steps

    ordered = sorted(problem.groups, key=lambda g: (depth(g), g.name))
    number = {TOTAL: 0} | {group.name: at for at, group in enumerate(ordered, 1)}
    parent = [-1] + [0 if g.parent is None else number[g.parent] for g in ordered]
    known = set(problem.names)
    node_of: dict[str, int] = {}
    for group in ordered:
        for line in group.lines:
            if line not in known:
                raise ValueError(f"group {group.name!r} lists the unknown line {line!r}: take it out")
            if line in node_of:
                other = ordered[node_of[line] - 1].name
                raise ValueError(f"line {line!r} is in two groups, {other!r} and {group.name!r}: keep it in one")
            node_of[line] = number[group.name]
    return list(number), np.array(parent, dtype=np.int64), node_of
