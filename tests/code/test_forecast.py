"""The forecast: scores, states, what past days teach, paths and scenarios, rows and back-test."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from decisions.curves import Curves
from decisions.draws import Draws
from decisions.forecast.learn import Learnt, learn_from
from decisions.forecast.past import METRICS, Past
from decisions.forecast.paths import Ahead, simulate
from decisions.forecast.peers import RULES, samples
from decisions.forecast.scenarios import DEFAULTS, EXPECTED, chosen, factors
from decisions.forecast.score import LEVELS, covered, crps, crps_of_quantiles
from decisions.forecast.states import State, learn, walk
from decisions.forecast.tables import COLUMNS, forecast_rows, past_rows, peer_rows, score_rows
from moe.units import Scenario

H, K = 28, 50
FIRST = date(2026, 7, 1)
SPEND, VALUE, CONVERSIONS = 0, 2, 1


def world(
    days: int = 90, lines: int = 6, seed: int = 1, delivered: float = 1.0, demand_sd: float = 0.1, noise: float = 0.04
) -> tuple[Past, Ahead, Curves, np.ndarray]:
    """Past days of known curves under one shared demand, the days ahead, and what they will bring (H, n)."""
    rng = np.random.default_rng(seed)
    a, k = rng.uniform(800, 1200, lines), rng.uniform(300, 500, lines)
    budget = rng.uniform(100, 300, lines)
    state = np.zeros(days + H)
    for t in range(1, days + H):
        state[t] = 0.9 * state[t - 1] + demand_sd * np.sqrt(1 - 0.81) * rng.standard_normal()
    weekday = np.arange(days + H) % 7
    factor = (1 + state) * np.where(weekday >= 5, 1.2, 0.92)
    spend = budget * delivered * np.exp(0.05 * rng.standard_normal((days + H, lines)))
    mean = a * spend / (spend + k) * factor[:, None]
    value = mean * np.exp(noise * rng.standard_normal(mean.shape))
    outcome = {"conversion_value": value, "conversions": value / 40}
    share = {m: np.ones((days, lines)) for m in outcome}
    past = Past(("google_ads", "meta_ads"), np.arange(lines) % 2, weekday[:days], spend[:days],
                np.tile(budget, (days, 1)), {m: v[:days] for m, v in outcome.items()}, share)
    ones, none = np.ones(lines), np.zeros((lines, 2, 2))
    curves = Curves(a, k, none, np.full(lines, days), 0 * ones, 1e6 * ones, budget)
    spread = 1 + 0.01 * rng.standard_normal((K, lines))
    drawn = Draws(tuple(f"l{i}" for i in range(lines)), a * spread, np.tile(k, (K, 1)))
    weeks = np.where(weekday[days:] >= 5, 1.2, 0.92)
    fading = 1 + state[days - 1] * 0.9 ** np.arange(1, H + 1)
    ahead = Ahead(budget, np.tile((weeks * fading)[:, None], (1, lines)), 0.5 * ones, drawn)
    return past, ahead, curves, value[days:]


def learnt(past: Past, ahead: Ahead, curves: Curves) -> Learnt:
    return learn_from(past, curves, ahead.dispersion, "conversion_value")


def paths(past: Past, ahead: Ahead, curves: Curves, *scenarios: Scenario, count: int = 500) -> dict[str, np.ndarray]:
    found = learnt(past, ahead, curves)
    return simulate(past, ahead, found, "conversion_value", scenarios or (EXPECTED,), paths=count)


# Scores


def test_crps_of_draws_is_that_of_the_normal() -> None:
    draws = norm.ppf((np.arange(4000) + 0.5) / 4000)
    for y in (-2.0, 0.0, 0.7):  # Gneiting & Raftery 2007, section 4.2
        exact = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
        assert crps(draws, y) == pytest.approx(exact, abs=1e-3)
        assert crps_of_quantiles(norm.ppf(LEVELS), y) == pytest.approx(exact, abs=0.12)
    assert crps([3.0], 5.0) == 2.0 == float(crps_of_quantiles([3.0] * 5, 5.0)), "of one number: the absolute error"


@pytest.mark.parametrize("wrong", [{"scale": 0.4}, {"scale": 2.5}, {"loc": 0.8}])
def test_the_true_distribution_has_the_least_score(wrong: dict[str, float]) -> None:
    y = np.random.default_rng(3).standard_normal(4000)
    right, off = (crps_of_quantiles(np.tile(norm.ppf(LEVELS, **d), (4000, 1)), y).mean() for d in ({}, wrong))
    assert right < off
    half, ninety = covered(np.tile(norm.ppf(LEVELS), (4000, 1)), y)
    assert (half.mean(), ninety.mean()) == (pytest.approx(0.5, abs=0.03), pytest.approx(0.9, abs=0.02))


# States


def test_spread_grows_with_the_horizon_up_to_the_state_s_own() -> None:
    found = walk(State(0.9, 0.04, 0.005, 0.0, 1e6), 20_000, 60, np.random.default_rng(1)).var(axis=0)
    exact = 0.04 - (0.04 - 0.005) * 0.81 ** np.arange(1, 61)
    assert found == pytest.approx(exact, rel=0.1)


def test_a_state_is_learnt_and_few_days_leave_it_near_its_prior() -> None:
    rng, z = np.random.default_rng(5), np.zeros(800)
    for t in range(1, 800):
        z[t] = 0.8 * z[t - 1] + 0.06 * rng.standard_normal()
    level, precision = z + 0.02 * rng.standard_normal(800), np.full(800, 1 / 0.02**2)
    known, states = learn(level, precision, prior_sd=0.1)
    assert known.rho == pytest.approx(0.8, abs=0.08) and known.variance == pytest.approx(0.01, rel=0.35)
    assert known.now < 0.1 * known.variance and np.corrcoef(states, z)[0, 1] > 0.95
    few, _ = learn(level[:3], precision[:3], prior_sd=0.5)
    assert few.variance > 0.1 and few.freedom <= known.freedom


def test_days_without_a_trace_of_a_state_rule_it_out_only_as_far_as_it_would_have_shown() -> None:
    still = np.zeros(30)
    exact, _ = learn(still, np.full(30, 1e6), prior_sd=0.1)
    noisy, _ = learn(still, np.full(30, 1 / 0.15**2), prior_sd=0.1)
    assert exact.variance < 0.2 * 0.1**2 < 0.5 * 0.1**2 < noisy.variance


# What days teach


def test_lines_that_spend_less_than_their_budget_are_expected_to_go_on_so() -> None:
    past, ahead, curves, _ = world(delivered=0.8)
    found = learnt(past, ahead, curves)
    assert found.delivered == pytest.approx(np.full(6, 0.8), abs=0.04)
    spent = paths(past, ahead, curves)["expected"][..., SPEND].sum(axis=(1, 2))
    assert spent.mean() == pytest.approx(0.8 * ahead.budget.sum() * H, rel=0.04)
    unknown = replace(past, planned=np.full_like(past.planned, np.nan))
    assert learnt(unknown, ahead, curves).delivered == pytest.approx(np.ones(6))


def test_delivery_that_follows_demand_is_found() -> None:
    past, ahead, curves, _ = world(demand_sd=0.2)
    factor = past.outcome["conversion_value"].sum(axis=1) / curves.value(past.spend).sum(axis=1)
    busy = replace(past, spend=past.planned * factor[:, None])
    value = {m: curves.value(busy.spend) * factor[:, None] / (40 if m == "conversions" else 1) for m in past.outcome}
    assert learnt(replace(busy, outcome=value), ahead, curves).follows == pytest.approx(1.0, abs=0.15)
    assert abs(learnt(past, ahead, curves).follows) < 0.1


def test_the_other_outcome_follows_by_the_recent_ratio() -> None:
    past, ahead, curves, _ = world()
    found = learnt(past, ahead, curves)
    assert found.ratio == pytest.approx(np.full(6, 1 / 40), rel=1e-6)
    drawn = paths(past, ahead, curves)["expected"].sum(axis=(1, 2)).mean(axis=0)
    assert drawn[CONVERSIONS] == pytest.approx(drawn[VALUE] / 40, rel=0.02)


# Paths


def test_ranges_hold_as_often_as_they_say() -> None:
    half, ninety = [], []
    for seed in range(40):
        past, ahead, curves, truth = world(seed=seed)
        drawn = paths(past, ahead, curves, count=300)["expected"][..., VALUE].sum(axis=2)
        for x, y in [*((drawn[:, day], truth[day].sum()) for day in (0, 6, 13, 27)), (drawn.sum(axis=1), truth.sum())]:
            inside = covered(np.quantile(x, LEVELS), y)
            half.append(inside[0])
            ninety.append(inside[1])
    assert 0.40 <= np.mean(half) <= 0.62
    assert 0.84 <= np.mean(ninety) <= 0.97


def test_far_days_are_less_sure_than_near_ones() -> None:
    drawn = paths(*world()[:3])["expected"][..., VALUE].sum(axis=2)
    relative = drawn.std(axis=0) / drawn.mean(axis=0)
    assert relative[:2].mean() < 0.8 * relative[20:].mean()


@settings(max_examples=10)
@given(st.permutations(range(6)), st.integers(0, 3))
def test_the_same_inputs_give_the_same_paths_in_any_order_of_lines(order: list[int], seed: int) -> None:
    past, ahead, curves, _ = world(seed=seed, days=40)
    at = np.array(order)
    one, two = (paths(past, ahead, curves, count=50)["expected"] for _ in range(2))
    assert (one == two).all()
    mixed = replace(past, platform=past.platform[at], spend=past.spend[:, at], planned=past.planned[:, at],
                    outcome={m: v[:, at] for m, v in past.outcome.items()},
                    share={m: v[:, at] for m, v in past.share.items()})
    shuffled = Ahead(ahead.budget[at], ahead.factor[:, at], ahead.dispersion[at],
                     Draws(tuple(ahead.draws.line_ids[i] for i in at), ahead.draws.a[:, at], ahead.draws.k[:, at]))
    named = replace(curves, a=curves.a[at], k=curves.k[at])
    assert paths(mixed, shuffled, named, count=50)["expected"] == pytest.approx(one, rel=1e-6)


def test_scenarios_change_the_curves_as_they_say_on_the_same_luck() -> None:
    past, ahead, curves, _ = world()
    launch = DEFAULTS[-1]
    found = paths(past, ahead, curves, EXPECTED, *DEFAULTS, count=400)
    expected = found["expected"][..., VALUE].sum(axis=2)
    shock = found["demand_shock"][..., VALUE].sum(axis=2)
    assert shock.mean(axis=0) == pytest.approx(0.8 * expected.mean(axis=0), rel=0.02)
    dear = found["price_rise"][..., VALUE].sum(axis=2).mean(axis=0)
    assert ((dear < expected.mean(axis=0)) & (dear > expected.mean(axis=0) / 1.15)).all(), "saturated lines lose less"
    during = slice(launch.first_day - 1, launch.first_day - 1 + launch.days)
    launched = found["competitor_launch"][..., VALUE].sum(axis=2)
    outside = np.setdiff1d(np.arange(H), np.arange(H)[during])
    assert (launched[:, outside] == expected[:, outside]).all(), "before and after it, nothing differs, luck included"
    assert (launched[:, during] < expected[:, during]).all()
    assert (found["price_rise"][..., SPEND] == found["expected"][..., SPEND]).all(), "budgets are held"


def test_a_line_without_budget_brings_nothing() -> None:
    past, ahead, curves, _ = world()
    none = replace(ahead, budget=np.where(past.platform == 0, 0.0, ahead.budget))
    drawn = paths(past, none, curves, count=50)["expected"]
    assert drawn[:, :, 0, SPEND].max() == 0 and drawn[:, :, 0, VALUE].max() < 1e-6 < drawn[:, :, 1, VALUE].min()


def test_a_unit_s_scenarios_stand_for_the_shipped_ones() -> None:
    own = (Scenario(name="strike", title="Strike", demand=-0.5, first_day=2, days=3),)
    assert [s.name for s in chosen(None)] == ["expected", "demand_shock", "price_rise", "competitor_launch"]
    assert chosen(own) == (EXPECTED, *own)
    demand, price = factors(own[0], 6)
    assert (demand == [1, 0.5, 0.5, 0.5, 1, 1]).all() and (price == 1).all()


# Rows


def test_rows_sum_days_and_peers_are_published_beside_ours() -> None:
    past, ahead, curves, _ = world()
    found = paths(past, ahead, curves, count=400)
    rows = forecast_rows(found, [EXPECTED], past, FIRST)
    at = {(r["scope"], r["metric"], r["days"], r["business_date"]): r for r in rows}
    assert len(at) == len(rows) == 3 * 3 * 30
    month = at["all", "conversion_value", 28, FIRST + timedelta(days=27)]
    daily = [at["all", "conversion_value", 1, FIRST + timedelta(days=d)]["mean"] for d in range(28)]
    both = [at[p, "conversion_value", 28, FIRST + timedelta(days=27)]["mean"] for p in past.platforms]
    assert month["mean"] == pytest.approx(sum(daily)) == pytest.approx(sum(both))
    assert all(r[low] <= r[high] for r in rows for low, high in pairwise(COLUMNS))
    peers = peer_rows(past, FIRST)
    assert {r["scenario"] for r in peers} == {"naive", "seasonal_naive"} and len(peers) == 2 * len(rows)
    so_far = past_rows(past, FIRST)
    assert max(r["business_date"] for r in so_far) == FIRST - timedelta(days=1) and len(so_far) == 3 * 3 * 28


def test_naive_rules_are_exact_where_nothing_changes_and_silent_without_misses() -> None:
    week = np.tile([1.0, 2, 3, 4, 5, 6, 7], 10)
    ones = np.ones(70)
    assert samples(RULES["seasonal_naive"], week, ones, range(3, 4)) == pytest.approx(3.0)
    assert samples(RULES["naive"], week, ones, range(1, 8)) == pytest.approx(28.0)
    assert len(samples(RULES["naive"], week[:20], ones[:20], range(1, 8))) == 0
    late = np.where(np.arange(70) < 65, week, np.nan)
    assert samples(RULES["seasonal_naive"], late, ones, range(3, 4)) == pytest.approx(3.0), "from the last known day"


def test_days_that_nobody_has_reported_are_unknown_not_zero() -> None:
    past, *_ = world()
    gone = {m: np.where(np.arange(90)[:, None] < 80, v, np.nan) for m, v in past.outcome.items()}
    late = replace(past, outcome=gone)
    told = {(r["metric"], r["business_date"]) for r in past_rows(late, FIRST) if r["scope"] == "all"}
    assert ("spend", FIRST - timedelta(days=1)) in told and ("conversions", FIRST - timedelta(days=1)) not in told
    assert ("conversions", FIRST - timedelta(days=11)) in told
    naive = [r for r in peer_rows(late, FIRST) if r["metric"] == "conversions" and r["scope"] == "all"]
    assert naive and min(r["mean"] for r in naive) > 0


def published(scenario: str, night: date, day: date, level: float, days: int = 1) -> dict[str, Any]:
    """A forecast from 0.9 to 1.1 times a level."""
    return {"scenario": scenario, "night": night, "scope": "all", "metric": "conversions", "days": days,
            "business_date": day, **dict(zip(COLUMNS, level * np.array([0.9, 0.95, 1.0, 1.05, 1.1]), strict=True))}


def test_earlier_forecasts_are_scored_on_known_days_alone() -> None:
    nights = [FIRST - timedelta(days=n) for n in (1, 2)]
    rows = [published(s, n, FIRST + timedelta(days=d), 100 * by) for s, by in (("expected", 1), ("naive", 2))
            for n in nights for d in (0, 1)]
    rows.append(published("seasonal_naive", nights[0], FIRST, 100.0))
    rows += [published("so_far", FIRST + timedelta(days=1), FIRST, 5.0), published("shock", nights[0], FIRST, 5.0)]
    rows.append(published("expected", nights[0], FIRST + timedelta(days=13), 1400.0, days=14))
    known = {("all", "conversions"): {FIRST: 106.0}}
    (found,) = score_rows(rows, known, FIRST + timedelta(days=13))
    assert (found["span"], found["business_date"], found["forecasts"]) == ("days 1-7", FIRST, 2)
    assert (found["covered_50"], found["covered_90"], found["observed"]) == (0.0, 1.0, 106.0)
    assert found["crps"] < found["crps_naive"]
    assert found["crps_seasonal_naive"] is None, "it is missing for one of the nights: no fair comparison"
    all_known = {("all", "conversions"): {FIRST + timedelta(days=d): 101.0 for d in range(14)}}
    both = score_rows(rows, all_known, FIRST + timedelta(days=13))
    assert {(r["span"], r["observed"]) for r in both} == {("days 1-7", 101.0), ("14 days", 1414.0)}


def test_metrics_are_those_of_the_contract() -> None:
    from moe.contracts import contract

    for table in ("out.forecast__day", "out.forecast_score__day"):
        assert contract(table).column("metric").allowed == METRICS
