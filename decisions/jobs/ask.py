"""What the night asks of `decisions.plan`: tonight's lines, their responses and every limit, as one problem."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.allocation import scaled_status_quo
from decisions.amounts import cents
from decisions.curves import Curves
from decisions.jobs.curves import from_table, is_funded
from decisions.jobs.groups import groups_of
from decisions.limits import Bounds, Infeasible, bounds
from decisions.overrides import LineLimits, Override, active, line_limits, total_tonight
from decisions.plan import Override as PlanOverride
from decisions.plan import Plan, Problem, Steps, Total, solve
from decisions.plan.problem import MOST, IntArray
from moe.errors import MoeError
from moe.jobs import Night

ACTIVE_DAYS = 28
"""A line without spend for so long gets no budget unless a person asks for one."""
RECENT_DAYS = 7


@dataclass(frozen=True, eq=False)
class Asked:
    """Tonight's question over n lines, and what explains the answer."""

    problem: Problem  # its first day is the day that the night decides
    lines: tuple[str, ...]  # ids, sorted: the order of every array here and of the plan's columns
    names: dict[str, str]  # for people, by id
    platforms: dict[str, str]  # by id
    previous: IntArray  # (n,) cents: the candidate of the night before, or recent spend
    status_quo: IntArray  # (n,) cents: `previous` scaled to tonight's total and bounds
    curves: Curves  # of the lines
    bounds: Bounds  # of the first day
    limits: LineLimits  # what people said of lines, for the first day
    notes: tuple[str, ...]  # what a person should know


def ask(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table
) -> Asked:
    """The night's question.

    `history` is marts.ad_performance__line_day, `curves` out.curve__line, `before` out.budget__line of the night
    before (empty on a store's first night, which starts from the mean spend of the last 7 days) and `overrides`
    core.override__override as of the night. Raises MoeError where it has no lines or its limits cannot hold.
    """
    rows = [r for r in history.to_pylist() if is_funded(r["line_id"], night)]
    try:
        in_force = active(said(overrides), night.date)
        lines = _lines(rows, before, in_force, night)
        previous = _previous(lines, rows, before, night)
        total, month = _total(in_force, rows, night)
        limits = line_limits(in_force, lines, previous)
    except ValueError as error:
        raise _bad_override(night, error) from error
    budget, n = night.unit.budget, len(lines)
    floor, cap = cents(budget.line_floor), MOST if budget.line_cap is None else cents(budget.line_cap)
    least = max(cents(budget.least_step), 1)
    try:
        allowed = bounds(previous, np.full(n, floor), np.full(n, cap), total, max_step=budget.max_step,
                         least_step_cents=least, overrides=limits, names=lines)  # fmt: skip
        status_quo = scaled_status_quo(previous, total, allowed.lower_cents, allowed.upper_cents)
    except Infeasible as error:
        raise cannot_hold(error) from error
    newest = {r["line_id"]: r for r in sorted(rows, key=lambda r: r["business_date"])}
    names = {line: newest[line]["line_name"] if line in newest else line for line in lines}
    picked = _pick(curves, lines)
    problem = Problem(
        lines, [picked.response()], np.full(n, floor), np.full(n, cap), Total.daily(total),
        groups=groups_of(night.unit, names, lines),
        steps=Steps(previous, allowed.step, allowed.least_step_cents),
        overrides=_asked(in_force, dict(zip(lines, previous, strict=True)), night),
        status_quo_cents=status_quo[None],
    )  # fmt: skip
    platforms = {line: newest[line]["platform"] if line in newest else "" for line in lines}
    return Asked(problem, tuple(lines), names, platforms, previous, status_quo, picked, allowed, limits,
                 tuple(_notes(allowed.widened_step, month, budget.max_step)))  # fmt: skip


def solved(asked: Asked) -> Plan:
    """The best plan of what was asked. Raises MoeError with the conflict and the repair where there is none."""
    try:
        return solve(asked.problem)
    except Infeasible as error:
        raise cannot_hold(error) from error
    except ValueError as error:
        raise MoeError(f"tomorrow's budgets cannot be planned: {error}",
                       "mend the unit's file or run the night's earlier jobs again; the live release stays") from error


