"""The wider worlds: each mechanism does what it says and nothing else, and the scenarios are as frozen."""

import json
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from simulator import world as w
from simulator.catalog import line_list
from simulator.deliveries import deliver
from simulator.lift import lift_test
from simulator.market import State, market, step
from simulator.mechanisms import MOST, Mechanisms, WideWorld, halo, shared
from simulator.response import curves, steady_response, usual_reach
from simulator.scenarios import DEVELOPMENT_SEEDS, FROZEN, SCENARIOS, UNSEEN_SEEDS, digest, digests, scenario
from simulator.truth import expected_value
from simulator.world import World

LINES = {"google_campaigns": 8, "meta_campaigns": 6}
PLAIN = World(seed=5, **LINES)


def wide(**mechanisms: float) -> WideWorld:
    """A plain world, widened."""
    return WideWorld(seed=5, **LINES, mechanisms=Mechanisms(**mechanisms))


def named(world: World, name: str) -> int:
    return [line.name for line in line_list(world)].index(name)


def test_the_world_is_as_frozen() -> None:
    assert digests() == json.loads(FROZEN.read_text()), "the world changed: take it back, or freeze anew"


def test_the_digest_sees_a_change_of_any_mechanism() -> None:
    world = scenario("real", 101)
    for field in fields(Mechanisms):
        changed = replace(world.mechanisms, **{field.name: getattr(world.mechanisms, field.name) * 0.5 - 0.001})
        if field.name != "over_delivery":
            assert digest(replace(world, mechanisms=changed)) != digest(world), field.name
    still = replace(world.mechanisms, over_delivery=False)
    assert digest(replace(world, mechanisms=still)) != digest(world)


def test_ten_seeds_are_unseen() -> None:
    assert len(set(UNSEEN_SEEDS)) == 10
    assert not set(UNSEEN_SEEDS) & set(DEVELOPMENT_SEEDS)
    with pytest.raises(KeyError, match="calm"):
        scenario("storm", 101)


def test_without_mechanisms_a_wide_world_is_the_plain_one() -> None:
    for day in (-w.BURN_IN, 0, 30):
        plain, same = market(PLAIN).day(day), market(wide()).day(day)
        for name in ("budget", "spend", "demand", "price", "carried"):
            assert getattr(plain, name).tobytes() == getattr(same, name).tobytes()
        assert plain.response.value.tobytes() == same.response.value.tobytes()


def test_halo_brings_value_to_others_a_day_later_and_takes_it_away_again() -> None:
    world = wide(halo=1.0)
    giver, taker = named(world, "Generic Search | US-West"), named(world, "Brand Search | US-West")
    assert halo(world)[taker, giver] == 1
    usual = curves(world).usual_spend
    less = usual.copy()
    less[giver] = 0
    steady = [steady_response(world, split).value for split in (usual, less)]
    gone = steady[0] - steady[1]
    assert gone[taker] > 0.02 * steady[0][taker]
    assert np.flatnonzero(np.abs(gone) > 1e-9).tolist() == sorted([giver, taker])

    state = State(usual_reach(world), np.zeros(len(usual)))
    first, after = step(world, 0, market(world).conditions(0), state, less)
    assert first.people[taker] == pytest.approx(1)
    second, _ = step(world, 1, market(world).conditions(1), after, less)
    assert second.people[taker] < 0.99


def test_lines_that_share_an_audience_take_from_each_other() -> None:
    world = wide(overlap=0.5)
    one, other = (named(world, f"{name} | US-West") for name in ("New Customers", "New Collection"))
    assert shared(world)[one, other] == shared(world)[other, one] == 0.5
    usual = curves(world).usual_spend
    more = usual.copy()
    more[one] *= 2
    before, after = (steady_response(world, split).value for split in (usual, more))
    assert after[one] > before[one]
    assert after[other] < 0.99 * before[other]
    assert after.sum() - before.sum() < after[one] - before[one]


@pytest.mark.parametrize("mechanisms", [{}, {"halo": 1.0, "overlap": 0.5}, {"load": 1.5, "fatigue": 2.5}])
def test_at_usual_budgets_every_line_shows_its_kinds_click_rate(mechanisms: dict[str, float]) -> None:
    world = wide(**mechanisms)
    response = steady_response(world, curves(world).usual_spend)
    expected = [line.kind.ctr for line in line_list(world)]
    assert response.clicks / response.impressions == pytest.approx(np.array(expected))


def test_returns_fall_in_own_spend_with_all_mechanisms() -> None:
    world = scenario("real", 101)
    usual, n = curves(world).usual_spend, len(line_list(world))
    for line in range(n):
        splits = np.tile(usual, (300, 1))
        splits[:, line] = np.linspace(0, 8 * usual[line], 300)
        gain = np.diff(steady_response(world, splits).value[:, line])
        assert (gain > 0).all()
        assert (np.diff(gain) < 1e-9 * gain[0]).all()


