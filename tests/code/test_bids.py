"""Bids: a click's worth over the shadow price, within the unit's limits and the line's budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.bids import SCALE, Landscape, bids


@st.composite
def auctions(draw):
    """Arguments of `bids`: lines × segments, some budgets 0, some too small for the floors, some ample."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    floor = random.integers(0, 3_000, m) * draw(st.booleans())
    return {
        "line": random.integers(0, n, m),
        "conversion_rate": random.beta(1, 20, m),
        "value_per_conversion": random.lognormal(3, 1, m),
        "clicks": random.poisson(30, m) * random.choice([0, 1.5], m, p=[0.1, 0.9]),
        "cost_per_click": random.lognormal(-1, 0.7, m),
        "budget_cents": random.choice([0, 1, 100, 2_000, 10**6], n),
        "shadow_price": float(random.lognormal(0.5, 0.5)),
        "price_floor": 1.0,
        "bid_floor": floor,
        "bid_cap": floor + random.choice([0, 5_000, 10**9], m),
    }


def spend_of(auction, bid):
    """The stated model, written again: clicks at the lower of bid and cost; cents per line."""
    rows = auction["clicks"] * np.minimum(bid / SCALE, auction["cost_per_click"]) * 100
    return np.bincount(auction["line"], rows, auction["budget_cents"].size)


@given(auctions())
@settings(max_examples=300)
def test_limits_and_budgets_hold(auction):
    result = bids(**auction)
    line, budget = auction["line"], auction["budget_cents"]
    assert result.bid.dtype == np.int64
    assert (result.bid <= auction["bid_cap"]).all()
    assert ((result.bid >= auction["bid_floor"]) | (result.bid == 0)).all()
    assert (result.bid[budget[line] == 0] == 0).all()
    spend = spend_of(auction, result.bid)
    assert (spend <= budget + 1e-5).all()
    by_line = np.bincount(line, result.expected_spend_cents, budget.size)
    assert (by_line <= budget).all()
    assert np.allclose(by_line, np.floor(spend + 1e-6))
    assert (result.expected_spend_cents >= 0).all()
    assert set(result.binding) <= {"cap", "floor", "budget", ""}
    assert all(result.reason)


@given(auctions())
@settings(max_examples=200)
def test_a_paced_line_spends_what_it_may(auction):
    """No larger factor fits: a line lowered by its budget would pass it with bids a thousandth higher."""
    auction["bid_floor"] = np.zeros_like(auction["bid_floor"])
    result = bids(**auction)
    price = max(auction["shadow_price"], 1.0)
    worth = auction["conversion_rate"] * auction["value_per_conversion"] / price * SCALE
    wanted = np.minimum(worth, auction["bid_cap"])
    more = spend_of(auction, np.ceil(wanted * result.pace[auction["line"]] * 1.001) + 1)
    bound = (result.pace < 1) & (auction["budget_cents"] > 0)
    assert (more[bound] >= auction["budget_cents"][bound]).all()
    free = result.pace[auction["line"]] == 1
    assert (result.bid[free] == np.floor(wanted[free])).all()


@given(auctions(), st.integers(0, 39), st.floats(1, 5))
@settings(max_examples=300)
def test_a_higher_conversion_rate_never_lowers_the_bid(auction, row, factor):
    row %= auction["line"].size
    before = bids(**auction).bid[row]
    auction["conversion_rate"][row] = min(auction["conversion_rate"][row] * factor, 1.0)
    assert bids(**auction).bid[row] >= before - 1  # the search for the line's factor ends at a ten-thousandth


@given(auctions(), st.floats(1, 5))
@settings(max_examples=100)
def test_a_higher_shadow_price_never_raises_a_bid_that_no_budget_limits(auction, factor):
    auction["budget_cents"][:] = 10**9
    before = bids(**auction)
    auction["shadow_price"] *= factor
    assert (bids(**auction).bid <= before.bid).all()


