"""What the bid model must do: value beyond the line's, curves that rise with the bid, parity, its way to a bid."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from model_world import SEGMENTS, World, put, unit
from scipy.stats import norm
from test_bundle import odd_rows

from moe import frames, publish, spark
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night
from moe.settings import settings
from moe.train import promote, train
from serving.bundle import Bundle
from training import bid_model, bundles, landscape
from training.bid_model import (
    SPECIFICATION,
    VALUE,
    BidOptimizationModel,
    corrected,
    rule,
    value_candidates,
    value_sample,
)
from training.dataset import TARGETS, FloatArray, Sample, inputs, sample, training_set
from training.evaluate import choose, deviance
from training.export import to_onnx
from training.models import Rate
from training.score import SCORES, score

LANDSCAPE, COVERAGE = landscape.LANDSCAPE, "core.coverage__account_day"
BIDS = np.array([0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.2, 3.5])
SPREAD = 0.5
"Standard deviation of the logarithm of the highest other bid."
LARGE = 100_000


@pytest.fixture(scope="module")
def valued(home: Any) -> tuple[World, pd.DataFrame, Sample]:
    """A world whose segments' conversions are worth 0.6, 1 and 1.6 times their line's: the rule knows the line's."""
    world = World(name="valued", nights=35, lines=10, exposure=3.0).write()
    frame = training_set(world.name, world.last)
    return world, frame, values(frame)


def values(frame: pd.DataFrame) -> Sample:
    return value_sample(frame, choose(TARGETS[1], sample(frame, TARGETS[1])).rate)


def error(rate: Rate, rows: Sample) -> float:
    return float(deviance(rows, rate.predict(rows.columns)).mean())


# Value


