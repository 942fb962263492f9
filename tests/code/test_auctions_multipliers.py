"""Bids as base bid and percentages, and the factors behind them: known answers, limits, and losses that add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.auctions.grid import line_bids
from decisions.auctions.multipliers import multipliers
from decisions.auctions.ratios import MOST_SHAPE, factors, shrunk_ratios


def grid(*sizes: int) -> list[np.ndarray]:
    return [g.ravel() for g in np.indices(sizes)]


@st.composite
def wanted(draw):
    """Bids for segment × placement × hour, near a product or far from it, some of it beyond the range."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    segment, place, hour = grid(draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 6)))
    spread, off = draw(st.sampled_from([0.1, 0.5, 2.0])), draw(st.sampled_from([0.0, 0.3]))
    log = 9 + sum(random.normal(0, spread, c.max() + 1)[c] for c in (segment, place, hour))
    bid = np.exp(log + random.normal(0, off, segment.size)).astype(np.int64) + 1
    clicks = random.poisson(20, segment.size) * random.choice([0, 1], segment.size, p=[0.1, 0.9])
    return bid, clicks, {"segment": segment, "placement": place, "hour": hour}


@given(wanted())
@settings(max_examples=150)
def test_percentages_are_in_range_and_bids_are_what_the_platform_would_make_of_them(problem) -> None:
    bid, clicks, levels = problem
    made = multipliers(bid, clicks, levels)
    product = [made.base] * len(bid)
    for name, level in levels.items():
        assert ((made.percent[name] >= -90) & (made.percent[name] <= 900)).all()
        product = [p * (100 + int(made.percent[name][code])) for p, code in zip(product, level, strict=True)]
    assert made.bid.tolist() == [p // 100**len(levels) for p in product]
    if clicks.any():
        ratio = made.bid / bid
        lost = 1 - np.average(ratio * (2 - ratio), weights=bid * clicks)
        assert made.lost_to_form + made.lost_to_range + made.lost_to_rounding == pytest.approx(lost, abs=1e-9)
    assert made.lost_to_form > -1e-9


def test_bids_that_are_a_product_come_back_but_for_rounding() -> None:
    segment, hour = grid(3, 4)
    bid = 5_000 * np.array([1.0, 1.5, 0.4])[segment] * np.array([1.0, 0.8, 2.0, 0.1 * 1.2])[hour]
    made = multipliers(bid, np.full(12, 10.0), {"segment": segment, "hour": hour})
    assert np.abs(made.bid / bid - 1).max() < 0.06  # a whole percent of a factor of an eighth
    assert made.lost_to_form == pytest.approx(0, abs=1e-9)
    assert made.lost_to_range == pytest.approx(0, abs=1e-9)
    assert 0 <= made.lost_to_rounding < 2e-3
    assert all(c.size == 0 for c in made.clipped.values())


def test_two_groups_far_apart_are_clipped_and_the_loss_is_told() -> None:
    """A hundredfold fits in −90 to +900 by moving the base; four thousandfold does not."""
    code = np.array([0, 1])
    fits = multipliers([100, 10_000], [1.0, 1.0], {"segment": code})
    assert fits.lost_to_range == pytest.approx(0, abs=1e-6)
    assert fits.bid / [100, 10_000] == pytest.approx([1, 1], rel=0.05)
    uneven = multipliers([100, 8_000], [9.0, 1.0], {"segment": code})  # their mean is near the first
    assert uneven.bid / [100, 8_000] == pytest.approx([1, 1], rel=0.05)
    far = multipliers([100, 400_000], [1.0, 1.0], {"segment": code})
    assert far.percent["segment"].tolist() == [-90, 900]
    assert far.clipped["segment"].tolist() == [0, 1]
    assert far.lost_to_range > 0.1


def test_a_level_without_clicks_is_left_at_the_base() -> None:
    made = multipliers([100, 900, 200], [5.0, 0.0, 5.0], {"segment": [0, 1, 2]})
    assert made.percent["segment"][1] == 0


def test_bad_bids_are_refused() -> None:
    for wrong in ({"bid": [0, 1]}, {"bid": [np.nan, 1]}, {"clicks": [-1, 1]}):
        with pytest.raises(ValueError, match="an exclusion"):
            multipliers(**({"bid": [1, 1], "clicks": [1, 1], "levels": {"s": [0, 1]}} | wrong))
    with pytest.raises(ValueError, match="one value a row"):
        multipliers([1, 1], [1, 1], {"s": [0]})
    with pytest.raises(ValueError, match="codes from 0"):
        multipliers([1, 1], [1, 1], {"s": [0, -1]})


def test_groups_that_differ_by_chance_alone_get_no_factor() -> None:
    random = np.random.default_rng(1)
    pulls = [np.abs(shrunk_ratios(random.poisson(5, 200), np.full(200, 5.0)).ratio - 1).max() for _ in range(20)]
    assert np.median(pulls) < 0.1  # raw ratios would stray by 1 and more
    one = shrunk_ratios([7], [2.0])
    assert (one.ratio[0], one.shape) == (pytest.approx(1, abs=1e-5), MOST_SHAPE)


def test_shrunk_ratios_are_nearer_the_truth_than_raw_ones_and_than_none() -> None:
    random = np.random.default_rng(2)
    truth, expected = random.gamma(4, 1 / 4, 300), random.choice([0.5, 3, 40], 300)
    seen = random.poisson(truth * expected)
    made = shrunk_ratios(seen, expected)
    error = np.mean((made.ratio - truth) ** 2)
    assert error < 0.8 * min(np.mean((seen / expected - truth) ** 2), np.mean((1 - truth) ** 2))
    assert made.shape == pytest.approx(4, rel=0.5)
    inside = (made.low <= truth) & (truth <= made.high)
    assert 0.85 <= inside.mean() <= 0.95
    thin, thick = expected == 0.5, expected == 40
    assert np.abs(made.ratio[thin] - 1).mean() < np.abs(made.ratio[thick] - 1).mean()


def test_a_group_without_data_has_the_ratio_1() -> None:
    made = shrunk_ratios([0, 30, 5], [0.0, 10.0, 10.0])
    assert made.ratio[0] == pytest.approx(1)
    assert made.low[0] < 1 < made.high[0]


def test_a_dimension_does_not_take_what_another_explains() -> None:
    """Evening traffic stands mostly in the good placement: the hour has no factor of its own."""
    random = np.random.default_rng(3)
    place, hour = random.integers(0, 2, 4_000), np.zeros(4_000, dtype=np.int64)
    hour[:] = np.where(random.random(4_000) < 0.8, place, 1 - place)
    expected = np.full(4_000, 2.0)
    seen = random.poisson(expected * np.array([0.6, 1.4])[place])
    both = factors(seen, expected, {"hour": hour, "placement": place})
    alone = factors(seen, expected, {"hour": hour})
    assert alone["hour"].ratio[1] / alone["hour"].ratio[0] > 1.4
    assert both["hour"].ratio[1] / both["hour"].ratio[0] == pytest.approx(1, abs=0.1)
    assert both["placement"].ratio[1] / both["placement"].ratio[0] == pytest.approx(1.4 / 0.6, rel=0.1)


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        shrunk_ratios([-1], [1])
    with pytest.raises(ValueError, match="above 0 where events are"):
        shrunk_ratios([1], [0])
    with pytest.raises(ValueError, match="one level"):
        factors([1.0], [1.0], {"hour": [0, 1]})


def test_a_line_s_bids_are_worth_times_factors_within_floor_and_cap() -> None:
    segment, place = grid(2, 3)
    levels = {"segment": segment, "placement": place}
    made = line_bids(np.array([1_000, 4_000])[segment], np.ones(6), levels, {"placement": [1.0, 0.5, 2.0]},
                     bid_floor=600, bid_cap=7_000)
    # 500 is below the floor: no bid there, for a click is not worth the least that is taken.
    assert made.wanted.tolist() == [1_000, 0, 2_000, 4_000, 2_000, 7_000]
    assert made.sent is not None
    assert made.sent.bid / made.wanted[made.wanted > 0] == pytest.approx(np.ones(5), rel=0.15)
    none = line_bids([100, 100], [1, 1], {"segment": [0, 1]}, {}, bid_floor=600, bid_cap=700)
    assert (none.wanted.tolist(), none.sent) == ([0, 0], None)


def test_at_first_price_a_line_s_bid_is_shaded_by_the_win_rate() -> None:
    bids = np.arange(100, 10_001, 100)
    win = np.stack([bids / 10_000, np.where(bids >= 1_500, 1.0, 0.0)])  # uniform prices; all prices just below 1 500
    made = line_bids([4_000, 4_000], [1, 1], {"segment": [0, 1]}, {}, bid_floor=0, bid_cap=9_000, win_rate=(bids, win))
    assert made.wanted.tolist() == [2_000, 1_500]


@pytest.mark.parametrize(("change", "message"), [
    ({"factors": {"hour": [1.0]}}, "no levels for the factors of hour"),
    ({"factors": {"segment": [1.0, np.nan]}}, "factors of segment must be finite"),
    ({"bid_floor": 9}, "floor not above the cap"),
    ({"segment_bid": [-1, 1]}, "not negative"),
])
def test_bad_line_bids_are_refused(change, message) -> None:
    good = {"segment_bid": [1, 1], "clicks": [1, 1], "levels": {"segment": [0, 1]}, "factors": {}, "bid_floor": 0,
            "bid_cap": 5}
    with pytest.raises(ValueError, match=message):
        line_bids(**(good | change))
