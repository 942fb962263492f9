"""The night's question: one problem of `decisions.plan`, and what explains the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from decisions.allocation import allocate, scaled_status_quo
from decisions.curves import Curves
from decisions.jobs.lines import Lines
from decisions.jobs.responses import response
from decisions.jobs.totals import Money
from decisions.limits import Bounds
from decisions.overrides import LineLimits
from decisions.plan import Problem, Risk, Total, measured
from decisions.plan.model import build
from decisions.plan.problem import IntArray
from decisions.plan.tree import narrow
from moe.preferences import ProductLines


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
