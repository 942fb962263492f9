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

from decisions.plan.dual import Multipliers, node_prices
from decisions.plan.envelope import bends, envelope
from decisions.plan.inner import Objective
from decisions.plan.interior import Relaxed, relax
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.rounding import kept, to_cents
from decisions.plan.tree import Box, narrow
from decisions.response import saturation

CLOSE = 5e-5
"Relative gap at which the search is done."


@dataclass(frozen=True, eq=False)
class Search:
    cents: IntArray  # (H, n), lines in the model's order
    value: float  # outcome
    bound: float  # of outcome less the price of all spend
    prices: Multipliers
    gradient: FloatArray  # (H, n) of outcome, at the plan
    nodes: int


@dataclass(frozen=True, eq=False)
class Node:
    lower: IntArray
    upper: IntArray
    box: Box
    objective: Objective
    relaxed: Relaxed


def _node(model: Model, lower: IntArray, upper: IntArray) -> Node | None:
    """The relaxation of a box; None where it holds no plan."""
    switch = (model.minimum > 0) & (lower == 0) & (upper < model.minimum)
    upper = np.where(switch, 0, upper)
    box = narrow(model, lower, upper)
    if box is None:
        return None
    covers = None
    if any(bends(r) for r in model.responses):
        covers = [envelope(r, box.lower / 100, box.upper / 100) for r in model.responses]
    objective = Objective(model.responses, covers, model.shape[0])
    relaxed = relax(model, objective, box, lower, upper)
    if not relaxed.met and model.rows:
        relaxed = relax(model, objective, box, lower, upper, rows_aside=0.0)
    return Node(lower, upper, box, objective, relaxed) if relaxed.met else None


def search(model: Model, starts: Sequence[IntArray], most: int) -> Search | None:
    """The best plan found and the bound; None where no plan was found."""
    truth = Objective(model.responses, None, model.shape[0])
    best: tuple[float, IntArray] | None = None

    def net(cents: IntArray) -> float:
        return truth.value(cents / 100) - model.price * float(cents.sum()) / 100

    def offer(cents: IntArray | None) -> None:
        nonlocal best
        if cents is not None and kept(model, cents, model.lower, model.upper):
            value = net(cents)
            if best is None or value > best[0]:
                best = value, cents

    root = _node(model, model.lower, model.upper)
    if root is None:
        return None
    for cents in starts:
        offer(cents)
    switched = bool(model.minimum.any()) and model.shape[0] == 1
    ceiling = root.relaxed.bound
    simple = root.objective.envelopes is None and not model.minimum.any()
    prices, nodes, count = root.relaxed.prices, 1, 0
    heap = [(-root.relaxed.bound, count, root)]
    closed = -np.inf  # the highest bound of boxes that cannot be split further
    while heap:
        bound = min(-heap[0][0], ceiling)
        if best is not None and (bound - best[0] <= CLOSE * abs(best[0]) or nodes >= most) and count:
            break
        _, _, node = heapq.heappop(heap)
        before = best
        for tried in [node, *([] if simple else _guesses(model, node))]:
            nodes += tried is not node
            box = _settled(model, tried, tried.relaxed.spend * 100 >= model.minimum / 2)
            offer(_cents(model, tried, *box))
            if switched:
                ceiling = min(ceiling, priced(model, root.objective, root.box, tried.relaxed.prices)[0])
            if best is not before:
                prices, before = tried.relaxed.prices, best
        split = None if simple else _split(model, node)
        if split is None:
            closed = max(closed, node.relaxed.bound)
            if simple and best is None:
                return None
            count += 1
            continue
        for lower, upper in split:
            child = _node(model, lower, upper)
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
    gradient = truth.slopes(best[1] / 100)[1]
    return Search(best[1], truth.value(best[1] / 100), max(bound, best[0]), prices, gradient, nodes)


def _cents(model: Model, node: Node, lower: IntArray, upper: IntArray) -> IntArray | None:
    """The relaxation's plan in cents; where steps leave no way to them, that of one with cents to spare."""
    cents = to_cents(model, node.relaxed.spend, lower, upper, search=False)
    if cents is None:
        spared = relax(model, node.objective, node.box, node.lower, node.upper, steps_aside=1.0)
        cents = to_cents(model, (spared if spared.met else node.relaxed).spend, lower, upper)
    return cents


def _settled(model: Model, node: Node, on: np.ndarray) -> tuple[IntArray, IntArray]:
    """The box in which lines that may still be off are on or off as told (H, n)."""
    open_ = _open(model, node)
    minimum = np.broadcast_to(model.minimum, model.shape)
    return np.where(open_ & on, minimum, node.lower), np.where(open_ & ~on, 0, node.upper)


def _open(model: Model, node: Node) -> np.ndarray:
    """Line-days (H, n) that may be off or on."""
    return np.asarray((model.minimum > 0) & (node.lower < model.minimum) & (node.upper >= model.minimum))


