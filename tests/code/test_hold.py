"""Holding a release: probability and regret from paired draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from decisions.hold import compare, reason, wilson

RNG = np.random.default_rng(7)


def test_probability_and_regret_are_those_of_the_normal_gain() -> None:
    shared, gain = 1000 * RNG.standard_normal(200_000), 1.0 + 2.0 * RNG.standard_normal(200_000)
    found = compare(5000 + shared + gain, 5000 + shared)
    assert found.probability == pytest.approx(norm.cdf(0.5), abs=0.005), "what both share cancels"
    # E max(-gain, 0) of N(1, 2): sd * (phi(z) - z * (1 - Phi(z))) with z = 1/2
    assert found.regret == pytest.approx(2 * (norm.pdf(0.5) - 0.5 * norm.cdf(-0.5)), rel=0.02)
    assert abs(found.regret - 2 * (norm.pdf(0.5) - 0.5 * norm.cdf(-0.5))) < 4 * found.regret_se
    assert found.gain_low == pytest.approx(norm.ppf(0.05, 1, 2), abs=0.05)
    assert found.gain_high == pytest.approx(norm.ppf(0.95, 1, 2), abs=0.05)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=2, max_size=50))
def test_swapping_the_two_swaps_the_probability_and_gain_is_the_difference_of_regrets(pairs: list[tuple[float, float]]) -> None:  # noqa: E501
    new, old = np.array(pairs).T
    there, back = compare(new, old), compare(old, new)
    assert there.probability == pytest.approx(1 - back.probability)
    assert 0 <= there.probability_low <= there.probability <= there.probability_high <= 1
    assert back.regret - there.regret == pytest.approx((new - old).mean(), abs=1e-6)
    assert there.regret >= 0


def test_wilson_s_interval_holds_as_often_as_it_says() -> None:
    hits = 0
    for _ in range(2000):
        low, high = wilson(RNG.binomial(200, 0.6) / 200, 200)
        hits += low <= 0.6 <= high
    assert 0.93 <= hits / 2000 <= 0.97


def test_nothing_that_changes_is_never_held_and_thresholds_are_asked_beyond_monte_carlo_error() -> None:
    same = np.full(200, 100.0)
    assert reason(compare(same, same), probability=1.0, regret=0.0) == ""
    even = same + np.tile([1.0, -1.0], 100)
    assert reason(compare(even, same), probability=0.55, regret=1.0) == "", "50 % of 200 draws may well be 55 %"
    assert "only 50% of the cases" in reason(compare(even, same), probability=0.6, regret=1.0)
    wild = same + np.tile([40.0, -20.0], 100)
    assert "may lose is 10.0% of the day's value" in reason(compare(wild, same), probability=0.0, regret=0.05)
    assert reason(compare(wild, same), probability=0.0, regret=0.2) == ""


@pytest.mark.parametrize(("new", "old", "said"), [
    ([1.0, 2.0], [1.0], "do not pair"), ([1.0], [1.0], "do not pair"),
    ([1.0, float("nan")], [1.0, 2.0], "not a number"), ([1.0, 2.0], [1.0, float("inf")], "not a number"),
])
def test_draws_that_do_not_pair_or_are_no_numbers_are_refused(new: list[float], old: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(new, old)
