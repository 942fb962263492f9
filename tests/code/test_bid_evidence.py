"""Factors by hour block: none where hours do not matter, and what was planted where they do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.auctions.evidence import FALSE_SHARE, effect
from decisions.auctions.percents import percents, spend

SHARE = np.array([0.05, 0.1, 0.2, 0.25, 0.25, 0.15])
SHAPE = np.array([0.5, 0.7, 1.0, 1.1, 1.3, 0.9])
PERIODS = 6


def counts(seed, lines=12, clicks=3_000, rate=0.05, shape=None, own=None, daily=0.0):
    """Weeks of clicks and conversions of lines whose rates and sizes differ; `own` multiplies the rates of line 0,
    `daily` is a common shock to each week's block."""
    random = np.random.default_rng(seed)
    size = clicks * random.lognormal(0, 0.5, lines)
    n = random.poisson(size[None, :, None] * SHARE, (PERIODS, lines, SHARE.size))
    of_line = np.minimum(rate * random.lognormal(0, 0.4, lines), 0.3)[None, :, None]
    of_week = random.lognormal(0, 0.2, (PERIODS, lines, 1))
    chance = of_line * of_week * (np.ones(SHARE.size) if shape is None else shape)
    chance = np.broadcast_to(chance, n.shape).copy()
    if own is not None:
        chance[:, 0] *= own
    chance *= np.exp(daily * random.normal(size=(PERIODS, 1, SHARE.size)))
    return n, random.binomial(n, np.minimum(chance, 1.0))


def test_without_an_effect_hardly_any_line_gets_a_factor():
    """Also where lines, weeks and their sizes differ, which is no matter of the hour."""
    found = [effect(*counts(seed)).stated for seed in range(60)]
    assert np.mean([f.any() for f in found]) <= FALSE_SHARE
    assert np.mean(found) < 0.01


def test_shocks_that_do_not_come_again_are_no_effect():
    found = [effect(*counts(seed, daily=0.15)).stated for seed in range(40)]
    assert np.mean([f.any() for f in found]) <= 0.15


def test_an_effect_of_all_lines_is_found_and_its_size_is_right():
    found = effect(*counts(1, shape=SHAPE))
    assert found.stated.mean() > 0.8
    true = SHAPE / (SHAPE * SHARE).sum()
    assert np.abs(found.factor[found.stated] - true).max() < 0.15
    assert np.abs(found.factor[found.stated].mean(axis=0) - true).max() < 0.05


def test_an_effect_of_one_line_stays_with_it():
    found = [effect(*counts(seed, own=SHAPE, clicks=6_000)) for seed in range(20)]
    assert np.mean([f.by_line[0] for f in found]) > 0.9
    assert np.mean([f.stated[1:] for f in found]) < 0.01


def test_thin_lines_take_their_factors_from_the_unit_and_deviate_little():
    n, y = counts(3, lines=20, clicks=20_000, shape=SHAPE)
    n[:, -1], y[:, -1] = n[:, -1] // 2_000, 0
    y[-1, -1, 0] = 1  # the thin line's one conversion, in the hour that converts least
    found = effect(n, y)
    rest = found.factor[:-1].mean(axis=0)
    assert np.abs(found.factor[-1] / rest - 1).max() < 0.25
    assert n[:, -1].sum() < 60


def test_the_evidence_is_an_e_value_its_mean_without_an_effect_is_at_most_one():
    gains = np.concatenate([effect(*counts(seed, lines=6)).gain for seed in range(150)])
    assert np.exp(gains).mean() < 1.15


def test_the_order_of_lines_does_not_matter_and_a_line_without_conversions_has_no_factor():
    n, y = counts(4, shape=SHAPE)
    y[:, 3] = 0
    order = np.random.default_rng(0).permutation(n.shape[1])
    one, other = effect(n, y), effect(n[:, order], y[:, order])
    assert np.allclose(one.factor[order], other.factor) and (one.stated[order] == other.stated).all()
    assert not one.stated[3]


@pytest.mark.parametrize(("n", "y"), [
    (np.ones((2, 3)), np.ones((2, 3))), (np.ones((2, 3, 4)), np.ones((2, 3, 5))),
    (np.full((2, 3, 4), -1.0), np.ones((2, 3, 4))), (np.ones((2, 3, 4)), np.full((2, 3, 4), np.nan)),
])
def test_bad_counts_are_refused(n, y):
    with pytest.raises(ValueError, match="clicks and conversions"):
        effect(n, y)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.001, 1)), min_size=2, max_size=12), st.integers(-90, 0),
       st.integers(0, 900))
@settings(max_examples=300)
def test_percentages_are_whole_in_range_and_keep_the_spend(given_, least, most):
    factor, share = np.array(given_).T
    share = share / share.sum()
    made = percents(factor, share, least, most)
    assert made.dtype == np.int64 and (least <= made).all() and (made <= most).all()
    bid = 1 + made / 100
    assert spend(bid, share) <= 1 + 1e-9
    assert (share * bid).sum() <= 1 + 1e-9  # so does spend that grows by less
    assert (np.diff(made[np.argsort(factor)]) >= 0).all()  # a better hour never bids less
    # No more fits: two percent more wherever there is room would overspend.
    more = np.minimum(made + 2, most)
    assert spend(1 + more / 100, share) > 1 - 1e-9 or (made[factor >= factor.max() * 1e-4] == most).all()


def test_equal_factors_change_nothing_and_a_level_without_clicks_gets_none():
    assert (percents(np.ones(6), SHARE, -90, 900) == 0).all()
    made = percents([0.5, 1.5, 3.0], [0.5, 0.5, 0.0], -90, 900)
    assert made[2] == 0 and made[0] < 0 < made[1]
    with pytest.raises(ValueError, match="add up to 1"):
        percents([1.0, 1.0], [0.5, 0.6], -90, 900)