def cannot_hold(error: Infeasible) -> MoeError:
    """The night's error where its limits cannot all hold."""
    return MoeError(f"tomorrow's budgets cannot keep every rule: {error}",
                    "change the unit's bounds or the overrides named; the live release stays")


def said(table: pa.Table) -> list[Override]:
    """Rows of core.override__override. Raises ValueError on a bad one."""
    names = ("override_id", "kind", "line_id", "amount", "reason", "who", "entered_on", "until")
    return [Override(**{n: r[n] for n in names}) for r in table.to_pylist()]


def _bad_override(night: Night, error: ValueError) -> MoeError:
    return MoeError(f"overrides of {night.unit.unit}: {error}",
                    "mend the row in the unit's overrides file; the live release stays")


def _lines(rows: list[dict[str, Any]], before: pa.Table, in_force: tuple[Override, ...], night: Night) -> list[str]:
    """Lines that may get a budget: with recent spend, with a budget in the night before, or named by a person."""
    since = night.date - timedelta(days=ACTIVE_DAYS - 1)
    known = {r["line_id"] for r in rows}
    lines = {r["line_id"] for r in rows if r["business_date"] >= since and r["spend"] > 0}
    lines |= {r["line_id"] for r in before.to_pylist() if r["budget"] > 0} & known
    lines |= {o.line_id for o in in_force if o.line_id} & known
    if not lines:
        raise MoeError(f"unit {night.unit.unit} has no budget line with spend in the {ACTIVE_DAYS} days to "
                       f"{night.date}", "check the unit's sources and its `line` grain")
    return sorted(lines)


def _previous(lines: list[str], rows: list[dict[str, Any]], before: pa.Table, night: Night) -> IntArray:
    """Budgets of the night before in cents; on a store's first night the mean spend of the last 7 days."""
    if before.num_rows:
        had = {r["line_id"]: cents(r["budget"]) for r in before.to_pylist()}
        return np.array([had.get(line, 0) for line in lines], dtype=np.int64)
    since = night.date - timedelta(days=RECENT_DAYS - 1)
    spent = dict.fromkeys(lines, Decimal(0))
    for r in rows:
        if r["business_date"] >= since and r["line_id"] in spent:
            spent[r["line_id"]] += r["spend"]
    return np.array([cents(spent[line] / RECENT_DAYS) for line in lines], dtype=np.int64)


def _total(
    in_force: tuple[Override, ...], rows: list[dict[str, Any]], night: Night
) -> tuple[int, Override | None]:
    month = night.decided_day.replace(day=1)
    spent = sum((r["spend"] for r in rows if r["business_date"] >= month), Decimal(0))
    return total_tonight(in_force, night.date, cents(spent), cents(night.unit.budget.total))


def _asked(in_force: tuple[Override, ...], had: dict[str, int], night: Night) -> list[PlanOverride]:
    """Overrides of lines over the days of the plan, until each ends."""
    out = []
    for o in in_force:
        if o.line_id is not None:
            amount = int(had[o.line_id]) if o.amount is None else o.cents
            out.append(PlanOverride(
                o.override_id, o.line_id, None if o.kind == "cap" else amount, None if o.kind == "floor" else amount,
                last_day=(o.until - night.decided_day).days))
    return out


def _pick(table: pa.Table, lines: list[str]) -> Curves:
    """Curves of `lines`, in that order."""
    have = {line: at for at, line in enumerate(table.column("line_id").to_pylist())}
    return from_table(table.take([have[line] for line in lines]))


def _notes(widened: float | None, month: Override | None, step: float) -> list[str]:
    notes = []
    if widened is not None:
        notes.append(f"The usual step of {step:.0%} a night cannot reach tonight's total: every line may move "
                     f"by up to {widened:.0%} tonight.")
    if month is not None:
        notes.append(f"The total follows the month's total of {month.amount:,.2f} set by {month.who}: "
                     f"{month.reason}")
    return notes
