"""What the night asks of `decisions.plan`: lines, days, responses and every limit, as one problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.amounts import cents
from decisions.draws import Draws, from_table
from decisions.jobs.groups import groups_of, least_of
from decisions.jobs.lines import lines_of, spend_rows
from decisions.jobs.parts import Parts
from decisions.jobs.question import Asked
from decisions.jobs.responses import curves_of, factors, supported
from decisions.jobs.totals import Money, money_of
from decisions.limits import Infeasible
from decisions.overrides import COLUMNS, MORE, Override, active, line_limits
from decisions.plan import Front, Plan, Problem, solve, solve_to_target
from decisions.plan.problem import MOST
from decisions.preferences import preferred
from decisions.requests import of_groups, of_lines
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import Budget, option

CLOSED = 1e-6
"Outcome that is nothing to anybody."


def ask(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table,
    demand: pa.Table | None = None, past: pa.Table | None = None, drawn: pa.Table | None = None,
) -> Asked:  # fmt: skip
    """The night's question.

    `history` is marts.ad_performance__line_day, `curves` out.curve__line, `before` out.budget__line of the night
    before (empty on a store's first night, which starts from the mean spend of the last 7 days), `overrides`
    core.override__override as of the night, `demand` out.demand__line_day, `past` out.budget__line of earlier nights,
    `drawn` out.curve_draw__line, which a measure of risk needs.
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
                       "`moe plan end ID` ends one; or mend the row in the unit's overrides file. Then hand the file "
                       f"over again: moe run land --unit {option(night.unit.unit)} --date {night.date} --replace; "
                       "the live release stays") from error
    fitted = curves_of(curves, lines.ids)
    parts = Parts(night, lines, groups, people, limits, floor, cap, supported(fitted, budget, lines.previous, limits),
                  money, fitted, factors(demand, lines.ids, night.decided_day, len(money.even)),
                  _drawn(drawn, lines.ids, budget))  # fmt: skip
    try:
        return parts.asked_with_room()
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise _cannot_plan(error) from error


def _drawn(table: pa.Table | None, lines: list[str], budget: Budget) -> Draws | None:
    if budget.risk.measure == "mean" or table is None:
        return None
    try:
        return from_table(table).of(lines)
    except ValueError as error:
        raise MoeError(str(error), "the measure of risk needs them; the live release stays") from error


def preferred_by(asked: Asked) -> tuple[Asked, Front | None]:
    """The question with the unit's choice between product lines that compete, and their front; as it is without any.

    Raises MoeError with the conflict and the repair where tomorrow's limits cannot hold.
    """
    if asked.product_lines is None:
        return asked, None
    try:
        wanted = asked.tomorrow(_total_of_tomorrow(asked))
        weights, front = preferred(wanted, asked.product_lines, asked.unit_lines.texts)
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise _cannot_plan(error) from error
    return replace(asked, problem=replace(asked.problem, weights=weights)), front


def solved(asked: Asked) -> Plan:
    """Tomorrow's best split, and the best plan of the days after it; lines' prices of money are in their own outcome.

    All days together decide what tomorrow may spend, where that is open. Its split is then its own best one: without
    carry-over days are tied by steps alone, and a plan that bends tomorrow to them gains nothing (see choices), while
    its price of money would be a step's. Bound and gap are the larger of tomorrow's and of the days' after it. The plan
    is of one day where later days cannot keep their limits. Raises MoeError with the conflict and the repair where
    tomorrow cannot.
    """
    try:
        tomorrow = solve(asked.tomorrow(_total_of_tomorrow(asked)))
        tomorrow = asked.in_own_outcome(replace(tomorrow, gap=_gap(tomorrow)))
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise _cannot_plan(error) from error
    if asked.problem.days == 1:
        return tomorrow
    try:
        return _joined(tomorrow, asked.in_own_outcome(_best(asked.days_after(tomorrow.cents[0]), asked.money)))
    except Infeasible:  # a limit of a later day is no reason to stop tonight
        return tomorrow


def _gap(plan: Plan) -> float:
    """The gap, where it is more than the method's last digits beside a value of nearly nothing."""
    return plan.gap if plan.upper_bound - plan.value > CLOSED else 0.0


def _total_of_tomorrow(asked: Asked) -> int:
    money = asked.money
    if money.low[0] == money.high[0]:
        return int(money.even[0])
    try:
        return int(_best(asked.problem, money).cents[0].sum())
    except Infeasible:
        return int(money.even[0] if money.target is None else _best(asked.tomorrow(), money).cents[0].sum())


def _joined(tomorrow: Plan, days: Plan) -> Plan:
    """The plan of all days, with what tomorrow's own says of it."""
    gap = max(_gap(tomorrow), _gap(days))
    return replace(
        days, gap=gap, upper_bound=days.value / (1 - gap),
        prices=[*tomorrow.prices, *(price for price in days.prices if price.day is None or price.day > 0)],
        money_price=np.vstack([tomorrow.money_price, days.money_price[1:]]),
        binding=np.vstack([tomorrow.binding, days.binding[1:]]),
    )  # fmt: skip


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


def budgeted(past: pa.Table | None) -> list[dict[str, Any]]:
    """Line-days that earlier nights budgeted."""
    return [] if past is None else past.select(["platform", "business_date", "budget"]).to_pylist()
