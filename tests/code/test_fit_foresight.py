"""Demand that planners saw coming: conversion rates show it, the curve is freed of it, and its range says the rest."""

import numpy as np
import pytest

from decisions.fitting import SIMPLE, fit
from decisions.fitting.confounding import BIAS, CHANNEL_SD, LINE_SD
from decisions.fitting.foresight import RATIO, foreseen
from tests.code.fit_world import Truth

BOTH = {"channel-0": SIMPLE, "channel-1": SIMPLE}


def known(world, by_spend=0.0, rate=1.0):
    """A history in which clicks follow the true curve (times spend to the power `by_spend`)."""
    relative = world.spend / world.typical
    expected = 300 * world.value(world.spend) / world.level * relative**by_spend
    return world.history(clicks=np.random.default_rng(4).poisson(expected * rate).ravel())


def marginal(world, made):
    """Error of the log marginal return at typical spend (n,), its 90 % interval (2, n) beside it, and its width."""
    true = np.log(world.marginal(world.typical))
    drawn = np.log(made.marginal(world.typical, made.draws(400, 1))) - true
    return np.log(made.marginal(world.typical)) - true, np.quantile(drawn, [0.05, 0.95], axis=0), drawn.std(axis=0)


def test_rates_that_rise_with_spend_free_the_curve_of_demand():
    world = Truth(n=40, bias=0.25, noise=5.0)  # of which 0.07 in clicks, and the rest in their rate
    history = known(world, by_spend=0.07)
    blind, seeing = (fit(one, specs=BOTH) for one in (world.history(), history))
    before, after = marginal(world, blind), marginal(world, seeing)
    assert before[0].mean() > 0.2 and abs(after[0].mean()) < 0.1
    covered = [((low <= 0) & (high >= 0)).mean() for low, high in (before[1], after[1])]
    assert covered[0] < 0.4 and covered[1] > 0.85
    power = foreseen(history)
    assert (np.abs(power.mean - 0.25) < 2 * np.hypot(power.shared, power.own)).all()


def test_rates_that_stay_leave_the_curve_and_its_range():
    world = Truth(n=40, noise=5.0)
    calm, foreseeing = (foreseen(known(one)) for one in (world, Truth(n=40, bias=0.2, noise=5.0)))
    assert calm.mean.max() < 0.03
    assert calm.shared.max() < 1.3 * CHANNEL_SD < foreseeing.shared.min()
    error, (low, high), _ = marginal(world, fit(known(world), specs=BOTH))
    assert abs(error.mean()) < 0.05
    assert ((low <= 0) & (high >= 0)).mean() > 0.85


def test_rates_that_fall_with_spend_have_causes_of_their_own():
    falling = foreseen(known(Truth(n=40, noise=5.0), by_spend=0.2))
    assert (falling.mean == 0).all()


def test_little_data_leave_much_unsaid():
    few, many = (foreseen(known(Truth(n=24, days=days, noise=noise))) for days, noise in ((12, 50.0), (90, 5.0)))
    assert few.shared.min() > 1.5 * many.shared.max()


@pytest.mark.parametrize("case", ["no clicks", "clicks of nothing", "no sale with a click"])
def test_without_rates_b_is_what_it_is_elsewhere(case):
    world = Truth(n=4, noise=5.0)
    if case == "no sale with a click":
        world.outcome[:] = -1.0
    history = world.history() if case == "no clicks" else known(world, rate=0.0 if case == "clicks of nothing" else 1.0)
    power = foreseen(history)
    assert (power.mean == BIAS).all() and (power.shared == CHANNEL_SD).all() and (power.own == LINE_SD).all()


def test_a_line_without_clicks_has_its_accounts_planners():
    world = Truth(n=24, bias=0.2, noise=5.0)
    history = known(world)
    history.clicks[:, 0] = np.nan
    power = foreseen(history)
    assert power.mean[0] == pytest.approx(power.mean[2::2].mean(), rel=0.3)
    assert power.mean[0] > 0.5 * RATIO * 0.17


def test_the_order_of_lines_does_not_count():
    world = Truth(n=12, days=40, bias=0.2)
    history = known(world)
    backwards = history.of(np.arange(12)[::-1])
    assert np.allclose(foreseen(backwards).mean[::-1], foreseen(history).mean, atol=1e-6)


def test_a_channel_without_clicks_stands_on_the_other_and_is_less_sure():
    world = Truth(n=24, bias=0.2, noise=5.0)
    world.lines = [(line, "campaign", channel) for line, _, channel in world.lines]
    history = known(world)
    history.clicks[:, 1::2] = np.nan
    power = foreseen(history)
    assert power.mean[1::2].mean() > 0.5 * power.mean[0::2].mean()
    assert power.shared[1::2].min() > 1.1 * power.shared[0::2].max()
