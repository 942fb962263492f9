"""A quarter of nights in closed loop: a policy sets tomorrow's budgets from what it has seen, the market answers.

After `HISTORY` days under the planners' budgets, a policy is asked each night for tomorrow's budget of every line. It
sees what platforms report by then: conversions arrive over the window, the newest clicks and spend are taken back in
part. Demand, prices, shocks and the planners' days are the same for every policy, so that policies compare without
noise, and each line-day's count of conversions is drawn by the same uniform number. Values are expectations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from scipy.special import pdtrik

from moe.maturity import ladder
from simulator import world as w
from simulator.catalog import line_list
from simulator.clicks import arrival_shares
from simulator.lift import LiftTest
from simulator.market import MarketDay, State, market, step
from simulator.response import curves
from simulator.scenarios import HISTORY, QUARTER
from simulator.world import World, stream

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known in a night; arrays of shape (days, lines), days since the world's first."""

    first_day: date
    platform: Array  # (lines,) of names
    line: Array  # (lines,) of names
    total_cents: int  # to be split over the lines each night
    budget_cents: Array  # set for each day up to the night's
    spend: Array  # USD as reported by the night, as are the next three
    clicks: Array
    conversions: Array
    value: Array  # USD
    increments: dict[str, Array]  # of 'conversions' and 'value': (days, ages, lines) newly reported at each age; else 0
    tests: tuple[LiftTest, ...]  # that have ended

    @property
    def night(self) -> int:
        """The last complete day."""
        return len(self.spend) - 1

    @cached_property
    def previous_cents(self) -> Array:
        """The split to start from: yesterday's; on the first night the last week's spend, scaled to the total."""
        if self.night >= HISTORY:
            return np.asarray(self.budget_cents[-1])
        return whole_cents(self.spend[-7:].mean(axis=0), self.total_cents)

    def share_known(self, outcome: str) -> Array:
        """Share (days, lines) of each day's 'conversions' or 'value' reported so far: the chain ladder by platform.

        As `moe.maturity.shares_known` computes it from deliveries (Mack 1993).
        """
        ages = self.increments[outcome].shape[1]
        reported = self.increments[outcome].cumsum(axis=1)
        age = self.night - np.arange(self.night + 1)
        known = np.ones((self.night + 1, len(self.platform)))
        for platform in np.unique(self.platform):
            mine = self.platform == platform
            # at this age and at the next, of the days that were delivered at both
            growth = [[reported[age > a, at][:, mine].sum() for at in (a, a + 1)] for a in range(ages - 1)]
            by_age = np.array([*ladder([(before, after) for before, after in growth]), 1.0])
            known[:, mine] = by_age[np.minimum(age, ages - 1)][:, None]
        return known


Policy = Callable[[Seen], Array]
"""Tomorrow's budget of every line in int64 cents, adding up to the total."""


@dataclass(frozen=True, eq=False)
class Quarter:
    """What a policy did and what it was worth, day by day; expectations, not draws."""

    budget_cents: Array  # (days, lines)
    spend: Array  # (days, lines) USD
    conversions: Array  # (days,)
    value: Array  # (days,) USD


def whole_cents(shape: Array, total_cents: int) -> Array:
    """A split of a total in proportion to `shape`, exact to the cent; the rest goes to the largest remainders."""
    exact = shape / shape.sum() * total_cents
    cents: Array = np.floor(exact).astype(np.int64)
    cents[np.argsort(cents - exact, kind="stable")[: total_cents - int(cents.sum())]] += 1
    return cents


def play(world: World, policy: Policy, days: int = QUARTER, tests: tuple[LiftTest, ...] = ()) -> Quarter:
    """Let a policy decide `days` days after the planners' history. Raises ValueError for budgets that are none."""
    total, state, reports = round(world.daily_budget * 100), market(world).state(HISTORY), Reports(world, tests)
    for day in range(HISTORY):
        reports.add(day, market(world).day(day))
    played = []
    for day in range(HISTORY, HISTORY + days):
        budget = np.asarray(policy(reports.seen(total)))
        if budget.dtype != np.int64 or (budget < 0).any() or budget.sum() != total or budget.shape != (reports.lines,):
            raise ValueError(f"day {day}: a policy gives one int64 of cents a line, not negative, adding up to {total}")
        today, state = step(world, day, market(world).conditions(day), state, budget / 100)
        reports.add(day, today)
        played.append(today)
    return Quarter(
        np.array([np.rint(d.budget * 100).astype(np.int64) for d in played]),
        np.array([d.spend for d in played]),
        np.array([d.response.conversions.sum() for d in played]),
        np.array([d.response.value.sum() for d in played]),
    )


