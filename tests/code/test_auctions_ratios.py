"""Ratios of groups that thin data pull to 1: known answers, coverage, and counts that are refused."""

import numpy as np
import pytest

from decisions.auctions.ratios import MOST_SHAPE, shrunk_ratios


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


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        shrunk_ratios([-1], [1])
    with pytest.raises(ValueError, match="above 0 where events are"):
        shrunk_ratios([1], [0])
