"""The parts of the fit: derivatives are slopes, kernels are shares, states are solved exactly, pooling pools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.fitting.carry import CARRIES, LAGS, kernel
from decisions.fitting.demand import Ar, moments, smooth, whiten
from decisions.fitting.model import SIGNALS, Days, Spec, active, evaluate
from decisions.fitting.shapes import FAMILY, SHAPES, exponent, log_saturation
from decisions.response import saturation
from tests.code.fit_world import Truth


@given(st.sampled_from(SHAPES), st.floats(-3, 3), st.floats(-1, 1), st.floats(-1, 1))
def test_shapes_are_the_contracts_saturations(shape, v, kappa, nu):
    nu_, kappa_ = np.array([nu]), np.array([0.0 if shape == "power" else kappa])
    log_h = log_saturation(shape, np.array([v]), kappa_, nu_)[0]
    u = np.exp(np.array([v]) - kappa_)
    assert np.isclose(np.exp(log_h), saturation(np.array([FAMILY[shape]]), u, exponent(shape, nu_)), rtol=1e-6)


@pytest.mark.parametrize("carry", CARRIES)
def test_kernels_add_up_to_one_and_their_derivatives_are_slopes(carry):
    at = np.array([[0.3, 0.4], [-0.8, 1.1]])
    shares, by = kernel(carry, at)
    assert np.allclose(shares.sum(axis=0), 1) and (shares >= 0).all()
    for parameter in range(2):
        step = np.zeros(2)
        step[parameter] = 1e-6
        slope = (kernel(carry, at + step)[0] - kernel(carry, at - step)[0]) / 2e-6
        assert np.allclose(by[..., parameter], slope, atol=1e-7)


def test_weibull_kernels_are_robyns():
    at = np.log([[2.0, 3.0]])
    age = np.arange(1, LAGS + 1)
    density = (age / 3) ** 1 * np.exp(-((age / 3) ** 2))
    assert np.allclose(kernel("weibull_pdf", at)[0][:, 0], density / density.sum())
    kept = np.cumprod(np.concatenate([[1.0], np.exp(-((age[:-1] / 3) ** 2))]))
    assert np.allclose(kernel("weibull_cdf", at)[0][:, 0], kept / kept.sum())


@settings(max_examples=40)
@given(st.sampled_from(SHAPES), st.sampled_from(CARRIES), st.integers(0, 2**32 - 1))
def test_the_jacobian_is_the_slope_of_the_log_mean(shape, carry, seed):
    random = np.random.default_rng(seed)
    world = Truth(n=4, days=20, seed=seed % 100)
    known = world.history(signals=random.normal(0, 0.3, (80, 1)))
    spec, days = Spec(shape, carry), Days.of(known, 0.1)
    theta = random.normal(0, 0.3, (4, SIGNALS + 1))
    jac = evaluate(spec, theta, days)[1]
    for column, name in enumerate(active(spec, 1)):
        step = np.zeros(SIGNALS + 1)
        step[name] = 1e-6
        up, down = (np.log(evaluate(spec, theta + sign * step, days)[0]) for sign in (1, -1))
        assert np.allclose(jac[..., column], (up - down) / 2e-6, atol=1e-5)


def test_whitening_is_the_dense_inverse():
    random = np.random.default_rng(1)
    days, ar = 15, Ar(0.7, 0.04)
    precision = random.uniform(0, 50, (days, 3)) * (random.random((days, 3)) > 0.2)
    a = random.normal(size=(days, 3, 2))
    state = ar.variance * ar.rho ** np.abs(np.subtract.outer(np.arange(days), np.arange(days)))
    found, mean = whiten(precision, ar, a), smooth(precision, ar, precision[..., None] * a)
    for line in range(3):
        seen = precision[:, line] > 0
        whole = state[np.ix_(seen, seen)] + np.diag(1 / precision[seen, line])
        assert np.allclose(found[seen, line], np.linalg.solve(whole, a[seen, line]))
        assert (found[~seen, line] == 0).all()
        gain = state[:, seen] @ np.linalg.inv(whole)
        assert np.allclose(mean[:, line], gain @ a[seen, line])


def test_moments_find_the_state():
    random = np.random.default_rng(2)
    days, n = 200, 100
    state = np.zeros((days, n))
    for t in range(1, days):
        state[t] = 0.7 * state[t - 1] + random.normal(0, 0.1 * np.sqrt(1 - 0.49), n)
    precision = np.full((days, n), 50.0)
    found = Ar(0.5, 0.05)
    for _ in range(3):
        found = moments(state + random.normal(0, 50**-0.5, (days, n)), precision, found)
    assert found.rho == pytest.approx(0.7, abs=0.08)
    assert found.variance == pytest.approx(0.01, rel=0.25)
