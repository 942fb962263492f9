"""The lines' days, one after the other: demand, prices, the planners' budgets and what came of them.

`Market` is the planners' own history; their budgets follow demand. `step` moves any budgets one day on, so that a
policy meets the same conditions as they do.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator import world as w
from simulator.mechanisms import busy, delivered, mechanisms_of, people, shared, shared_jumps, trends
from simulator.response import Response, curves, respond, shown, usual_reach
from simulator.world import World, stream

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class MarketDay:
    """One day of all lines."""

    budget: Array  # USD, as set
    spend: Array  # USD, as the platform delivered the budget
    demand: Array  # 1 is usual
    price: Array  # 1 is usual
    carried: Array  # awareness left from the days before, 0 to 1
    people: Array  # buyers that other lines' awareness brings, 1 is usual
    others: Array  # exposures a head to the lines that share the audience
    response: Response


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a day is like before anyone spends: the same for every policy."""

    demand: Array  # 1 is usual
    price: Array  # 1 is usual
    budget_noise: Array  # standard normal, of the planners
    busy: Array  # what the platform would spend of a budget, 1 is usual


@dataclass(frozen=True, eq=False)
class State:
    """What the days before left; shape (…, lines)."""

    carried: Array  # awareness, 0 to 1
    ahead: Array  # USD spent above the budgets in the platform's window


def step(world: World, day: int, now: Conditions, state: State, budget: Array) -> tuple[MarketDay, State]:
    """One day of budgets (…, lines) in USD: what happened, and what it leaves to the next day."""
    c = curves(world)
    spend, ahead = delivered(world, day, budget, now.busy, state.ahead)
    visitors = people(world, state.carried, usual_reach(world))
    exposures = shown(c, spend, now.demand, now.price, visitors) / (c.audience * visitors)
    others = exposures @ shared(world).T
    response = respond(c, spend, now.demand, now.price, state.carried, visitors, others)
    carried = w.AWARENESS_MEMORY * state.carried + (1 - w.AWARENESS_MEMORY) * response.reach
    today = MarketDay(budget, spend, now.demand, now.price, state.carried, visitors, others, response)
    return today, State(carried, ahead)


class Market:
    """The lines' days, rolled forward one by one from the burn-in, so that no day depends on a later one."""

    def __init__(self, world: World) -> None:
        """Start before the burn-in."""
        self.world = world
        self.curves = curves(world)
        self._lines = len(self.curves.usual_spend)
        self._days: list[MarketDay] = []
        self._conditions: list[Conditions] = []
        self._states = [State(np.zeros(self._lines), np.zeros(self._lines))]
        self._wander = np.zeros(self._lines)
        self._rivals = np.zeros(self._lines)

    def day(self, day: int) -> MarketDay:
        """The market of a day under the planners' budgets, counted from the world's first day.

        The burn-in is before 0.
        """
        self._reach_back(day)
        while len(self._days) <= day + w.BURN_IN:
            today, state = self._next(len(self._days) - w.BURN_IN)
            self._days.append(today)
            self._states.append(state)
        return self._days[day + w.BURN_IN]

    def conditions(self, day: int) -> Conditions:
        """What a day is like, whatever is spent."""
        self._reach_back(day)
        while len(self._conditions) <= day + w.BURN_IN:
            self._conditions.append(self._draw(len(self._conditions) - w.BURN_IN))
        return self._conditions[day + w.BURN_IN]

    def state(self, day: int) -> State:
        """What the planners' days before `day` left."""
        self.day(day - 1)
        return self._states[day + w.BURN_IN]

    def _reach_back(self, day: int) -> None:
        if day < -w.BURN_IN:
            raise ValueError(f"day {day} is before the burn-in of {w.BURN_IN} days")

    def _draw(self, day: int) -> Conditions:
        c, m, rng = self.curves, mechanisms_of(self.world), stream(self.world, "market", day)
        weekday = w.date_of(self.world, day).weekday()
        jump = (rng.random(self._lines) < m.shock_share) * rng.choice([-1.0, 1.0], self._lines) * m.shock_size
        noise = w.DEMAND_NOISE * rng.standard_normal(self._lines)
        regional, rivals = shared_jumps(self.world, day)
        self._wander = w.DEMAND_MEMORY * self._wander + noise + jump + regional
        self._rivals = mechanisms_of(self.world).rival_memory * self._rivals + rivals
        wave = w.WAVE_SIZE * np.sin(2 * np.pi * day / w.WAVE_DAYS)
        trend = trends(self.world) * day
        demand = np.exp(w.WEEKDAYS[weekday] + (weekday >= 5) * c.weekend + wave + self._wander + trend)
        price = np.exp(w.PRICE_NOISE * rng.standard_normal(self._lines) + self._rivals)
        return Conditions(demand, price, rng.standard_normal(self._lines), busy(self.world, day, demand))

    def _next(self, day: int) -> tuple[MarketDay, State]:
        c, m, now = self.curves, mechanisms_of(self.world), self.conditions(day)
        before = self._days[-1] if self._days else None
        plan = m.plan_noise * stream(self.world, "plan", day // w.PLAN_DAYS).standard_normal(self._lines)
        noise = m.budget_noise * now.budget_noise
        chased = before.demand**m.chase if before else 1.0
        # the mean of a lognormal is above its median by half the variance
        middle = (m.plan_noise**2 + m.budget_noise**2) / 2
        budget = np.round(c.usual_spend * chased * now.demand**m.foresight * np.exp(plan + noise - middle), 2)
        return step(self.world, day, now, self._states[-1], budget)


@lru_cache(maxsize=8)
def market(world: World) -> Market:
    """The one market of a world; its days are kept."""
    return Market(world)
