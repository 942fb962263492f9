"""What each limit on tonight's money costs a day: the best plan without it, less the plan.

A shadow price holds for the last unit of money; a person wants to know what the whole limit costs. Only limits that
have a price are solved again, the dearest ones first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from decisions.plan import Group, Infeasible, Plan, Problem, solve
from decisions.plan.limits import TOTAL
from decisions.plan.problem import MOST, IntArray

MOST_LINES = 20
"Lines whose limits are solved for; those beyond cost less than each of them."
STEPS = "the largest step"
MORE_CENTS = 10_000
"What one more of the total brings is asked for 100 currency units."


@dataclass(frozen=True)
class Cost:
    """`kind`: 'group', 'line', 'steps' (of all lines together) or 'total' (what 100 more would bring)."""

    kind: str
    subject: str
    limit: str
    cost: float  # of the objective, over the days of the plan


def limit_costs(problem: Problem, plan: Plan) -> list[Cost]:
    """The cost of each limit with a price, dearest first, and what 100 more of the total would bring.

    `plan` is the best one of `problem`, whose total is fixed.
    """
    groups, lines = {group.name for group in problem.groups}, {name: at for at, name in enumerate(problem.names)}
    named = sorted({(p.name, p.subject) for p in plan.prices if p.subject in groups})
    dearest = sorted((p for p in plan.prices if p.subject in lines and p.name != "step" and not p.day),
                     key=lambda p: (-p.price * float(plan.cents[0, lines[p.subject]] + 1), p.name, p.subject))
    asked = [("group", subject, name, _without_group(problem, name, subject)) for name, subject in named]
    asked += [("line", p.subject, p.name, _without_line(problem, p.name, p.subject)) for p in dearest[:MOST_LINES]]
    if problem.steps is not None:
        asked.append(("steps", STEPS, STEPS, replace(problem, steps=None)))
    found = [Cost(kind, subject, limit, _gain(other, plan)) for kind, subject, limit, other in asked]
    found.sort(key=lambda cost: (-cost.cost, cost.kind, cost.subject, cost.limit))
    return [*found, Cost("total", TOTAL, TOTAL, _gain(_with_more(problem), plan))]


def _gain(other: Problem, plan: Plan) -> float:
    try:
        return max(solve(other).value - plan.value, 0.0)
    except Infeasible:  # more than the caps take brings nothing
        return 0.0


def _without_group(problem: Problem, name: str, subject: str) -> Problem:
    """`name` is a limit as `decisions.plan` words it: floor of …, cap of …, least share of …, largest share of …"""

    def freed(group: Group) -> Group:
        match name.split()[0]:
            case "floor":
                return replace(group, floor_cents=None)
            case "cap":
                return replace(group, cap_cents=None, horizon_cap_cents=None)
            case "least":
                return replace(group, share_low=None)
        return replace(group, share_high=None)

    return replace(problem, groups=[freed(g) if g.name == subject else g for g in problem.groups])


def _without_line(problem: Problem, name: str, line: str) -> Problem:
    if name.startswith("override "):
        kept = [o for o in problem.overrides if f"override {o.name}" != name]
        return replace(problem, overrides=kept)
    at = list(problem.names).index(line)
    if name == "floor":
        return replace(problem, lower_cents=_but(problem, problem.lower_cents, at, 0))
    return replace(problem, upper_cents=_but(problem, problem.upper_cents, at, MOST))


def _but(problem: Problem, cents: ArrayLike, at: int, amount: int) -> IntArray:
    """A bound of all lines, with another amount for one."""
    out = np.array(np.broadcast_to(np.asarray(cents, dtype=np.int64), (problem.days, len(problem.names))))
    out[:, at] = amount
    return out


def _with_more(problem: Problem) -> Problem:
    total = problem.total
    low, high = (np.asarray(cents, dtype=np.int64) + MORE_CENTS for cents in (total.low_cents, total.high_cents))
    return replace(problem, total=replace(total, low_cents=low, high_cents=high), status_quo_cents=None)
