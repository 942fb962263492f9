"""The job `allocate`: tomorrow's budget of every line, within bounds, steps and what people decided."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.allocation import allocate as best_split
from decisions.allocation import allocate_tree, scaled_status_quo
from decisions.curves import Curves
from decisions.jobs.curves import from_table, is_funded
from decisions.jobs.groups import groups_of, limit_prices
from decisions.limits import Infeasible, bounds
from decisions.overrides import Override, active, line_limits, total_tonight
from decisions.reasons import BOUNDS, reason
from moe.errors import MoeError
from moe.jobs import Night

ACTIVE_DAYS = 28
"""A line without spend for so long gets no budget unless a person asks for one."""
RECENT_DAYS = 7
NO_CAP = 10**13


def allocate(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table
) -> dict[str, pa.Table]:
    """Rows of out.budget__line, out.allocation__night and out.limit_price__limit.

    The steps start from the candidate of D-1 (`before`); on a store's first night from the mean spend of the
    last 7 days.
    """
    rows = [r for r in history.to_pylist() if is_funded(r["line_id"], night)]
    in_force = active(_overrides(overrides), night.date)
    lines = _lines(rows, before, in_force, night)
    if not lines:
        raise MoeError(f"unit {night.unit.unit} has no budget line with spend in the {ACTIVE_DAYS} days to "
                       f"{night.date}", "check the unit's sources and its `line` grain")
    newest = {r["line_id"]: r for r in sorted(rows, key=lambda r: r["business_date"])}
    previous = _previous(lines, rows, before, night)
    total, month = _total(in_force, rows, night)
    budget = night.unit.budget
    try:
        limits = line_limits(in_force, lines, previous)
        allowed = bounds(
            previous,
            np.full(len(lines), _cents(budget.line_floor)),
            np.full(len(lines), _cents(budget.line_cap) if budget.line_cap is not None else NO_CAP),
            total, max_step=budget.max_step, least_step_cents=max(_cents(budget.least_step), 1),
            overrides=limits, names=lines,
        )
        response = _pick(curves, lines)
        status_quo = scaled_status_quo(previous, total, allowed.lower_cents, allowed.upper_cents)
        within = (total, allowed.lower_cents, allowed.upper_cents, status_quo)
        groups = groups_of(night.unit, {line: newest[line]["line_name"] for line in lines if line in newest}, lines)
        best = allocate_tree(response, *within, lines, groups) if groups else best_split(response, *within)
    except Infeasible as error:
        raise MoeError(f"tomorrow's budgets cannot keep every rule: {error}",
                       "change the unit's bounds or the overrides named; the live release stays") from error
    except ValueError as error:
        raise MoeError(f"overrides of {night.unit.unit}: {error}",
                       "mend the row in the unit's overrides file; the live release stays") from error
    reasons = reason(previous, best, allowed, response, limits, currency=_word(night.unit.currency))
    locked = [o.override_id if o is not None else None for o in _by_line(limits)]
    spend = best.budget_cents / 100
    budgets = pa.table({
        "line_id": lines,
        "line_name": [newest[line]["line_name"] if line in newest else line for line in lines],
        "platform": [newest[line]["platform"] if line in newest else "" for line in lines],
        "business_date": [night.decided_day] * len(lines),
        "budget": _money(best.budget_cents),
        "currency": [night.unit.currency] * len(lines),
        "previous_budget": _money(previous),
        "status_quo_budget": _money(status_quo),
        "floor": _money(allowed.lower_cents),
        "cap": _money(np.minimum(allowed.upper_cents, NO_CAP)),
        "expected_value": response.value(spend),
        "expected_value_se": response.value_se(spend),
        "status_quo_value": response.value(status_quo / 100),
        "marginal_value": response.marginal(spend),
        "money_price": best.money_price,
        "binding": [_held(r.code, str(b)) for r, b in zip(reasons, best.binding, strict=True)],
        "reason_code": [r.code for r in reasons],
        "reason": [r.text for r in reasons],
        "override_id": pa.array(locked, pa.string()),
    })
    notes = _notes(allowed.widened_step, month, budget.max_step)
    whole = pa.table({
        "business_date": [night.decided_day],
        "objective": [night.unit.objective],
        "total_configured": _money(np.array([total])),
        "currency": [night.unit.currency],
        "expected_value": [best.expected_value],
        "status_quo_value": [float(response.value(status_quo / 100).sum())],
        "upper_bound": [best.upper_bound],
        "optimality_gap": [best.gap],
        "shadow_price": [best.shadow_price],
        "built_on": ["candidate" if before.num_rows else "recent_spend"],
        "notes": ["\n".join(notes)],
    })
    prices = limit_prices(best, night, dict(zip(lines, reasons, strict=True)), response)
    return {"out.budget__line": budgets, "out.allocation__night": whole, "out.limit_price__limit": prices}


def _overrides(table: pa.Table) -> list[Override]:
    names = ("override_id", "kind", "line_id", "amount", "reason", "who", "entered_on", "until")
    try:
        return [Override(**{n: r[n] for n in names}) for r in table.to_pylist()]
    except ValueError as error:
        raise MoeError(str(error), "mend the row in the unit's overrides file; the live release stays") from error


def _lines(rows: list[dict[str, Any]], before: pa.Table, in_force: tuple[Override, ...], night: Night) -> list[str]:
    """Lines that may get a budget: with recent spend, with a budget in the night before, or named by a person."""
    since = night.date - timedelta(days=ACTIVE_DAYS - 1)
    known = {r["line_id"] for r in rows}
    lines = {r["line_id"] for r in rows if r["business_date"] >= since and r["spend"] > 0}
    lines |= {r["line_id"] for r in before.to_pylist() if r["budget"] > 0} & known
    lines |= {o.line_id for o in in_force if o.line_id} & known
    return sorted(lines)


def _previous(lines: list[str], rows: list[dict[str, Any]], before: pa.Table, night: Night) -> Any:
    """Budgets of the night before in cents; on a store's first night the mean spend of the last 7 days."""
    if before.num_rows:
        had = {r["line_id"]: _cents(r["budget"]) for r in before.to_pylist()}
        return np.array([had.get(line, 0) for line in lines], dtype=np.int64)
    since = night.date - timedelta(days=RECENT_DAYS - 1)
    spent = dict.fromkeys(lines, Decimal(0))
    for r in rows:
        if r["business_date"] >= since and r["line_id"] in spent:
            spent[r["line_id"]] += r["spend"]
    return np.array([_cents(spent[line] / RECENT_DAYS) for line in lines], dtype=np.int64)


