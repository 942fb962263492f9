"""Boxes of a plan that is not concave: their relaxations, guesses at good plans within them, and how to split them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decisions.plan.dual import Multipliers, node_prices
from decisions.plan.envelope import Envelope, envelope
from decisions.plan.inner import Objective
from decisions.plan.interior import Relaxed, relax
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.tree import Box, narrow
from decisions.response import saturation

LEAST = 5e-6
"Relative difference of relaxation and truth below which a box is not split."


@dataclass(frozen=True, eq=False)
class Node:
    lower: IntArray
    upper: IntArray
    box: Box
    objective: Objective
    relaxed: Relaxed


def relaxation(model: Model, lower: IntArray, upper: IntArray) -> Node | None:
    """The relaxation of a box; None where it holds no plan."""
    switch = (model.minimum > 0) & (lower == 0) & (upper < model.minimum)
    upper = np.where(switch, 0, upper)
    box = narrow(model, lower, upper)
    if box is None:
        return None
    objective = Objective(model, cover_of(model, box))
    relaxed = relax(model, objective, box, lower, upper)
    if not relaxed.met and model.rows:
        relaxed = relax(model, objective, box, lower, upper, rows_aside=0.0)
    return Node(lower, upper, box, objective, relaxed) if relaxed.met else None


def cover_of(model: Model, box: Box) -> Envelope | None:
    """The envelope of what is not concave within a box."""
    low, high = box.lower / 100, box.upper / 100
    if model.effects is not None:
        low, high = model.effects.ends(low, high, box.node_high[:, 0] / 100)
    ends = (model.response.effective(np.tile(end, (1, model.draws))) / model.response.k for end in (low, high))
    return envelope(model.response, *ends)


def settled(model: Model, node: Node, on: np.ndarray) -> tuple[IntArray, IntArray]:
    """The box in which lines that may still be off are on or off as told (H, n)."""
    open_ = _open(model, node)
    minimum = np.broadcast_to(model.minimum, model.shape)
    return np.where(open_ & on, minimum, node.lower), np.where(open_ & ~on, 0, node.upper)


def _open(model: Model, node: Node) -> np.ndarray:
    """Line-days (H, n) that may be off or on."""
    return np.asarray((model.minimum > 0) & (node.lower < model.minimum) & (node.upper >= model.minimum))


def guesses(model: Model, node: Node) -> list[Node]:
    """Boxes in which relaxation and truth agree more, near the relaxation's plan."""
    out: list[Node] = []
    spend = node.relaxed.spend * 100
    on = spend >= model.minimum / 2
    relaxed = node.relaxed
    each = bool(_open(model, node).any()) and len(spend) == 1 and model.effects is None
    for _ in range(3 if each else 1):
        if each:
            again = priced(model, node.objective, node.box, relaxed.prices, relaxed.weights)[1][None]
            if out and (again == on).all():
                break
            on = again
        lower, upper = settled(model, node, on)
        lower, upper = _off_the_line(node, lower, upper)
        if (lower > upper).any() or (np.array_equal(lower, node.lower) and np.array_equal(upper, node.upper)):
            break
        tried = relaxation(model, lower, upper)
        if tried is None:
            on = spend >= model.minimum / 2
            tried = relaxation(model, *settled(model, node, on))
        if tried is None:
            break
        out.append(tried)
        relaxed = tried.relaxed
    return out


def _off_the_line(node: Node, lower: IntArray, upper: IntArray) -> tuple[IntArray, IntArray]:
    """Where the envelope is a straight line under the plan, the nearer end of it."""
    cover, spend = node.objective.cover, node.relaxed.spend
    if cover is None:
        return lower, upper

    def mean(array: FloatArray) -> FloatArray:
        """Of draws (H, n), on the plan's own days."""
        return np.asarray(array.reshape(len(array), node.objective.count, -1)[: len(spend)].mean(axis=1))

    k = node.objective.response.k
    x, start = mean(node.objective.reached(spend) * k), mean(node.objective.reached(node.box.lower / 100) * k)
    end, touch = mean(np.minimum(cover.touch, 1e12) * k), mean(cover.touch)
    straight = (touch > 0) & (x < end) & (x > start + 1e-3 * (end - start))
    up = straight & (x - start >= (end - start) / 2)
    direct = np.maximum(mean(node.objective.response.kernel[:1])[0], 1e-9)
    reach = np.ceil(spend * 100 + (end - x) * 100 / direct).clip(0, node.box.upper).astype(np.int64)
    raised = np.where(up, np.maximum(lower, reach), lower)
    return raised, np.where(straight & ~up, np.maximum(node.box.lower, lower), upper)


def priced(
    model: Model, objective: Objective, box: Box, prices: Multipliers, weights: FloatArray | None = None
) -> tuple[float, np.ndarray]:
    """For one day: the bound where each line is off, or at its best amount from the minimum on; which are on (n,).

    Tighter than the relaxation, which also allows what lies between. Lines must not act on each other; `weights` of
    draws (K,) are those of a bound.
    """
    charge = node_prices(model, prices)[0]
    charge = charge[model.node]
    low = np.maximum(box.lower[0], np.where(box.lower[0] < model.minimum, model.minimum, 0))
    may_on, may_off = low <= box.upper[0], (box.lower[0] == 0) & (model.minimum > 0)
    left, right = np.minimum(low, box.upper[0]) / 100, box.upper[0] / 100
    ends = left, right
    for _ in range(45):
        middle = (left + right) / 2
        rising = objective.slopes(middle[None], weights)[1][0] > charge
        left, right = np.where(rising, middle, left), np.where(rising, right, middle)
    at = np.where(left > ends[0], left, ends[0])
    lines, gradient = objective.slopes(at[None], weights)
    slope = np.where(ends[0] < ends[1], gradient[0] - charge, 0.0)
    best = lines - charge * at + np.maximum(slope * (ends[0] - at), slope * (ends[1] - at))
    off = objective.nothing(weights)
    on = may_on & (~may_off | (best > off))
    limits = (prices.node_high * box.node_high - prices.node_low * box.node_low).sum() / 100
    limits += sum(price * row.limit for price, row in zip(prices.rows, model.rows, strict=True)) / 100
    return float(np.where(on, best, off).sum() + limits), on


def split(model: Model, node: Node) -> list[tuple[IntArray, IntArray]] | None:
    """The two halves of a box; None where relaxation and truth are the same to the tolerance."""
    spend = node.relaxed.spend * 100
    width = node.box.upper - node.box.lower
    loss = np.zeros(model.shape)  # what the relaxation gains by line-days, about
    open_ = _open(model, node) & (spend > 0.5) & (spend < model.minimum - 0.5)
    objective, weights = node.objective, node.relaxed.weights
    gradient = objective.slopes(node.relaxed.spend, weights)[1]
    loss += np.where(open_, np.minimum(spend, model.minimum - spend) / 100 * gradient, 0.0)
    days, response, cover = model.shape[0], objective.response, objective.cover
    if cover is not None:
        u = objective.reached(node.relaxed.spend)
        above = cover.start + cover.rise * u - saturation(response.family, u, response.n)
        gap = np.where(u < cover.touch, response.scale * above, 0)
        for lag, share in enumerate(response.kernel[: len(gap)]):
            last = min(days, len(gap) - lag)
            of = (gap[lag : lag + last] * share).reshape(last, objective.count, -1)
            loss[:last] += np.where(width[:last] > 1, np.einsum("k,tkn->tn", weights, of), 0.0)
    if loss.sum() <= LEAST * abs(node.relaxed.value):
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
