"""The closed loop: fair to every policy, blind to what has not arrived, and bounded by its oracle."""

import pickle
from dataclasses import fields, replace
from datetime import timedelta
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.regret import closed
from benchmarks.regret_policies import POLICIES, TrueCurves, limits, ours, true_response
from moe.maturity import shares_known
from simulator.lift import lift_test
from simulator.market import market, step
from simulator.oracle import Oracle, steady_oracle
from simulator.quarter import Reports, Seen, play, roll, whole_cents
from simulator.response import curves, steady_response
from simulator.scenarios import HISTORY, scenario

DAYS = 20
CALM, HALO, REAL = (scenario(name, 101) for name in ("calm", "halo", "real"))


@lru_cache
def oracle(name: str) -> Oracle:
    return steady_oracle(scenario(name, 101), DAYS, starts=2)


def keep(seen: Seen) -> np.ndarray:
    return seen.previous_cents


def restless(seen: Seen) -> np.ndarray:
    """Budgets by chance."""
    return whole_cents(np.random.default_rng(seen.night).random(len(seen.line)), seen.total_cents)


def test_a_policy_sees_nothing_before_it_arrives() -> None:
    """Whatever later days are and whatever arrives later, a night sees the same bytes."""
    looked: list[bytes] = []

    def look(seen: Seen) -> np.ndarray:
        looked.append(pickle.dumps([getattr(seen, field.name) for field in fields(seen)]))
        return keep(seen)

    play(REAL, look, days=3)
    early, looked[:] = looked[:], []
    play(REAL, lambda seen: look(seen) if seen.night < HISTORY + 2 else restless(seen), days=9)
    assert looked == early

    reports = Reports(REAL, ())
    for day in range(30):
        reports.add(day, market(REAL).day(day))
    before = reports.seen(1)
    for day, drawn in enumerate(reports._days):  # what arrives after the night of day 29 becomes something else
        for name in ("conversions", "value"):
            drawn[name] = drawn[name].copy()
            drawn[name][29 - day + 1 :] += 1_000
    assert reports._days[29]["value"].sum() > 1_000 * 13 * reports.lines
    after = reports.seen(1)
    assert (before.value == after.value).all()
    assert (before.share_known("value") == after.share_known("value")).all()


def test_conversions_grow_and_clicks_shrink_until_all_is_known() -> None:
    kept: dict[int, Seen] = {}

    def look(seen: Seen) -> np.ndarray:
        kept[seen.night] = seen
        return keep(seen)

    play(CALM, look, days=DAYS)
    day = HISTORY + 2
    nights = range(day, HISTORY + DAYS - 1)
    series = np.array([[kept[n].conversions[day].sum(), kept[n].clicks[day].sum()] for n in nights])
    assert (np.diff(series[:, 0]) >= 0).all()
    assert series[0, 0] < 0.7 * series[-1, 0]
    assert series[0, 1] > series[1, 1] > series[2, 1] == series[-1, 1]
    assert series[13, 0] == series[-1, 0]
    assert len(kept[day].spend) == day + 1


def test_drawn_outcomes_scatter_around_the_truth() -> None:
    reports = Reports(CALM, ())
    for day in range(HISTORY):
        reports.add(day, market(CALM).day(day))
    seen = reports.seen(1)
    true = np.array([market(CALM).day(day).response.conversions for day in range(HISTORY - 14)])
    z = (seen.conversions[: HISTORY - 14] - true) / np.sqrt(true)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert z.std() == pytest.approx(1, abs=0.05)
    value = np.array([market(CALM).day(day).response.value for day in range(HISTORY - 14)])
    assert seen.value[: HISTORY - 14].sum() == pytest.approx(value.sum(), rel=0.02)


