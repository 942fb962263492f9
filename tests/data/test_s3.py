"""S3 follows what is live by conditional writes, and a store comes back from it. The service is moto's server."""

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from _releases import D1, D2, D3, UNIT, publish_model, publish_night, shown, stored, write
from _stores import python, shop
from services import Postgres, free_port
from typer.testing import CliRunner

from moe import follow, publish, release, tables
from moe.cli import app
from moe.errors import MissingInput, MoeError, Retriable
from moe.follow import s3
from moe.follow.bucket import Bucket
from moe.follow.live import Live, live
from moe.follow.restore import restore
from moe.settings import settings

FOLLOW = "import sys; from moe import follow; print(follow.follow(sys.argv[1]))"
VERSION = "0123abcd"


@pytest.fixture(autouse=True)
def followed(bucket: Any) -> None:
    """What else a store holds: a bundle, a report, and a delivery as it came."""
    for path, text in ((settings().bundles / VERSION / "model.onnx", "a graph"),
                       (settings().bundles / VERSION / "bundle.json", "{}"),
                       (settings().report(UNIT, D1) / "index.html", "<p>tomorrow</p>"),
                       (tables.partition("landing.shop__orders", UNIT, D1), "ann@example.com")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def objects(bucket: Any) -> dict[str, bytes]:
    return {item.key: item.get()["Body"].read() for item in bucket.objects.all()}


def versions(bucket: Any) -> dict[str, int]:
    """How often each object was written."""
    found: dict[str, int] = {}
    for version in bucket.object_versions.all():
        found[version.object_key] = found.get(version.object_key, 0) + 1
    return found


def pointer(bucket: Any) -> dict[str, Any]:
    return dict(json.loads(bucket.Object(f"lake/live/{UNIT}.json").get()["Body"].read()))


def at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as another machine, with a store of its own."""
    monkeypatch.setenv("MOE_HOME", str(home))
    settings.cache_clear()


def when_sent(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Do something when all files are sent, and the pointer object is not moved yet."""
    def reached(point: str) -> None:
        if point == "sent:s3":
            monkeypatch.setattr(s3, "commit_point", lambda point: None)
            then()

    monkeypatch.setattr(s3, "commit_point", reached)


def test_what_is_there_is_what_is_here(bucket: Any) -> None:
    publish_model(VERSION)
    publish_night(D1)
    (said,) = follow.follow(UNIT)
    assert said == f"S3: nothing → {D1}, 7 of 7 files new or changed"
    found = objects(bucket)
    here = {f"lake/{path.relative_to(settings().home)}": path.read_bytes()
            for folder in ("store/out", "bundles", "reports")
            for path in (settings().home / folder).rglob("*") if path.is_file()}
    assert {key: body for key, body in found.items() if "/live/" not in key} == here
    assert not any(b"ann@example.com" in body for body in found.values()), "landing leaves the store"
    told = pointer(bucket)
    assert (told["night"], told["bundle"], told["move"]) == (D1.isoformat(), VERSION, 1)
    assert told["files"] == {key.removeprefix("lake/"): hashlib.sha256(body).hexdigest() for key, body in here.items()}
    kinds = {key.rpartition(".")[2]: bucket.Object(key).content_type for key in found}
    assert kinds == {"parquet": "application/vnd.apache.parquet", "onnx": "application/octet-stream",
                     "html": "text/html", "json": "application/json"}
    for key, body in found.items():
        assert key.startswith("lake/")
        seen = Bucket().look(key.removeprefix("lake/"))
        assert seen and seen.sha256 == hashlib.sha256(body).hexdigest()


def test_only_what_changed_is_sent_again(bucket: Any) -> None:
    publish_night(D1)
    assert follow.follow(UNIT, dry_run=True) == [f"S3: would go nothing → {D1}, 5 of 5 files new or changed"]
    assert objects(bucket) == {}
    follow.follow(UNIT)
    before = versions(bucket)
    assert follow.follow(UNIT) == [f"S3: {D1} → {D1}, 0 of 5 files new or changed"]
    assert versions(bucket) == before
    write(D1, {"brand": Decimal("8.00")})
    assert "3 of 5 files" in follow.follow(UNIT)[0], "the allocation is as before"
    changed = {key for key, count in versions(bucket).items() if count == 2}
    assert changed == {f"lake/live/{UNIT}.json"} | {
        f"lake/store/out/{name}/{UNIT}/{D1}.parquet"
        for name in ("release__night", "budget__line", "bid__line_segment")}


def test_a_roll_back_is_followed(bucket: Any) -> None:
    publish_night(D1)
    publish_night(D2)
    follow.follow(UNIT)
    release.make_live(UNIT, D1, who="a person", reason="a mistake", back=True)
    assert follow.follow(UNIT) == [f"S3: {D2} → {D1}, 0 of 9 files new or changed"]
    assert (pointer(bucket)["night"], pointer(bucket)["move"]) == (D1.isoformat(), 3)


def test_of_two_writers_one_wins_and_the_other_is_told(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    follow.follow(UNIT)

    def another() -> None:
        publish_night(D2)
        follow.follow(UNIT)

    write(D1, {"brand": Decimal("8.00")})
    when_sent(monkeypatch, another)
    with pytest.raises(Retriable, match=f"live/{UNIT}.json: another writer moved it"):
        follow.follow(UNIT)
    assert pointer(bucket)["night"] == D2.isoformat(), "the slower writer moved it back"
    assert follow.follow(UNIT) == [f"S3: {D2} → {D2}, 0 of 9 files new or changed"]


def test_the_first_writer_of_all_is_raced_too(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    when_sent(monkeypatch, lambda: bucket.put_object(Key=f"lake/live/{UNIT}.json", Body=b"another's"))
    with pytest.raises(Retriable, match="another writer moved it"):
        follow.follow(UNIT)
    assert objects(bucket)[f"lake/live/{UNIT}.json"] == b"another's"


def test_an_answer_that_was_lost_is_no_lost_race(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 sends again when an answer does not come; the second write meets the first one's result."""
    once = Bucket.put
    monkeypatch.setattr(Bucket, "put", lambda *given: once(*given) and once(*given))
    publish_night(D1)
    follow.follow(UNIT)
    assert pointer(bucket)["night"] == D1.isoformat() and set(versions(bucket).values()) == {1}


def test_a_partition_is_replaced_only_where_it_is_what_we_saw(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    write(D1, {"brand": Decimal("8.00")})
    key = f"lake/store/out/budget__line/{UNIT}/{D1}.parquet"
    look = Bucket.look

    def then_another(self: Bucket, name: str) -> Any:
        seen = look(self, name)
        if key.endswith(name):
            bucket.put_object(Key=key, Body=b"another's")
        return seen

    monkeypatch.setattr(Bucket, "look", then_another)
    with pytest.raises(Retriable, match=r"budget__line.*another writer came first"):
        follow.follow(UNIT)
    assert objects(bucket)[key] == b"another's"


@pytest.mark.parametrize("writer", ["a later move", "another store"])
def test_a_file_of_another_writer_is_left_alone(bucket: Any, writer: str) -> None:
    """Also where neither has moved the pointer object yet."""
    publish_night(D1)
    this = live(UNIT)
    other = replace(this.entry, at="2026-01-01T00:00:00+00:00")
    wrote = Live(UNIT, (*this.moves, other) if writer == "a later move" else (other,))
    key = f"store/out/budget__line/{UNIT}/{D1}.parquet"
    assert Bucket().put(key, b"theirs", hashlib.sha256(b"theirs").hexdigest(), wrote, None)
    with pytest.raises(Retriable, match="another writer came first"):
        follow.follow(UNIT)
    assert objects(bucket)[f"lake/{key}"] == b"theirs" and f"lake/live/{UNIT}.json" not in objects(bucket)


def test_another_store_and_an_older_state_are_refused(bucket: Any, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    shutil.copytree(settings().home, tmp_path / "copy")  # a backup, of when D1 was live
    publish_night(D2)
    follow.follow(UNIT)
    before = objects(bucket)
    at(tmp_path / "copy", monkeypatch)
    with pytest.raises(MoeError, match="it stands at move 2 of shop, which is not in this store's log of 1"):
        follow.follow(UNIT)
    at(tmp_path / "other", monkeypatch)
    for night in (D1, D2, D3):
        publish_night(night, {"brand": Decimal("9.00")})
    with pytest.raises(MoeError, match="follows another store"):
        follow.follow(UNIT)
    assert objects(bucket) == before


@pytest.mark.parametrize("point", ["sent:s3", "moved:s3"])
def test_killed_on_the_way_then_retried(bucket: Any, point: str) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    publish_night(D2)
    process = python(FOLLOW, UNIT, MOE_KILL_AT=point)
    assert process.communicate() and process.returncode == -signal.SIGKILL
    assert pointer(bucket)["night"] == (D1 if point == "sent:s3" else D2).isoformat()
    once = versions(bucket)
    follow.follow(UNIT)
    assert pointer(bucket)["night"] == D2.isoformat()
    sent_again = {key for key, count in versions(bucket).items() if count != once.get(key)}
    assert sent_again <= {f"lake/live/{UNIT}.json"}


def test_a_night_that_ran_again_after_a_kill_still_follows(bucket: Any) -> None:
    """What our own cut-off attempt left there is no other writer's."""
    publish_night(D1)
    process = python(FOLLOW, UNIT, MOE_KILL_AT="sent:s3")
    assert process.communicate() and process.returncode == -signal.SIGKILL
    write(D1, {"brand": Decimal("8.00")})
    follow.follow(UNIT)
    key = f"lake/store/out/budget__line/{UNIT}/{D1}.parquet"
    assert objects(bucket)[key] == tables.partition("out.budget__line", UNIT, D1).read_bytes()


def test_a_bundle_is_written_once(bucket: Any) -> None:
    publish_model(VERSION)
    publish_night(D1)
    bucket.put_object(Key=f"lake/bundles/{VERSION}/model.onnx", Body=b"another graph")
    with pytest.raises(MoeError, match="is not what its name, a hash, says"):
        follow.follow(UNIT)
    assert objects(bucket)[f"lake/bundles/{VERSION}/model.onnx"] == b"another graph"
    assert f"lake/live/{UNIT}.json" not in objects(bucket)


def test_what_retention_took_goes_when_a_person_says_so(bucket: Any) -> None:
    publish_night(D1)
    publish_night(D2)
    follow.follow(UNIT)
    gone = tables.partition("out.bid__line_segment", UNIT, D1)
    gone.unlink()
    assert "1 that are no longer here stay: moe follow --prune" in follow.follow(UNIT)[0]
    name = gone.relative_to(settings().home).as_posix()
    assert s3.prune(UNIT, dry_run=True) == [name] and f"lake/{name}" in objects(bucket)
    for left in ([name], []):
        assert s3.prune(UNIT, dry_run=False) == left
        assert f"lake/{name}" not in objects(bucket) and name not in pointer(bucket)["files"]
    assert follow.follow(UNIT) == [f"S3: {D2} → {D2}, 0 of 8 files new or changed"]


def test_a_store_comes_back_and_goes_on(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_model(VERSION)
    publish_night(D1)
    publish_night(D2)
    follow.follow(UNIT)
    old, logs = settings().home, {kind: publish.log(kind, UNIT) for kind in ("release", "model")}  # type: ignore[arg-type]
    at(tmp_path / "new", monkeypatch)
    assert restore(UNIT, dry_run=True) == f"would fetch 11 of 11 files: {UNIT}, live {D2}"
    assert not settings().store.exists()
    assert restore(UNIT) == f"fetched 11 of 11 files: {UNIT}, live {D2}"
    assert restore(UNIT) == f"fetched 0 of 11 files: {UNIT}, live {D2}"
    for path in s3.files(UNIT).values():
        assert path.read_bytes() == (old / path.relative_to(settings().home)).read_bytes()
    assert {kind: publish.log(kind, UNIT) for kind in ("release", "model")} == logs  # type: ignore[arg-type]
    assert not list(settings().home.rglob("*.tmp")) and not (settings().store / "landing").exists()
    publish_night(D3)
    assert follow.follow(UNIT) == [f"S3: {D2} → {D3}, 4 of 15 files new or changed"]
    at(old, monkeypatch)
    with pytest.raises(MoeError, match="follows another store"):
        follow.follow(UNIT)


def test_the_curves_of_the_bid_and_the_pages_script_come_back_too(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves, script = settings().bundles / "4567cdef" / "model.onnx", settings().monitoring_library / "evidently-1.js"
    for path in (curves, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    publish_model(VERSION)
    publish_model(curves.parent.name, kind="bid_model")
    publish_night(D1)
    follow.follow(UNIT)
    moves = publish.log("bid_model", UNIT)
    assert pointer(bucket)["bundle"] == VERSION, "serving loads the model's"
    at(tmp_path / "new", monkeypatch)
    restore(UNIT)
    assert publish.log("bid_model", UNIT) == moves and publish.log("model", UNIT)
    assert (settings().bundles / "4567cdef" / "model.onnx").read_text() == "model.onnx"
    assert (settings().monitoring_library / "evidently-1.js").read_text() == "evidently-1.js"


def test_what_followed_before_curves_did_can_be_restored_and_followed(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_model(VERSION)
    publish_night(D1)
    follow.follow(UNIT)
    told = pointer(bucket)
    del told["log"]["bid_model"]
    bucket.put_object(Key=f"lake/live/{UNIT}.json", Body=json.dumps(told).encode())
    at(tmp_path / "new", monkeypatch)
    restore(UNIT)
    assert publish.live("model", UNIT) and publish.live("bid_model", UNIT) is None
    publish_model("4567cdef", kind="bid_model")
    follow.follow(UNIT)
    assert [entry["moved_to"] for entry in pointer(bucket)["log"]["bid_model"]] == ["4567cdef"]


def test_a_serving_host_fetches_the_bundle_alone(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    with pytest.raises(MissingInput, match="holds no bundle"):
        restore(UNIT, bundle_only=True)
    publish_model(VERSION)
    follow.follow(UNIT)
    at(tmp_path / "serving", monkeypatch)
    assert restore(UNIT, bundle_only=True) == f"fetched 2 of 2 files: bundle {VERSION}"
    assert (settings().bundles / VERSION / "model.onnx").read_text() == "a graph"
    assert not settings().store.exists() and publish.live("release", UNIT) is None


def test_restoring_replaces_nothing_and_believes_nothing(bucket: Any, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingInput, match=f"holds nothing of {UNIT}"):
        restore(UNIT)
    with monkeypatch.context() as unset:
        unset.delenv("MOE_S3_URL")
        settings.cache_clear()
        with pytest.raises(MoeError, match="no S3 is set"):
            restore(UNIT)
    settings.cache_clear()
    publish_night(D1)
    follow.follow(UNIT)
    at(tmp_path / "used", monkeypatch)
    write(D1, {"mine": Decimal("1.00")})
    mine = stored("out.budget__line", D1)
    with pytest.raises(MoeError, match="is here already, with other content"):
        restore(UNIT)
    assert stored("out.budget__line", D1) == mine and publish.live("release", UNIT) is None
    at(tmp_path / "moved", monkeypatch)
    publish_night(D2)
    with pytest.raises(MoeError, match="has moves of its own"):
        restore(UNIT)
    at(tmp_path / "new", monkeypatch)
    key = f"lake/store/out/budget__line/{UNIT}/{D1}.parquet"
    bucket.put_object(Key=key, Body=b"damaged")
    with pytest.raises(MoeError, match="is not the file that live"):
        restore(UNIT)
    assert not tables.partition("out.budget__line", UNIT, D1).exists() and publish.live("release", UNIT) is None
    told = pointer(bucket)
    told["files"] = {"store/../../../escaped": "00"}
    bucket.put_object(Key=f"lake/live/{UNIT}.json", Body=json.dumps(told).encode())
    with pytest.raises(MoeError, match="outside a store"):
        restore(UNIT)


@pytest.mark.parametrize("fault", ["closed", "bucket"])
def test_a_service_that_does_not_answer(bucket: Any, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    publish_night(D1)
    if fault == "closed":
        monkeypatch.setenv("MOE_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    else:
        monkeypatch.setenv("MOE_S3_URL", "s3://nowhere/lake")
    settings.cache_clear()
    with pytest.raises(MoeError, match=r"S3 is behind: s3://.*(Could not connect|NoSuchBucket)") as raised:
        follow.follow(UNIT)
    assert isinstance(raised.value, Retriable) == (fault == "closed")
    entry = publish.live("release", UNIT)
    assert entry and entry.moved_to == D1.isoformat()


def test_one_that_fails_does_not_keep_the_other(bucket: Any, postgres: Postgres, database: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    publish_night(D1)
    monkeypatch.setenv("MOE_POSTGRES_URL", Postgres(free_port()).url())
    settings.cache_clear()
    with pytest.raises(Retriable, match=f"S3: nothing → {D1}, 5 of 5 .*; PostgreSQL is behind"):
        follow.follow(UNIT)
    assert pointer(bucket)["night"] == D1.isoformat()
    monkeypatch.setenv("MOE_POSTGRES_URL", postgres.url(database))
    monkeypatch.setenv("MOE_S3_URL", "s3://nowhere")
    settings.cache_clear()
    with pytest.raises(MoeError, match=r"PostgreSQL: nothing → .*; S3 is behind"):
        follow.follow(UNIT)
    with psycopg.connect(postgres.url(database)) as connection:
        assert shown(connection, "live_budget__line") == stored("out.budget__line", D1)


def test_without_credentials_the_chain_is_named(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it found first
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(MoeError, match="Unable to locate credentials") as raised:
        follow.follow(UNIT)
    assert "AWS_ACCESS_KEY_ID" in raised.value.remedy


def test_the_commands(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = str(shop(tmp_path / "unit").folder / "unit.yml")

    def moe(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--unit", unit], catch_exceptions=False)
        return done.output.replace("\n", " ")

    for night in (D1, D2):
        write(night)
    person = ("--who", "a person", "--reason", "because")
    moe("release", "publish", D1.isoformat(), *person)
    told = moe("release", "publish", D2.isoformat(), *person)
    assert f"S3: {D1} → {D2}" in told
    assert f"the page of {D1} is as it was: marts.order__day has no partition" in told, "which stops nothing"
    assert "would move" in moe("release", "rollback", D1.isoformat(), *person, "--dry-run")
    assert pointer(bucket)["night"] == D2.isoformat()
    assert f"S3: {D2} → {D1}" in moe("release", "rollback", D1.isoformat(), *person)
    assert pointer(bucket)["night"] == D1.isoformat()
    tables.partition("out.bid__line_segment", UNIT, D2).unlink()
    assert "would delete 1 files" in moe("follow", "--prune", "--dry-run")
    assert "deleted 1 files" in moe("follow", "--prune") and "deleted 0 files" in moe("follow", "--prune")
    at(tmp_path / "new", monkeypatch)
    assert "would fetch 8 of 8" in moe("restore", "--dry-run") and "fetched 8 of 8" in moe("restore")
    monkeypatch.setenv("MOE_S3_URL", "")
    settings.cache_clear()
    assert "nothing is set to follow" in moe("follow")