def _guesses(model: Model, node: Node) -> list[Node]:
    """Boxes in which relaxation and truth agree more, near the relaxation's plan."""
    out: list[Node] = []
    spend = node.relaxed.spend * 100
    on = spend >= model.minimum / 2
    prices = node.relaxed.prices
    open_ = _open(model, node).any()
    for _ in range(3 if open_ and len(spend) == 1 else 1):
        if open_ and len(spend) == 1:
            again = priced(model, node.objective, node.box, prices)[1][None]
            if out and (again == on).all():
                break
            on = again
        lower, upper = _settled(model, node, on)
        lower, upper = _off_the_line(node, lower, upper)
        if (lower > upper).any() or (np.array_equal(lower, node.lower) and np.array_equal(upper, node.upper)):
            break
        tried = _node(model, lower, upper)
        if tried is None:
            on = spend >= model.minimum / 2
            tried = _node(model, *_settled(model, node, on))
        if tried is None:
            break
        out.append(tried)
        prices = tried.relaxed.prices
    return out


def _off_the_line(node: Node, lower: IntArray, upper: IntArray) -> tuple[IntArray, IntArray]:
    """Where the envelope is a straight line under the plan, the nearer end of it."""
    lower, upper = lower.copy(), upper.copy()
    spend = node.relaxed.spend
    for response, cover in zip(node.objective.responses, node.objective.envelopes or [], strict=False):
        x = response.effective(spend)[: len(spend)]
        start = response.effective(node.box.lower / 100)[: len(spend)]
        end = np.minimum(cover.touch, 1e12)[: len(spend)] * response.k
        straight = (cover.touch[: len(spend)] > 0) & (x < end) & (x > start + 1e-3 * (end - start))
        up = straight & (x - start >= (end - start) / 2)
        direct = np.maximum(response.kernel[0], 1e-9)
        reach = np.ceil(spend * 100 + (end - x) * 100 / direct).clip(0, node.box.upper).astype(np.int64)
        lower = np.where(up, np.maximum(lower, reach), lower)
        upper = np.where(straight & ~up, np.maximum(node.box.lower, lower), upper)
    return lower, upper


def priced(model: Model, objective: Objective, box: Box, prices: Multipliers) -> tuple[float, np.ndarray]:
    """For one day: the bound where each line is off, or at its best amount from the minimum on; which are on (n,).

    Tighter than the relaxation, which also allows what lies between.
    """
    charge = node_prices(model, prices)[0]
    charge = charge[model.node]
    low = np.maximum(box.lower[0], np.where(box.lower[0] < model.minimum, model.minimum, 0))
    may_on, may_off = low <= box.upper[0], (box.lower[0] == 0) & (model.minimum > 0)
    left, right = np.minimum(low, box.upper[0]) / 100, box.upper[0] / 100
    ends = left, right
    for _ in range(45):
        middle = (left + right) / 2
        rising = objective.slopes(middle[None])[1][0] > charge
        left, right = np.where(rising, middle, left), np.where(rising, right, middle)
    at = np.where(left > ends[0], left, ends[0])
    lines, gradient = objective.slopes(at[None])
    slope = np.where(ends[0] < ends[1], gradient[0] - charge, 0.0)
    best = lines - charge * at + np.maximum(slope * (ends[0] - at), slope * (ends[1] - at))
    off = objective.lines(np.zeros((1, at.size)))
    on = may_on & (~may_off | (best > off))
    limits = (prices.node_high * box.node_high - prices.node_low * box.node_low).sum() / 100
    limits += sum(price * row.limit for price, row in zip(prices.rows, model.rows, strict=True)) / 100
    return float(np.where(on, best, off).sum() + limits), on


def _split(model: Model, node: Node) -> list[tuple[IntArray, IntArray]] | None:
    """The two halves of a box; None where relaxation and truth are the same to the tolerance."""
    spend = node.relaxed.spend * 100
    width = node.box.upper - node.box.lower
    loss = np.zeros(model.shape)  # what the relaxation gains by line-days, about
    open_ = _open(model, node) & (spend > 0.5) & (spend < model.minimum - 0.5)
    gradient = node.objective.slopes(node.relaxed.spend)[1]
    loss += np.where(open_, np.minimum(spend, model.minimum - spend) / 100 * gradient, 0.0)
    days = model.shape[0]
    for response, cover in zip(node.objective.responses, node.objective.envelopes or [], strict=False):
        u = response.effective(node.relaxed.spend) / response.k
        flat = u < cover.touch
        gap = np.where(flat, response.scale * (cover.start + cover.rise * u - saturation(response.family, u, response.n)), 0)
        for lag, share in enumerate(response.kernel[: len(gap)]):
            last = min(days, len(gap) - lag)
            loss[:last] += np.where(width[:last] > 1, gap[lag : lag + last], 0.0) * share
    if loss.sum() <= CLOSE / 10 * abs(node.relaxed.value):
        return None
    t, line = np.unravel_index(int(np.argmax(loss)), loss.shape)
    left, right = (node.lower.copy(), node.upper.copy()), (node.lower.copy(), node.upper.copy())
    if open_[t, line]:
        left[1][t, line], right[0][t, line] = 0, model.minimum[line]
    else:
        low, high = int(node.box.lower[t, line]), int(node.box.upper[t, line])
        edge = max((high - low) // 10, 1)
        cut = min(max(int(spend[t, line]), low + edge), high - edge)
        if not low <= cut < high:
            return None
        left[1][t, line], right[0][t, line] = cut, cut + 1
    return [left, right]