def test_the_share_known_is_what_the_product_computes_from_deliveries() -> None:
    """The chain ladder on the deliveries of every night, in SQL, gives the same shares."""
    reports, nights = Reports(CALM, ()), []
    for day in range(25):
        reports.add(day, market(CALM).day(day))
        nights.append(reports.seen(1))
    rows = [
        {"night": night, "source": "ads", "account_id": "1", "platform": str(seen.platform[line]),
         "business_date": day, "value": round(float(seen.value[day, line]), 2)}
        for night, seen in enumerate(nights)
        for day in range(max(night - CALM.restatement_days + 1, 0), night + 1)
        for line in range(len(seen.line))
    ]  # fmt: skip
    with duckdb.connect() as connection:
        connection.register("deliveries", pa.Table.from_pylist(rows))
        table = shares_known(connection, "deliveries", "value").to_pylist()
    found = {(r["platform"], r["age"]): r["known"] for r in table}
    seen, share = nights[-1], nights[-1].share_known("value")
    for line in (0, -1):
        for day in range(25):
            assert share[day, line] == pytest.approx(found.get((seen.platform[line], 24 - day), 1.0), rel=1e-6)


def test_the_same_seed_gives_the_same_quarter_and_another_another() -> None:
    one, two = (play(REAL, ours, days=4) for _ in range(2))
    for field in fields(one):
        assert getattr(one, field.name).tobytes() == getattr(two, field.name).tobytes()
    other = play(scenario("real", 102), ours, days=4)
    assert (other.value != one.value).all()


def test_every_policy_meets_the_same_conditions_and_keeps_the_total() -> None:
    for world in (CALM, REAL):
        played = play(world, restless, days=5)
        state = market(world).state(HISTORY)
        for day, budget in enumerate(played.budget_cents):
            today, state = step(world, HISTORY + day, market(world).conditions(HISTORY + day), state, budget / 100)
            assert today.response.value.sum() == played.value[day]
            assert budget.sum() == round(world.daily_budget * 100)


@pytest.mark.parametrize("spoil", [lambda b: b + 1, lambda b: b.astype(float), lambda b: b[:-1], lambda b: -b])
def test_a_policy_that_breaks_the_total_is_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="adding up"):
        play(CALM, lambda seen: spoil(keep(seen)), days=1)


def test_rolling_a_split_is_playing_it() -> None:
    for world in (CALM, HALO, REAL):
        played = play(world, keep, days=DAYS)
        split = played.budget_cents[0] / 100
        assert roll(world, np.stack([split, split[::-1]]), DAYS)[0] == pytest.approx(played.value, rel=1e-12)


@pytest.mark.parametrize("name", ["calm", "halo", "real"])
def test_no_split_near_or_far_beats_the_oracle(name: str) -> None:
    world, best = scenario(name, 101), oracle(name)
    assert best.budget_cents.sum() == round(world.daily_budget * 100)
    rng, n, split = np.random.default_rng(3), len(best.budget_cents), best.budget_cents / 100
    near = split * np.exp(0.1 * rng.standard_normal((100, n)))
    swapped = np.tile(split, (100, 1))
    for row, (a, b) in zip(swapped, (rng.permutation(n)[:2] for _ in range(100)), strict=True):
        moved = 0.05 * row[a]
        row[a], row[b] = row[a] - moved, row[b] + moved
    far = rng.dirichlet(np.ones(n), 100) * split.sum()
    splits = np.concatenate([near / near.sum(axis=1, keepdims=True) * split.sum(), swapped, far])
    assert (roll(world, splits, DAYS).sum(axis=1) <= best.value.sum() * (1 + 1e-6)).all()
    assert best.starts == pytest.approx(best.value.sum(), rel=1e-4)
    assert 0 <= best.gap < (1e-3 if name != "real" else 0.1)


def test_the_oracles_gap_is_a_proof_where_lines_are_apart() -> None:
    """Without halo each line's value is concave in its own spend, and the dual bound on a grid agrees with the gap."""
    best, points = oracle("calm"), 150
    grid = np.linspace(0, 0.25 * CALM.daily_budget, points)
    splits = np.repeat(np.diag(np.ones(len(best.budget_cents)))[:, None, :], points, axis=1) * grid[:, None]
    value = roll(CALM, splits, DAYS).sum(axis=-1)  # (lines, points): the other lines spend nothing
    assert (np.diff(value, axis=1) > 0).all()
    assert (np.diff(value, n=2, axis=1) < 0).all()
    prices = np.linspace(1, 80, 800)[:, None]
    conjugates = [(line - prices * grid).max(axis=1) for line in value]
    bound = (np.sum(conjugates, axis=0) + prices[:, 0] * CALM.daily_budget).min()
    assert bound <= best.value.sum() * (1 + best.gap)
    assert bound == pytest.approx(best.value.sum(), rel=1e-3)


