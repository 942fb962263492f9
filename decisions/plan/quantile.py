"""Plans for the value at risk: what all but the worst share of draws reach.

It is not concave in the plan. Given which draws may miss, the best plan is concave again: the worst of the others is
maximised. Given a plan, the draws that may miss are its own worst. Taking turns never lowers the value (block
coordinate ascent), and ends in a plan that is best for its own choice of draws. The bound is of those who know the draw
before they plan ("wait and see", Madansky 1960): whatever the plan, its m-th worst draw is not above the m-th worst of
the draws' own best outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from decisions.plan.boxes import cover_of
from decisions.plan.branch import Search
from decisions.plan.inner import Objective
from decisions.plan.interior import Relaxed, relax
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.rounding import kept, to_cents
from decisions.plan.tree import narrow
from decisions.plan.worth import rank, worth

TURNS = 12
SPARE = 4
"Draws beyond the m-th worst whose own best is looked at, as the order changes a little from plan to plan."


def at_quantile(model: Model, found: Search, starts: Sequence[IntArray]) -> Search:
    """The best plan from the plans at hand, `found` (of the mean of the worst draws) among them, and its bound."""
    truth = Objective(model)

    def net(cents: IntArray) -> float:
        return worth(model.risk, truth.outcomes(cents / 100)) - model.price * float(cents.sum()) / 100

    best, prices, nodes = found.cents, found.prices, found.nodes
    gradient = found.gradient
    for start in (found.cents, *starts):
        at = start
        for _ in range(TURNS):
            turn = _turn(model, truth, at)
            nodes += 1
            if turn is None or net(turn[0]) <= net(at):
                break
            at = turn[0]
            if net(at) > net(best):
                best, prices, gradient = at, turn[1].prices, turn[2]
        if net(at) > net(best):
            best = at
    draws = truth.outcomes(best / 100)
    bound, more = _wait_and_see(model, draws - model.price * float(best.sum()) / 100)
    value = worth(model.risk, draws)
    return replace(found, cents=best, value=value, bound=max(bound, net(best)), prices=prices, gradient=gradient,
                   nodes=nodes + more, draws=draws)  # fmt: skip


def _turn(model: Model, truth: Objective, cents: IntArray) -> tuple[IntArray, Relaxed, FloatArray] | None:
    """The plan that is best for the draws that this one reaches, with the same lines off; its prices and slopes."""
    draws = truth.outcomes(cents / 100)
    count = np.sort(np.argsort(draws, kind="stable")[rank(model.risk, len(draws)) - 1 :])
    minimum = np.broadcast_to(model.minimum, model.shape)
    lower = np.where(cents > 0, np.maximum(model.lower, minimum), model.lower)
    upper = np.where((minimum > 0) & (cents == 0), 0, model.upper)
    relaxed = _among(model, count, lower, upper)
    if relaxed is None:
        return None
    moved = to_cents(model, relaxed.spend, lower, upper, search=False)
    if moved is None or not kept(model, moved, lower, upper):
        return None
    weights = np.zeros(len(draws))
    weights[count] = relaxed.weights
    return moved, relaxed, truth.slopes(moved / 100, weights)[1]


def _wait_and_see(model: Model, draws: FloatArray) -> tuple[float, int]:
    """The bound, from outcomes (K,) of a plan that say which draws to look at; and how many were."""
    worst = rank(model.risk, len(draws))
    order = np.argsort(draws, kind="stable")[: worst + SPARE]
    own = []
    for draw in order:
        relaxed = _among(model, np.array([draw]), model.lower, model.upper)
        own.append(np.inf if relaxed is None else relaxed.bound)
    return float(np.sort(own)[worst - 1]), len(own)


def _among(model: Model, draws: IntArray, lower: IntArray, upper: IntArray) -> Relaxed | None:
    """The best plan for the worst of some draws within bounds; None where there is none."""
    box = narrow(model, lower, upper)
    if box is None:
        return None
    relaxed = relax(model, Objective(model, cover_of(model, box), draws), box, lower, upper, tolerance=1e-5)
    return relaxed if relaxed.met else None
