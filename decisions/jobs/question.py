"""The night's question as one problem of `decisions.plan`, with the largest step settled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decisions.allocation import allocate, scaled_status_quo
from decisions.amounts import cents
from decisions.curves import Curves
from decisions.draws import Draws
from decisions.jobs.lines import Lines
from decisions.jobs.responses import response
from decisions.jobs.totals import Money
from decisions.limits import Bounds, Infeasible, bounds
from decisions.overrides import LineLimits, Override
from decisions.plan import Group, Problem, Risk, Steps, Total, measured
from decisions.plan import Override as PlanOverride
from decisions.plan.model import build
from decisions.plan.problem import MOST, FloatArray, IntArray
from decisions.plan.tree import narrow
from decisions.preferences import interactions_of, risk_of
from decisions.requests import is_of_request
from decisions.response import Response
from moe.jobs import Night
from moe.preferences import ProductLines

MOST_WIDER = 64.0
"Factor on the largest step beyond which steps are not what is in the way."


@dataclass(frozen=True, eq=False)
class Asked:
    """Tonight's question over n lines and H days, and what explains the answer."""

    problem: Problem  # all days; the first is the day that the night decides
    unit_lines: Lines
    money: Money
    curves: Curves  # of the lines, for the first day
    bounds: Bounds  # of the first day
    limits: LineLimits  # what people said of lines, for the first day
    support: IntArray  # (n,) cents: the most that the data support, `MOST` where nothing is limited by it
    notes: tuple[str, ...]  # what a person should know
    product_lines: ProductLines | None = None  # whose outcomes compete

    @property
    def lines(self) -> list[str]:
        """Ids, sorted: the order of every array here and of the plan's columns."""
        return self.unit_lines.ids

    @property
    def previous(self) -> IntArray:
        """(n,) cents: the candidate of the night before, or recent spend."""
        return self.unit_lines.previous

    @property
    def names(self) -> dict[str, str]:
        """Names for people, by id."""
        return self.unit_lines.names

    @property
    def platforms(self) -> dict[str, str]:
        return self.unit_lines.platforms

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Id and name of each line, for patterns."""
        return [(line, self.names[line]) for line in self.lines]

    def worth(self, budget_cents: IntArray) -> float:
        """What the first day is expected to bring at budgets (n,): outcome times each line's worth, and what lines
        bring to each other."""
        mean = response(self.curves, np.ones((1, len(self.lines))))
        return measured(replace(self.tomorrow(), responses=[mean], risk=Risk()), budget_cents[None])

    def measured(self, budget_cents: IntArray) -> float:
        """The same by the unit's measure of risk: what the plan makes as large as it can."""
        return measured(self.tomorrow(), budget_cents[None])

    def status_quo(self, total: int) -> IntArray:
        """(n,) cents: yesterday's split scaled to a total of the first day, within its bounds."""
        return scaled_status_quo(self.previous, total, self.bounds.lower_cents, self.bounds.upper_cents)

    def tomorrow(self, total: int | None = None) -> Problem:
        """The question of the first day alone, at a total in cents, or within its range where there is none."""
        problem, money = self.problem, self.money
        responses = [replace(r, scale=r.scale[:1], offset=r.offset[:1]) for r in problem.responses]
        if total is None:
            free = replace(problem.total, low_cents=money.low[:1], high_cents=money.high[:1], horizon_low_cents=None,
                           horizon_high_cents=None)  # fmt: skip
            return replace(problem, responses=responses, total=free, days=1, status_quo_cents=None)
        return replace(problem, responses=responses, total=Total.daily(total), days=1,
                       status_quo_cents=self._to_beat(total)[None])  # fmt: skip

    def _to_beat(self, total: int) -> IntArray:
        """A split (n,) that tomorrow's may not be worse than: yesterday's; without groups the closed form's best.

        An interior-point method may leave cents on the table where a bound costs little: three lines, 0.016 %.
        """
        quo, weights = self.status_quo(total), self.unit_lines.weights
        if self.problem.groups or self.unit_lines.minimum.any() or self.problem.interactions is not None:
            return quo
        worth = replace(self.curves, a=self.curves.a * weights)
        return allocate(worth, total, self.bounds.lower_cents, self.bounds.upper_cents, quo).budget_cents

    def days_after(self, tomorrow: IntArray) -> Problem:
        """The question of all days, where tomorrow's split (n,) in cents is settled."""
        fixed = [np.array([tomorrow, *[bound] * (self.problem.days - 1)])
                 for bound in (self.problem.lower_cents, self.problem.upper_cents)]  # fmt: skip
        quo = self.problem.status_quo_cents
        if quo is not None:
            quo = np.array([tomorrow, *quo[1:]])
        return replace(self.problem, lower_cents=fixed[0], upper_cents=fixed[1], status_quo_cents=quo)

    def has_room(self) -> bool:
        """Whether some split of tomorrow keeps the bounds of all lines and groups; shares of spend aside."""
        model = build(self.tomorrow(None if self.money.target else int(self.money.even[0])))
        return narrow(model, model.lower, model.upper) is not None


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
        texts = [(line, lines.names[line]) for line in lines.ids]
        allowed, support = self._bounds(wider)
        totals = np.unique(money.even).tolist() if money.target is None else []
        quo = {c: scaled_status_quo(lines.previous, c, allowed.lower_cents, allowed.upper_cents) for c in totals}
        problem = Problem(
            lines.ids, self._responses(), self.floor, np.minimum(self.cap, support), money.total(),
            len(money.even), self.groups, Steps(lines.previous, allowed.step, allowed.least_step_cents), lines.minimum,
            self._overrides(), lines.weights, np.array([quo[int(c)] for c in money.even]) if quo else None,
            risk_of(budget.risk), interactions_of(budget.interactions, texts, 100 * self.curves.typical_spend),
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
            self.lines.previous, self.floor, most, int(low[0]), max_step=budget.max_step,
            least_step_cents=max(cents(budget.least_step), 1), overrides=self.limits, names=self.lines.ids,
            most_total_cents=int(high[0]), minimum_cents=self.lines.minimum, widen=wider,
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
