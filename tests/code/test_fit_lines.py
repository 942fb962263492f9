"""The fit as a whole: known curves come back, little data is said to be little, bad input is refused by name."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.fitting import SIMPLE, Spec, fit
from decisions.fitting import history as make_history
from decisions.fitting.carry import CARRIES
from decisions.fitting.channel import fit_channel
from decisions.fitting.diagnostics import diagnose
from decisions.fitting.model import SIGNALS
from decisions.fitting.select import choose
from decisions.fitting.shapes import SHAPES
from tests.code.fit_world import FIRST, Truth

BOTH = {"channel-0": SIMPLE, "channel-1": SIMPLE}


def simple(known, experiments=()):
    return fit(known, experiments, specs=BOTH)


def width(fitted, line, times=1.0):
    """Posterior standard deviation of the log marginal return."""
    return np.log(fitted.marginal(fitted.today * times, fitted.draws(300, 1)))[:, line].std()


@pytest.mark.parametrize(("shape", "nu"), [("hill1", 0.0), ("hill", 0.4), ("logistic", 0.0), ("power", 0.3)])
def test_known_curves_come_back(shape, nu):
    world = Truth(n=40, shape=shape, nu=nu, noise=5.0)
    if shape == "power":
        world.kappa[:] = 0
    fitted = fit(world.history(), specs=dict.fromkeys(BOTH, Spec(shape, "none")))
    for times in (0.5, 1.0, 1.5):
        at = fitted.typical * times
        assert np.abs(fitted.value(at) / world.value(at) - 1).mean() < 0.05
    marginal = fitted.marginal(fitted.typical) / world.marginal(fitted.typical)
    assert np.abs(np.log(marginal)).mean() < 0.2
    inside = np.quantile(fitted.value(fitted.typical, fitted.draws(300, 1)), [0.05, 0.95], axis=0)
    covered = (inside[0] <= world.value(fitted.typical)) & (world.value(fitted.typical) <= inside[1])
    assert covered.mean() > 0.75


def test_carry_over_is_found_and_handed_on():
    world = Truth(n=40, carry="geometric", kept=(0.4, 0.0), noise=2.0)
    fitted = fit(world.history(), specs=dict.fromkeys(BOTH, Spec("hill1", "geometric")))
    response = fitted.response(3)
    assert np.abs(response.kernel - world.shares).mean(axis=1).max() < 0.06
    quiet = fitted.response(3, later_spend=np.zeros(world.n))
    past = world.spend[-1] * quiet.kernel[1] + world.spend[-2] * quiet.kernel[2]
    assert (quiet.offset[0] > 0.95 * past).all()
    assert (response.offset[-1] > quiet.offset[-1]).all()


def test_response_of_a_day_is_the_curve_times_its_season():
    fitted = simple(Truth(shared=1.0).history())
    response, s = fitted.response(2), fitted.today
    ratio = response.daily(np.stack([s, s])) / fitted.value(s)
    again = response.daily(np.stack([2 * s, 0.5 * s])) / fitted.value(np.stack([2 * s, 0.5 * s]))
    assert np.allclose(ratio, again)
    doubled = fitted.response(2, season=np.full((2, len(s)), 2.0))
    assert np.allclose(doubled.daily(np.stack([s, s])), 2 * response.daily(np.stack([s, s])))
    drawn = fitted.draws(2, seed=3)
    assert not np.allclose(fitted.response(1, theta=drawn[0]).daily([s]), fitted.response(1).daily([s]))
    with pytest.raises(ValueError, match="season has shape"):
        fitted.response(2, season=np.ones((1, len(s))))
    with pytest.raises(ValueError, match="a plan of 0 days"):
        fitted.response(0)


@pytest.mark.parametrize("case", ["no rows", "zero spend", "one day", "constant"])
def test_little_data_is_said_to_be_little(case):
    world = Truth()
    keep = np.ones(world.spend.shape, dtype=bool)
    full = simple(world.history())
    if case == "no rows":
        keep[:, 0] = False
    elif case == "one day":
        keep[1:, 0] = False
    else:
        world.spend[:, 0] = 0.0 if case == "zero spend" else world.typical[0]
    fitted = simple(world.history(keep))
    assert np.isfinite(fitted.mean).all() and np.isfinite(fitted.cov).all()
    assert (np.linalg.eigvalsh(fitted.cov) > -1e-9).all()

    def unsure(made):
        return np.log(made.marginal(made.typical, made.draws(400, 1))).std(axis=0)

    assert unsure(fitted)[0] > 1.2 * unsure(full)[0]
    assert unsure(fitted)[0] > 1.2 * np.median(unsure(fitted)[1:])
    assert np.allclose(fitted.mean[1:, 0], full.mean[1:, 0], atol=0.1)  # and the others are left alone
    if case in ("no rows", "zero spend"):
        assert fitted.days_observed[0] == fitted.spend_low[0] == fitted.spend_high[0] == 0
    if case == "constant":
        assert fitted.spend_low[0] == fitted.spend_high[0] == pytest.approx(world.typical[0])


def test_a_channel_without_outcome_stands_on_the_others():
    world = Truth()
    world.outcome[:, 0::2] = 0.0
    fitted = simple(world.history())
    assert np.isfinite(fitted.mean).all()
    assert fitted.value(fitted.typical)[0::2].max() < 0.1 * fitted.value(fitted.typical)[1::2].min()


def test_rows_in_another_order_give_the_same_bytes():
    world = Truth(n=12, days=40)
    line, day, spend, outcome = world.rows()
    order = np.random.default_rng(1).permutation(len(line))
    other = make_history(world.lines[::-1], [line[i] for i in order], [day[i] for i in order], spend[order],
                         outcome[order])
    one, two = simple(world.history()), simple(other)
    assert one.mean.tobytes() == two.mean.tobytes() and one.cov.tobytes() == two.cov.tobytes()
    assert one.draws(3, 5).tobytes() == two.draws(3, 5).tobytes()


def test_days_half_known_weigh_less():
    world = Truth(n=12)
    known = np.ones(world.spend.size)
    known[np.array([name == "line-00" for name in world.rows()[0]])] = 0.05
    assert width(simple(world.history(known=known)), 0) > 1.1 * width(simple(world.history()), 0)


def test_shared_demand_is_taken_out():
    world = Truth(n=40, shared=1.0)
    known = world.history()
    at = known.typical
    true = world.marginal(at) * at / world.value(at)

    def overstated(**demand):
        kappa = fit_channel(known, SIMPLE, **demand).theta[:, 1]
        return (1 / (1 + np.exp(-kappa)) - true).mean()  # Hill's elasticity at typical spend

    assert overstated(shared_demand=False, line_demand=False) > 0.06
    assert abs(overstated()) < 0.03


def test_clicks_tell_the_shape():
    world = Truth(n=20, noise=200.0)
    random = np.random.default_rng(4)
    clicks = random.poisson(30 * world.value(world.spend) / world.level)
    with_clicks, without = simple(world.history(clicks=clicks.ravel())), simple(world.history())
    at = world.typical
    errors = [np.abs(np.log(made.marginal(at) / world.marginal(at))).mean() for made in (with_clicks, without)]
    assert errors[0] < 0.8 * errors[1]


def test_held_out_days_choose_the_curve_and_prefer_the_simple_one():
    chosen = [choose(Truth(n=12, days=60, seed=seed, noise=100.0).history()) for seed in range(3)]
    assert chosen == [SIMPLE] * 3  # noise alone would favour another curve most of the time
    assert choose(Truth(n=24, days=30, shape="logistic").history()) == SIMPLE  # too few days to tell
    curved = choose(Truth(n=40, days=120, carry="geometric", kept=(1.0, 0.0), noise=1.0).history())
    assert curved.carry != "none"


def test_diagnostics_say_what_is_supported():
    world = Truth(n=20)
    known = world.history()
    fitted = simple(known)
    found = diagnose(known, fitted)
    assert np.allclose(found.plan_low, 0.8 * fitted.spend_low) and np.allclose(found.plan_high, 1.2 * fitted.spend_high)
    assert (found.marginal_low < found.marginal).all() and (found.marginal < found.marginal_high).all()
    assert np.nanmean(found.held_out_error) < np.nanmean(found.naive_error)
    short = known.until(20)
    assert np.isnan(diagnose(short, simple(short)).held_out_error).all()


@pytest.mark.parametrize(("change", "text"), [
    ({"spend": np.nan}, "line 'line-00' on 2026-03-02: spend is nan"),
    ({"spend": -1.0}, "spend is -1.0; it must be a number that is not negative"),
    ({"outcome": np.inf}, "outcome is inf; leave it empty"),
    ({"known": 1.5}, "known is 1.5; the share"),
    ({"clicks": -3.0}, "clicks is -3.0; they are a count"),
    ({"line": "other"}, "line 'other' has rows and is not in the list"),
    ({"day": FIRST + timedelta(days=1)}, "line 'line-00' has two rows on 2026-03-03"),
])
def test_bad_rows_are_refused_by_name(change, text):
    line, day, spend, outcome = Truth(n=2, days=3).rows()
    known, clicks = np.ones(len(line)), np.ones(len(line))
    line[0] = change.get("line", line[0])
    day[0] = change.get("day", day[0])
    for name, column in (("spend", spend), ("outcome", outcome), ("known", known), ("clicks", clicks)):
        column[0] = change.get(name, column[0])
    with pytest.raises(ValueError, match=text):
        make_history(Truth(n=2).lines, line, day, spend, outcome, known=known, clicks=clicks)


def test_missing_history_is_refused():
    with pytest.raises(ValueError, match="no row"):
        make_history([("a", "c", "d")], [], [], [], [])
    with pytest.raises(ValueError, match="listed twice"):
        make_history([("a", "c", "d"), ("a", "x", "d")], [], [], [], [])
    world = Truth(n=4, days=5)
    world.outcome[:] = 0
    with pytest.raises(ValueError, match="nothing to fit"):
        simple(world.history())


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.sampled_from(CARRIES))
def test_any_rows_give_finite_curves(seed, shape, carry):
    """Few lines, few days, gaps, pauses, tiny and huge spends, refunds, days without a known outcome."""
    random = np.random.default_rng(seed)
    world = Truth(n=int(random.integers(1, 6)), days=int(random.integers(1, 25)), seed=seed % 1000)
    size = world.spend.shape
    world.spend *= 10.0 ** random.integers(-4, 7) * (random.random(size) > 0.3)
    world.outcome = np.where(random.random(size) < 0.2, np.nan, world.outcome - 20.0 * (random.random(size) < 0.1))
    world.spend[0, 0], world.outcome[0, 0] = 10.0, 5000.0
    clicks = random.poisson(3.0, size) if random.random() < 0.5 else None
    spec = dict.fromkeys(BOTH, Spec(shape, carry))
    fitted = fit(world.history(clicks=None if clicks is None else clicks.ravel()), specs=spec)
    assert np.isfinite(fitted.mean).all() and np.isfinite(fitted.cov).all() and np.isfinite(fitted.draws(5, 1)).all()
    assert (np.diagonal(fitted.cov, axis1=1, axis2=2) >= 0).all()
    spend = np.linspace(0, 3, 7)[:, None] * fitted.typical
    assert (np.diff(fitted.value(spend), axis=0) >= 0).all()
    daily = fitted.response(3).daily(np.tile(fitted.today, (3, 1)))
    assert np.isfinite(daily).all() and (daily >= 0).all()


def test_a_market_signal_is_taken_out():
    world = Truth(n=20, noise=5.0)
    signal = np.random.default_rng(3).normal(0, 0.3, world.spend.shape)
    world.outcome = 5.0 * np.random.default_rng(4).poisson(world.value(world.spend) * np.exp(0.8 * signal) / 5.0)
    fitted = simple(world.history(signals=signal.reshape(-1, 1)))
    assert fitted.mean[:, SIGNALS].mean() == pytest.approx(0.8, abs=0.04)
    assert np.allclose(fitted.mean[:, SIGNALS], 0.8, atol=0.3)
