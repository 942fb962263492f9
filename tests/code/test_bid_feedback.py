"""The night's correction of bids, in closed loop: it settles, does not swing, does not wind up."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from decisions.auctions.feedback import FORGOTTEN, LEAST, MOST, MOST_STEP, NOISE, corrected, none
from decisions.jobs.bid import bid
from moe.contracts import contract
from tests.code import test_decision_jobs as jobs

NIGHTS = 90
BUDGET = 1_000.0


def loop(off, elasticity, *, late=0, noise=0.0, seed=0, cap=None, nights=NIGHTS):
    """Log bids and spends of `nights`, of a line whose base bid is `off` times the right one.

    Spend is BUDGET × (bid over the right bid) ** elasticity, `late` days after the bid was sent; `cap` is the largest
    multiple of the right bid that a line may bid.
    """
    random, state = np.random.default_rng(seed), none(1)
    sent, spends = [], []
    for night in range(nights):
        bid = off * state.factor[0]
        top = np.inf if cap is None else cap
        sent.append(min(bid, top))
        stands = sent[max(night - late, 0)]
        spend = BUDGET * stands**elasticity * np.exp(noise * random.normal())
        spends.append(spend)
        state = corrected(state, [BUDGET], [spend], can_rise=bid < top)
    return np.log(np.array(sent)), np.array(spends), state


@pytest.mark.parametrize("elasticity", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("off", [0.75, 1.4])
def test_it_settles_at_the_budget_without_swinging(elasticity, late, off):
    sent, spends, _ = loop(off, elasticity, late=late)
    later = np.log(spends[-30:] / BUDGET)
    assert np.abs(later).max() < NOISE + 0.01  # what it takes for noise
    assert np.ptp(sent[-30:]) < 0.01
    # On its way it never passes the right bid by more than the noise.
    assert (np.sign(off - 1) * sent).min() > -NOISE / elasticity
    assert np.abs(np.diff(sent)).max() <= MOST_STEP + 1e-12


@pytest.mark.parametrize("elasticity", [0.5, 1.0, 2.0])
def test_noise_and_delay_move_bids_by_less_than_the_noise(elasticity):
    ends = []
    for seed in range(20):
        sent, spends, _ = loop(1.3, elasticity, late=1, noise=0.15, seed=seed, nights=120)
        later = sent[60:]
        ends.append(np.log(spends[60:]).mean() - np.log(BUDGET))
        assert np.diff(later).std() < 0.15 / 4
        assert later.std() < 0.15
        # No oscillation: the loop adds little to the noise that spend has without it.
        assert np.log(spends[60:]).std() < 1.35 * 0.15
    assert abs(np.mean(ends)) < 0.03


def test_a_bid_that_cannot_rise_does_not_wind_up():
    sent, _, state = loop(0.5, 1.0, cap=0.6)
    assert sent[-1] == pytest.approx(np.log(0.6))
    assert state.spend[0] < np.log(0.6 / 0.5) + MOST_STEP
    lowered = state
    for _ in range(3):  # demand triples: it comes down at once, and not after unwinding
        lowered = corrected(lowered, [BUDGET], [1.8 * BUDGET], can_rise=False)
    assert lowered.factor[0] * 0.5 < 0.6 * 0.9


def test_bounds_hold_and_what_tells_nothing_changes_nothing():
    state = none(1)
    for _ in range(100):
        state = corrected(state, [BUDGET], [1.9 * BUDGET])
    assert state.spend[0] == LEAST
    for _ in range(200):
        state = corrected(state, [BUDGET], [0.2 * BUDGET])
    assert state.spend[0] == MOST
    for spend in (1.08 * BUDGET, 0.96 * BUDGET):  # on budget: a part of the raise is taken back
        assert corrected(state, [BUDGET], [spend]).spend[0] == pytest.approx((1 - FORGOTTEN) * MOST)
    for spend in (0.0, np.nan, 2.5 * BUDGET, 0.93 * BUDGET):
        assert corrected(state, [BUDGET], [spend]).spend[0] == MOST
    assert corrected(state, [np.nan], [BUDGET]).spend[0] == MOST
    with pytest.raises(ValueError, match="not be negative"):
        corrected(state, [BUDGET], [-1.0])


@pytest.mark.parametrize("elasticity", [0.5, 1.0])
def test_a_cost_above_its_target_comes_down_to_it_in_spite_of_two_weeks_of_delay(elasticity):
    """A conversion costs 30 at the first bid and less at a lower one; the target is 20. Spend stays under the budget,
    and the correction for it does not raise what the cost holds down."""
    state, costs, sent = none(1), [], []
    for night in range(400):
        sent.append(state.factor[0])
        costs.append(30.0 * sent[-1]**elasticity)
        seen = costs[max(night - 20, 0):max(night - 6, 1)]
        spend = 0.7 * BUDGET
        state = corrected(state, [BUDGET], [spend], cost=sum(14 * spend for _ in seen) / len(seen),
                          conversions=14 * spend / np.mean(seen), target=20.0)
    assert costs[-1] == pytest.approx(20.0, rel=0.05) or state.cost[0] == LEAST
    assert min(costs) > 20.0 * 0.85
    assert state.factor[0] == pytest.approx(np.exp(state.cost[0]))
    assert state.spend[0] < np.log(1.3)


def test_the_night_goes_on_from_the_night_before_and_a_held_release_tells_nothing():
    night = jobs.Night(jobs.unit(), jobs.D)
    outputs = jobs.decided(night)
    scores, ads = jobs.bid_inputs(outputs)

    def decide(pace, spends, held=False, of=None, settings=None):
        plan = pa.table({"line_id": list(spends), "business_date": [jobs.D] * len(spends),
                         "planned_budget": [Decimal(100)] * len(spends),
                         "spend": [Decimal(s) for s in spends.values()]})
        return bid(of or night, outputs["out.budget__line"], scores, ads, jobs.history(), jobs.NO_LANDSCAPE, pace, plan,
                   pa.table({"held": [held]}), settings)

    def corrections(out):
        return {r["line_id"]: r["correction"] for r in out["out.bid_pace__line"].to_pylist()}

    first = decide(None, {"alpha": 150, "beta": 60, "gamma": 100})
    assert set(first["out.bid_pace__line"].column_names) == {c.name for c in contract("out.bid_pace__line").columns}
    got = corrections(first)
    assert got["alpha"] < 1 < got["beta"] and got["gamma"] == 1
    second = decide(first["out.bid_pace__line"], {"alpha": 150})
    assert corrections(second)["alpha"] == pytest.approx(got["alpha"] ** 2)
    assert corrections(second)["beta"] == got["beta"]
    unknown = decide(first["out.bid_pace__line"], {"alpha": 150}, held=True)
    assert corrections(unknown) == got
    ignored = pa.table({"line_id": ["alpha", "beta"], "difference": [Decimal(20), Decimal(0)],
                        "state": ["not_applied", "as_released"]})
    unset = corrections(decide(None, {"alpha": 150, "beta": 60}, settings=ignored))
    assert unset["alpha"] == 1 and unset["beta"] == got["beta"], "a budget that was never set tells nothing of the bid"
    unread = pa.table({"line_id": ["alpha", "beta"], "difference": pa.nulls(2, pa.decimal128(18, 2)),
                       "state": ["not_read", "unknown_to_platform"]})
    partly = corrections(decide(None, {"alpha": 150, "beta": 60}, settings=unread))
    assert partly["alpha"] == got["alpha"], "another platform's export takes no feedback from this one"
    assert partly["beta"] == 1, "what it had while it spent is not known"
    lowered = [r for r in first["out.bid__line_segment"].to_pylist() if r["line_id"] == "alpha"]
    usual = jobs.bid_rows(outputs, scores, ads)
    before = {(r["line_id"], r["segment"]): r["bid"] for r in usual}
    for r in lowered:
        assert r["bid"] < before["alpha", r["segment"]] and "lowered by 5% for what the line spent" in r["reason"]
    dear = jobs.unit()
    dear = dear.model_copy(update={"bids": dear.bids.model_copy(update={"cost_per_conversion": Decimal("1.00")})})
    held_down = corrections(decide(None, {"beta": 60}, of=jobs.Night(dear, jobs.D)))
    assert all(c < 1 for c in held_down.values())


def test_lines_are_corrected_one_by_one_and_without_a_target_cost_says_nothing():
    both = corrected(none(2), [100.0, 100.0], [150.0, 60.0], cost=[1e6, 1e6], conversions=[1, 1])
    assert both.factor[0] < 1 < both.factor[1]
    for i, spend in enumerate((150.0, 60.0)):
        assert corrected(none(1), [100.0], [spend]).spend[0] == both.spend[i]