def test_closed_is_0_for_the_kept_split_and_1_for_the_oracle() -> None:
    kept, best = play(CALM, keep, days=DAYS).value, oracle("calm").value
    assert (closed(kept, kept, best) == 0).all()
    assert (closed(best, kept, best) == 1).all()
    assert closed((kept + best) / 2, kept, best) == pytest.approx(0.5)
    jump = kept + (best - kept) * (np.arange(DAYS) >= 10)
    assert closed(jump, kept, best)[[0, 6, 13]] == pytest.approx([0, 0, 1])
    assert 0 < closed(jump, kept, best)[10] < 1


@pytest.mark.parametrize("name", ["calm", "halo"])
def test_no_policy_passes_the_oracle(name: str) -> None:
    world = scenario(name, 101)
    for policy in POLICIES.values():
        assert play(world, policy(world), DAYS).value.sum() <= oracle(name).value.sum() * 1.002


def test_our_optimiser_on_the_true_curves_reaches_the_oracle() -> None:
    kept = play(CALM, keep, days=DAYS).value
    true = play(CALM, POLICIES["ours, true curves"](CALM), DAYS).value
    assert closed(true, kept, oracle("calm").value)[-1] > 0.97


def test_true_curves_are_the_slopes_of_the_truth() -> None:
    usual = curves(HALO).usual_spend
    found: TrueCurves = true_response(HALO, usual, 1.0, 1.0)
    for line in (0, 1, 20):
        move = np.zeros(len(usual))
        move[line] = 5.0
        up, down = (steady_response(HALO, usual + sign * move).value.sum() for sign in (1, -1))
        assert found.marginal(usual)[line] == pytest.approx((up - down) / 10, rel=0.02)
        removed = usual * (np.arange(len(usual)) != line)
        whole = steady_response(HALO, usual).value.sum() - steady_response(HALO, removed).value.sum()
        assert found.value(usual)[line] == pytest.approx(whole, rel=0.02)  # the first steps are coarse
    price = float(found.marginal(usual)[0])
    assert found.spend_at(price)[0] == pytest.approx(usual[0], rel=1e-3)
    assert (found.spend_at(1e6) == 0).all()


def test_policies_keep_the_step_and_the_total() -> None:
    world = replace(REAL, seed=103)
    for name, policy in POLICIES.items():
        played = play(world, policy(world), days=4)
        moved = np.diff(played.budget_cents, axis=0)
        least = round(20 / 12_000 * world.daily_budget * 100)
        allowed = np.maximum(0.2 * played.budget_cents[:-1], least)
        assert (np.abs(moved) <= allowed + 3).all(), name


def test_tests_are_seen_once_they_have_ended() -> None:
    test = lift_test(CALM, 0, HISTORY - 5, 7, factor=0.5)
    seen_in = []
    play(CALM, lambda seen: (seen_in.append(len(seen.tests)), keep(seen))[1], days=4, tests=(test,))
    assert seen_in == [0, 0, 1, 1]
    assert test.last_day == CALM.first_day + timedelta(days=HISTORY + 1)


def test_whole_cents_add_up() -> None:
    split = whole_cents(np.array([1.0, 1.0, 1.0]), 100)
    assert split.sum() == 100
    assert np.ptp(split) == 1


def test_limits_are_the_products() -> None:
    kept: list[Seen] = []
    play(CALM, lambda seen: (kept.append(seen), keep(seen))[1], days=1)
    allowed = limits(kept[0], 0.2)
    assert (allowed.lower_cents <= kept[0].previous_cents).all()
    assert (allowed.upper_cents >= kept[0].previous_cents).all()
