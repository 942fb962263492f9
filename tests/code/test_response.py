"""What a plan returns: saturation, carry-over, and the slope of both."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from decisions.response import HILL, LOGISTIC, POWER, Response, saturation


def response(family: int, days: int = 5, kernel: tuple[float, ...] = (0.6, 0.3, 0.1), n: float = 1.0) -> Response:
    lines = 3
    return Response(np.full(lines, family), np.linspace(1, 2, days)[:, None] * [100.0, 50.0, 10.0],
                    np.array([20.0, 40.0, 5.0]), np.full(lines, n), np.array(kernel)[:, None] * np.ones(lines),
                    np.full((days, lines), 2.0))


def test_a_plan_works_on_its_day_and_on_later_ones() -> None:
    effective = response(HILL).effective([[10.0, 0.0, 0.0], [0.0, 0.0, 0.0], [20.0, 0.0, 0.0]])
    assert np.allclose(effective[:, 0], [2 + 6, 2 + 3, 2 + 1 + 12, 2 + 6, 2 + 2])
    assert np.allclose(effective[:, 1:], 2)


def test_each_saturation_starts_at_nothing_and_ends_where_it_should() -> None:
    u = np.array([0.0, 1.0, 1e300])
    assert np.allclose(saturation(np.full(3, HILL), u, np.full(3, 1.5)), [0, 0.5, 1])
    assert np.allclose(saturation(np.full(3, LOGISTIC), u, np.ones(3)), [0, np.tanh(0.5), 1])
    assert np.allclose(saturation(np.full(2, POWER), u[:2], np.full(2, 0.5)), [0, 1])


@given(st.sampled_from([HILL, LOGISTIC, POWER]), st.floats(0.3, 2.5), st.integers(0, 2**32 - 1))
def test_the_gradient_is_what_one_more_unit_returns(family: int, n: float, seed: int) -> None:
    made = response(family, n=min(n, 0.9) if family == POWER else n)
    spend = np.random.default_rng(seed).uniform(0.5, 60, (3, 3))
    step = 1e-4
    for day, line in ((0, 0), (1, 2), (2, 1)):
        up, down = spend.copy(), spend.copy()
        up[day, line] += step
        down[day, line] -= step
        told = (made.value(up) - made.value(down)) / (2 * step)
        assert np.isclose(made.gradient(spend)[day, line], told, rtol=1e-4, atol=1e-7)


def test_many_plans_at_once_are_each_as_alone() -> None:
    made, spend = response(HILL, n=1.7), np.random.default_rng(1).uniform(0, 50, (4, 2, 3, 3))
    assert np.allclose(made.value(spend)[2, 1], made.value(spend[2, 1]))
    assert np.allclose(made.gradient(spend)[2, 1], made.gradient(spend[2, 1]))
