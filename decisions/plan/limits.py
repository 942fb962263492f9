"""Every limit of a problem as bounds of line-days and of groups a day, each with its name, and as rows beyond those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from decisions.plan.problem import MOST, FloatArray, IntArray, Problem, TextArray

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


def step_rule(problem: Problem, order: IntArray, minimum: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The side of the step rule that each line keeps (n,): s[t] from fall · s[t-1] - reach to rise · s[t-1] + reach."""
    n = len(problem.names)
    if problem.steps is None:
        return np.ones(n), np.ones(n), np.full(n, float(MOST))
    previous = np.asarray(problem.steps.previous_cents, dtype=np.int64)
    if previous.shape != (n,) or (previous < 0).any():
        raise ValueError("yesterday's budgets must be one amount a line, 0 or more")
    share = problem.steps.share
    if not share > 0 or problem.steps.least_cents < 1:
        raise ValueError("the largest step must be above 0 and the least step a cent or more: lock a line instead")
    least = np.maximum(problem.steps.least_cents, minimum)
    relative = share * previous[order] >= least
    return (
        np.where(relative, 1 + share, 1.0),
        np.where(relative, max(1 - share, 0.0), 1.0),
        np.where(relative, 0.0, least),
    )


def first_step(
    previous: IntArray,
    rise: FloatArray,
    fall: FloatArray,
    reach: FloatArray,
    bounds: tuple[IntArray, IntArray],
    sources: tuple[TextArray, TextArray],
) -> None:
    """Narrow the first day's bounds, in place, to a step from yesterday; where they lie further off, they win."""
    lower, upper, lower_from, upper_from = bounds[0][0], bounds[1][0], sources[0][0], sources[1][0]
    low, high = np.ceil(fall * previous - reach - 1e-6), np.floor(rise * previous + reach + 1e-6)
    crossed = lower > upper  # a conflict of their own, left to be told
    new_low = np.where(crossed, lower, np.clip(low, lower, np.maximum(lower, upper))).astype(np.int64)
    new_high = np.where(crossed, upper, np.clip(high, np.minimum(lower, upper), upper)).astype(np.int64)
    new_lower_from = np.where(new_low > lower, np.where(low > upper, upper_from, "step"), lower_from)
    upper_from[:] = np.where(new_high < upper, np.where(high < lower, lower_from, "step"), upper_from)
    lower_from[:] = new_lower_from
    lower[:], upper[:] = new_low, new_high


def _day(cents: ArrayLike, days: int) -> IntArray:
    return np.minimum(np.broadcast_to(np.asarray(cents, dtype=np.int64), days), MOST)


def line_bounds(
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
            if override.floor_cents is not None and override.floor_cents >= lower[day, line]:
                lower[day, line], lower_from[day, line] = override.floor_cents, f"override {override.name}"
                asked[day, line] = True
            if override.cap_cents is not None and override.cap_cents <= upper[day, line]:
                upper[day, line], upper_from[day, line] = override.cap_cents, f"override {override.name}"
                if not asked[day, line] and lower[day, line] > override.cap_cents:
                    lower[day, line], lower_from[day, line] = override.cap_cents, f"override {override.name}"
    return lower, upper, lower_from, upper_from


def group_limits(
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
