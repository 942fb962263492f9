"""Plans for the value at risk: what all but the worst share of draws reach.

It is not concave in the plan. Given which draws may miss, the best plan is concave again: the worst of the others is
maximised. Given a plan, the draws that may miss are its own worst. Taking turns never lowers the value (block
coordinate ascent), and ends in a plan that is best for its own choice of draws. The bound is of those who know the draw
before they plan ("wait and see", Madansky 1960): whatever the plan, its m-th worst draw is not above the m-th worst of
the draws' own best outcomes.

A draw that holds the plan is then let go, for another to count, as long as that helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from decisions.plan.boxes import cover_of
from decisions.plan.branch import CLOSE, Search
from decisions.plan.inner import Objective
from decisions.plan.interior import Relaxed, relax
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.rounding import kept, to_cents
from decisions.plan.tree import narrow
from decisions.plan.worth import rank, worth

TURNS, ROUNDS, SWAPS = 12, 4, 6
"Turns from one start; rounds of tries to let another draw miss, and draws that are tried in each."
SPARE = 4
"Draws beyond the m-th worst whose own best is looked at, as the order changes a little from plan to plan."


@dataclass(frozen=True, eq=False)
class _Turn:
    cents: IntArray
    net: float  # value at risk less the price of all spend
    weights: FloatArray  # (K,) of draws, what the worst of those that count is made of
    relaxed: Relaxed


def at_quantile(model: Model, found: Search, starts: Sequence[IntArray]) -> Search:
    """The best plan from the plans at hand, `found` (of the mean of the worst draws) among them, and its bound."""
    climb = _Climb(model)
    best, last = found.cents, None
    for start in (found.cents, *starts):
        cents, turn = climb.up(start)
        if climb.net(cents) > climb.net(best):
            best, last = cents, turn
    for _ in range(ROUNDS if last is not None else 0):
        assert last is not None
        better = climb.swapped(last)
        if better is None:
            break
        best, last = better.cents, better
    draws = climb.truth.outcomes(best / 100)
    bound, more = _wait_and_see(model, draws)
    prices, gradient = found.prices, found.gradient
    if last is not None:
        prices, gradient = last.relaxed.prices, climb.truth.slopes(best / 100, last.weights)[1]
    return replace(found, cents=best, value=worth(model.risk, draws), bound=max(bound, climb.net(best)), prices=prices,
                   gradient=gradient, nodes=found.nodes + climb.solved + more, draws=draws)  # fmt: skip


class _Climb:
    """Turns of draws and plans; counts what was solved."""

    def __init__(self, model: Model) -> None:
        self.model, self.truth, self.solved = model, Objective(model), 0
        self.rank = rank(model.risk, model.draws)

    def net(self, cents: IntArray) -> float:
        spent = float(cents.sum()) / 100
        return worth(self.model.risk, self.truth.outcomes(cents / 100)) - self.model.price * spent

    def up(self, start: IntArray) -> tuple[IntArray, _Turn | None]:
        """As high as turns go from a plan; the last turn that helped."""
        at, last = start, None
        for _ in range(TURNS):
            turn = self.turn(at, self._reached(at))
            if turn is None or turn.net <= self.net(at):
                break
            at, last = turn.cents, turn
        return at, last

    def swapped(self, turn: _Turn) -> _Turn | None:
        """A better plan that lets one more of the draws that hold this one miss, and then takes turns again."""
        holding = np.argsort(-turn.weights, kind="stable")[:SWAPS]
        for draw in holding[turn.weights[holding] > 0]:
            counted = self._reached(turn.cents)
            tried = self.turn(turn.cents, counted[counted != draw]) if len(counted) > 1 else None
            if tried is None:
                continue
            cents, last = self.up(tried.cents)
            if self.net(cents) > turn.net * (1 + CLOSE):
                return last or tried
        return None

    def _reached(self, cents: IntArray) -> IntArray:
        """The draws that may not miss: all but a plan's own worst."""
        order = np.argsort(self.truth.outcomes(cents / 100), kind="stable")
        return np.asarray(np.sort(order[self.rank - 1 :]))

    def turn(self, cents: IntArray, counted: IntArray) -> _Turn | None:
        """The plan whose worst of some draws is best, with the same lines off."""
        model, minimum = self.model, np.broadcast_to(self.model.minimum, self.model.shape)
        lower = np.where(cents > 0, np.maximum(model.lower, minimum), model.lower)
        upper = np.where((minimum > 0) & (cents == 0), 0, model.upper)
        relaxed = _among(model, counted, lower, upper)
        self.solved += 1
        moved = None if relaxed is None else to_cents(model, relaxed.spend, lower, upper, search=False)
        if relaxed is None or moved is None or not kept(model, moved, lower, upper):
            return None
        weights = np.zeros(model.draws)
        weights[counted] = relaxed.weights
        return _Turn(moved, self.net(moved), weights, relaxed)


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
