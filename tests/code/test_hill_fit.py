"""The simplest fit, a peer of `decisions.fitting`: known parameters come back, few days mean the group's shape."""

import numpy as np
import pytest

from benchmarks.hill_fit import fit
from decisions.curves import Curves


def world(n_lines=200, n_days=90, seed=1, follow_demand=0.0):
    """Line-days from known curves: over-dispersed outcomes, budgets that may follow a shared demand."""
    random = np.random.default_rng(seed)
    typical = np.exp(random.normal(4, 1, n_lines))
    k = typical * np.exp(random.normal(0.3, 0.4, n_lines))
    a = k * np.exp(random.normal(1.2, 0.6, n_lines))
    line, day = np.repeat(np.arange(n_lines), n_days), np.tile(np.arange(n_days), n_lines)
    demand = np.exp(random.normal(0, 0.25, n_days))[day] if follow_demand else np.ones(line.size)
    spend = typical[line] * np.exp(random.normal(0, 0.5, line.size)) * demand**follow_demand
    outcome = 20.0 * random.poisson(demand * a[line] * spend / (spend + k[line]) / 20.0)
    return line, day, spend, outcome, a, k, typical


def error(curves, a, k):
    return np.log(curves.a / curves.k / (a / k)), np.log(curves.k / k)


def test_known_parameters_come_back():
    line, _, spend, outcome, a, k, typical = world()
    curves = fit(line, spend, outcome, 200)
    for log_error, scatter in zip(error(curves, a, k), (0.25, 0.4), strict=True):
        assert abs(log_error.mean()) < 0.1
        assert log_error.std() < scatter
    assert curves.dispersion.mean() == pytest.approx(20, rel=0.1)
    for at in (typical, 3 * typical):  # errors are as large as the standard errors say
        z = (curves.value(at) - a * at / (at + k)) / curves.value_se(at)
        assert 0.8 < z.std() < 1.3


def test_pooling_beats_fitting_each_line_alone():
    line, _, spend, outcome, _, k, _ = world(n_days=10)
    together = fit(line, spend, outcome, 200)
    alone = np.array([fit(0 * line[line == i], spend[line == i], outcome[line == i], 1).k[0] for i in range(200)])
    assert np.abs(np.log(together.k / k)).mean() < 0.8 * np.abs(np.log(alone / k)).mean()


def test_shared_demand_is_taken_out():
    line, day, spend, outcome, a, k, _ = world(follow_demand=1.0)
    naive, adjusted = fit(line, spend, outcome, 200), fit(line, spend, outcome, 200, day=day)
    assert error(naive, a, k)[1].mean() > 0.4  # saturates far too late
    assert abs(error(adjusted, a, k)[1].mean()) < 0.15
    assert adjusted.demand.mean() == pytest.approx(1)
    assert naive.demand.size == 0


def test_curves_rise_and_flatten():
    line, _, spend, outcome, *_ = world(n_lines=30)
    curves = fit(line, spend, outcome, 30)
    at = np.linspace(0, 5, 200)[:, None] * curves.typical_spend
    value, marginal = curves.value(at), curves.marginal(at)
    assert (value[0] == 0).all()
    assert (np.diff(value, axis=0) > 0).all()
    assert (np.diff(marginal, axis=0) < 0).all()
    assert np.allclose(np.diff(value, axis=0) / np.diff(at, axis=0), (marginal[1:] + marginal[:-1]) / 2, rtol=1e-3)
    for price in (0.5, 2.0):
        spend_at = curves.spend_at(price)
        assert np.allclose(curves.marginal(spend_at)[spend_at > 0], price)
        assert (curves.marginal(0)[spend_at == 0] <= price).all()


