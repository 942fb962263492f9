"""Features online: what the join gives at the night's cut-off, forward only, on SQLite and a real Redis."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pandas as pd
import pyarrow.parquet as pq
import pytest
import redis
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st
from services import free_port, redis_server

from feature_repo import online
from feature_repo.store import KEYS, SERVICE, feature_store, night_features, training_features
from moe import tables
from moe.errors import MissingInput, MoeError, PublishError, Retriable
from moe.settings import settings
from serving import feast_format
from serving.online import EntityError, OnlineError, Reader, open_reader
from tests.model.model_world import ADS, TRAFFIC, World, cutoff, put

UNIT = "shop"
STORES = ("sqlite", "redis")


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, home: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty online store of each kind."""
    if request.param == "redis":
        use_redis(redis_address, monkeypatch)
    return str(request.param)


def use_redis(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis.Redis.from_url(address) as client:
        client.flushall()
    monkeypatch.setenv("MOE_ONLINE_STORE", address)
    settings.cache_clear()


def reader() -> Reader:
    return open_reader(settings().online_address(UNIT))


def offline(night: date, entities: pd.DataFrame) -> list[dict[str, Any]]:
    """What the point-in-time join gives at the night's cut-off."""
    joined = training_features(UNIT, entities.assign(event_timestamp=cutoff(night)))
    return plain(joined.drop(columns="event_timestamp"))


def by_feast(entities: pd.DataFrame) -> list[dict[str, Any]]:
    """What Feast itself reads online."""
    feast = feature_store(UNIT)
    found = feast.get_online_features(feast.get_feature_service(SERVICE), entities.to_dict("records")).to_df()
    return plain(found[[*KEYS, *(name for name in found.columns if name not in KEYS)]])


def by_reader(entities: pd.DataFrame) -> list[dict[str, Any]]:
    """What the serving process reads online."""
    keys = entities.to_dict("records")
    return [row | values for row, values in zip(keys, reader().read(keys), strict=True)]


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{name: None if pd.isna(value) else value for name, value in row.items()}
            for row in frame.astype(object).to_dict("records")]


def entities_of(world: World) -> pd.DataFrame:
    return pd.DataFrame({"line_id": world.line, "segment": world.segment})


def plant(table: str, night: date, column: str, values: list[Any]) -> None:
    """Replace a column of a partition, nulls included."""
    path = tables.partition(table, UNIT, night)
    rows = tables.read_file(path)
    place = rows.schema.get_field_index(column)
    pq.write_table(rows.set_column(place, rows.schema.field(place).with_nullable(True), [values]), path)


def without(table: str, night: date, column: str, of: str) -> None:
    """Take the rows whose column is `of` out of a partition."""
    path = tables.partition(table, UNIT, night)
    rows = tables.read_file(path)
    pq.write_table(rows.filter([value != of for value in rows[column].to_pylist()]), path)


