"""What a model of rates must do, on worlds whose rates are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from model_world import KNOWN, Trained, World

from training.dataset import TARGETS, Sample, sample, training_set
from training.evaluate import Outcome, choose, deciles
from training.labels import labels
from training.models import candidates

CLICKS, CONVERSIONS = TARGETS


@pytest.fixture(scope="module")
def outcomes(trained: Trained) -> list[Outcome]:
    return [choose(target, sample(trained.frame, target)) for target in TARGETS]


def test_the_model_beats_the_shrunk_rate_and_a_constant_on_later_dates(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        measured = outcome.metrics
        assert outcome.winner != "baseline"
        assert measured["deviance_report"] < 0.8 * measured["deviance_report_baseline"]
        assert measured["deviance_report"] < 0.5 * measured["deviance_report_constant"]


def test_predictions_are_calibrated_on_later_dates(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        assert outcome.metrics["predicted_over_observed"] == pytest.approx(1.0, abs=0.05)
        assert outcome.metrics["calibration_error"] < 0.08
        assert outcome.deciles["ratio"].between(0.8, 1.25).all()
        assert outcome.deciles["observed"].corr(outcome.deciles["predicted"]) > 0.9


def test_a_winner_that_loses_on_the_latest_dates_is_not_used(trained: Trained) -> None:
    rows = sample(trained.frame, CLICKS)
    latest = rows.dates >= rows.split()["report"].dates.min()
    turned = replace(rows, events=np.where(latest, rows.exposure * rows.columns["click_rate_28d"], rows.events))
    outcome = choose(CLICKS, turned)
    assert outcome.winner == "baseline"
    assert outcome.rate.calibration.kind == "none"
    assert "lost to it on the latest" in outcome.said


def test_without_structure_nothing_is_lost_against_the_shrunk_rate(home: Any) -> None:
    world = World(name="flat", nights=35, lines=6, drift=0.0, structure=False).write()
    for target in TARGETS:
        measured = choose(target, sample(training_set("flat", world.last), target)).metrics
        assert measured["deviance_report"] < 1.1 * measured["deviance_report_baseline"]


def test_doubling_exposure_and_events_does_not_change_a_rate(trained: Trained) -> None:
    for target in TARGETS:
        rows = sample(trained.frame, target)
        twice = replace(rows, events=2 * rows.events, exposure=2 * rows.exposure)
        for once, double in zip(candidates(target, rows), candidates(target, twice), strict=True):
            ratio = double.predict(rows.columns) / once.predict(rows.columns)
            assert np.abs(ratio - 1).mean() < 0.02, once.correction.name


def test_a_line_twice_as_large_at_the_same_rates_keeps_its_rate(outcomes: list[Outcome], trained: Trained) -> None:
    for outcome in outcomes:
        columns = dict(sample(trained.frame, outcome.rate.target).columns)
        larger = columns | {name: 2 * columns[name] for name in ("impressions_7d", "clicks_7d", "spend_7d")}
        ratio = outcome.rate.predict(larger) / outcome.rate.predict(columns)
        assert np.abs(ratio - 1).mean() < 0.05


def test_a_higher_shrunk_rate_gives_a_higher_rate(outcomes: list[Outcome], trained: Trained) -> None:
    columns = dict(sample(trained.frame, CLICKS).columns)
    higher = columns | {name: 1.5 * columns[name] for name in ("click_rate_7d", "click_rate_28d")}
    assert (outcomes[0].rate.predict(higher) > outcomes[0].rate.predict(columns)).mean() > 0.95


def test_fractions_and_more_conversions_than_clicks_are_learnt(home: Any) -> None:
    world = World(name="many", nights=30, lines=6, per_click=1.7).write()
    rows = sample(training_set("many", world.last), CONVERSIONS)
    assert (rows.events > rows.exposure).mean() > 0.5
    assert (rows.events % 1 > 0).any()
    outcome = choose(CONVERSIONS, rows)
    assert outcome.metrics["predicted_over_observed"] == pytest.approx(1.0, abs=0.1)
    assert outcome.rate.predict(rows.columns).mean() > 1


def test_the_known_share_of_conversions_is_learnt_from_restatements(trained: Trained) -> None:
    found = labels(trained.world.name, trained.world.last)
    newest = found[found["business_date"] == pd.Timestamp(trained.world.last)]
    share = newest["conversion_clicks"].sum() / newest["clicks"].sum()
    assert share == pytest.approx(KNOWN[0], abs=0.01)
    older = found[found["business_date"] <= pd.Timestamp(trained.world.night(trained.world.nights - 3))]
    assert older["conversion_clicks"].sum() == pytest.approx(older["clicks"].sum())


def test_labels_do_not_change_with_what_comes_later(home: Any) -> None:
    from training.dataset import digest

    world = World(name="later", nights=24, lines=3)
    for index in range(20):
        world.write_core(index)
        world.write_ads(index)
    before = digest(training_set("later", world.night(19)))
    for index in range(20, 24):
        world.write_core(index)
        world.write_ads(index)
    assert digest(training_set("later", world.night(19))) == before
    assert digest(training_set("later", world.night(20))) != before


def test_the_split_is_by_time(trained: Trained) -> None:
    parts: dict[str, Sample] = sample(trained.frame, CLICKS).split()
    assert parts["train"].dates.max() < parts["choose"].dates.min()
    assert parts["choose"].dates.max() < parts["report"].dates.min()
    assert sum(len(p.events) for p in parts.values()) == len(trained.frame)


def test_deciles_hold_a_tenth_of_the_exposure_each(trained: Trained) -> None:
    rows = sample(trained.frame, CLICKS)
    table = deciles(rows, rows.columns["click_rate_28d"])
    assert len(table) == 10
    assert table["exposure"].to_numpy() / rows.exposure.sum() == pytest.approx(0.1, abs=0.01)