def test_platforms_over_deliver_within_their_rules() -> None:
    world = wide(over_delivery=True)
    n, usual = len(line_list(world)), curves(PLAIN).usual_spend
    state, spend = State(np.zeros(n), np.zeros(n)), []
    days = range((w.date(2026, 7, 1) - world.first_day).days, (w.date(2026, 8, 1) - world.first_day).days)
    for day in days:
        today, state = step(world, day, market(world).conditions(day), state, usual)
        spend.append(today.spend)
    factor = np.array(spend) / usual
    platform = np.array([line.kind.platform for line in line_list(world)])
    assert factor.std() > 0.1
    assert factor.max() > 1.3
    for name, most in MOST.items():
        assert factor[:, platform == name].max() <= most + 1e-9
    assert (factor[:, platform == "google_ads"].sum(axis=0) <= 31.1).all()
    monday = next(at for at, day in enumerate(days) if w.date_of(world, day).weekday() == 0)
    for week in range(monday, len(days) - 6, 7):
        assert (factor[week : week + 7, platform == "meta_ads"].sum(axis=0) <= 7.1).all()


def test_foresight_confounds_spend_with_demand() -> None:
    def tie(world: World) -> float:
        days = [market(world).day(day) for day in range(90)]
        spend, demand = (np.log([getattr(day, name) for day in days]) for name in ("spend", "demand"))
        return float(np.mean([np.corrcoef(spend[:, at], demand[:, at])[0, 1] for at in range(spend.shape[1])]))

    assert tie(PLAIN) < 0.5
    assert tie(wide(foresight=1.2, budget_noise=0.08, plan_noise=0.1)) > 0.8


def test_trend_and_shocks_move_demand_and_prices() -> None:
    def logs(world: World, name: str) -> np.ndarray:
        return np.log([getattr(market(world).day(day), name) for day in range(90)])

    drift = logs(wide(trend=0.5), "demand") - logs(PLAIN, "demand")
    assert np.ptp(drift[0]) == pytest.approx(0)
    assert np.allclose(np.diff(drift, axis=0, n=2), 0)
    assert drift[-1].std() > 0.2
    shock = logs(wide(regional_share=0.05), "demand") - logs(PLAIN, "demand")
    region = [line.region.name for line in line_list(PLAIN)]
    assert all(np.allclose(shock[:, 0], shock[:, at]) == (region[at] == region[0]) for at in range(len(region)))
    rivals = logs(wide(rival_share=0.02), "price") - logs(PLAIN, "price")
    assert np.abs(rivals).max() >= 0.3 - 1e-9


def test_a_lift_test_reports_the_truth_within_its_error() -> None:
    z, tests = [], [(line, first) for line in (0, 1, 4, 6) for first in range(10, 60, 2)]
    for line, first in tests:
        world = wide(halo=1.0)
        test = lift_test(world, line, first, 14, factor=0.0)
        assert (test.spend_test, test.days) == (0.0, 14)
        budgets = [market(world).day(day).budget for day in range(first, first + 14)]
        assert test.spend_control == pytest.approx(np.mean([budget[line] for budget in budgets]))
        truth = 0.0
        for sign in (0.0, 1.0):
            state = market(world).state(first)
            for day, budget in zip(range(first, first + 14), budgets, strict=True):
                spend = budget * np.where(np.arange(len(budget)) == line, sign, 1.0)
                today, state = step(world, day, market(world).conditions(day), state, spend)
                truth += (1 - 2 * sign) * today.response.value.sum()
        z.append((test.incremental_outcome - truth) / test.standard_error)
    assert np.std(z) == pytest.approx(1, abs=0.2)
    assert abs(np.mean(z)) < 3 / np.sqrt(len(z))
    with pytest.raises(ValueError, match="factor"):
        lift_test(PLAIN, 0, 10, 14, factor=1.0)


def test_a_scenario_is_delivered_as_files_and_its_truth_agrees(tmp_path) -> None:  # type: ignore[no-untyped-def]
    world = replace(scenario("real", 101), events_per_day=500)
    deliver(world, world.first_day, tmp_path / "deliveries", tmp_path / "truth")
    today = market(world).day(20)
    for at, line in enumerate(line_list(world)):
        expected = expected_value(world, line.campaign_id, today.spend[at], world.first_day + timedelta(days=20))
        assert expected.value == pytest.approx(today.response.value[at])


def test_every_scenario_keeps_its_budget_and_has_lines_in_thirties() -> None:
    for name in SCENARIOS:
        world = scenario(name, DEVELOPMENT_SEEDS[0])
        assert len(line_list(world)) == 30
        spent = np.mean([market(world).day(day).spend.sum() for day in range(60)])
        assert spent == pytest.approx(world.daily_budget, rel=0.25), name
