"""What the night asks of `decisions.plan`: lines, days, responses and every limit, as one problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from decisions.allocation import scaled_status_quo
from decisions.amounts import cents
from decisions.curves import Curves
from decisions.jobs.groups import groups_of, least_of
from decisions.jobs.lines import Lines, lines_of, spend_rows
from decisions.jobs.responses import curves_of, factors, response, supported
from decisions.jobs.totals import Money, money_of
from decisions.limits import Bounds, Infeasible, bounds
from decisions.overrides import COLUMNS, MORE, LineLimits, Override, active, line_limits
from decisions.plan import Override as PlanOverride
from decisions.plan import Plan, Problem, Steps, Total, solve, solve_to_target
from decisions.plan.problem import MOST, IntArray
from decisions.requests import of_groups, of_lines
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night

GAP_ALLOWED = 0.001
"""Gap to the bound above which the days ahead are not planned together: tomorrow alone has a closer one."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Tonight's question over n lines and H days, and what explains the answer."""

    problem: Problem  # its first day is the day that the night decides
    unit_lines: Lines
    money: Money
    curves: Curves  # of the lines, for the first day
    bounds: Bounds  # of the first day
    limits: LineLimits  # what people said of lines, for the first day
    support: IntArray  # (n,) cents: the most that the data support, `MOST` where nothing is limited by it
    notes: tuple[str, ...]  # what a person should know

    @property
    def lines(self) -> list[str]:
        """Ids, sorted: the order of every array here and of the plan's columns."""
        return self.unit_lines.ids

    @property
    def previous(self) -> IntArray:
        """(n,) cents: the candidate of the night before, or recent spend."""
        return self.unit_lines.previous

    @property
    def names(self) -> dict[str, str]:
        """Names for people, by id."""
        return self.unit_lines.names

    @property
    def platforms(self) -> dict[str, str]:
        return self.unit_lines.platforms

    def worth(self, budget_cents: IntArray) -> float:
        """What the first day is expected to bring at budgets (n,): outcome times each line's worth."""
        return float((self.unit_lines.weights * self.curves.value(budget_cents / 100)).sum())

    def status_quo(self, total: int) -> IntArray:
        """(n,) cents: yesterday's split scaled to a total of the first day, within its bounds."""
        return scaled_status_quo(self.previous, total, self.bounds.lower_cents, self.bounds.upper_cents)


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
    fitted, days = curves_of(curves, lines.ids), len(money.even)
    support = supported(fitted, budget, lines.previous, limits)
    try:
        allowed, support = _bounds(night, lines, floor, cap, support, money, limits)
        quo = [scaled_status_quo(lines.previous, int(c), allowed.lower_cents, allowed.upper_cents)
               for c in np.unique(money.even)] if money.target is None else []  # fmt: skip
    except Infeasible as error:
        raise cannot_hold(error) from error
    by_total = dict(zip(np.unique(money.even).tolist(), quo, strict=False))
    factor = factors(demand, lines.ids, night.decided_day, days)
    problem = Problem(
        lines.ids, [response(fitted, factor)], floor, np.minimum(cap, support), money.total(), days, groups,
        Steps(lines.previous, allowed.step, allowed.least_step_cents), lines.minimum,
        _asked(people, dict(zip(lines.ids, lines.previous, strict=True)), night), lines.weights,
        np.array([by_total[int(c)] for c in money.even]) if by_total else None,
    )  # fmt: skip
    tomorrow = replace(fitted, a=fitted.a * factor[0])
    return Asked(problem, lines, money, tomorrow, allowed, limits, support, _notes(allowed, money, budget.max_step))


def _bounds(
    night: Night, lines: Lines, floor: IntArray, cap: IntArray, support: IntArray, money: Money, limits: LineLimits
) -> tuple[Bounds, IntArray]:
    """The first day's bounds; what data support gives way where it would put the total out of reach."""
    budget = night.unit.budget
    low, high = (money.even, money.even) if money.target is None else (money.low, money.high)

    def within(most: IntArray) -> Bounds:
        return bounds(lines.previous, floor, most, int(low[0]), max_step=budget.max_step,
                      least_step_cents=max(cents(budget.least_step), 1), overrides=limits, names=lines.ids,
                      most_total_cents=int(high[0]), minimum_cents=lines.minimum)  # fmt: skip

    usual = within(cap)
    if (support < cap).any():
        try:
            kept = within(np.minimum(cap, support))
        except Infeasible:
            return usual, np.full(len(cap), MOST, dtype=np.int64)
        if kept.step <= usual.step:
            return kept, support
    return usual, np.full(len(cap), MOST, dtype=np.int64)


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
        return _best(first_day(asked), asked.money)
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise MoeError(f"tomorrow's budgets cannot be planned: {error}",
                       "mend the unit's file, or run the night's earlier jobs again; the live release stays") from error


def _best(problem: Problem, money: Money) -> Plan:
    target = money.target
    if target is None or target.value is None or target.kind == "marginal_return":
        return solve(problem)
    value = float(target.value)
    return solve_to_target(problem, cost_per_outcome=value if target.kind == "cost_per_conversion" else 1 / value)


def first_day(asked: Asked) -> Problem:
    """The question of tomorrow alone, at the even pace where a period is spread."""
    problem, money = asked.problem, asked.money
    responses = [replace(r, scale=r.scale[:1], offset=r.offset[:1]) for r in problem.responses]
    total = Total.daily(money.even[:1]) if money.target is None else replace(
        problem.total, low_cents=money.low[:1], high_cents=money.high[:1])  # fmt: skip
    quo = None if problem.status_quo_cents is None else problem.status_quo_cents[:1]
    return replace(problem, responses=responses, total=total, days=1, status_quo_cents=quo)


def cannot_hold(error: Infeasible) -> MoeError:
    """The night's error where its limits cannot all hold."""
    return MoeError(f"tomorrow's budgets cannot keep every rule: {error}",
                    "change the unit's bounds or the overrides named; the live release stays")


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


def _asked(people: list[Override], had: dict[str, int], night: Night) -> list[PlanOverride]:
    """Overrides of lines over the days of the plan, until each ends."""
    out = []
    for o in people:
        if o.line_id is not None and o.kind in ("lock", "floor", "cap"):
            amount = int(had[o.line_id]) if o.amount is None else o.cents
            out.append(PlanOverride(
                o.override_id, o.line_id, None if o.kind == "cap" else amount, None if o.kind == "floor" else amount,
                last_day=(o.until - night.decided_day).days))
    return out


def _notes(allowed: Bounds, money: Money, step: float) -> tuple[str, ...]:
    if allowed.widened_step is None:
        return money.notes
    return (f"The usual step of {step:.0%} a night cannot reach tonight's total: every line may move "
            f"by up to {allowed.widened_step:.0%} tonight.", *money.notes)
