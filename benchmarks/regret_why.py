"""What holds the product back: policies with one difficulty taken away at a time, for `benchmarks.regret --why`."""

from collections.abc import Callable

import numpy as np

from benchmarks.regret_policies import FREE, MAX_STEP, best_split, fit_curves, fitted, limits, ours, true_curves
from decisions.allocation import scaled_status_quo
from decisions.jobs.curves import LEAST_KNOWN
from simulator.market import MarketDay, market, step
from simulator.quarter import Policy, Seen, whole_cents
from simulator.response import curves, respond
from simulator.scenarios import HISTORY
from simulator.world import World

EXPLORE = 0.15  # log, random moves of every budget


def lightened(world: World, noise: bool, confounding: bool, step_limit: float = MAX_STEP) -> Policy:
    """The product, fitted to what was expected instead of reported, or as of usual demand and prices, or both."""

    def policy(seen: Seen) -> np.ndarray:
        days = _days(world, seen)
        expected = np.array([day.response.value for day in days])
        share = np.maximum(seen.share_known("value"), LEAST_KNOWN) if noise else np.ones(expected.shape)
        outcome = seen.value / share if noise else expected
        if not confounding:
            usual = np.array([_usual(world, day) for day in days])
            outcome = outcome * np.divide(usual, expected, out=np.ones(expected.shape), where=expected > 0)
        spend = np.array([day.spend for day in days])
        # clicks are reported with their noise and follow demand
        made = fit_curves(seen, spend, outcome, share, clicks=noise and confounding)
        return best_split(seen, made, step_limit)

    return policy


def without_steps(seen: Seen) -> np.ndarray:
    """The product without its step limit."""
    return best_split(seen, fitted(seen), FREE)


def exploring(seen: Seen) -> np.ndarray:
    """The product, each budget moved a little by chance, within the steps."""
    rng, allowed = np.random.default_rng([1, seen.night]), limits(seen, MAX_STEP)
    moved = whole_cents(ours(seen) * np.exp(EXPLORE * rng.standard_normal(len(seen.line))), seen.total_cents)
    return scaled_status_quo(moved, seen.total_cents, allowed.lower_cents, allowed.upper_cents)


def _days(world: World, seen: Seen) -> list[MarketDay]:
    """What really happened up to the night."""
    days, state = [market(world).day(day) for day in range(HISTORY)], market(world).state(HISTORY)
    for day in range(HISTORY, seen.night + 1):
        today, state = step(world, day, market(world).conditions(day), state, seen.budget_cents[day] / 100)
        days.append(today)
    return days


def _usual(world: World, day: MarketDay) -> np.ndarray:
    """Expected value of a day's spend, had demand and prices been usual."""
    one = np.ones(len(day.spend))
    return respond(curves(world), day.spend, one, one, day.carried, day.people, day.others).value


WHY: dict[str, Callable[[World], Policy]] = {
    "ours": lambda world: ours,
    "… without the step limit": lambda world: without_steps,
    "… with random moves of 15 %": lambda world: exploring,
    "… without noise and delay": lambda world: lightened(world, noise=False, confounding=True),
    "… without confounding": lambda world: lightened(world, noise=True, confounding=False),
    "… without both": lambda world: lightened(world, noise=False, confounding=False),
    "… without all three": lambda world: lightened(world, noise=False, confounding=False, step_limit=FREE),
    "true curves, no step limit": lambda world: true_curves(world, FREE),
    "true curves, tomorrow known": lambda world: true_curves(world, FREE, known_day=True),
}
