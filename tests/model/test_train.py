"""`moe train` and the nightly score, from partitions to the publication log and MLflow."""

import json
import shutil
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from model_world import ADS, Trained, World, put, unit

from moe import frames, publish, tables
from moe.contracts import contract
from moe.errors import MoeError, PublishError
from moe.jobs import Night
from moe.settings import settings
from moe.train import promote, rollback, train
from training import landscape, tracking
from training.score import SCORES, score


def tags(name: str, version: str) -> dict[str, str]:
    """Of the version that MLflow registered for a bundle."""
    found = _mlflow().search_model_versions(f"name = '{name}_line_performance' and tags.bundle = '{version}'")
    return dict(found[0].tags)


def alias(name: str) -> str:
    return str(_mlflow().get_model_version_by_alias(f"{name}_line_performance", "champion").tags["bundle"])


def leave_behind(name: str) -> None:
    """As where MLflow could not be reached after the pointer moved."""
    _mlflow().delete_registered_model_alias(f"{name}_line_performance", "champion")


def _mlflow() -> Any:
    import mlflow

    mlflow.set_tracking_uri(settings().mlflow_uri)
    return mlflow.MlflowClient()


def scores(name: str, night: date) -> pa.Table:
    return score(Night(unit(name), night))[SCORES]


def test_the_publication_log_names_the_version_and_its_measures(trained: Trained) -> None:
    [entry] = publish.log("model", "shop")
    assert entry.moved_to == trained.result["version"]
    assert entry.effective == trained.world.last.isoformat()
    assert entry.facts["click_rate"]["deviance_report"] > 0
    assert "is used" in entry.facts["conversion_rate"]["said"]