def test_offline_and_online_values_are_equal_for_the_same_instant(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows by three ways: with nulls, texts, a line without visits, unknown ones, and rows restated later."""
    monkeypatch.setattr(online, "BATCH", 7)  # several batches
    world = World(nights=4, lines=6).write()
    night = world.night(2)
    for earlier in range(3):
        without(TRAFFIC, world.night(earlier), "line_id", "line_001")
    plant(ADS, night, "spend_7d", [None, 1.5, 0.0] * 6)
    plant(ADS, night, "platform", ["Gebäude 7", None, ""] * 6)
    # the night after restates the visits of this day
    put(TRAFFIC, UNIT, world.night(3), {
        "line_id": ["line_000"], "business_date": [night], "sessions": [999], "bounce_rate": [1.0],
        "pages_per_session": [1.0], "forms_per_session": [0.0], "event_at": [cutoff(night)],
        "known_at": [cutoff(world.night(3))]})

    assert online.materialize(UNIT, night) == {"ads": 18, "traffic": 5}
    unknown = pd.DataFrame({"line_id": ["line_000", "nobody", ""], "segment": ["nobody", "new", ""]})
    asked = pd.concat([entities_of(world), unknown, entities_of(world)[:1]], ignore_index=True)
    expected = offline(night, asked)
    planted = {"platform": {"Gebäude 7", None, ""}, "spend_7d": {None, 1.5, 0.0}, "sessions": {200, None}}
    assert {name: {row[name] for row in expected} for name in planted} == planted
    assert by_reader(asked) == expected
    assert by_feast(asked) == expected
    own = night_features(UNIT, night)
    assert by_reader(own[list(KEYS)]) == plain(own)


def test_older_values_never_overwrite_newer_ones(store: str) -> None:
    world = World(nights=3, lines=2).write()
    online.materialize(UNIT, world.night(1))
    before = by_reader(entities_of(world))
    with pytest.raises(PublishError, match=f"the features of {world.night(1)} are online") as refused:
        online.materialize(UNIT, world.night(0))
    assert "newer night" in refused.value.remedy
    assert by_reader(entities_of(world)) == by_feast(entities_of(world)) == before
    assert online.online_night(UNIT) == world.night(1)
    online.materialize(UNIT, world.night(2))
    assert online.online_night(UNIT) == world.night(2)
    assert by_reader(entities_of(world)) == offline(world.night(2), entities_of(world)) != before


def test_the_same_night_again_brings_its_new_values(store: str) -> None:
    """Feast alone would leave them out on Redis, where the instant is the same."""
    world = World(nights=1, lines=2).write()
    online.materialize(UNIT, world.last)
    online.materialize(UNIT, world.last)
    assert {row["clicks_7d"] for row in by_reader(entities_of(world))} != {5.0}
    world.write_ads(0, clicks_7d=[5.0] * 6)
    online.materialize(UNIT, world.last)
    assert {row["clicks_7d"] for row in by_reader(entities_of(world))} == {5.0}
    assert by_feast(entities_of(world)) == offline(world.last, entities_of(world))


def test_what_vanished_is_not_served(store: str) -> None:
    """A line whose rows are gone from the night: its newest earlier rows as long as they are fresh, then nothing."""
    world = World(nights=4, lines=2).write()
    gone = pd.DataFrame({"line_id": ["line_001"], "segment": ["new"]})
    for night in (world.night(1), world.night(2), world.night(3)):
        without(ADS, night, "line_id", "line_001")
        without(TRAFFIC, night, "line_id", "line_001")
    seen = []
    for night in map(world.night, range(4)):
        online.materialize(UNIT, night)
        assert by_reader(gone) == by_feast(gone) == offline(night, gone)
        seen.append((by_reader(gone)[0]["clicks_7d"] is not None, by_reader(gone)[0]["sessions"]))
    assert seen == [(True, 200), (True, 200), (False, 200), (False, None)]
    without(ADS, world.last, "line_id", "line_000")  # the last night is run again, without the other line
    online.materialize(UNIT, world.last)
    assert by_reader(entities_of(world)) == by_feast(entities_of(world)) == offline(world.last, entities_of(world))


def test_a_reader_follows_what_comes_online(store: str) -> None:
    world = World(nights=2, lines=2).write()
    online.materialize(UNIT, world.night(0))
    open_one = reader()
    keys = entities_of(world).to_dict("records")
    before = open_one.read(keys)
    assert open_one.manifest().about["night"] == str(world.night(0))
    online.materialize(UNIT, world.night(1))
    assert open_one.read(keys) == reader().read(keys) != before
    assert open_one.manifest().about["night"] == str(world.night(1))
    assert open_one.read([]) == []
    with pytest.raises(EntityError, match="lacks segment"):
        open_one.read([{"line_id": "line_000"}])


def test_threads_that_share_a_reader_go_on_while_a_night_comes_online(store: str) -> None:
    world = World(nights=2, lines=2).write()
    online.materialize(UNIT, world.night(0))
    reading, keys, ended = reader(), entities_of(world).to_dict("records"), Event()

    def read_on() -> set[str]:
        seen = {str(reading.read(keys))}
        while not ended.is_set():
            seen.add(str(reading.read(keys)))
        return seen

    before = str(reading.read(keys))
    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(read_on) for _ in range(4)]
        try:
            online.materialize(UNIT, world.night(1))
        finally:
            ended.set()
    seen = set().union(*(thread.result() for thread in threads))
    after = str(reading.read(keys))
    assert before != after
    if store == "sqlite":  # a file is replaced as a whole
        assert seen <= {before, after}


def test_a_night_without_features_is_refused(store: str) -> None:
    with pytest.raises(MissingInput, match="moe run"):
        online.materialize(UNIT, date(2026, 3, 2))
    with pytest.raises(OnlineError, match=r"moe online --unit"):
        reader()


KILLED = "from datetime import date; from feature_repo.online import materialize; materialize('shop', date({}))"


@pytest.mark.parametrize(("kind", "point", "stands"), [
    ("sqlite", "written:feast", 0), ("redis", "filled:online", 1),
    pytest.param("sqlite", "filled:online", 0, marks=pytest.mark.all),
    pytest.param("sqlite", "replaced:feast", 1, marks=pytest.mark.all),
    pytest.param("redis", "claimed:online", 1, marks=pytest.mark.all),
])
def test_a_kill_in_between_lets_no_older_value_in(
    kind: str, point: str, stands: int, home: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "redis":
        use_redis(redis_address, monkeypatch)
    world = World(nights=3, lines=2).write()
    everyone = entities_of(world)
    without(ADS, world.night(2), "line_id", "line_001")
    online.materialize(UNIT, world.night(1))
    before = by_reader(everyone)
    monkeypatch.setenv("MOE_KILL_AT", point)
    day = world.night(2)
    killed = subprocess.run([sys.executable, "-c", KILLED.format(f"{day.year}, {day.month}, {day.day}")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert online.online_night(UNIT) == world.night(1 + stands)
    if not stands:
        assert by_reader(everyone) == by_feast(everyone) == before
    with pytest.raises(PublishError):
        online.materialize(UNIT, world.night(stands))
    online.materialize(UNIT, world.night(2))
    assert by_reader(everyone) == by_feast(everyone) == offline(world.night(2), everyone)
    assert [path.name for path in settings().online_file(UNIT).parent.glob(".online*")] == []


def test_of_a_night_that_failed_half_way_nothing_too_old_is_served(
    home: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_redis(redis_address, monkeypatch)
    world = World(nights=4, lines=2).write()
    online.materialize(UNIT, world.night(0))
    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk"):
        broken.setattr(online, "_fill", Mock(side_effect=OSError("disk")))
        online.materialize(UNIT, world.night(3))
    assert not reader().manifest().about["complete"]
    assert {value for row in reader().read(entities_of(world).to_dict("records")) for value in row.values()} == {None}
    with pytest.raises(PublishError):
        online.materialize(UNIT, world.night(2))
    online.materialize(UNIT, world.night(3))
    assert reader().manifest().about["complete"]
    assert by_reader(entities_of(world)) == offline(world.night(3), entities_of(world))


def test_a_second_writer_is_refused_until_its_lock_ends(
    home: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_redis(redis_address, monkeypatch)
    world = World(nights=1, lines=1).write()
    with redis.Redis.from_url(redis_address) as client:
        client.set(f"moe:online:{UNIT}:lock", "another host:/var", ex=600)
        with pytest.raises(PublishError, match="another process"):
            online.materialize(UNIT, world.last)
        assert online.online_night(UNIT) is None
        client.delete(f"moe:online:{UNIT}:lock")
        online.materialize(UNIT, world.last)
        assert not client.exists(f"moe:online:{UNIT}:lock")


@pytest.fixture(params=["1e5", 'a,b="c d', "0123%/@"])
def secured(
    request: pytest.FixtureRequest, home: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A Redis that asks for a password which means something to who reads it carelessly."""
    use_redis(redis_address, monkeypatch)
    with redis.Redis.from_url(redis_address) as client:
        client.config_set("requirepass", request.param)
        monkeypatch.setenv("MOE_ONLINE_STORE", redis_address.replace("//", f"//:{quote(request.param, safe='')}@"))
        settings.cache_clear()
        yield
        client.config_set("requirepass", "")


def test_any_password_is_taken(secured: None, redis_address: str) -> None:
    world = World(nights=1, lines=1).write()
    online.materialize(UNIT, world.last)
    assert by_reader(entities_of(world)) == by_feast(entities_of(world)) == offline(world.last, entities_of(world))
    kept = settings().feast_home / UNIT / "feature_store.yaml"
    assert kept.stat().st_mode & 0o077 == 0, "the file with the password is open to others"
    with pytest.raises(OnlineError, match="does not answer"):
        open_reader(f"{redis_address}?project={UNIT}")


def test_a_redis_that_is_down_and_comes_back(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with redis_server(tmp_path, port) as address:
        use_redis(address, monkeypatch)
        world = World(nights=1, lines=1).write()
        keys = entities_of(world).to_dict("records")
        online.materialize(UNIT, world.last)
        reading = reader()
        expected = reading.read(keys)
    with pytest.raises(OnlineError, match="does not answer") as down:
        reading.read(keys)
    assert "start Redis" in down.value.remedy
    with pytest.raises(Retriable, match="does not answer"):
        online.materialize(UNIT, world.last)
    with redis_server(tmp_path, port):
        with pytest.raises(OnlineError, match="nothing of shop is online"):
            reading.read(keys)
        online.materialize(UNIT, world.last)
        assert reading.read(keys) == expected


def test_what_is_no_online_store_is_said(home: Path, tmp_path: Path, redis_address: str) -> None:
    (tmp_path / "text.db").write_text("no database" * 1000)
    world = World(nights=1, lines=1).write()
    feature_store(UNIT)  # makes a file without values
    made = settings().online_address(UNIT)
    for address in (f"sqlite:///{tmp_path}/none.db?project=shop", f"sqlite:///{tmp_path}/text.db?project=shop", made,
                    f"{redis_address}?project=nobody", "redis://127.0.0.1:x/0?project=shop", made.partition("?")[0],
                    "postgres://host/db?project=shop"):
        with pytest.raises(OnlineError) as refused:
            open_reader(address)
        assert "moe online" in refused.value.remedy or "give sqlite:" in refused.value.remedy
    online.materialize(UNIT, world.last)
    with pytest.raises(OnlineError, match="holds shop in format 1, not other"):
        open_reader(made.replace("project=shop", "project=other"))


@pytest.mark.parametrize("address", ["postgres://host/0", "redis:///0", "redis://host:x/0", "redis://host/a"])
def test_a_setting_that_is_no_redis_is_said(address: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_ONLINE_STORE", address)
    settings.cache_clear()
    with pytest.raises(MoeError, match="no address of a Redis") as refused:
        feature_store(UNIT)
    assert "MOE_ONLINE_STORE=redis://" in refused.value.remedy


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The `online` step of the nightly DAG for a night of the unit."""
    monkeypatch.syspath_prepend(str(settings().dags))
    import _steps

    def run(night: date, run_type: str, publish: bool = False) -> str:
        found: str = _steps.STEPS["online"](SimpleNamespace(unit=SimpleNamespace(unit=UNIT), date=night),
                                            _steps.Asked(run_type, publish))
        return found

    return run


def test_only_a_run_that_publishes_moves_what_is_online(home: Path, step: Callable[..., str]) -> None:
    world = World(nights=3, lines=2).write()
    for run_type, publish in (("backfill", False), ("backfill", True), ("manual", False)):
        assert step(world.night(1), run_type, publish).startswith(f"nothing moved: a {run_type} run does not publish")
        assert online.online_night(UNIT) is None
    assert "entities: 6 ads, 2 traffic" in step(world.night(1), "scheduled")
    assert online.online_night(UNIT) == world.night(1)
    assert step(world.night(0), "scheduled") == (
        f"nothing moved: the features of {world.night(1)} are online, and they go forward")
    assert step(world.night(2), "backfill", True).startswith("nothing moved")
    assert online.online_night(UNIT) == world.night(1)
    step(world.night(2), "manual", True)
    assert online.online_night(UNIT) == world.night(2)
    assert "its features step was skipped" in step(world.last + timedelta(days=1), "scheduled")


values = st.one_of(st.builds(lambda v: Value(string_val=v), st.text()),
                   st.builds(lambda v: Value(int64_val=v), st.integers(-(2**63), 2**63 - 1)),
                   st.builds(lambda v: Value(double_val=v), st.floats(allow_nan=False)), st.just(Value()))


@given(values)
def test_values_are_read_as_protobuf_reads_them(message: Value) -> None:
    kind = message.WhichOneof("val")
    assert feast_format.value(message.SerializeToString()) == (getattr(message, kind) if kind else None)


@pytest.mark.parametrize("message", [Value(bool_val=True), Value(float_val=1.5), Value(bytes_val=b"x")])
def test_a_value_of_another_type_is_refused(message: Value) -> None:
    with pytest.raises(ValueError, match="no text, int64 or double"):
        feast_format.value(message.SerializeToString())


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=3))
def test_entity_keys_are_those_of_feast(entity: dict[str, str]) -> None:
    message = EntityKey(join_keys=list(entity), entity_values=[Value(string_val=v) for v in entity.values()])
    names = sorted(entity)
    assert feast_format.entity_key(names, [entity[name] for name in names]) == serialize_entity_key(message)