def landscape_of(auction, seed):
    """Curves that never fall for about two rows in three."""
    random, m = np.random.default_rng(seed), auction["line"].size
    grid = np.cumsum(random.integers(1, 4_000, 8))
    clicks, cost = np.cumsum(random.gamma(0.5, 20, (m, 8)), axis=1), np.cumsum(random.gamma(0.5, 0.2, (m, 8)), axis=1)
    none = random.random(m) < 0.3
    clicks[none], cost[none] = np.nan, np.nan
    return Landscape(grid, clicks, cost)


@given(auctions(), st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_limits_and_budgets_hold_on_landscapes(auction, seed):
    given = landscape_of(auction, seed)
    result = bids(**auction, landscape=given)
    line, budget = auction["line"], auction["budget_cents"]
    clicks, cost = auction["clicks"].copy(), np.minimum(result.bid / SCALE, auction["cost_per_click"])
    for row in np.flatnonzero(~np.isnan(given.clicks[:, 0])):
        clicks[row] = np.interp(result.bid[row], [0, *given.bid], [0, *given.clicks[row]])
        paid = np.interp(result.bid[row], [0, *given.bid], [0, *given.cost_per_click[row]])
        cost[row] = min(paid, result.bid[row] / SCALE)
    assert np.allclose(result.expected_clicks, clicks)
    spend = np.bincount(line, clicks * cost * 100, budget.size)
    assert (spend <= budget + 1e-5).all()
    assert np.allclose(np.bincount(line, result.expected_spend_cents, budget.size), np.floor(spend + 1e-6), atol=1)
    assert (result.bid <= auction["bid_cap"]).all()
    assert ((result.bid >= auction["bid_floor"]) | (result.bid == 0)).all()


@given(auctions(), st.integers(0, 2**32 - 1), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=100)
def test_a_higher_bid_never_wins_or_pays_less(auction, seed, low, more):
    given, m = landscape_of(auction, seed), auction["line"].size
    (clicks, cost), (most, dearest) = (given.at(np.full(m, bid)) for bid in (low, low + more))
    some = ~np.isnan(clicks)
    assert (clicks[some] <= most[some] * (1 + 1e-12)).all()
    assert (cost[some] <= dearest[some] * (1 + 1e-12)).all()
    assert (cost[some] <= low / SCALE).all()


def test_one_night_by_hand():
    result = bids(
        line=[0, 0, 1, 1, 2, 3, 3],
        conversion_rate=[0.02, 0.04, 0.02, 0.10, 0.02, 0.01, 0.03],
        value_per_conversion=100.0,
        clicks=[100, 100, 100, 100, 100, 100, 100],
        cost_per_click=[5.0, 5.0, 0.5, 0.5, 1.0, 1.0, 1.0],
        budget_cents=[15_000, 10**6, 0, 6_000],
        shadow_price=2.0,
        price_floor=1.0,
        bid_floor=[0, 0, 0, 0, 0, 5_000, 5_000],
        bid_cap=30_000,
    )
    # Worth 1 and 2 a click over two lines of budget; a cap; no budget; a budget for one floor of two.
    assert result.bid.tolist() == [5_000, 10_000, 10_000, 30_000, 0, 0, 5_000]
    assert result.expected_spend_cents.tolist() == [5_000, 10_000, 5_000, 5_000, 0, 0, 5_000]
    assert result.binding.tolist() == ["budget", "budget", "", "cap", "budget", "budget", "budget"]
    assert result.pace.tolist() == pytest.approx([0.5, 1, 0, 0], abs=1e-3)
    assert result.reason[0] == "Lowered to 50% of a click's worth, so that the line stays within its budget"
    assert result.reason[4] == "No bid: the line has no budget"
    assert result.reason[5] == "No bid: the line's budget goes to segments worth more a click"


def test_the_price_floor_keeps_a_click_from_costing_more_than_it_returns():
    one = {"line": [0], "conversion_rate": 0.1, "value_per_conversion": 10, "clicks": 1, "cost_per_click": 9}
    assert bids(**one, budget_cents=[1_000], shadow_price=0.2, price_floor=1.0).bid.tolist() == [10_000]


def test_a_budget_that_fits_exactly_is_not_paced():
    result = bids([0], 0.1, 10, clicks=3, cost_per_click=0.1, budget_cents=[30], shadow_price=1, price_floor=1)
    assert result.bid.tolist() == [10_000]  # 3 × 0.1 × 100 is 30.000000000000004 in floating point
    assert result.expected_spend_cents.tolist() == [30]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"line": [1]}, "indices in 0…0"),
        ({"conversion_rate": -0.1}, "rates"),
        ({"clicks": np.nan}, "finite"),
        ({"budget_cents": [-1]}, "no budget negative"),
        ({"price_floor": 0.0, "shadow_price": 0.0}, "price floor must be above 0"),
        ({"bid_floor": 2, "bid_cap": 1}, r"above their caps; rows \[0\]"),
    ],
)
def test_bad_input_is_refused(wrong, message):
    good = {"line": [0], "conversion_rate": 0.1, "value_per_conversion": 10, "clicks": 1, "cost_per_click": 1}
    with pytest.raises(ValueError, match=message):
        bids(**({**good, "budget_cents": [1], "shadow_price": 1.0, "price_floor": 1.0} | wrong))