def test_mlflow_holds_run_measures_and_registered_version(trained: Trained) -> None:
    import mlflow

    client = _mlflow()
    version = client.get_model_version_by_alias("shop_line_performance", "champion")
    assert version.tags["bundle"] == trained.result["version"]
    run = client.get_run(version.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "shop"
    assert run.data.metrics["click_rate_deviance_report"] > 0
    assert run.data.params["data_digest"]
    table = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/calibration.json")
    assert {"decile", "ratio", "target"} <= set(table["columns"])
    assert len(table["data"]) == 30
    standings = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/candidates.json")
    rows = [dict(zip(standings["columns"], row, strict=True)) for row in standings["data"]]
    clicks = {r["candidate"]: r for r in rows if (r["target"], r["dates_of"]) == ("click_rate", "report")}
    assert {"baseline", "regression", "xgboost", "network"} <= set(clicks)
    assert all(r["gain_low"] < r["gain"] < r["gain_high"] for name, r in clicks.items() if name != "baseline")
    assert [name for name, r in clicks.items() if r["used"]] == [run.data.params["click_rate_winner"]]
    why = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/reasons.json")["data"]
    assert [trained.result["click_rate"]["said"]] == [said for said, target in why if target == "click_rate"]
    served = mlflow.onnx.load_model("models:/shop_line_performance@champion")
    assert [o.name for o in served.graph.output] == ["click_rate", "conversion_rate", "value_per_conversion"]


def test_the_bundle_says_what_it_is_without_a_clock(trained: Trained) -> None:
    folder = settings().bundles / trained.result["version"]
    about = json.loads((folder / "bundle.json").read_text())
    assert set(about) == {"unit", "training_night", "feature_service", "features", "entities", "calibration",
                          "history", "intervals", "data_digest", "held_out_from"}
    assert sorted(p.name for p in folder.iterdir()) == ["bundle.json", "model.onnx"]


def test_the_same_data_give_the_same_version_and_changed_data_another(home: Any) -> None:
    world = World(name="again", nights=16, lines=4, seed=5).write()
    first = train(unit("again"), world.last)
    shutil.rmtree(settings().bundles / first["version"])
    second = train(unit("again"), world.last)
    assert second["version"] == first["version"]
    assert second["status"].startswith("unchanged")
    assert len(publish.log("model", "again")) == 1
    world.counts["clicks"][-2] += 1
    world.write_core(world.nights - 1)
    third = train(unit("again"), world.last)
    assert third["version"] != first["version"] and third["status"].startswith("challenger")
    assert publish.live("model", "again").moved_to == first["version"]  # type: ignore[union-attr]


def test_an_older_night_is_refused(trained: Trained) -> None:
    with pytest.raises(PublishError, match="older"):
        train(unit("shop"), trained.world.last - timedelta(days=1))
    assert len(publish.log("model", "shop")) == 1


def test_a_challenger_of_few_held_out_dates_waits_unless_a_person_says_so(home: Any) -> None:
    world = World(name="twice", nights=16, lines=4, seed=6).write()
    first = train(unit("twice"), world.last)
    world.counts["clicks"][-2] += 1
    world.write_core(world.nights - 1)
    second = train(unit("twice"), world.last)
    leave_behind("twice")
    refused = promote(unit("twice"), world.last, who="ann", reason="weekly")
    assert not refused["promoted"] and "held-out dates of click_rate, fewer than 7" in refused["said"]
    assert scores("twice", world.last)["model_version"].unique().to_pylist() == [first["version"]]
    assert tags("twice", second["version"])["promotion"] == "refused" and alias("twice") == first["version"]
    done = promote(unit("twice"), world.last, who="ann", reason="weekly", despite=True)
    assert done["promoted"] and publish.live("model", "twice").reason == "weekly; despite better"  # type: ignore[union-attr]
    assert scores("twice", world.last)["model_version"].unique().to_pylist() == [second["version"]]


def test_a_roll_back_and_a_promotion_leave_the_nights_that_were_decided(home: Any) -> None:
    world = World(name="back", nights=16, lines=4, seed=6).write()
    first = train(unit("back"), world.last)["version"]
    put(SCORES, "back", world.last, {"line_id": ["l"], "segment": ["s"], "click_rate": [0.1], "conversion_rate": [0.1],
                                     "value_per_conversion": [None],
                                     "model_version": [first]})
    world.counts["clicks"][-2] += 1
    world.write_core(world.nights - 1)
    second = train(unit("back"), world.last)["version"]
    after = (world.last + timedelta(days=1)).isoformat()
    looked = promote(unit("back"), world.last, who="ann", reason="try", despite=True, dry_run=True)
    assert looked["said"].startswith("would promote") and len(publish.log("model", "back")) == 1
    assert promote(unit("back"), world.last, who="ann", reason="try", despite=True)["effective"] == after
    assert publish.effective("model", "back", world.last).moved_to == first  # type: ignore[union-attr]
    assert alias("back") == second
    with pytest.raises(PublishError, match="was never the model"):
        rollback(unit("back"), "abc", who="ann", reason="bids jumped")
    said = rollback(unit("back"), first[:6], who="ann", reason="bids jumped")
    assert said == f"rolled back: {second} → {first}, effective from the night of {after} on"
    held = publish.effective("model", "back", world.last + timedelta(days=1))
    assert held.moved_to == first == alias("back")  # type: ignore[union-attr]


def test_the_first_model_that_is_learnt_leaves_the_nights_that_the_rule_decided(home: Any) -> None:
    world = World(name="grown", nights=16, lines=4, seed=6).write()
    publish.move("model", "grown", "rule", expected=None, effective=world.night(0), who="test", reason="young",
                 facts={"learnt": False})
    put(SCORES, "grown", world.last, {"line_id": ["l"], "segment": ["s"], "click_rate": [0.1], "conversion_rate": [0.1],
                                      "value_per_conversion": [None], "model_version": ["rule"]})
    learnt = train(unit("grown"), world.last)
    after = world.last + timedelta(days=1)
    assert publish.effective("model", "grown", world.last).moved_to == "rule"  # type: ignore[union-attr]
    assert publish.effective("model", "grown", after).moved_to == learnt["version"]  # type: ignore[union-attr]
    assert publish.live("model", "grown").facts["learnt"]  # type: ignore[union-attr]


def test_a_log_that_was_lost_comes_back_by_training_again(home: Any) -> None:
    world = World(name="lost", nights=16, lines=4, seed=6).write()
    first = train(unit("lost"), world.last)["version"]
    put(SCORES, "lost", world.last, {"line_id": ["l"], "segment": ["s"], "click_rate": [0.1], "conversion_rate": [0.1],
                                     "value_per_conversion": [None], "model_version": [first]})
    for path in (settings().published / "model").glob("lost*"):
        path.unlink()
    train(unit("lost"), world.last)
    assert scores("lost", world.last)["model_version"].unique().to_pylist() == [first]


def test_an_alias_that_was_left_behind_is_mended_by_trying_again(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world, model = World(name="behind", nights=16, lines=4, seed=9).write(), "behind_line_performance"

    def away(*_: Any) -> None:
        raise ConnectionError("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "follow", away)
        with pytest.raises(ConnectionError):
            train(unit("behind"), world.last)
    live = str(publish.live("model", "behind").moved_to)  # type: ignore[union-attr]
    assert _mlflow().get_registered_model(model).aliases == {}
    assert train(unit("behind"), world.last)["status"].startswith("unchanged") and alias("behind") == live
    for again in (partial(promote, unit("behind"), world.last), partial(rollback, unit("behind"), live)):
        leave_behind("behind")
        again(who="ann", reason="again", dry_run=True)
        assert _mlflow().get_registered_model(model).aliases == {}, "a dry run moves nothing"
        again(who="ann", reason="again")
        assert alias("behind") == live
    assert len(publish.log("model", "behind")) == 1


def test_a_fault_of_the_curves_of_the_bid_is_told_and_stops_no_model(
    home: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(name="faulty", nights=16, lines=4, seed=8).write()

    def fault(*_: Any) -> str:
        assert publish.live("model", "faulty"), "the line model comes first"
        raise ValueError("label must be in [0,1]\nStack trace")

    monkeypatch.setattr(landscape, "promote", fault)
    result = train(unit("faulty"), world.last)
    assert publish.live("model", "faulty").moved_to == result["version"] == alias("faulty")  # type: ignore[union-attr]
    assert result["bid_response"] == "failed, earlier curves stay: ValueError: label must be in [0,1]"
    assert "faulty: no curves of the bid" in caplog.text and "Stack trace" in caplog.text


def test_a_promotion_needs_a_challenger(home: Any) -> None:
    with pytest.raises(PublishError, match="moe train --unit nobody"):
        promote(unit("nobody"), date(2026, 3, 2), who="ann", reason="weekly")


def test_a_unit_without_traffic_and_conversions_trains(home: Any) -> None:
    world = World(name="bare", nights=16, lines=4, traffic=False, conversions=False).write()
    result = train(unit("bare"), world.last)
    assert result["conversion_rate"]["winner"] == "baseline"
    assert "too little" in result["conversion_rate"]["said"]
    found = scores("bare", world.last)
    assert set(found["conversion_rate"].to_pylist()) == {0.0}
    assert min(found["click_rate"].to_pylist()) > 0


@pytest.mark.parametrize("nights", [1, 5])
def test_a_young_unit_keeps_to_the_shrunk_rate(home: Any, nights: int) -> None:
    world = World(name=f"young_{nights}", nights=nights, lines=2).write()
    result = train(unit(world.name), world.last)
    assert result["click_rate"]["winner"] == result["conversion_rate"]["winner"] == "baseline"
    assert publish.live("model", world.name).facts["learnt"] is False  # type: ignore[union-attr]
    features = tables.read(ADS, world.name, world.last)
    found = scores(world.name, world.last)
    assert found["click_rate"].to_pylist() == pytest.approx(features["click_rate_28d"].to_pylist())
    assert min(found["conversion_rate"].to_pylist()) > 0


def test_missing_features_say_what_to_run(home: Any) -> None:
    world = World(name="gap", nights=20, lines=4).write()
    for index in range(2, 20):
        tables.partition(ADS, "gap", world.night(index)).unlink()
    with pytest.raises(MoeError, match=r"fewer than 100 on 7\n.*moe run land ads --unit gap"):
        train(unit("gap"), world.last)
    with pytest.raises(MoeError, match="moe run land ads --unit nothing"):
        train(unit("nothing"), world.last)
    assert publish.live("model", "gap") is None


def test_scores_fit_their_contract_and_follow_the_weekday(trained: Trained) -> None:
    table = scores("shop", trained.world.last)
    written = frames.write(table, contract(SCORES), "shop", trained.world.last)
    assert written.rows == len(trained.world.line)
    written.temporary.unlink()
    # The last night is a Sunday: had it been a Friday, tomorrow would be a weak Saturday.
    assert trained.world.last.weekday() == 6
    monday = sum(table["click_rate"].to_pylist())
    trained.world.write_ads(trained.world.nights - 1, night=trained.world.last + timedelta(days=5))
    saturday = sum(scores("shop", trained.world.last + timedelta(days=5))["click_rate"].to_pylist())
    assert saturday < 0.85 * monday


def test_without_a_model_the_score_names_the_command(home: Any) -> None:
    world = World(name="untrained", nights=1, lines=1).write()
    with pytest.raises(MoeError, match=f"moe train --unit untrained --date {world.last}"):
        scores("untrained", world.last)


def test_nights_before_the_effective_night_do_not_see_the_model(trained: Trained) -> None:
    with pytest.raises(MoeError, match="moe train"):
        scores("shop", trained.world.last - timedelta(days=1))


def test_a_missing_bundle_is_a_clear_error(trained: Trained, tmp_path: Path) -> None:
    folder = settings().bundles / trained.result["version"]
    shutil.move(folder, tmp_path / "away")
    try:
        with pytest.raises(MoeError, match="cannot be read"):
            scores("shop", trained.world.last)
    finally:
        shutil.move(tmp_path / "away", folder)
