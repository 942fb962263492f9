"""Plans whose returns bend upwards or whose lines may be switched off: branch and bound over boxes.

A box bounds every line-day. Its relaxation is concave: envelopes in place of S-shapes, and any amount from nothing
on in place of "nothing or the minimum". The box with the highest bound is split at the line-day where relaxation and
truth differ most. Concave problems are one box. The number of boxes is limited, not the time, so that the answer
does not depend on the machine; the bound is that of the boxes left, whatever it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.plan.boxes import Node, guesses, priced, relaxation, settled, split
from decisions.plan.dual import Multipliers
from decisions.plan.inner import Objective
from decisions.plan.interior import relax
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.rounding import kept, to_cents
from decisions.plan.switches import LINES, choose
from decisions.plan.worth import worth
from decisions.response import HILL

CLOSE = 5e-5
"Relative gap at which the search is done."
SOLVER = 1e-7
"Relative tolerance of the integer program's own bound."


@dataclass(frozen=True, eq=False)
class Search:
    cents: IntArray  # (H, n), lines in the model's order
    value: float  # what the outcome is worth
    bound: float  # of outcome less the price of all spend
    prices: Multipliers
    gradient: FloatArray  # (H, n) of outcome, at the plan
    nodes: int
    draws: FloatArray  # (K,) outcome of each draw


def search(model: Model, starts: Sequence[IntArray], most: int) -> Search | None:
    """The best plan found and the bound; None where no plan was found."""
    truth = Objective(model)
    best: tuple[float, IntArray] | None = None

    def net(cents: IntArray) -> float:
        return worth(model.risk, truth.outcomes(cents / 100)) - model.price * float(cents.sum()) / 100

    def offer(cents: IntArray | None) -> None:
        nonlocal best
        if cents is not None and kept(model, cents, model.lower, model.upper):
            value = net(cents)
            if best is None or value > best[0]:
                best = value, cents

    root = relaxation(model, model.lower, model.upper)
    if root is None:
        return None
    for cents in starts:
        offer(cents)
    switched = bool(model.minimum.any()) and model.shape[0] == 1 and model.effects is None
    ceiling = root.relaxed.bound
    early = _above_nothing(model, root)
    separable = switched and truth.most is None and root.objective.cover is None
    if separable and model.shape[1] <= LINES:
        on, bound = choose(model, root.objective, root.box, root.relaxed.spend)
        ceiling = min(ceiling, bound * (1 + SOLVER))
        chosen = None if on is None else relaxation(model, *settled(model, root, on[None]))
        early += [] if chosen is None else [chosen]
    simple = root.objective.cover is None and not model.minimum.any()
    told, nodes, count = root.relaxed, 1, 0
    heap = [(-root.relaxed.bound, count, root)]
    closed = -np.inf  # the highest bound of boxes that cannot be split further
    while heap:
        bound = min(-heap[0][0], ceiling)
        if best is not None and (bound - best[0] <= CLOSE * abs(best[0]) or nodes >= most) and count:
            break
        _, _, node = heapq.heappop(heap)
        before = best
        more = [] if simple else [*(early if node is root else []), *guesses(model, node)]
        for tried in [node, *more]:
            nodes += tried is not node
            box = settled(model, tried, tried.relaxed.spend * 100 >= model.minimum / 2)
            offer(_cents(model, tried, *box))
            if switched:
                relaxed = tried.relaxed
                bound = priced(model, root.objective, root.box, relaxed.prices, relaxed.weights)[0]
                ceiling = min(ceiling, bound)
            if best is not before:
                told, before = tried.relaxed, best
        halves = None if simple else split(model, node)
        if halves is None:
            closed = max(closed, node.relaxed.bound)
            if simple and best is None:
                return None
            count += 1
            continue
        for lower, upper in halves:
            child = relaxation(model, lower, upper)
            nodes, count = nodes + 1, count + 1
            if child is not None and (best is None or child.relaxed.bound > best[0]):
                bounded = min(child.relaxed.bound, node.relaxed.bound)
                heapq.heappush(heap, (-bounded, count, child))
        if nodes >= 4 * most:
            break
    if best is None:
        return None
    bound = max(closed, -heap[0][0] if heap else -np.inf, best[0])
    bound = min(bound, ceiling)
    draws = truth.outcomes(best[1] / 100)
    # Draws that are equally bad at the best plan share the weight as the relaxation has it, not by their last digits.
    gradient = truth.slopes(best[1] / 100, told.weights)[1]
    return Search(best[1], worth(model.risk, draws), max(bound, best[0]), told.prices, gradient, nodes, draws)


def _above_nothing(model: Model, root: Node) -> list[Node]:
    """Where only what others take bends the curves: the plan that is best while no line falls below nothing."""
    if root.objective.cover is None or ((model.response.family == HILL) & (model.response.n > 1)).any():
        return []
    relaxed = relax(model, Objective(model), root.box, root.lower, root.upper)
    return [Node(root.lower, root.upper, root.box, root.objective, relaxed)] if relaxed.met else []


def _cents(model: Model, node: Node, lower: IntArray, upper: IntArray) -> IntArray | None:
    """The relaxation's plan in cents; where steps leave no way to them, that of one with cents to spare."""
    cents = to_cents(model, node.relaxed.spend, lower, upper, search=False)
    if cents is None:
        spared = relax(model, node.objective, node.box, node.lower, node.upper, steps_aside=1.0)
        cents = to_cents(model, (spared if spared.met else node.relaxed).spend, lower, upper)
    return cents
