"""The point-in-time join: nothing from later is seen, and no row is lost."""

from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from model_world import ADS, TRAFFIC, World, cutoff, put

from feature_repo.definitions import VIEWS
from feature_repo.store import feature_store, night_features, training_features
from moe.errors import MissingInput


def entity_rows(world: World, *nights: int) -> pd.DataFrame:
    return pd.DataFrame([{"line_id": line, "segment": segment, "event_timestamp": cutoff(world.night(n))}
                         for n in nights for line, segment in zip(world.line, world.segment, strict=True)])


@pytest.fixture(scope="module")
def small(home: Any) -> World:
    """Six nights; then a seventh restates the ads of night 3 and the traffic of night 5, and adds no new day."""
    world = World(nights=6, lines=2, name="restated").write()
    late = {"event_at": [cutoff(world.night(3))] * 6, "known_at": [cutoff(world.night(6))] * 6}
    world.write_ads(3, night=world.night(6), click_rate_28d=[9.0] * 6, **late)
    put(TRAFFIC, world.name, world.night(6), {
        "line_id": ["line_000", "line_001"], "business_date": [world.night(5)] * 2, "sessions": [999] * 2,
        "bounce_rate": [1.0] * 2, "pages_per_session": [1.0] * 2, "forms_per_session": [0.0] * 2,
        "event_at": [cutoff(world.night(5))] * 2, "known_at": [cutoff(world.night(6))] * 2})
    return world


def test_a_row_known_later_is_not_seen_before(small: World) -> None:
    found = training_features("restated", entity_rows(small, 3))
    assert len(found) == 6
    assert (found["click_rate_28d"] < 1).all()


def test_a_restated_row_is_seen_once_it_is_known(small: World) -> None:
    assert (training_features("restated", entity_rows(small, 5))["sessions"] == 200).all()
    assert (training_features("restated", entity_rows(small, 6))["sessions"] == 999).all()


def test_features_too_old_are_null(small: World) -> None:
    assert training_features("restated", entity_rows(small, 6))["platform"].notna().all()
    found = training_features("restated", entity_rows(small, 9))
    assert found[["platform", "sessions"]].isna().all(axis=None)
    assert len(found) == 6


@given(rows=st.lists(st.tuples(st.sampled_from(["line_000", "line_001", "unknown"]), st.sampled_from("abc"),
                               st.integers(-3, 12)), min_size=1, max_size=30))
@hypothesis_settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_entity_row_comes_back_in_its_order(small: World, rows: list[tuple[str, str, int]]) -> None:
    segments = dict(zip("abc", ("new", "loyal", "nobody"), strict=True))
    frame = pd.DataFrame([(line, segments[s], cutoff(small.night(n)), i) for i, (line, s, n) in enumerate(rows)],
                         columns=["line_id", "segment", "event_timestamp", "label"])
    found = training_features("restated", frame)
    keys = ["line_id", "segment", "label"]
    assert found[keys].equals(frame[keys])


def test_a_unit_without_traffic_has_null_features_until_it_has_some(home: Any) -> None:
    world = World(nights=2, lines=2, name="no_traffic", traffic=False).write()
    found = night_features("no_traffic", world.last)
    assert found["sessions"].isna().all()
    assert found["platform"].notna().all()
    world.write_traffic(1)
    assert (night_features("no_traffic", world.last)["sessions"] == 200).all()


def test_units_live_side_by_side(small: World) -> None:
    other = World(nights=1, lines=3, seed=9, name="other").write()
    assert len(night_features("other", other.last)) == 9
    assert len(night_features("restated", small.night(5))) == 6


def test_definitions_are_applied_only_when_they_change(small: World) -> None:
    feature_store("restated")
    with patch.object(FeatureStore, "apply") as applied:
        feature_store("restated")
    applied.assert_not_called()


def test_a_night_without_ad_features_names_what_to_run(small: World) -> None:
    with pytest.raises(MissingInput, match="moe run"):
        night_features("restated", small.night(30))


def test_fields_are_the_contracts(small: World) -> None:
    ads = feature_store("restated").get_feature_view("ads")
    assert {f.name for f in ads.features} == {c.name for v in VIEWS if v.table == ADS for c in v.features}
    assert {"line_id", "segment", "event_at"}.isdisjoint(f.name for f in ads.features)