@given(auctions(), st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_a_first_price_bid_keeps_more_than_any_other_and_its_line_s_budget(auction, seed):
    auction["bid_floor"] = np.zeros_like(auction["bid_floor"])
    given = landscape_of(auction, seed)
    result = bids(**auction, landscape=given, first_price=True)
    line, budget = auction["line"], auction["budget_cents"]
    assert (np.bincount(line, result.expected_spend_cents, budget.size) <= budget).all()
    assert (result.bid <= auction["bid_cap"]).all()
    price = max(auction["shadow_price"], 1.0)
    worth = np.minimum(auction["conversion_rate"] * auction["value_per_conversion"] / price * SCALE, auction["bid_cap"])
    for row in np.flatnonzero(~np.isnan(given.clicks[:, 0]) & (result.pace[line] == 1)):
        others = np.arange(1, 41) / 40 * worth[row]
        won = np.interp([result.bid[row], *others], [0, *given.bid], [0, *given.clicks[row]])
        kept = (worth[row] - np.array([result.bid[row], *others])) * won
        step = np.diff([0, *given.bid]).max() / 10  # between the bids that are tried
        assert kept[0] >= kept[1:].max() - step * won.max() - 1e-6 * worth[row]
    alone = np.isnan(given.clicks[:, 0]) & (result.pace[line] == 1)
    assert (result.bid[alone] == np.floor(worth[alone])).all()  # nothing tells what a lower bid wins


@given(auctions(), st.floats(0.5, 1.5))
@settings(max_examples=100)
def test_a_correction_moves_bids_within_cap_floor_worth_and_budget(auction, factor):
    before, after = bids(**auction), bids(**auction, correction=factor)
    line, budget = auction["line"], auction["budget_cents"]
    assert (np.bincount(line, after.expected_spend_cents, budget.size) <= budget).all()
    assert (after.bid <= auction["bid_cap"]).all()
    assert ((after.bid >= auction["bid_floor"]) | (after.bid == 0)).all()
    assert ((after.bid == 0) == (before.bid == 0)).all() or (auction["bid_floor"] == 0).any()
    assert (np.sign(after.bid - before.bid) * np.sign(factor - 1) >= 0).all()
    worth = auction["conversion_rate"] * auction["value_per_conversion"] * SCALE
    assert (after.bid <= np.maximum(worth, np.maximum(before.bid, auction["bid_floor"]))).all()
    told = [r.endswith("for what the line spent lately") for r in after.reason]
    assert told == [abs(factor - 1) >= 0.005] * len(told)
