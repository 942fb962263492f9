"""What the lines return on each day of the plan, and how far the data support it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from decisions.curves import Curves
from decisions.draws import Draws
from decisions.jobs.curves import from_table
from decisions.jobs.lines import worth_of
from decisions.overrides import NONE, LineLimits
from decisions.plan.problem import MOST, FloatArray, IntArray
from decisions.preferences import interactions_of
from decisions.response import HILL, Response
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import Budget

AGAIN = "run the job `curves` again, and look at the line's days; the live release stays"


def curves_of(table: pa.Table, lines: list[str]) -> Curves:
    """Curves of `lines`, in that order. Raises MoeError where a line has none, or one that cannot be."""
    have = {line: at for at, line in enumerate(table.column("line_id").to_pylist())}
    if missing := [line for line in lines if line not in have]:
        raise MoeError(f"no curve of {', '.join(missing)}", AGAIN)
    found = from_table(table.take([have[line] for line in lines]))
    numbers = np.column_stack([found.a, found.k, found.cov.reshape(len(lines), 4)])
    width = np.minimum(found.cov[:, 0, 0], found.cov[:, 1, 1])
    for bad, what in (
        (~np.isfinite(numbers).all(axis=1) | (found.a < 0) | (found.k <= 0), "has a number that is missing or below 0"),
        (~(width > 0), "has a posterior without width, as if it were known exactly"),
    ):
        if bad.any():
            raise MoeError(f"the curve of line {lines[int(np.flatnonzero(bad)[0])]!r} {what} "
                           f"({int(bad.sum())} such lines)", AGAIN)  # fmt: skip
    return found


def factors(demand: pa.Table | None, lines: list[str], tomorrow: date, days: int) -> FloatArray:
    """What each day returns beside an average one (H, n), by out.demand__line_day; 1 where nothing is known."""
    out = np.ones((days, len(lines)))
    if demand is None:
        return out
    at = {line: i for i, line in enumerate(lines)}
    day = {tomorrow + timedelta(days=t): t for t in range(days)}
    for r in demand.to_pylist():
        if r["line_id"] in at and r["business_date"] in day:
            out[day[r["business_date"]], at[r["line_id"]]] = r["factor"]
    return out


def response(curves: Curves, factor: FloatArray) -> Response:
    """The response to a plan of H days, without carry-over; `factor` (H, n) multiplies each day's outcome."""
    n, one = len(curves.a), np.ones(len(curves.a))
    return Response(np.full(n, HILL), curves.a * factor, curves.k, one, one[None], np.zeros(factor.shape))


def day_value(
    night: Night, ids: list[str], names: list[str], curves: Curves, demand: pa.Table | None,
    counted: FloatArray | None = None,
) -> Callable[[Curves | Draws, FloatArray], FloatArray]:
    """What budgets (n,) in currency units bring on the day that the night decides, by curves () or in draws (K,) of
    the lines `ids`, counted as the plan does: on the day's demand, by each line's worth, and with what lines bring to
    each other around what `curves` hold as their usual spend. `counted` (n,): how often a line's worth counts, where
    product lines compete.
    """
    each = factors(demand, ids, night.decided_day, 1)[0] * worth_of(night.unit, ids, names)
    each = each if counted is None else each * counted
    usual = curves.typical_spend
    halo = interactions_of(night.unit.budget.interactions, list(zip(ids, names, strict=True)), 100 * usual)

    def value(by: Curves | Draws, spend: FloatArray) -> FloatArray:
        reached = spend if halo is None else np.maximum(spend + halo.shares @ (spend - usual), 0.0)
        return np.asarray(by.value(reached) @ each)

    return value


def supported(curves: Curves, budget: Budget, previous: IntArray, limits: LineLimits) -> IntArray:
    """The largest budgets (n,) in cents that the data support, with the unit's exploration share.

    A person's floor and a step down from yesterday come before it; a line of which nothing is known may start.
    """
    most = np.full(len(curves.a), MOST, dtype=np.int64)
    if budget.explore is None:
        return most
    known = np.ceil(curves.spend_high * (1 + budget.explore) * 100).astype(np.int64)
    reached = np.ceil(previous * (1 - budget.max_step)).astype(np.int64)
    asked = np.where(limits.floor_cents == NONE, 0, limits.floor_cents)
    return np.where(curves.spend_high > 0, np.maximum.reduce([known, reached, asked]), most)
