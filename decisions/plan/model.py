"""A problem as arrays: lines in an order of their own, groups as a tree, every limit beside its name.

Lines stand sorted by group and name, so that the order in which they were given does not reach the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from decisions.plan.problem import MOST, FloatArray, Group, IntArray, Problem, TextArray
from decisions.response import HILL, LOGISTIC, POWER, Response

TOTAL = "the total"
SHARE = 2.0
"Cents that a share of spend that is itself decided may miss by: one for each of the two amounts."


@dataclass(frozen=True)
class Row:
    """Σ coefficients · (spend of group on day) ≤ limit, or = where `equal`; columns are day · groups + group."""

    name: str
    columns: IntArray
    coefficients: FloatArray
    limit: float  # cents
    equal: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    order: IntArray  # (n,) where each line stood in the problem
    names: list[str]
    responses: list[Response]
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
    responses = [_ordered(r, order, weights / len(problem.responses)) for r in problem.responses]
    minimum = np.broadcast_to(np.asarray(problem.minimum_cents, dtype=np.int64), n)[order]
    lower, upper, lower_from, upper_from = _bounds(problem, days, n, order, names)
    upper = np.minimum(upper, np.maximum(_day(problem.total.high_cents, days)[:, None], lower))
    rise, fall, reach = np.ones(n), np.ones(n), np.full(n, float(MOST))
    stepped = np.zeros((days - 1, n), dtype=bool)
    if problem.steps is not None:
        previous = np.asarray(problem.steps.previous_cents, dtype=np.int64)
        if previous.shape != (n,) or (previous < 0).any():
            raise ValueError("yesterday's budgets must be one amount a line, 0 or more")
        if not problem.steps.share > 0 or problem.steps.least_cents < 1:
            raise ValueError("the largest step must be above 0 and the least step a cent or more: lock a line instead")
        previous, least = previous[order], np.maximum(problem.steps.least_cents, minimum)
        relative = problem.steps.share * previous >= least
        rise = np.where(relative, 1 + problem.steps.share, 1.0)
        fall = np.where(relative, max(1 - problem.steps.share, 0.0), 1.0)
        reach = np.where(relative, 0.0, least)
        low, high = np.ceil(fall * previous - reach - 1e-6), np.floor(rise * previous + reach + 1e-6)
        by_step = low > lower[0]
        lower_from[0] = np.where(by_step, np.where(low > upper[0], upper_from[0], "step"), lower_from[0])
        by_step_high = high < upper[0]
        upper_from[0] = np.where(by_step_high, np.where(high < lower[0], lower_from[0], "step"), upper_from[0])
        clipped = np.clip(low, lower[0], upper[0]), np.clip(high, lower[0], upper[0])
        if (lower[0] <= upper[0]).all():
            lower[0], upper[0] = clipped[0].astype(np.int64), clipped[1].astype(np.int64)
        # A bound that moves by more than a step wins over it, as it does on the first day.
        stepped = (rise * upper[:-1] + reach >= lower[1:]) & (fall * lower[:-1] - reach <= upper[1:])
    on = (minimum > 0) & (lower > 0)
    lower = np.where(on, np.maximum(lower, np.minimum(minimum, upper)), lower)
    low, high, low_from, high_from, rows = _limits(problem, days, groups, parent)
    return Model(order, names, responses, lower, upper, lower_from, upper_from, minimum, node[order], groups, parent,
                 low, high, low_from, high_from, rows, rise, fall, reach, stepped, problem.total.price)  # fmt: skip


def _twice(names: object) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[attr-defined, func-returns-value]


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


def _ordered(response: Response, order: IntArray, weights: FloatArray) -> Response:
    scale = np.ascontiguousarray((response.scale * weights)[:, order])
    return replace(response, family=response.family[order], scale=scale, k=response.k[order], n=response.n[order],
                   kernel=np.ascontiguousarray(response.kernel[:, order]), offset=response.offset[:, order])  # fmt: skip


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
    known, node_of = set(problem.names), {}
    for group in ordered:
        for line in group.lines:
            if line not in known:
                raise ValueError(f"group {group.name!r} lists the unknown line {line!r}: take it out")
            if line in node_of:
                other = ordered[node_of[line] - 1].name
                raise ValueError(f"line {line!r} is in two groups, {other!r} and {group.name!r}: keep it in one")
            node_of[line] = number[group.name]
    return list(number), np.array(parent, dtype=np.int64), node_of


def _day(cents: ArrayLike, days: int) -> IntArray:
    return np.minimum(np.broadcast_to(np.asarray(cents, dtype=np.int64), days), MOST)


def _bounds(
    problem: Problem, days: int, n: int, order: IntArray, names: list[str]
) -> tuple[IntArray, IntArray, TextArray, TextArray]:
    def spread(cents: ArrayLike, what: str) -> IntArray:
        array = np.asarray(cents)
        if array.dtype.kind == "f" and (np.isnan(array).any() or (array != np.rint(array)).any()):
            raise ValueError(f"{what} of lines must be whole cents")
        return np.minimum(np.broadcast_to(array.astype(np.int64), (days, n))[:, order], MOST)

    lower, upper = spread(problem.lower_cents, "minima"), spread(problem.upper_cents, "maxima")
    if (lower < 0).any():
        raise ValueError(f"the minimum of line {names[int(np.argwhere(lower < 0)[0, 1])]!r} is negative")
    lower_from, upper_from = np.full((days, n), "floor", dtype=object), np.full((days, n), "cap", dtype=object)
    at = {name: i for i, name in enumerate(names)}
    asked = np.zeros((days, n), dtype=bool)
    for override in sorted(problem.overrides, key=lambda o: o.name):
        if override.line not in at:
            raise ValueError(f"override {override.name!r} is of line {override.line!r}, which does not exist: end it")
        line, last = at[override.line], days - 1 if override.last_day is None else override.last_day
        for day in range(max(override.first_day, 0), min(last, days - 1) + 1):
            if override.floor_cents is not None and (override.floor_cents > lower[day, line] or not asked[day, line]):
                if override.floor_cents >= lower[day, line]:
                    lower[day, line], lower_from[day, line] = override.floor_cents, f"override {override.name}"
                    asked[day, line] = True
            if override.cap_cents is not None and override.cap_cents <= upper[day, line]:
                upper[day, line], upper_from[day, line] = override.cap_cents, f"override {override.name}"
                if not asked[day, line] and lower[day, line] > override.cap_cents:
                    lower[day, line], lower_from[day, line] = override.cap_cents, f"override {override.name}"
    return lower, upper, lower_from, upper_from


def _limits(
    problem: Problem, days: int, groups: list[str], parent: IntArray
) -> tuple[IntArray, IntArray, TextArray, TextArray, list[Row]]:
    """Bounds of groups a day and, where those cannot say it, rows."""
    size, total = len(groups), problem.total
    low, high = np.zeros((days, size), dtype=np.int64), np.full((days, size), MOST, dtype=np.int64)
    low_from, high_from = np.full((days, size), "", dtype=object), np.full((days, size), "", dtype=object)
    low[:, 0], high[:, 0] = _day(total.low_cents, days), _day(total.high_cents, days)
    low_from[:, 0] = high_from[:, 0] = TOTAL
    rows = []
    root, each = np.arange(days) * size, np.ones(days)
    if (most := total.horizon_high_cents) is not None:
        if most == total.horizon_low_cents:
            rows.append(Row(f"{TOTAL} of all days", root, each, most, equal=True))
        else:
            rows.append(Row(f"{TOTAL} of all days at most", root, each, most))
    if (least := total.horizon_low_cents) is not None and least != most:
        rows.append(Row(f"{TOTAL} of all days at least", root, -each, -least))
    exact = (low[:, 0] == high[:, 0]).all()

    def bound(at: int, cents: IntArray, name: str, floor: bool) -> None:
        array, source = (low, low_from) if floor else (high, high_from)
        tighter = cents > array[:, at] if floor else cents < array[:, at]
        array[tighter, at] = cents[tighter]
        source[tighter, at] = name

    by_name = {group.name: group for group in problem.groups}
    for at, name in enumerate(groups[1:], 1):
        group = by_name[name]
        if group.floor_cents is not None:
            bound(at, _day(group.floor_cents, days), f"floor of {name}", floor=True)
        if group.cap_cents is not None:
            bound(at, _day(group.cap_cents, days), f"cap of {name}", floor=False)
        if group.horizon_cap_cents is not None:
            rows.append(Row(f"cap of {name} over all days", root + at, each, group.horizon_cap_cents))
        if group.share_of not in ("total", "parent"):
            raise ValueError(f"the share of group {name!r} is of 'total' or 'parent', not of {group.share_of!r}")
        whole = int(parent[at]) if group.share_of == "parent" else 0
        for share, floor in ((group.share_low, True), (group.share_high, False)):
            if share is None or (share == 0 if floor else share == 1):
                continue
            if not 0 <= share <= 1:
                raise ValueError(f"a share of group {name!r} is {share}: shares lie between 0 and 1")
            what = f"least share of {name}" if floor else f"largest share of {name}"
            if whole == 0 and exact:
                # Shares hold to a cent or two, so that 60 and 40 per cent of an odd amount are no conflict.
                cents = np.floor(share * low[:, 0] + 1e-6) if floor else np.ceil(share * low[:, 0] - 1e-6)
                bound(at, cents.astype(np.int64), what, floor)
            else:
                sign = -1.0 if floor else 1.0
                rows += [Row(what, np.array([t * size + at, t * size + whole]), sign * np.array([1.0, -share]), SHARE)
                         for t in range(days)]  # fmt: skip
    return low, high, low_from, high_from, rows
