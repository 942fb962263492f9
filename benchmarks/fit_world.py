"""The simulator as a fit sees it, and as it is: shared by `benchmarks.fit` and `benchmarks.fit_experiment`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np

from decisions.fitting import Experiment, History, history
from simulator.catalog import line_list
from simulator.market import market, respond
from simulator.truth import truth_of_day
from simulator.world import World

DAYS = 120


@cache
def world(seed: int, lines: int = 42) -> World:
    """14 lines are the shipped advertiser, 42 the largest one; the budget a line is the same."""
    google = lines * 4 // 7
    return World(seed=seed, google_campaigns=google, meta_campaigns=lines - google, daily_budget=12_000.0 * lines / 14)


@cache
def observed(seed: int, lines: int = 42, days: int = DAYS) -> History:
    """Line-days as platforms report them once all conversions have arrived."""
    return world_history(world(seed, lines), days)


def world_history(made: World, days: int = DAYS) -> History:
    """The same of any world."""
    rows = [row for day in range(days) for row in truth_of_day(made, day).to_pylist()]
    return history(
        [(str(line.campaign_id), line.kind.name, line.kind.platform) for line in line_list(made)],
        [str(r["campaign_id"]) for r in rows],
        [r["business_date"] for r in rows],
        [r["spend"] for r in rows],
        [r["conversion_value"] for r in rows],
        clicks=[r["clicks"] for r in rows],
    )


def order_of(made: World) -> np.ndarray:
    """The world's place of each line of the history, which is sorted by line_id."""
    return np.argsort([str(line.campaign_id) for line in line_list(made)], kind="stable")


def without_clicks(known: History) -> History:
    """The same history from a platform that reports no clicks."""
    return replace(known, clicks=None)


def true_value(seed: int, spend: np.ndarray, days: range, lines: int = 42) -> np.ndarray:
    """Expected value (…, n) a day of holding `spend` (…, n), averaged over the days' true demand and prices."""
    here = market(world(seed, lines))
    order = order_of(world(seed, lines))
    unsorted = np.empty_like(spend)
    unsorted[..., order] = spend
    found = [respond(here.curves, unsorted, here.day(d).demand, here.day(d).price, None).value for d in days]
    return np.mean(found, axis=0)[..., order]


def true_marginal(seed: int, spend: np.ndarray, days: range, lines: int = 42) -> np.ndarray:
    """Derivative of `true_value`, by a difference of 1 %."""
    up, down = (true_value(seed, spend * factor, days, lines) for factor in (1.005, 0.995))
    return (up - down) / (0.01 * spend)


def lift_test(
    seed: int, line: int, start: int, days: int, step: float, relative_error: float, lines: int = 42
) -> Experiment:
    """A test that spends `step` times today's spend beside today's, on the line at `line` of the sorted history.

    What it brings is the world's own difference with the test's error added, drawn by the seed.
    """
    known = observed(seed, lines)
    spend = known.today
    arms = np.stack([spend * step, spend])
    inside = range(start, start + days)
    lift = float(np.diff(true_value(seed, arms, inside, lines)[::-1, line], axis=0)[0]) * days
    error = abs(lift) * relative_error
    noise = np.random.default_rng([seed, line, start]).standard_normal()
    first: date = known.first_day + timedelta(days=start)
    return Experiment(f"lift-{known.line_ids[line]}-{start}", known.line_ids[line], first,
                      first + timedelta(days=days - 1), float(arms[0, line]), float(spend[line]),
                      lift + error * float(noise), error)
