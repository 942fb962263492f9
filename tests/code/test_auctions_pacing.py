"""Pacing on steps of demand: the budget is spent, nothing swings, and the cap holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.auctions.pacing import Pacer

PRICES = np.geomspace(0.01, 100, 60)
TICKS = 400


def demand_plan(ticks: int = TICKS) -> np.ndarray:
    """What a day's curve of demand spends: a hundred a tick at a price of 1, and less than in proportion above it."""
    by_hour = 1 + 0.5 * np.sin(np.arange(ticks) / ticks * 2 * np.pi)
    return 100 * by_hour[:, None] / PRICES**1.3


def run(pacer: Pacer, factor: np.ndarray, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Spend and price of each tick, where demand is the plan's times a factor; the cap is kept."""
    random, plan = np.random.default_rng(seed), demand_plan()
    spend, price = np.zeros(TICKS), np.zeros(TICKS)
    for t in range(TICKS):
        price[t] = pacer.price
        wanted = 0.0 if np.isinf(pacer.price) else float(np.interp(pacer.price, PRICES, plan[t])) * factor[t]
        spend[t] = min(wanted * np.exp(random.normal(0, noise)), pacer.left)
        pacer.update(spend[t])
    return spend, price


@pytest.mark.parametrize("after", [0.5, 0.8, 1.25, 2.0])
def test_a_step_of_demand_is_paced_out_without_swinging(after: float) -> None:
    budget = 10_000.0
    factor = np.where(np.arange(TICKS) < TICKS // 2, 1.0, after)
    spend, price = run(Pacer(budget, demand_plan(), PRICES), factor)
    assert 0.995 * budget < spend.sum() <= budget * (1 + 1e-12)
    # Until the step the plan is right, and the price does not move at all.
    assert np.ptp(np.log(price[:TICKS // 2])) < 1e-2
    # After it, the price goes to its new level and stays: no part of the way is gone twice.
    later = np.log(price[TICKS // 2:int(TICKS * 0.97)])
    moved, way = later[-1] - later[0], np.abs(np.diff(later)).sum()
    assert np.sign(moved) == np.sign(after - 1)
    assert way < 1.5 * abs(moved)
    # The best constant price from the step on spends what is left; the price ends near it.
    best = after * demand_plan()[TICKS // 2:].sum(axis=0)
    right = np.interp(-(budget - spend[:TICKS // 2].sum()), -best, PRICES)
    assert np.abs(later[len(later) // 2:] - np.log(right)).max() < 0.25


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5), st.floats(0, 0.7), st.floats(100, 1e6))
@settings(max_examples=60)
def test_the_cap_holds_and_what_can_be_spent_is(seed: int, level: float, noise: float, budget: float) -> None:
    spend, _ = run(Pacer(budget, demand_plan(), PRICES), np.full(TICKS, level), noise, seed)
    assert spend.sum() <= budget * (1 + 1e-12)
    most = level * demand_plan()[:, 0].sum()
    assert spend.sum() > 0.97 * min(budget, most)


def test_noise_does_not_make_the_price_restless() -> None:
    _, price = run(Pacer(10_000, demand_plan(), PRICES), np.ones(TICKS), noise=0.5, seed=3)
    assert np.log(price[:int(TICKS * 0.9)]).std() < 0.12


def test_an_outage_of_demand_is_made_up_for_afterwards() -> None:
    factor = np.ones(TICKS)
    factor[100:160] = 0.0
    spend, price = run(Pacer(10_000, demand_plan(), PRICES), factor)
    assert spend.sum() > 9_950
    assert price[300] < price[50]


@pytest.mark.parametrize("step", [1.0, 1.8])
def test_the_cost_per_action_is_held_though_the_budget_would_allow_more(step: float) -> None:
    """Bids pay worth over price, an action costs 10 at a price of 1; the target of 5 asks for a price near 2."""
    random, plan, target = np.random.default_rng(5), demand_plan(), 5.0
    pacer = Pacer(60_000, plan, PRICES, cost_per_action=target)
    spent, actions, prices = np.zeros(TICKS), np.zeros(TICKS), np.zeros(TICKS)
    for t in range(TICKS):
        prices[t] = pacer.price
        dearer = step if t >= TICKS // 2 else 1.0
        spent[t] = min(float(np.interp(pacer.price, PRICES, plan[t])), pacer.left)
        actions[t] = random.poisson(spent[t] / (10 * dearer / pacer.price))
        pacer.update(spent[t], actions[t])
    last = slice(TICKS * 3 // 4, None)
    assert spent[last].sum() / actions[last].sum() == pytest.approx(target, rel=0.1)
    assert prices[last].mean() == pytest.approx(2 * step, rel=0.12)
    # Without a swing: the settled price stays within what counting actions makes it move.
    assert np.log(prices[last]).std() < 0.15


def test_a_cost_per_action_that_is_met_leaves_the_budget_in_charge() -> None:
    plain, held = (Pacer(10_000, demand_plan(), PRICES, c) for c in (None, 1_000.0))
    for _ in range(TICKS):
        spend = min(float(np.interp(plain.price, PRICES, demand_plan()[0])) * 0.5, plain.left)
        assert held.price == pytest.approx(plain.price)
        plain.update(spend)
        held.update(spend, actions=spend / 2)


def test_an_overspend_and_a_plan_that_cannot_be_paced_are_refused() -> None:
    plan = demand_plan(3)
    with pytest.raises(ValueError, match="the cap is the caller's"):
        Pacer(10, plan, PRICES).update(10.1)
    with pytest.raises(ValueError, match="never rise with the price"):
        Pacer(10, plan[:, ::-1], PRICES)
    with pytest.raises(ValueError, match="one row a tick"):
        Pacer(10, plan[:, :-1], PRICES)
    with pytest.raises(ValueError, match="rising"):
        Pacer(10, plan, PRICES[::-1])
    with pytest.raises(ValueError, match="not be negative"):
        Pacer(-1, plan, PRICES)
    with pytest.raises(ValueError, match="above 0"):
        Pacer(1, plan, PRICES, cost_per_action=0)
    done = Pacer(1, plan[:1], PRICES)
    done.update(0.5)
    with pytest.raises(ValueError, match="all are over"):
        done.update(0.1)


def test_nothing_left_is_an_infinite_price() -> None:
    pacer = Pacer(10, demand_plan(3), PRICES)
    assert pacer.update(10) == np.inf
    assert np.isfinite(Pacer(10, demand_plan(3), PRICES).price)
    assert Pacer(0, demand_plan(3), PRICES).price == np.inf
