"""Problems of plans as a general solver states them, with no code of `decisions.plan`."""

from typing import Any

import cvxpy
import numpy as np

from decisions.plan import Problem
from decisions.response import HILL, Response


def general(asked: Problem) -> float:
    """The value of a problem by cvxpy and Clarabel, for HILL with n = 1 and POWER, in units of each line's k.

    Effective spend must not fall below 0 anywhere near the best plan.
    """
    days, n, k = asked.days, len(asked.names), asked.responses[0].k
    money = cvxpy.multiply(cvxpy.Variable((days, n)), np.tile(k, (days, 1)))
    reached = money
    if asked.interactions is not None:
        usual = np.broadcast_to(np.asarray(asked.interactions.usual_cents), n) / 100
        shares = asked.interactions.shares
        reached = money + (money - np.tile(usual, (days, 1))) @ np.asarray(shares).T
    outcomes = [_outcome(made, reached, days) for made in asked.responses]
    worth = cvxpy.sum(cvxpy.hstack(outcomes)) / len(outcomes)
    if asked.risk.measure == "cvar":
        edge = cvxpy.Variable()
        short = cvxpy.sum(cvxpy.pos(edge - cvxpy.hstack(outcomes)))
        worth = edge - short / (max(asked.risk.level * len(outcomes), 1))
    worth = worth - asked.total.price * cvxpy.sum(money)
    total = cvxpy.sum(money, axis=1)
    limits = [money >= np.asarray(asked.lower_cents) / 100, money <= np.asarray(asked.upper_cents) / 100]
    low, high = (np.broadcast_to(np.asarray(x), days) / 100 for x in (asked.total.low_cents, asked.total.high_cents))
    limits += [total >= low, total <= high] if (low < high).any() else [total == low]
    if asked.steps is not None:
        before, relative = asked.steps.previous_cents / 100, asked.steps.share * asked.steps.previous_cents
        share = np.where(relative >= asked.steps.least_cents, asked.steps.share, 0)
        reach = np.where(relative >= asked.steps.least_cents, 0, asked.steps.least_cents) / 100
        for day in range(days):
            limits.append(money[day] <= cvxpy.multiply(1 + share, before) + reach)
            limits.append(money[day] >= cvxpy.multiply(1 - share, before) - reach)
            before = money[day]
    names = list(asked.names)
    for group in asked.groups:
        inside = [names.index(name) for child in asked.groups for name in child.lines
                  if group.name in (child.name, child.parent)]  # fmt: skip
        mine = cvxpy.sum(money[:, inside], axis=1)
        whole = total
        if group.share_of == "parent" and group.parent:
            with_it = [
                names.index(name) for child in asked.groups for name in child.lines if child.parent == group.parent
            ]
            whole = cvxpy.sum(money[:, with_it], axis=1)
        if group.floor_cents is not None:
            limits.append(mine >= group.floor_cents / 100)
        if group.cap_cents is not None:
            limits.append(mine <= group.cap_cents / 100)
        if group.horizon_cap_cents is not None:
            limits.append(cvxpy.sum(mine) <= group.horizon_cap_cents / 100)
        if group.share_low is not None:
            limits.append(mine >= group.share_low * whole)
        if group.share_high is not None:
            limits.append(mine <= group.share_high * whole)
    return float(cvxpy.Problem(cvxpy.Maximize(worth), limits).solve(
        solver=cvxpy.CLARABEL, canon_backend="SCIPY"))


def _outcome(made: Response, reached: Any, days: int) -> Any:
    """Outcome of one draw, from effective spend before carry-over (H, n)."""
    outcome = 0
    for day in range(len(made.scale)):
        u = made.offset[day] / made.k
        for lag in range(min(day + 1, len(made.kernel))):
            if day - lag < days:
                u = u + cvxpy.multiply(made.kernel[lag] / made.k, reached[day - lag])
        hill = np.flatnonzero(made.family == HILL)
        if hill.size:
            outcome += made.scale[day, hill].sum() - made.scale[day, hill] @ cvxpy.inv_pos(1 + u[hill])
        for line in np.flatnonzero(made.family != HILL):
            outcome += made.scale[day, line] * cvxpy.power(u[line], made.n[line], approx=False)
    return outcome