def test_the_specification_s_trees_are_used() -> None:
    wanted = {"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1, "subsample": 0.8, "random_state": 42}
    assert wanted == SPECIFICATION
    assert wanted.items() <= BidOptimizationModel().parameters.items()


def test_it_beats_the_rule_on_later_dates_where_segments_differ(valued: Any) -> None:
    parts = valued[2].split()
    outcome = choose(VALUE, valued[2], value_candidates)
    assert outcome.winner == "bid_optimization"
    assert error(outcome.rate, parts["report"]) < 0.5 * error(rule(VALUE, parts["train"]), parts["report"])
    assert outcome.metrics["predicted_over_observed"] == pytest.approx(1.0, abs=0.1)


def test_segments_are_ordered_by_what_their_conversions_are_worth(valued: Any) -> None:
    rate = choose(VALUE, valued[2], value_candidates).rate
    columns = valued[2].columns
    worth = [rate.predict({**columns, "segment": np.full(len(columns["segment"]), s, object)}) for s in SEGMENTS]
    assert (worth[0] < worth[1]).mean() > 0.95
    assert (worth[1] < worth[2]).mean() > 0.95


def test_where_there_is_nothing_to_learn_the_rule_is_used(home: Any) -> None:
    world = World(name="plain", nights=35, lines=8, drift=0.0, structure=False).write()
    outcome = choose(VALUE, values(training_set("plain", world.last)), value_candidates)
    assert outcome.winner == "baseline"
    assert "shrunk value" in outcome.said


def test_spark_workers_learn_as_well_as_one_process(valued: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, seen = valued[2].split(), []
    local = value_candidates(VALUE, parts["train"])[1]
    session = spark.session
    monkeypatch.setattr(spark, "session", lambda: seen.append(1) or session())
    monkeypatch.setenv("MOE_BID_TRAINING", "spark")
    settings.cache_clear()
    there = value_candidates(VALUE, parts["train"])[1]
    monkeypatch.delenv("MOE_BID_TRAINING")
    settings.cache_clear()
    assert seen, "the setting did not lead to Spark"
    for part in ("choose", "report"):
        assert error(there, parts[part]) == pytest.approx(error(local, parts[part]), rel=0.05)


def test_a_master_with_too_few_cores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bid_model, "WORKERS", 10_000)
    with pytest.raises(MoeError, match="MOE_SPARK_MASTER"):
        BidOptimizationModel().fit_spark(np.ones((2, 1), np.float32), np.array([0.0, 1.0]), np.ones(2))


@pytest.mark.parametrize(("rows", "target", "weight", "message"), [
    (0, [], [], "no rows"),
    (3, [1, np.nan, 2], [1, 1, 1], "1 of 3 rows .* first is row 1"),
    (3, [1, -1, 2], [1, 1, 1], "negative"),
    (3, [1, 0, 2], [1, 1, np.inf], "infinite"),
    (3, [0, 0, 0], [1, 1, 1], "every target of the bid model is 0"),
])
def test_what_cannot_be_learnt_from_is_refused(rows: int, target: Any, weight: Any, message: str) -> None:
    x = np.ones((rows, 2), np.float32)
    for fit in (BidOptimizationModel().fit_local, BidOptimizationModel().fit_spark):
        with pytest.raises(MoeError, match=message):
            fit(x, np.array(target, np.float64), np.array(weight, np.float64))


def test_values_of_zero_and_unknown_segments_are_answered(valued: Any) -> None:
    nothing = replace(valued[2], events=np.zeros(len(valued[2].events)))
    outcome = choose(VALUE, nothing, value_candidates)
    assert outcome.winner == "baseline" and "too little" in outcome.said
    assert (outcome.rate.predict(nothing.columns) >= 0).all()
    rate = value_candidates(VALUE, valued[2])[1]
    unknown = {**valued[2].columns, "segment": np.full(len(valued[2].events), "never seen", object)}
    assert np.isfinite(rate.predict(unknown)).all()


def test_the_graph_of_values_equals_the_model_on_a_large_sample(valued: Any) -> None:
    rate = corrected(VALUE, valued[2], BidOptimizationModel().fit_local)
    about = {"features": [{"name": k, "type": v} for k, v in inputs().items()]}
    found = bundles.check_parity(Bundle.load(bundles.write(to_onnx([rate]), about)), [rate], odd_rows(LARGE))
    assert found["parity_rows"] == LARGE
    assert found["parity_largest_error"] < 1e-5
    assert found["parity_rows_at_split"] < LARGE / 10_000


def test_train_publishes_values_and_the_score_writes_them(valued: Any) -> None:
    world = valued[0]
    result = train(unit(world.name), world.last)
    assert result["value_per_conversion"]["winner"] == "bid_optimization"
    assert "no bid landscapes" in result["bid_response"]
    [entry] = publish.log("model", world.name)
    assert "below the 28-day shrunk value's" in entry.facts["value_per_conversion"]["said"]
    outputs = score(Night(unit(world.name), world.last))
    table = outputs[SCORES].to_pandas()
    by_segment = table.groupby("segment")["value_per_conversion"].mean()
    assert by_segment["new"] < by_segment["returning"] < by_segment["loyal"]
    assert outputs[landscape.RESPONSE].num_rows == 0
    for name, rows in outputs.items():
        frames.write(rows, contract(name), world.name, world.last).temporary.unlink()


def test_a_unit_without_values_has_scores_without_them(home: Any) -> None:
    world = World(name="valueless", nights=16, lines=4, values=False).write()
    assert "value_per_conversion" not in train(unit("valueless"), world.last)
    table = score(Night(unit("valueless"), world.last))[SCORES]
    assert table["value_per_conversion"].null_count == table.num_rows
    frames.write(table, contract(SCORES), "valueless", world.last).temporary.unlink()


# Landscapes


class Auctions(World):
    """Second-price auctions: the highest other bid is lognormal, its median by line and segment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rng = np.random.default_rng(self.seed + 1)
        self.median = rng.lognormal(np.log(0.8), 0.3, len(self.line)) * np.tile([0.5, 1.0, 2.0], self.lines)

    def win_rate(self, bid: FloatArray) -> FloatArray:
        """Shape (line segments, bids)."""
        return np.asarray(norm.cdf(np.log(bid / self.median[:, None]) / SPREAD))

    def price(self, bid: FloatArray) -> FloatArray:
        """Mean of the highest other bid where it is below `bid`."""
        z = np.log(bid / self.median[:, None]) / SPREAD
        return np.asarray(self.median[:, None] * np.exp(SPREAD**2 / 2) * norm.cdf(z - SPREAD) / norm.cdf(z))

    def write_landscapes(self, blind: bool = False) -> "Auctions":
        """Every night's own date, by a source and account of its own. `blind`: the same curve for all."""
        if blind:
            self.median[:] = 0.8
        rng = np.random.default_rng(self.seed + 2)
        for index in range(self.nights):
            self._write(index, rng)
        return self

    def _write(self, index: int, rng: np.random.Generator) -> None:
        eligible = rng.poisson(3000, len(self.line))
        won = rng.binomial(np.repeat(eligible, len(BIDS)), self.win_rate(BIDS).ravel())
        clicks = rng.binomial(won, 0.02)
        spend = np.round(clicks * self.price(BIDS).ravel() * rng.lognormal(0, 0.05, len(won)), 6)
        each, n = np.repeat(np.arange(len(self.line)), len(BIDS)), len(won)
        day: date = self.night(index)
        text = {name: [""] * n for name in ("ad_group_id", "ad_id", "placement", "region")}
        bids = np.tile(BIDS, len(self.line))
        put(LANDSCAPE, self.name, day, {
            "source": ["simulations"] * n, "account_id": ["a"] * n, "business_date": [day] * n,
            "platform": self.platform[each], "campaign_id": self.line[each], **text, "segment": self.segment[each],
            "bid": bids, "campaign_name": self.line[each], "line_id": self.line[each], "line_name": self.line[each],
            "eligible_impressions": eligible[each], "impressions": won, "clicks": clicks, "spend": spend,
            "currency": ["EUR"] * n, "spend_original": spend, "currency_original": ["EUR"] * n, "bid_original": bids})
        ages = range(min(index, 2) + 1)
        put(COVERAGE, self.name, day, {
            "source": ["ads"] * len(ages) + ["simulations"], "account_id": ["a"] * (len(ages) + 1),
            "business_date": [*(self.night(index - age) for age in ages), day]})


@pytest.fixture(scope="module")
def auctions(home: Any) -> Auctions:
    world = Auctions(name="auctions", nights=24, lines=8)
    world.write()
    return world.write_landscapes()


@pytest.fixture(scope="module")
def published(auctions: Auctions) -> Bundle:
    said = train(unit("auctions"), auctions.last)["bid_response"]
    assert said.startswith("published"), said
    entry = publish.live("bid_model", "auctions")
    assert entry is not None and entry.effective == auctions.last.isoformat()
    return Bundle.load(settings().bundles / entry.moved_to)


@pytest.fixture(scope="module")
def responses(published: Bundle, auctions: Auctions) -> pa.Table:
    return score(Night(unit("auctions"), auctions.last))[landscape.RESPONSE]


def curves_of(responses: pa.Table) -> Iterator[pd.DataFrame]:
    for _, curve in responses.to_pandas().groupby(["line_id", "segment"]):
        yield curve.sort_values("bid")


def test_predicted_curves_are_near_the_auctions_own(auctions: Auctions, responses: pa.Table) -> None:
    found = responses.to_pandas().sort_values(["line_id", "segment", "bid"])
    order = np.lexsort((auctions.segment, auctions.line))
    assert found["bid"].tolist() == BIDS.tolist() * len(order)  # all within the unit's floor and cap
    won, price = (found[name].to_numpy().reshape(len(order), -1) for name in ("win_rate", "cost_per_click"))
    truth, likely = auctions.win_rate(BIDS)[order], auctions.win_rate(BIDS)[order] > 0.01
    assert np.abs(won - truth).mean() < 0.02
    assert np.abs(price / auctions.price(BIDS)[order] - 1)[likely].mean() < 0.1
    assert found["eligible_impressions"].between(2900, 3100).all()


def test_a_higher_bid_never_lowers_win_rate_or_price(published: Bundle, responses: pa.Table) -> None:
    for curve in curves_of(responses):
        assert (np.diff(curve["win_rate"]) >= 0).all()
        assert (np.diff(curve["cost_per_click"]) >= 0).all()
        assert curve["win_rate"].iloc[-1] > curve["win_rate"].iloc[0]
    rows, rng = odd_rows(5000), np.random.default_rng(2)
    bid = rng.lognormal(0, 1.5, 5000)
    low, high = (published.predict({**rows, "bid": b}) for b in (bid, bid * rng.uniform(1, 4, 5000)))
    for name in ("win_rate", "cost_per_click"):
        assert (low[name] <= high[name]).all()


def test_noisy_landscapes_still_give_curves_that_rise(auctions: Auctions, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, rng = landscape.landscape_set("auctions", auctions.last), np.random.default_rng(2)
    noisy = frame.assign(impressions=frame["impressions"] * rng.uniform(0.2, 1.0, len(frame)))
    bid = rng.lognormal(0, 1.0, len(frame))
    rows = landscape.columns(frame, frame["business_date"])

    def falls() -> float:
        curve = landscape.curve(landscape.WIN_RATE, noisy)
        return float((curve.predict({**rows, "bid": bid * 1.3}) < curve.predict({**rows, "bid": bid})).mean())

    assert falls() == 0.0
    whole = BidOptimizationModel.parameters.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(BidOptimizationModel, "parameters", property(
        lambda self: {k: v for k, v in whole(self).items() if k != "monotone_constraints"}))
    assert falls() > 0.01, "the constraint would not be needed here, so the test says nothing"


def test_the_graph_of_landscapes_equals_the_model_on_a_large_sample(auctions: Auctions, published: Bundle) -> None:
    fitted = landscape.fit(landscape.landscape_set("auctions", auctions.last))
    rows = {**odd_rows(LARGE), "bid": np.random.default_rng(3).choice([*BIDS, 0.3, 5.0], LARGE)}
    found = bundles.check_parity(published, fitted.curves, rows)
    assert found["parity_largest_error"] < 1e-5
    assert found["parity_rows_at_split"] < LARGE / 10_000


def test_responses_fit_their_contract_and_the_log_has_their_error(auctions: Auctions, responses: pa.Table) -> None:
    frames.write(responses, contract(landscape.RESPONSE), "auctions", auctions.last).temporary.unlink()
    facts = publish.live("bid_model", "auctions").facts  # type: ignore[union-attr]
    assert facts["error"] < 0.2 * facts["peer_error"]


def test_the_same_landscapes_train_the_same_model(auctions: Auctions, published: Bundle) -> None:
    assert landscape.promote(unit("auctions"), auctions.last, auctions.last, "ann") == (
        f"unchanged: {published.version} is effective since {auctions.last}")


def test_a_missing_bundle_of_the_curves_is_named_and_its_remedy_works(auctions: Auctions, published: Bundle) -> None:
    folder = settings().bundles / published.version
    shutil.rmtree(folder)
    with pytest.raises(MoeError, match=rf"curves of the bid {published.version} of unit auctions: .* cannot be read"
                                       rf"[\s\S]*moe model promote --unit auctions --date {auctions.last} "):
        score(Night(unit("auctions"), auctions.last))
    verdict = promote(unit("auctions"), auctions.last, who="ann", reason="the curves' bundle was lost")
    assert not verdict["promoted"] and verdict["bid_response"].startswith("unchanged")
    assert score(Night(unit("auctions"), auctions.last))[landscape.RESPONSE].num_rows
    assert Bundle.load(folder).version == published.version


def test_curves_of_an_earlier_night_do_not_replace_those_that_know_more(auctions: Auctions, published: Bundle) -> None:
    earlier = auctions.last - timedelta(days=2)
    assert landscape.promote(unit("auctions"), earlier, auctions.last, "ann") == (
        f"not used: the live ones know more, up to the night of {auctions.last}")
    assert publish.live("bid_model", "auctions").moved_to == published.version  # type: ignore[union-attr]


def test_where_one_curve_serves_all_segments_no_model_is_published(home: Any) -> None:
    world = Auctions(name="alike", nights=24, lines=4)
    world.write()
    world.write_landscapes(blind=True)
    assert landscape.promote(unit("alike"), world.last, world.last, "ann").startswith("not used")
    assert publish.live("bid_model", "alike") is None


def test_a_row_that_won_more_auctions_than_there_were_counts_as_all_of_them(auctions: Auctions) -> None:
    frame = landscape.landscape_set("auctions", auctions.last)
    odd = frame.index.isin([0, len(frame) - 1])  # one that is fitted on, one that is measured on
    whole, more = (frame.assign(impressions=frame["impressions"].mask(odd, times * frame["eligible_impressions"]))
                   for times in (1, 3))
    wanted, found = landscape.fit(whole), landscape.fit(more)
    assert (found.error, found.peer_error) == (wanted.error, wanted.peer_error) and found.is_better
    rows = landscape.columns(frame, frame["business_date"])
    assert (found.curves[0].predict(rows) == wanted.curves[0].predict(rows)).all()


def test_without_clicks_no_curves_are_published(auctions: Auctions, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = landscape.landscape_set("auctions", auctions.last)
    late = frame["business_date"] == frame["business_date"].max()
    for clicks in (0.0, frame["clicks"].where(late, 0.0)):
        monkeypatch.setattr(landscape, "landscape_set", lambda *_, clicks=clicks: frame.assign(clicks=clicks))
        said = landscape.promote(unit("auctions"), auctions.last, auctions.last, "ann")
        assert said.startswith("not used: ") and "clicks" in said


def test_few_landscapes_are_said_to_be_too_little(home: Any) -> None:
    world = Auctions(name="begun", nights=4, lines=2)
    world.write()
    world.write_landscapes()
    assert "too little" in landscape.promote(unit("begun"), world.last, world.last, "ann")