def roll(world: World, budget: Array, days: int = QUARTER) -> Array:
    """Expected value (…, days) in USD of holding a split (…, lines) in USD a day, after the planners' history."""
    start = market(world).state(HISTORY)
    state = State(*(np.broadcast_to(left, budget.shape) for left in (start.carried, start.ahead)))
    value = np.empty((*budget.shape[:-1], days))
    for number, day in enumerate(range(HISTORY, HISTORY + days)):
        today, state = step(world, day, market(world).conditions(day), state, budget)
        value[..., number] = today.response.value.sum(axis=-1)
    return value


class Reports:
    """What platforms report of each day, drawn once, and shown as far as a night has it."""

    def __init__(self, world: World, tests: tuple[LiftTest, ...]) -> None:
        """Start with nothing reported."""
        self.world, self.tests = world, tests
        self.platform = np.array([line.kind.platform for line in line_list(world)])
        self.line = np.array([line.name for line in line_list(world)])
        self.lines = len(self.line)
        self._arrives = np.array([arrival_shares(world, platform) for platform in self.platform])
        self._days: list[dict[str, Array]] = []

    def add(self, day: int, today: MarketDay) -> None:
        """Draw what a day's reports will say; days come one after the other from the first."""
        rng, response = stream(self.world, "quarter", day), today.response
        chance = rng.random((2, self.lines))
        # by inversion, so that a little more spend means about the same luck
        clicks, count = (
            np.where(mean > 0, np.ceil(pdtrik(u, np.maximum(mean, 1e-12))).clip(0), 0).astype(np.int64)
            for u, mean in zip(chance, (response.clicks, response.conversions), strict=True)
        )
        conversions = rng.multinomial(count, self._arrives)
        lag = np.repeat(np.tile(np.arange(conversions.shape[1]), self.lines), conversions.ravel())
        line = np.repeat(np.arange(self.lines), count)
        spread = np.hypot(w.ORDER_SPREAD, w.CUSTOMER_SPREAD)
        order = np.exp(spread * rng.standard_normal(len(line)) - spread**2 / 2)
        value = np.zeros(conversions.shape)
        np.add.at(value, (line, lag), np.round(order * curves(self.world).order_value[line], 2))
        first = rng.binomial(clicks, w.INVALID_CLICKS)
        self._days.append(
            {
                "budget": np.rint(today.budget * 100).astype(np.int64),
                "spend": np.round(today.spend, 2),
                "clicks": clicks,
                "invalid": np.stack([first, rng.binomial(first, w.INVALID_LEFT)]),
                "conversions": conversions.T,
                "value": value.T,
            }
        )

    def seen(self, total_cents: int) -> Seen:
        """What is known in the night of the last day added."""
        night = len(self._days) - 1
        drawn = {name: np.array([day[name] for day in self._days]) for name in self._days[0]}
        age = night - np.arange(night + 1)
        excess = np.zeros((night + 1, self.lines))
        excess[-2:] = [drawn["invalid"][day, night - day] for day in range(max(night - 1, 0), night + 1)]
        arrived = np.arange(self._arrives.shape[1]) <= age[:, None]
        increments = {name: drawn[name] * arrived[:, :, None] for name in ("conversions", "value")}
        return Seen(
            first_day=self.world.first_day,
            platform=self.platform,
            line=self.line,
            total_cents=total_cents,
            budget_cents=drawn["budget"],
            spend=np.round(drawn["spend"] * (1 + excess / np.maximum(drawn["clicks"], 1)), 2),
            clicks=drawn["clicks"] + excess,
            conversions=increments["conversions"].sum(axis=1),
            value=increments["value"].sum(axis=1),
            increments=increments,
            tests=tuple(test for test in self.tests if test.last_day <= self.world.first_day + timedelta(days=night)),
        )
