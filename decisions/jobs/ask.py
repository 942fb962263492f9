"""What the night asks of `decisions.plan`: lines, days, responses and every limit, as one problem."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from decisions.amounts import cents
from decisions.jobs.groups import groups_of, least_of
from decisions.jobs.lines import lines_of, spend_rows
from decisions.jobs.question import Asked, Parts
from decisions.jobs.responses import curves_of, factors, supported
from decisions.jobs.totals import Money, money_of
from decisions.limits import Infeasible
from decisions.overrides import COLUMNS, MORE, Override, active, line_limits
from decisions.plan import Plan, Problem, solve, solve_to_target
from decisions.plan.problem import MOST
from decisions.requests import of_groups, of_lines
from moe.errors import MoeError
from moe.jobs import Night

GAP_ALLOWED = 0.001
"""Gap to the bound above which the days ahead are not planned together: tomorrow alone has a closer one."""


def ask(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table,
    demand: pa.Table | None = None, past: pa.Table | None = None,
) -> Asked:  # fmt: skip
    """The night's question.

    `history` is marts.ad_performance__line_day, `curves` out.curve__line, `before` out.budget__line of the night
    before (empty on a store's first night, which starts from the mean spend of the last 7 days), `overrides`
    core.override__override as of the night, `demand` out.demand__line_day, `past` out.budget__line of earlier nights.
    Raises MoeError where there are no lines, an input is bad, or limits cannot hold.
    """
    budget, rows = night.unit.budget, spend_rows(history, night)
    try:
        in_force = active(said(overrides), night.date)
        lines = lines_of(rows, before, in_force, night)
        plain = groups_of(night.unit, lines.names, lines.ids)
        groups = of_groups(in_force, plain)
        people = of_lines(in_force, [group.name for group in plain])
        limits = line_limits(people, lines.ids, lines.previous)
        floor = np.full(len(lines.ids), cents(budget.line_floor), dtype=np.int64)
        cap = np.full(len(lines.ids), MOST if budget.line_cap is None else cents(budget.line_cap), dtype=np.int64)
        money = money_of(in_force, rows, budgeted(past), night, least_of(groups, lines.ids, floor, limits))
    except ValueError as error:
        raise MoeError(f"overrides of {night.unit.unit}: {error}",
                       "mend the row in the unit's overrides file; the live release stays") from error
    fitted = curves_of(curves, lines.ids)
    parts = Parts(night, lines, groups, people, limits, floor, cap, supported(fitted, budget, lines.previous, limits),
                  money, fitted, factors(demand, lines.ids, night.decided_day, len(money.even)))  # fmt: skip
    try:
        return parts.asked_with_room()
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise _cannot_plan(error) from error


def solved(asked: Asked) -> Plan:
    """The best plan of what was asked; of its first day alone where all days together have none that is close, or
    one that asks more of tomorrow than yesterday's split does.

    Raises MoeError with the conflict and the repair where there is no plan.
    """
    try:
        if asked.problem.days > 1:
            try:
                plan = _best(asked.problem, asked.money)
                today = asked.status_quo(int(plan.cents[0].sum()))
                if plan.gap <= GAP_ALLOWED and asked.worth(plan.cents[0]) >= asked.worth(today):
                    return plan
            except Infeasible:  # a limit of a later day is no reason to stop tonight
                pass
        return _best(asked.first_day(), asked.money)
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise _cannot_plan(error) from error


def _best(problem: Problem, money: Money) -> Plan:
    target = money.target
    if target is None or target.value is None or target.kind == "marginal_return":
        return solve(problem)
    value = float(target.value)
    return solve_to_target(problem, cost_per_outcome=value if target.kind == "cost_per_conversion" else 1 / value)


def cannot_hold(error: Infeasible) -> MoeError:
    """The night's error where its limits cannot all hold."""
    return MoeError(f"tomorrow's budgets cannot keep every rule: {error}",
                    "change the unit's bounds or the overrides named; the live release stays")


def _cannot_plan(error: ValueError) -> MoeError:
    return MoeError(f"tomorrow's budgets cannot be planned: {error}",
                    "mend the unit's file, or run the night's earlier jobs again; the live release stays")


def said(table: pa.Table) -> list[Override]:
    """Rows of core.override__override. Raises ValueError on a bad one."""
    names = [name for name in (*COLUMNS, *MORE) if name in table.column_names]
    return [Override(**{n: r[n] for n in names}) for r in table.to_pylist()]


def budgeted(past: pa.Table | None) -> dict[date, int]:
    """Cents that earlier nights budgeted for each day."""
    days: dict[date, int] = {}
    for r in () if past is None else past.select(["business_date", "budget"]).to_pylist():
        days[r["business_date"]] = days.get(r["business_date"], 0) + cents(r["budget"])
    return days
