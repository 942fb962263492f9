"""Experiments: they repair a confounded curve, narrow it, move the neighbours, and are refused by name when bad."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from decisions.fitting import SIMPLE, Experiment, fit
from decisions.fitting.experiments import from_rows
from moe.contracts import contract
from tests.code.fit_world import FIRST, Truth

BOTH = {"channel-0": SIMPLE, "channel-1": SIMPLE}
GOOD = Experiment("t1", "line-00", FIRST + timedelta(days=60), FIRST + timedelta(days=73), 100.0, 50.0, 400.0, 40.0)


def test_on(world, line, times=1.6, error=0.05, days=14):
    """An exact test of a line at `times` its typical spend, with a stated error."""
    spend = world.typical
    lift = float((world.value(times * spend) - world.value(spend))[line]) * days
    return Experiment(f"test-{line}", f"line-{line:02}", FIRST + timedelta(days=60),
                      FIRST + timedelta(days=59 + days), float(times * spend[line]), float(spend[line]), lift,
                      error * lift)


test_on.__test__ = False


@pytest.fixture(scope="module")
def confounded():
    """A world whose outcome moves with spend to the power 0.2 for reasons that spend did not cause."""
    world = Truth(bias=0.2, noise=5.0)
    return world, world.history()


def error(world, fitted):
    return np.log(fitted.marginal(world.typical) / world.marginal(world.typical))


def test_one_test_repairs_its_curve_and_narrows_it(confounded):
    world, known = confounded
    before, after = fit(known, specs=BOTH), fit(known, [test_on(world, 0)], specs=BOTH)
    assert error(world, before)[0] > 0.2  # observation overstates
    assert abs(error(world, after)[0]) < 0.3 * error(world, before)[0]

    def width(made):
        return np.log(made.marginal(world.typical, made.draws(400, 1))).std(axis=0)

    assert width(after)[0] < 0.6 * width(before)[0]
    assert after.evidence[0] == "calibrated" and set(after.evidence[1:]) == {"observational"}


def test_neighbours_learn_what_a_channel_shares(confounded):
    world, known = confounded
    tests = [test_on(world, line) for line in range(0, 16, 2)]
    before, after = fit(known, specs=BOTH), fit(known, tests, specs=BOTH)
    untested, elsewhere = np.arange(16, 24, 2), np.arange(1, 24, 2)
    assert error(world, after)[untested].mean() < 0.9 * error(world, before)[untested].mean()
    assert np.allclose(after.mean[elsewhere], before.mean[elsewhere])


def test_a_vague_test_says_nothing_and_order_does_not_count(confounded):
    world, known = confounded
    before = fit(known, specs=BOTH)
    vague = fit(known, [test_on(world, 0, error=1000.0)], specs=BOTH)
    assert np.allclose(vague.mean, before.mean, atol=1e-3)
    tests = [test_on(world, line) for line in (0, 2, 4)]
    one, two = fit(known, tests, specs=BOTH), fit(known, tests[::-1], specs=BOTH)
    assert one.mean.tobytes() == two.mean.tobytes()


def test_draws_have_the_stated_covariance(confounded):
    world, known = confounded
    fitted = fit(known, [test_on(world, 0)], specs=BOTH)
    drawn = fitted.draws(20_000, 1)
    for line in (0, 2):
        sd = np.sqrt(np.diag(fitted.cov[line]))
        assert np.allclose(drawn[:, line].std(axis=0), sd, rtol=0.05, atol=1e-6)
    together = np.corrcoef(drawn[:, 2, 1], drawn[:, 4, 1])[0, 1]
    assert together > 0.02 and abs(np.corrcoef(drawn[:, 2, 1], drawn[:, 3, 1])[0, 1]) < 0.03


@pytest.mark.parametrize(("change", "text"), [
    ({"standard_error": np.nan}, "experiment t1: standard_error is nan: give one above 0"),
    ({"standard_error": -1.0}, "experiment t1: standard_error is -1.0"),
    ({"incremental_outcome": np.nan}, "experiment t1: incremental_outcome is nan"),
    ({"spend_test": -5.0}, "experiment t1: spend_test is -5.0"),
    ({"spend_test": 50.0}, "experiment t1: both arms spend 50.0"),
    ({"end": FIRST}, "experiment t1: it ends on 2026-03-02, before it starts"),
])
def test_bad_experiments_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        replace(GOOD, **change)


@pytest.mark.parametrize(("experiments", "text"), [
    ([replace(GOOD, line_id="nobody")], "experiment t1: line 'nobody' is unknown"),
    ([replace(GOOD, end=FIRST + timedelta(days=200))], "t1: 2026-05-01 to 2026-09-18 is not within the data"),
    ([replace(GOOD, start=FIRST - timedelta(days=2))], "is not within the data"),
    ([GOOD, GOOD], "experiment t1 is there twice"),
])
def test_experiments_that_do_not_fit_the_data_are_refused(experiments, text, confounded):
    with pytest.raises(ValueError, match=text):
        fit(confounded[1], experiments, specs=BOTH)


def test_rows_of_the_contract_become_experiments():
    row = {"unit": "u", "night": FIRST, "experiment_id": "t1", "kind": "geo", "line_id": "line-00",
           "start_date": GOOD.start, "end_date": GOOD.end, "spend_test": 100, "spend_control": 50,
           "objective": "conversions", "incremental_outcome": 400.0, "standard_error": 40.0, "entered_on": GOOD.end}
    rows = pa.Table.from_pylist([row], schema=contract("core.experiment__test").schema).to_pylist()
    assert from_rows(rows, "conversions") == (GOOD,)
    assert from_rows(rows, "conversion_value") == ()
    with pytest.raises(ValueError, match="experiment t1: standard_error is nan"):
        from_rows([{**rows[0], "standard_error": None}], "conversions")
