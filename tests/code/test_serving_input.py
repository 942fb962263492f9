"""What the service takes in: settings, keys, and bodies checked by types made from a bundle."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving import keys
from serving.keys import Keys
from serving.problems import KINDS, Problem, ServingError
from serving.schema import Schema
from serving.settings import Settings

FEATURES = [
    {"name": "segment", "type": "string", "values": ["new", "loyal"]},
    {"name": "clicks_7d", "type": "double", "minimum": 0},
    {"name": "weekday", "type": "int64", "values": [1, 2, 3, 4, 5, 6, 7]},
]
NEEDED = {"SERVING_POINTER": "/p.json", "SERVING_BUNDLES": "/b"}


@pytest.fixture
def schema() -> Schema:
    return Schema(FEATURES, ["line_id", "segment"], batch_rows=3)


def row(**features: Any) -> dict[str, Any]:
    return {"features": {"weekday": 2, **features}}


def decoded(schema: Schema, body: Any) -> tuple[bool, list[Any]]:
    return schema.decode(json.dumps(body).encode())


def test_settings_are_typed_and_have_defaults() -> None:
    made = Settings.read({**NEEDED, "SERVING_PORT": "9", "SERVING_POLL_SECONDS": "0.5", "SERVING_OPEN": "1",
                          "HOME": "/root"})
    assert (made.port, made.poll_seconds, made.open, made.keys) == (9, 0.5, True, None)
    assert made.pointer == Path("/p.json")
    assert made.body_bytes == 4 * 2**20


@pytest.mark.parametrize(("changed", "said"), [
    ({"SERVING_PRT": "9"}, "unknown settings: SERVING_PRT"), ({"SERVING_PORT": "many"}, "SERVING_PORT=many"),
    ({"SERVING_LOG_ROWS": "0"}, "above 0"), ({"SERVING_OPEN": "yes"}, "give 1 or 0"),
    ({"SERVING_POINTER": ""}, "SERVING_POINTER is not set"),
])
def test_a_setting_at_fault_is_named(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ServingError, match=said):
        Settings.read(NEEDED | changed)


def test_one_row_and_a_batch_are_told_apart(schema: Schema) -> None:
    assert decoded(schema, row(clicks_7d=1))[0] is False
    batch, rows = decoded(schema, {"rows": [row(clicks_7d=1.5, segment="new"), row(weekday=3.0)]})
    assert batch
    assert [schema.values(r) for r in rows] == [("new", 1.5, 2), (None, None, 3)]
    assert type(schema.values(rows[1])[2]) is int


def test_keys_of_the_entity_are_features_too_and_given_ones_win(schema: Schema) -> None:
    entity = {"line_id": "a", "segment": "loyal"}
    [found] = decoded(schema, {**row(), "entity": entity})[1]
    assert schema.values(found) == ("loyal", None, 2)
    assert schema.entity(found) == entity
    [given] = decoded(schema, {**row(segment="new"), "entity": entity})[1]
    assert schema.values(given)[0] == "new"
    assert schema.fill(schema.values(given), {"segment": "loyal", "clicks_7d": 7.0, "other": 1}) == ("new", 7.0, 2)


def test_without_a_bundle_own_rates_are_read_and_any_entity() -> None:
    schema = Schema([{"name": "click_rate_28d", "type": "double"}], (), 3)
    [found] = decoded(schema, {"features": {"click_rate_28d": 0.1, "any": "thing"}, "entity": {"line_id": "a"}})[1]
    assert schema.values(found) == (0.1,)
    assert schema.entity(found) == {"line_id": "a"}


@pytest.mark.parametrize(("body", "pointer", "said"), [
    (row(clicks_7d="x"), "/features/clicks_7d", "feature clicks_7d: Expected `float | null`, got `str`"),
    ({"rows": [row(), row(), {"features": {}}]}, "/rows/2/features", "row 2: Object missing required field `weekday`"),
    ({"rows": [row()] * 4}, "/rows", "length <= 3"),
    ({**row(), "entity": {"line_id": "a"}}, "/entity", "missing required field `segment`"),
    ({**row(), "entity": {"line_id": "a", "segment": "b", "email": "c"}}, "/entity", "unknown field `email`"),
    ({"entity": {"line_id": "a", "segment": "b"}}, "", "either `features`"),
    (row(weekday=2.5), "/features/weekday", "multiple of 1"),
    (row(weekday=10**400), "/features/weekday", "out of range"),
    ([], "", "got `array`"),
])
def test_a_fault_is_named_by_row_feature_and_pointer(schema: Schema, body: Any, pointer: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        decoded(schema, body)
    told = json.loads(caught.value.body())
    assert (told["status"], told["type"]) == (422, "/problems/invalid-input")
    assert said in told["detail"]
    assert told["errors"][0]["pointer"] == pointer
    assert told["remedy"]


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"features": {"weekday": NaN}}', b"{} {}",
                                  b'{"features": {"weekday": 1, "deep": ' + b"[" * 100_000])
def test_what_is_no_json_is_malformed(schema: Schema, body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        schema.decode(body)
    assert caught.value.status == 400


def test_every_problem_has_a_status_of_its_kind_and_says_what_to_do() -> None:
    for kind, (status, title, remedy) in KINDS.items():
        assert 400 <= status < 600
        assert title and remedy, kind


def test_a_key_is_told_once_found_revoked_and_expires(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made, other = keys.add(path, "ops", 90), keys.add(path, "bids", 90)
    assert path.stat().st_mode & 0o077 == 0
    assert made not in path.read_text()
    held = Keys(path)
    assert held.check({b"x-api-key": made.encode()}) == "ops"
    assert held.check({b"authorization": f"bearer {other}".encode()}) == "bids"
    keys.revoke(path, "bids")
    held.reload()
    with pytest.raises(Problem, match="unknown-key"):
        held.check({b"x-api-key": other.encode()})
    late = msgspec.structs.replace(keys.load(path)[0], expires=datetime.now(UTC) - timedelta(seconds=1))
    path.write_bytes(msgspec.json.encode(keys.KeyFile([late])))
    held.reload()
    with pytest.raises(Problem, match=f"ops expired at {late.expires:%Y-%m-%d}"):
        held.check({b"x-api-key": made.encode()})


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Basic abc"}, {b"authorization": b"Bearer "}])
def test_a_request_without_a_key_is_told_how_to_send_one(tmp_path: Path, headers: dict[bytes, bytes]) -> None:
    keys.add(tmp_path / "keys.json", "ops", 1)
    with pytest.raises(Problem, match="no-key") as caught:
        Keys(tmp_path / "keys.json").check(headers)
    assert "www-authenticate" in caught.value.headers


def test_a_broken_key_file_keeps_the_old_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = keys.add(path, "ops", 1)
    held = Keys(path)
    path.write_text("{")
    os.utime(path, (1, 1))
    with pytest.raises(ServingError, match="cannot be read"):
        held.reload()
    assert held.check({b"x-api-key": made.encode()}) == "ops"


@pytest.mark.parametrize("days", [0, -1, 4_000, float("nan"), float("inf")])
def test_a_key_that_would_never_hold_or_for_ever_is_refused(tmp_path: Path, days: float) -> None:
    with pytest.raises(ServingError, match="cannot hold for"):
        keys.add(tmp_path / "keys.json", "ops", days)
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("key_id", ["", "a b", "x" * 65])
def test_an_id_that_is_none_is_refused(tmp_path: Path, key_id: str) -> None:
    with pytest.raises(ServingError, match="is no id"):
        keys.add(tmp_path / "keys.json", key_id, 1)
    keys.add(tmp_path / "keys.json", "ops", 1)
    with pytest.raises(ServingError, match="exists"):
        keys.add(tmp_path / "keys.json", "ops", 1)
