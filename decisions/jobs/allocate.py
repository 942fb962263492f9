"""The job `allocate`: tomorrow's budget of every line and the days after it, within every limit, with the proof."""

import numpy as np
import pyarrow as pa

from decisions.allocation import Allocation
from decisions.amounts import money
from decisions.jobs.ask import Asked, ask, solved
from decisions.jobs.groups import limit_prices
from decisions.jobs.plan_table import period_columns, plan_table
from decisions.plan import Plan
from decisions.plan.limits import TOTAL
from decisions.reasons import BOUNDS, Reason, reason
from moe.jobs import Night


def allocate(
    night: Night, history: pa.Table, curves: pa.Table, before: pa.Table, overrides: pa.Table,
    demand: pa.Table | None = None, past: pa.Table | None = None,
) -> dict[str, pa.Table]:  # fmt: skip
    """Rows of out.budget__line, out.plan__line_day, out.allocation__night and out.limit_price__limit.

    The steps start from the candidate of D-1 (`before`); on a store's first night from the mean spend of the
    last 7 days.
    """
    asked = ask(night, history, curves, before, overrides, demand, past)
    plan = solved(asked)
    best = first_day(asked, plan)
    reasons = reason(asked.previous, best, asked.bounds, asked.curves, asked.limits, asked.support,
                     currency=_word(night.unit.currency))  # fmt: skip
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
    }


def first_day(asked: Asked, plan: Plan) -> Allocation:
    """The day that the night decides, with the plan's proof and prices.

    Its value counts each line's worth, its lines' prices are in the objective itself, as their curves are.
    """
    weights, budget = asked.unit_lines.weights, plan.cents[0]
    money_price = plan.money_price[0] / weights
    lower, upper = asked.bounds.lower_cents, asked.bounds.upper_cents
    wanted = asked.curves.marginal(budget / 100) > money_price
    held = np.select([(budget >= upper) & ((budget > lower) | wanted), budget <= lower], ["cap", "floor"], "")
    binding = np.where(held == "", plan.binding[0], held.astype(object))
    binding = np.where(np.isin(binding, ["step"]), "", binding)  # a step of a later day
    binding = np.where((budget == 0) & (plan.binding[0] == "off"), "off", binding)
    inside = {group.name for group in asked.problem.groups}
    prices = tuple(price for price in plan.prices if price.subject in inside and not price.day)
    value = asked.worth(budget)
    return Allocation(budget, _total_price(asked, plan), value, value / (1 - plan.gap), plan.gap, binding, money_price,
                      prices)  # fmt: skip


def _total_price(asked: Asked, plan: Plan) -> float:
    """What one more currency unit of tomorrow's total returns: the price of a line that no group's limit touches."""
    limits = [price for price in plan.prices if not price.day]
    priced, groups = {price.subject for price in limits}, {group.name: group for group in asked.problem.groups}
    touched: set[str] = set()
    for group in groups.values():
        above: str | None = group.name
        while above is not None and above not in priced:
            above = groups[above].parent
        touched |= set(group.lines) if above is not None else set()
    free = [at for at, line in enumerate(asked.lines) if line not in touched]
    if free:
        return float(plan.money_price[0, free[0]])
    return float(asked.problem.total.price + sum(price.price for price in limits if price.subject == TOTAL))


def _budgets(
    asked: Asked, best: Allocation, status_quo: np.ndarray, reasons: list[Reason], night: Night
) -> pa.Table:
    spend = best.budget_cents / 100
    overrides = (low or high for low, high in zip(asked.limits.floor_by, asked.limits.cap_by, strict=True))
    return pa.table({
        "line_id": asked.lines,
        "line_name": [asked.names[line] for line in asked.lines],
        "platform": [asked.platforms[line] for line in asked.lines],
        "business_date": [night.decided_day] * len(asked.lines),
        "budget": money(best.budget_cents),
        "currency": [night.unit.currency] * len(asked.lines),
        "previous_budget": money(asked.previous),
        "status_quo_budget": money(status_quo),
        "floor": money(np.minimum(asked.bounds.lower_cents, best.budget_cents)),
        "cap": money(asked.bounds.upper_cents),
        "expected_value": asked.curves.value(spend),
        "expected_value_se": asked.curves.value_se(spend),
        "status_quo_value": asked.curves.value(status_quo / 100),
        "marginal_value": asked.curves.marginal(spend),
        "money_price": best.money_price,
        "binding": [_held(r.code, str(b)) for r, b in zip(reasons, best.binding, strict=True)],
        "reason_code": [r.code for r in reasons],
        "reason": [r.text for r in reasons],
        "override_id": pa.array([None if o is None else o.override_id for o in overrides], pa.string()),
    })


def _whole(
    asked: Asked, plan: Plan, best: Allocation, status_quo: np.ndarray, night: Night, built_on: str
) -> pa.Table:
    notes = list(asked.notes)
    if len(plan.cents) < asked.problem.days:
        notes.append(f"The {asked.problem.days} days ahead have no common plan with a proof: tomorrow was decided "
                     "alone.")
    return pa.table({
        "business_date": [night.decided_day],
        "objective": [night.unit.objective],
        "total_configured": money([best.budget_cents.sum()]),
        "currency": [night.unit.currency],
        "expected_value": [best.expected_value],
        "status_quo_value": [asked.worth(status_quo)],
        "upper_bound": [best.upper_bound],
        "optimality_gap": [best.gap],
        "shadow_price": [best.shadow_price],
        "built_on": [built_on],
        "notes": ["\n".join(notes)],
    })


def _held(code: str, binding: str) -> str:
    if code == "locked":
        return "lock"
    if binding in ("", "off"):
        return "none"
    return "floor" if binding == "minimum" else binding if binding in BOUNDS else "group"


def _word(currency: str) -> str:
    """The currency's unit in a sentence."""
    return {"USD": "dollar", "EUR": "euro", "GBP": "pound"}.get(currency, currency)