def _total(
    in_force: tuple[Override, ...], rows: list[dict[str, Any]], night: Night
) -> tuple[int, Override | None]:
    month = night.decided_day.replace(day=1)
    spent = sum((r["spend"] for r in rows if r["business_date"] >= month), Decimal(0))
    try:
        return total_tonight(in_force, night.date, _cents(spent), _cents(night.unit.budget.total))
    except ValueError as error:
        raise MoeError(str(error), "mend the unit's overrides file; the live release stays") from error


def _pick(table: pa.Table, lines: list[str]) -> Curves:
    """Curves of `lines`, in that order."""
    have = table.column("line_id").to_pylist()
    return from_table(table.take([have.index(line) for line in lines]))


def _held(code: str, binding: str) -> str:
    if code == "locked":
        return "lock"
    return binding if binding in BOUNDS else "group" if binding else "none"


def _by_line(limits: Any) -> list[Override | None]:
    return [low or high for low, high in zip(limits.floor_by, limits.cap_by, strict=True)]


def _notes(widened: float | None, month: Override | None, step: float) -> list[str]:
    notes = []
    if widened is not None:
        notes.append(f"The usual step of {step:.0%} a night cannot reach tonight's total: every line may move "
                     f"by up to {widened:.0%} tonight.")
    if month is not None:
        notes.append(f"The total follows the month's total of {month.amount:,.2f} set by {month.who}: "
                     f"{month.reason}")
    return notes


def _cents(amount: Decimal) -> int:
    return int((amount * 100).to_integral_value(rounding="ROUND_HALF_UP"))


def _money(cents: Any) -> pa.Array:
    return pa.array([Decimal(int(c)).scaleb(-2) for c in cents], pa.decimal128(18, 2))


def _word(currency: str) -> str:
    """The currency's unit in a sentence."""
    return {"USD": "dollar", "EUR": "euro", "GBP": "pound"}.get(currency, currency)
