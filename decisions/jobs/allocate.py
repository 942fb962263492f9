"""The job `allocate`: tomorrow's budget of every line, within bounds, steps and what people decided."""

import numpy as np
import pyarrow as pa

from decisions.allocation import Allocation
from decisions.amounts import money
from decisions.jobs.ask import Asked, ask, solved
from decisions.jobs.groups import limit_prices
from decisions.plan import Plan
from decisions.plan.limits import TOTAL
from decisions.reasons import BOUNDS, Reason, reason
from moe.jobs import Night


def allocate(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table
) -> dict[str, pa.Table]:
    """Rows of out.budget__line, out.allocation__night and out.limit_price__limit.

    The steps start from the candidate of D-1 (`before`); on a store's first night from the mean spend of the
    last 7 days.
    """
    asked = ask(night, history, curves, before, overrides)
    best = first_day(asked, solved(asked))
    reasons = reason(asked.previous, best, asked.bounds, asked.curves, asked.limits,
                     currency=_word(night.unit.currency))
    prices = limit_prices(best, night, dict(zip(asked.lines, reasons, strict=True)), asked.curves)
    return {
        "out.budget__line": _budgets(asked, best, reasons, night),
        "out.allocation__night": _whole(asked, best, night, "candidate" if before.num_rows else "recent_spend"),
        "out.limit_price__limit": prices,
    }


def first_day(asked: Asked, plan: Plan) -> Allocation:
    """The day that the night decides, with the plan's proof and prices."""
    budget, money_price = plan.cents[0], plan.money_price[0]
    lower, upper = asked.bounds.lower_cents, asked.bounds.upper_cents
    wanted = asked.curves.marginal(budget / 100) > money_price
    held = np.select([(budget >= upper) & ((budget > lower) | wanted), budget <= lower], ["cap", "floor"], "")
    inside = {group.name for group in asked.problem.groups}
    binding = np.where(held == "", plan.binding[0], held.astype(object))
    prices = tuple(price for price in plan.prices if price.subject in inside and not price.day)
    whole = sum(price.price for price in plan.prices if price.name == TOTAL and not price.day)
    return Allocation(budget, whole, plan.value, plan.upper_bound, plan.gap, binding, money_price, prices)


def _budgets(asked: Asked, best: Allocation, reasons: list[Reason], night: Night) -> pa.Table:
    spend, before = best.budget_cents / 100, asked.status_quo / 100
    overrides = (low or high for low, high in zip(asked.limits.floor_by, asked.limits.cap_by, strict=True))
    return pa.table({
        "line_id": asked.lines,
        "line_name": [asked.names[line] for line in asked.lines],
        "platform": [asked.platforms[line] for line in asked.lines],
        "business_date": [night.decided_day] * len(asked.lines),
        "budget": money(best.budget_cents),
        "currency": [night.unit.currency] * len(asked.lines),
        "previous_budget": money(asked.previous),
        "status_quo_budget": money(asked.status_quo),
        "floor": money(asked.bounds.lower_cents),
        "cap": money(asked.bounds.upper_cents),
        "expected_value": asked.curves.value(spend),
        "expected_value_se": asked.curves.value_se(spend),
        "status_quo_value": asked.curves.value(before),
        "marginal_value": asked.curves.marginal(spend),
        "money_price": best.money_price,
        "binding": [_held(r.code, str(b)) for r, b in zip(reasons, best.binding, strict=True)],
        "reason_code": [r.code for r in reasons],
        "reason": [r.text for r in reasons],
        "override_id": pa.array([None if o is None else o.override_id for o in overrides], pa.string()),
    })


def _whole(asked: Asked, best: Allocation, night: Night, built_on: str) -> pa.Table:
    return pa.table({
        "business_date": [night.decided_day],
        "objective": [night.unit.objective],
        "total_configured": money([best.budget_cents.sum()]),
        "currency": [night.unit.currency],
        "expected_value": [best.expected_value],
        "status_quo_value": [float(asked.curves.value(asked.status_quo / 100).sum())],
        "upper_bound": [best.upper_bound],
        "optimality_gap": [best.gap],
        "shadow_price": [best.shadow_price],
        "built_on": [built_on],
        "notes": ["\n".join(asked.notes)],
    })


def _held(code: str, binding: str) -> str:
    if code == "locked":
        return "lock"
    return binding if binding in BOUNDS else "group" if binding else "none"


def _word(currency: str) -> str:
    """The currency's unit in a sentence."""
    return {"USD": "dollar", "EUR": "euro", "GBP": "pound"}.get(currency, currency)
