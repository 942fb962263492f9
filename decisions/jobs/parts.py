"""The parts of the night's question, put together with the largest step settled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decisions.allocation import scaled_status_quo
from decisions.amounts import cents
from decisions.curves import Curves
from decisions.draws import Draws
from decisions.jobs.lines import Lines
from decisions.jobs.question import Asked
from decisions.jobs.responses import response
from decisions.jobs.totals import Money
from decisions.limits import Bounds, Infeasible, bounds
from decisions.overrides import LineLimits, Override
from decisions.plan import Group, Problem, Steps
from decisions.plan import Override as PlanOverride
from decisions.plan.problem import MOST, FloatArray, IntArray
from decisions.preferences import interactions_of, risk_of
from decisions.requests import is_of_request
from decisions.response import Response
from moe.jobs import Night

MOST_WIDER = 64.0
"Factor on the largest step beyond which steps are not what is in the way."


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the question, before the largest step is settled; arrays are of the lines (n,)."""

    night: Night
    lines: Lines
    groups: list[Group]
    people: list[Override]
    limits: LineLimits  # of `people`, on the first day
    floor: IntArray  # cents: the unit's, as is the cap
    cap: IntArray
    support: IntArray  # cents: the most that the data support
    money: Money
    curves: Curves
    factor: FloatArray  # (H, n) of demand
    drawn: Draws | None  # of the curves, where the unit's measure of risk needs them

    def asked_with_room(self) -> Asked:
        """The question with the usual step; with the smallest wider one that requests of groups need, where they do.

        What people approve comes before steps, for groups as for lines. Raises Infeasible where a line's bounds cross
        or no step reaches the total.
        """
        usual = self.asked()
        if not any(is_of_request(group) for group in self.groups) or usual.has_room():
            return usual
        short, factor = 1.0, 2.0
        while not self.asked(factor).has_room():
            short, factor = factor, factor * 2
            if factor > MOST_WIDER:
                return usual  # the plan tells the conflict
        while factor - short > 1e-3 * factor:
            middle = (short + factor) / 2
            short, factor = (short, middle) if self.asked(middle).has_room() else (middle, factor)
        return self.asked(factor)

    def asked(self, wider: float = 1.0) -> Asked:
        """The question with steps `wider` times as large, or more where the total is out of their reach."""
        lines, money, budget = self.lines, self.money, self.night.unit.budget
        allowed, support = self._bounds(wider)
        totals = np.unique(money.even).tolist() if money.target is None else []
        quo = {c: scaled_status_quo(lines.previous, c, allowed.lower_cents, allowed.upper_cents) for c in totals}
        problem = Problem(
            lines.ids, self._responses(), self.floor, np.minimum(self.cap, support), money.total(),
            len(money.even), self.groups, Steps(lines.previous, allowed.step, allowed.least_step_cents), lines.minimum,
            self._overrides(), lines.weights, np.array([quo[int(c)] for c in money.even]) if quo else None,
            risk_of(budget.risk), interactions_of(budget.interactions, lines.texts, 100 * self.curves.typical_spend),
        )  # fmt: skip
        notes = [] if allowed.widened_step is None else [
            f"The usual step of {100 * budget.max_step:.3g}% a night cannot reach tonight's total and limits: every "
            f"line may move by up to {100 * allowed.widened_step:.3g}% tonight."]  # fmt: skip
        tomorrow = replace(self.curves, a=self.curves.a * self.factor[0])
        return Asked(problem, lines, money, tomorrow, allowed, self.limits, support, (*notes, *money.notes),
                     budget.product_lines)  # fmt: skip

    def _responses(self) -> list[Response]:
        """One response, or one a draw."""
        if self.drawn is None:
            return [response(self.curves, self.factor)]
        return [response(replace(self.curves, a=a, k=k), self.factor)
                for a, k in zip(self.drawn.a, self.drawn.k, strict=True)]  # fmt: skip

    def _bounds(self, wider: float) -> tuple[Bounds, IntArray]:
        """The first day's bounds; what data support gives way where it would put the total out of the steps' reach."""
        usual, free = self._within(self.cap, wider), np.full(len(self.cap), MOST, dtype=np.int64)
        if (self.support >= self.cap).all():
            return usual, free
        try:
            kept = self._within(np.minimum(self.cap, self.support), wider)
        except Infeasible:
            return usual, free
        return (kept, self.support) if kept.step <= usual.step else (usual, free)

    def _within(self, most: IntArray, wider: float) -> Bounds:
        budget, money = self.night.unit.budget, self.money
        low, high = (money.even, money.even) if money.target is None else (money.low, money.high)
        return bounds(
            self.lines.previous, self.floor, most, int(low.max()), max_step=budget.max_step,
            least_step_cents=max(cents(budget.least_step), 1), overrides=self.limits, names=self.lines.ids,
            most_total_cents=int(high.min()), minimum_cents=self.lines.minimum, widen=wider,
        )  # fmt: skip

    def _overrides(self) -> list[PlanOverride]:
        """Overrides of lines over the days of the plan, until each ends."""
        out, had = [], dict(zip(self.lines.ids, self.lines.previous.tolist(), strict=True))
        for o in self.people:
            if o.line_id is not None and o.kind in ("lock", "floor", "cap"):
                amount = had[o.line_id] if o.amount is None else o.cents
                low, high = None if o.kind == "cap" else amount, None if o.kind == "floor" else amount
                last = (o.until - self.night.decided_day).days
                out.append(PlanOverride(o.override_id, o.line_id, low, high, last_day=last))
        return out
