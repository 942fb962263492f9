"""The intervals hold what they promise, and the bundle tells the service what it needs."""

import json

import numpy as np
import pytest
from model_world import FIRST, Trained

from moe.settings import settings
from serving.bundle import Bundle
from training.dataset import TARGETS, columns, sample
from training.intervals import factors, noise, spread


@pytest.mark.parametrize(("k", "part"), [(4.0, 1.0), (50.0, 1.0), (50.0, 0.25), (200.0, 0.25)])
def test_the_spread_of_a_gamma_mixing_is_found_again(k: float, part: float) -> None:
    """Also where a conversion is credited in quarters, which scatters less than whole counts do."""
    rng = np.random.default_rng(1)
    expected = rng.lognormal(5.0, 1.0, 4000)
    events = rng.poisson(expected * rng.gamma(k, 1 / k, 4000) / part) * part
    assert noise(events, expected) == pytest.approx(part, rel=0.3)
    assert spread(events, expected) == pytest.approx(1 / k, rel=0.2)


def test_few_rows_give_a_wider_interval_than_many() -> None:
    rng = np.random.default_rng(2)
    expected = rng.lognormal(4.0, 0.5, 4000)
    events = rng.poisson(expected * rng.gamma(50, 1 / 50, 4000)).astype(float)
    low, high = factors(events, expected)
    wider = [factors(events[n : n + 40], expected[n : n + 40]) for n in range(0, 4000, 40)]
    assert np.mean([w[1] - w[0] for w in wider]) > 1.1 * (high - low)


def test_counts_without_excess_give_a_narrow_interval_and_never_none() -> None:
    expected = np.full(500, 40.0)
    low, high = factors(expected.copy(), expected)
    assert 0.97 < low < 1 < high < 1.03


def test_nine_in_ten_true_rates_of_the_latest_dates_lie_in_the_interval(trained: Trained) -> None:
    world, frame = trained.world, trained.frame
    bundle = Bundle.load(settings().bundles / trained.result["version"])
    dates = frame["business_date"].to_numpy("datetime64[D]")
    latest = dates >= sample(frame, TARGETS[0]).split()["report"].dates.min()
    late = frame[latest]
    rates = bundle.predict(columns(late, late["business_date"]))
    day = (dates[latest] - np.datetime64(FIRST)).astype(int) + world.before
    at = {key: n for n, key in enumerate(zip(world.line, world.segment, strict=True))}
    place = np.array([at[key] for key in zip(late["line_id"], late["segment"], strict=True)])
    for target, truth in (("click_rate", world.click_rate), ("conversion_rate", world.conversion_rate)):
        low, high = bundle.about["intervals"][target]
        ratio = truth[day, place] / rates[target]
        covered = float(((low <= ratio) & (ratio <= high)).mean())
        assert 0.8 < covered < 0.98, (target, covered, low, high)
        narrower = float(((1 - (1 - low) / 3 <= ratio) & (ratio <= 1 + (high - 1) / 3)).mean())
        assert narrower < 0.7  # an interval as wide as the world would hold everything


def test_the_bundle_names_bounds_known_names_entities_and_the_units_rates(trained: Trained) -> None:
    about = json.loads((settings().bundles / trained.result["version"] / "bundle.json").read_text())
    features = {f["name"]: f for f in about["features"]}
    assert features["segment"]["values"] == ["loyal", "new", "returning"]
    assert features["platform"]["values"] == ["google_ads", "meta_ads"]
    assert features["weekday"]["values"] == list(range(1, 8))
    assert features["bounce_rate"] == {"name": "bounce_rate", "type": "double", "minimum": 0, "maximum": 1}
    assert about["entities"] == ["line_id", "segment"]
    clicks = sample(trained.frame, TARGETS[0])
    assert about["history"]["click_rate"] == pytest.approx(clicks.events.sum() / clicks.exposure.sum())
    assert about["intervals"]["level"] == 0.9