def test_few_days_shrink_and_are_unsure():
    line, day, spend, outcome, *_ = world()
    full = fit(line, spend, outcome, 200)
    few = (line >= 100) | (day < 3)
    cut = fit(line[few], spend[few], outcome[few], 200)
    assert (cut.days_observed[:100] == 3).all()

    def scatter(curves):
        return np.log(curves.k / curves.typical_spend)[:100].std()

    assert scatter(cut) < 0.7 * scatter(full)
    at = full.typical_spend
    relative = cut.value_se(at)[:100] / cut.value(at)[:100], full.value_se(at)[:100] / full.value(at)[:100]
    assert (relative[0] > relative[1]).mean() > 0.95


@pytest.mark.parametrize("case", ["no rows", "unknown", "zero spend", "one day", "constant", "no return", "refunds"])
def test_odd_lines_are_finite_and_leave_the_others_alone(case):
    line, day, spend, outcome, *_ = world(n_lines=50)
    plain = fit(line, spend, outcome, 50)
    odd = line == 0
    keep = np.ones(line.size, dtype=bool)
    if case == "no rows":
        keep = ~odd
    elif case == "unknown":
        outcome = np.where(odd, np.nan, outcome)
    elif case == "zero spend":
        spend = np.where(odd, 0.0, spend)
    elif case == "one day":
        keep = ~odd | (day == 0)
    elif case == "constant":
        spend = np.where(odd, 50.0, spend)
    elif case == "no return":
        outcome = np.where(odd, 0.0, outcome)
    else:
        outcome = np.where(odd, -outcome, outcome)
    curves = fit(line[keep], spend[keep], outcome[keep], 50)
    for numbers in (curves.a, curves.k, curves.cov, curves.dispersion, curves.value_se(curves.typical_spend)):
        assert np.isfinite(numbers).all()
    assert (curves.a > 0).all() and (curves.k > 0).all()
    assert (np.linalg.eigvalsh(curves.cov) > 0).all()
    assert np.allclose(curves.k[1:], plain.k[1:], rtol=0.25)
    if case in ("no rows", "unknown", "zero spend"):  # the group's shape, and nothing claimed of its range
        group = np.exp(np.log(curves.k / curves.typical_spend)[1:].mean())
        assert curves.k[0] / curves.typical_spend[0] == pytest.approx(group, rel=0.1)
        if case != "unknown":
            assert curves.typical_spend[0] == pytest.approx(np.median(curves.typical_spend[1:]))
        assert curves.days_observed[0] == curves.spend_low[0] == curves.spend_high[0] == 0
    if case == "no return":
        assert curves.value(50.0)[0] < 0.2 * plain.value(50.0)[0]


def test_a_half_known_outcome_weighs_half():
    """Projecting an outcome to its final value with its share as weight is fitting the raw count."""
    line, _, spend, outcome, *_ = world(n_lines=20)
    whole, half = (
        fit(line, spend, outcome, 20),
        fit(line, spend, outcome, 20, weights=np.full(line.size, 0.5)),
    )
    at = whole.typical_spend
    # The dispersion is estimated from the same data, so the weights' common size cancels.
    assert np.allclose(whole.value_se(at), half.value_se(at), rtol=0.1)
    some = np.where(line < 10, 1.0, 0.1)
    unsure = fit(line, spend, outcome, 20, weights=some)
    assert (unsure.value_se(at)[10:] > whole.value_se(at)[10:]).all()


def test_same_rows_same_curves():
    line, day, spend, outcome, *_ = world(n_lines=20)
    one, two = (fit(line, spend, outcome, 20, day=day) for _ in range(2))
    assert one.a.tobytes() == two.a.tobytes() and one.cov.tobytes() == two.cov.tobytes()


def test_bad_rows_are_refused():
    with pytest.raises(ValueError, match="indices"):
        fit([2], [1.0], [1.0], 2)
    with pytest.raises(ValueError, match="not negative"):
        fit([0], [-1.0], [1.0], 1)
    with pytest.raises(ValueError, match="equally long"):
        fit([0, 0], [1.0], [1.0], 1)
    with pytest.raises(ValueError, match="nothing to fit"):
        fit([0, 0], [1.0, 2.0], [0.0, np.nan], 1)
    assert isinstance(fit([0], [1.0], [1.0], 1), Curves)
