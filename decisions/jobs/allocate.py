"""The job `allocate`: tomorrow's budget of every line and the days after it, within every limit, with the proof."""

import numpy as np
import pyarrow as pa

from decisions.allocation import Allocation
from decisions.amounts import money
from decisions.jobs.ask import ask, preferred_by, solved
from decisions.jobs.front_table import front_table
from decisions.jobs.groups import limit_prices
from decisions.jobs.plan_table import period_columns, plan_table
from decisions.jobs.question import Asked
from decisions.plan import Plan
from decisions.plan.limits import TOTAL
from decisions.reasons import BOUNDS, Reason, reason
from moe.jobs import Night
from moe.preferences import RiskChoice


def allocate(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table,
    demand: pa.Table | None = None, past: pa.Table | None = None, drawn: pa.Table | None = None,
) -> dict[str, pa.Table]:  # fmt: skip
    """Rows of out.budget__line, out.plan__line_day, out.allocation__night, out.limit_price__limit, out.front__point.

    The steps start from the candidate of D-1 (`before`); on a store's first night from the mean spend of the
    last 7 days.
    """
    asked, front = preferred_by(ask(night, history, curves, before, overrides, demand, past, drawn))
    plan = solved(asked)
    best = first_day(asked, plan)
    reasons = reason(asked.previous, best, asked.bounds, asked.curves, asked.limits, asked.support,
                     currency=_word(night.unit.currency), weights=asked.unit_lines.weights)  # fmt: skip
    prices = limit_prices(best, night, dict(zip(asked.lines, reasons, strict=True)), asked.curves)
    status_quo = asked.status_quo(int(best.budget_cents.sum()))
    built_on = "candidate" if before.num_rows else "recent_spend"
    whole = _whole(asked, plan, best, status_quo, night, built_on)
    for name, value in period_columns(asked, plan, night, history, past).items():
        whole = whole.append_column(name, value)
    return {
        "out.budget__line": _budgets(asked, best, status_quo, reasons, night),
        "out.plan__line_day": plan_table(asked, plan, night),
        "out.allocation__night": whole,
        "out.limit_price__limit": prices,
        "out.front__point": front_table(front, night),
    }


def first_day(asked: Asked, plan: Plan) -> Allocation:
    """The day that the night decides, with the plan's proof and prices.

    Its value counts each line's worth, its lines' prices are in the objective itself, as their curves are.
    """
    budget, money_price = plan.cents[0], plan.money_price[0]
    lower, upper = asked.bounds.lower_cents, asked.bounds.upper_cents
    wanted = asked.curves.marginal(budget / 100) > money_price
    held = np.select([(budget >= upper) & ((budget > lower) | wanted), budget <= lower], ["cap", "floor"], "")
    binding = np.where(held == "", plan.binding[0], held.astype(object))
    minimum = asked.unit_lines.minimum
    binding = np.where((minimum > 0) & (budget == minimum) & (held == ""), "minimum", binding)
    binding = np.where((minimum > 0) & (budget == 0), "off", binding)
    inside = {group.name for group in asked.problem.groups}
    prices = tuple(price for price in plan.prices if price.subject in inside and price.day == 0)
    total = next(price.price for price in plan.prices if price.name == TOTAL and price.day == 0)
    bound = asked.measured(budget) / (1 - plan.gap)
    return Allocation(budget, total, asked.worth(budget), bound, plan.gap, binding, money_price,
                      prices)  # fmt: skip


def _budgets(
    asked: Asked, best: Allocation, status_quo: np.ndarray, reasons: list[Reason], night: Night
) -> pa.Table:
    spend = best.budget_cents / 100
    return pa.table({
        "line_id": asked.lines,
        "line_name": [asked.names[line] for line in asked.lines],
        "platform": [asked.platforms[line] for line in asked.lines],
        "business_date": [night.decided_day] * len(asked.lines),
        "budget": money(best.budget_cents),
        "currency": [night.unit.currency] * len(asked.lines),
        "previous_budget": money(asked.previous),
        "status_quo_budget": money(status_quo),
        "floor": money(asked.bounds.lower_cents),
        "cap": money(asked.bounds.upper_cents),
        "expected_value": asked.curves.value(spend),
        "expected_value_se": asked.curves.value_se(spend),
        "status_quo_value": asked.curves.value(status_quo / 100),
        "marginal_value": asked.curves.marginal(spend),
        "money_price": best.money_price,
        "binding": [_held(r.code, str(b)) for r, b in zip(reasons, best.binding, strict=True)],
        "reason_code": [r.code for r in reasons],
        "reason": [r.text for r in reasons],
        "override_id": pa.array([r.override_id for r in reasons], pa.string()),
    })


def _whole(
    asked: Asked, plan: Plan, best: Allocation, status_quo: np.ndarray, night: Night, built_on: str
) -> pa.Table:
    notes = list(asked.notes)
    if len(plan.cents) < asked.problem.days:
        notes.append(f"The limits of the {asked.problem.days} days ahead cannot all hold: tomorrow alone is planned.")
    return pa.table({
        "business_date": [night.decided_day],
        "objective": [night.unit.objective],
        "total_configured": money([best.budget_cents.sum()]),
        "currency": [night.unit.currency],
        "expected_value": [best.expected_value],
        "status_quo_value": [asked.worth(status_quo)],
        "measure": [_measure(night.unit.budget.risk)],
        "measured_value": [asked.measured(best.budget_cents)],
        "measured_status_quo": [asked.measured(status_quo)],
        "upper_bound": [best.upper_bound],
        "optimality_gap": [best.gap],
        "shadow_price": [best.shadow_price],
        "built_on": [built_on],
        "notes": ["\n".join(notes)],
    })


def _measure(risk: RiskChoice) -> str:
    return "mean" if risk.measure == "mean" else f"{risk.measure} {risk.level:g}"


def _held(code: str, binding: str) -> str:
    if code == "locked":
        return "lock"
    if binding in ("", "off"):
        return "none"
    return "floor" if binding == "minimum" else binding if binding in BOUNDS else "group"


def _word(currency: str) -> str:
    """The currency's unit in a sentence."""
    return {"USD": "dollar", "EUR": "euro", "GBP": "pound"}.get(currency, currency)
