"""The way in: the best plan, to the cent, with its bound, its prices and what holds each line.

Same problem, same cents: nothing here looks at a clock or draws a number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decisions.plan.branch import Search, search
from decisions.plan.conflict import Infeasible, explain
from decisions.plan.inner import Objective
from decisions.plan.model import Model, build
from decisions.plan.prices import Price, binding, price_list
from decisions.plan.problem import FloatArray, IntArray, Problem, Risk, TextArray, Total
from decisions.plan.quantile import at_quantile
from decisions.plan.rounding import kept, to_cents
from decisions.plan.worth import worth


@dataclass(frozen=True, eq=False)
class Plan:
    """Budgets of H days × n lines with their proof. Outcome is in the unit of the response."""

    cents: IntArray  # (H, n)
    value: float  # what the outcome is worth by the problem's measure of risk, days of carry-over included
    upper_bound: float  # no plan within the limits is worth more (flexible: net of money's price)
    gap: float  # (bound - value) / bound
    prices: list[Price]  # what each limit costs
    money_price: FloatArray  # (H, n) what a line's next unit must return for it to get it
    binding: TextArray  # (H, n) the limit that holds a line there, '' where it is free
    nodes: int  # relaxations solved: 1 for concave responses
    draws: FloatArray  # (K,) outcome of the plan in each draw


def solve(problem: Problem, *, most_nodes: int = 60) -> Plan:
    """The best plan. Raises Infeasible with the conflict and the cheapest repair, ValueError on bad input."""
    model = build(problem)
    starts = _starts(problem, model)
    if model.risk.measure != "var" or model.draws == 1:
        found = search(model, starts, most_nodes)
    else:
        found = search(replace(model, risk=replace(model.risk, measure="cvar")), starts, most_nodes)
        evenly = search(replace(model, risk=Risk()), starts, most_nodes)
        found = found and at_quantile(model, found, [*starts, *([] if evenly is None else [evenly.cents])])
    if found is None:
        raise explain(model)
    return _plan(model, found)


def _starts(problem: Problem, model: Model) -> list[IntArray]:
    """Plans to beat: the one that is given, and yesterday's split scaled to the total, where they are allowed."""
    starts = []
    if problem.status_quo_cents is not None:
        starts.append(np.asarray(problem.status_quo_cents, dtype=np.int64)[:, model.order])
    if problem.steps is not None:
        previous = np.asarray(problem.steps.previous_cents, dtype=np.float64)[model.order]
        low, high = model.node_low[:, 0], model.node_high[:, 0]
        total = np.clip(previous.sum(), low, high).astype(np.float64)
        for row in model.rows:
            if row.equal:
                total *= row.limit / max(total.sum(), 1.0)
        scaled = previous * (total / max(previous.sum(), 1.0))[:, None] / 100
        cents = to_cents(model, scaled, model.lower, model.upper, search=False)
        starts += [] if cents is None else [cents]
    return [cents for cents in starts if kept(model, cents, model.lower, model.upper)]


def _plan(model: Model, found: Search) -> Plan:
    back = np.argsort(model.order)
    spent = float(found.cents.sum()) / 100
    net = found.value - model.price * spent
    bound = max(found.bound, net) + model.price * spent
    held = binding(model, found)
    return Plan(
        np.ascontiguousarray(found.cents[:, back]),
        found.value,
        bound,
        (bound - found.value) / bound if bound > found.value + 1e-9 else 0.0,
        price_list(model, found),
        held.money_price[:, back],
        held.names[:, back],
        found.nodes,
        found.draws,
    )


def outcomes(problem: Problem, cents: IntArray) -> FloatArray:
    """The outcome (K,) of budgets (H, n) in each draw, whether or not they keep the limits."""
    model = build(problem)
    return Objective(model).outcomes(np.asarray(cents, dtype=np.float64)[:, model.order] / 100)


def measured(problem: Problem, cents: IntArray) -> float:
    """What the problem's measure of risk makes of them."""
    return worth(problem.risk, outcomes(problem, cents))


def solve_to_target(problem: Problem, *, cost_per_outcome: float, most_nodes: int = 60) -> Plan:
    """The most outcome whose average cost is at most the target: spend ÷ outcome (a CPA; 1 ÷ ROAS).

    Money's price is searched: the higher, the less is spent and the cheaper each outcome. Raises Infeasible where
    even the least spend costs more.
    """
    if not cost_per_outcome > 0:
        raise ValueError("a target cost must be above 0")

    def at(price: float) -> Plan:
        return solve(replace(problem, total=replace(problem.total, price=price)), most_nodes=most_nodes)

    def good(plan: Plan) -> bool:
        return float(plan.cents.sum()) / 100 <= cost_per_outcome * plan.value

    best = at(0.0)
    if good(best):
        return best
    # A unit that returns less than 1 ÷ target lowers the average; far above it nothing but the lows is bought.
    low, high = 0.0, 1 / cost_per_outcome
    while not good(best := at(high)):
        low, high = high, high * 4
        if high > 1e9 / cost_per_outcome:
            raise Infeasible(
                f"the least spend that the limits allow costs {best.cents.sum() / 100 / max(best.value, 1e-300):,.2f} "
                f"an outcome, more than the target of {cost_per_outcome:,.2f}: lower floors or raise the target",
                [],
                [],
            )
    for _ in range(30):
        middle = (low + high) / 2
        plan = at(middle)
        if good(plan):
            best, high = plan, middle
        else:
            low = middle
        if high - low < 1e-5 * high:
            break
    return best


__all__ = ["Plan", "Total", "solve", "solve_to_target"]
