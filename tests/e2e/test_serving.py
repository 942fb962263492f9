"""The service over HTTP: what it answers, what it refuses, and what it does when a part of it fails."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
import service
from service import Models, Service, running

from moe.online import bring
from moe.settings import settings
from serving.bundle import Bundle
from serving.online import open_reader


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        settings.cache_clear()
        yield service.train_two()
    settings.cache_clear()


@pytest.fixture(scope="module")
def live(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as it was."""
    models.publish(models.versions[0])
    with running(tmp_path_factory.mktemp("service"), models.pointer, models.bundles) as found:
        yield found


@pytest.fixture
def pointer(models: Models, tmp_path: Path) -> Path:
    """A pointer of the test's own."""
    models.publish(models.versions[0])
    return Path(shutil.copy(models.pointer, tmp_path / "shop.json"))


def move(pointer: Path, version: str, **facts: Any) -> None:
    entry = json.loads(pointer.read_text()) | {"moved_to": version}
    beside = pointer.with_suffix(".tmp")
    beside.write_text(json.dumps(entry | facts))
    beside.replace(pointer)


def bundle(models: Models, which: int = 0) -> Bundle:
    return Bundle.load(models.bundles / models.versions[which])


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """An answer's problem, which has the shape of RFC 9457 and says what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/problems/{kind}"
    assert found["status"] == status
    assert found["title"] and found["detail"] and found["remedy"]
    return found


# What it answers


def test_an_answer_has_what_the_specification_writes_and_equals_the_bundle(live: Service, models: Models) -> None:
    row = models.rows[3]
    answer = live.predict({"features": row})
    assert answer.status_code == 200
    found, wanted = answer.json(), bundle(models).predict(columns([row]))
    assert found["predicted_ctr"] == wanted["click_rate"][0]
    assert found["predicted_conversion_rate"] == wanted["conversion_rate"][0]
    assert found["model_version"] == models.versions[0]
    assert found["inference_time_ms"] > 0
    assert (found["source"], found["reason"], found["warnings"]) == ("model", None, [])
    for rate, name in (("predicted_ctr", "confidence_interval"),
                       ("predicted_conversion_rate", "conversion_rate_confidence_interval")):
        interval = found[name]
        assert interval["level"] == 0.9
        assert interval["lower"] < found[rate] < interval["upper"]
    assert found["request_id"] == answer.headers["x-request-id"]


def test_a_batch_equals_the_bundle_row_by_row(live: Service, models: Models) -> None:
    """Also one above 256 rows, which is predicted in a thread."""
    for count in (64, 700):
        rows = (models.rows * 20)[:count]
        found = live.predict({"rows": [{"features": row} for row in rows]}).json()
        wanted = bundle(models).predict(columns(rows))
        assert [p["predicted_ctr"] for p in found["predictions"]] == wanted["click_rate"].tolist()
        assert [p["predicted_conversion_rate"] for p in found["predictions"]] == wanted["conversion_rate"].tolist()


def test_requests_that_are_predicted_together_keep_their_own_rows(live: Service, models: Models) -> None:
    wanted = bundle(models).predict(columns(models.rows))["click_rate"]
    found: dict[int, float] = {}
    errors: list[Exception] = []

    def ask(start: int) -> None:
        with httpx.Client(base_url=live.client.base_url, headers=live.client.headers, timeout=60) as client:
            for n in range(start, len(models.rows), 16):
                try:
                    found[n] = client.post("/api/v1/predict", json={"features": models.rows[n]}).json()["predicted_ctr"]
                except Exception as error:
                    errors.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [found[n] for n in range(len(models.rows))] == pytest.approx(wanted.tolist(), rel=1e-12)
    runs, rows = live.metric("serving_rows_together_count"), live.metric("serving_rows_together_sum")
    assert rows > runs, "no two requests were ever predicted together"


def test_an_unknown_name_and_a_missing_feature_are_predicted_and_said(live: Service, models: Models) -> None:
    before = live.metric("serving_unknown_category_total"), live.metric("serving_missing_feature_total")
    row = {k: v for k, v in models.rows[0].items() if k != "clicks_7d"} | {"platform": "tiktok", "spend_7d": None}
    found = live.predict({"features": row}).json()
    assert found["source"] == "model"
    assert found["warnings"] == ["feature clicks_7d is missing: predicted without it",
                                 "feature spend_7d is missing: predicted without it",
                                 "platform 'tiktok' was not seen in training"]
    assert found["predicted_ctr"] == bundle(models).predict(
        columns([models.rows[0] | {"platform": "tiktok", "clicks_7d": np.nan, "spend_7d": np.nan}]))["click_rate"][0]
    assert live.metric("serving_unknown_category_total") == before[0] + 1
    assert live.metric("serving_missing_feature_total") == before[1] + 2


# What it refuses


@pytest.mark.parametrize(("changed", "pointer", "said"), [
    ({"clicks_7d": "many"}, "/rows/1/features/clicks_7d", "row 1, feature clicks_7d"),
    ({"clicks_7d": True}, "/rows/1/features/clicks_7d", "got `bool`"),
    ({"clicks_7d": [1.0]}, "/rows/1/features/clicks_7d", "got `array`"),
    ({"clicks_7d": -1}, "/rows/1/features/clicks_7d", ">= 0"),
    ({"clicks_7d": 1e300}, "/rows/1/features/clicks_7d", "<="),
    ({"bounce_rate": 1.5}, "/rows/1/features/bounce_rate", "<= 1"),
    ({"segment": 7}, "/rows/1/features/segment", "got `int`"),
    ({"segment": "x" * 300}, "/rows/1/features/segment", "length"),
    ({"weekday": 1.5}, "/rows/1/features/weekday", "feature weekday"),
    ({"weekday": None}, "/rows/1/features/weekday", "got `null`"),
])
def test_a_wrong_value_is_named_by_row_and_feature(live: Service, models: Models, changed: dict[str, Any],
                                                   pointer: str, said: str) -> None:
    rows = [{"features": models.rows[0]}, {"features": models.rows[1] | changed}]
    found = problem(live.predict({"rows": rows}), 422, "invalid-input")
    assert found["errors"][0]["pointer"] == pointer
    assert said in found["detail"]


@pytest.mark.parametrize("body", [
    {}, [], 7, {"rows": []}, {"features": {}}, {"features": {"weekday": 1}, "rows": []}, {"feature": {}},
    {"rows": [{"features": {"weekday": 1}}], "entity": {"line_id": "a", "segment": "b"}},
    {"features": {"weekday": 1}, "entity": {"line_id": "a"}},
    {"features": {"weekday": 1}, "entity": {"line_id": "a", "segment": "b", "email": "a@b.c"}},
])
def test_a_body_of_another_shape_is_refused(live: Service, body: Any) -> None:
    problem(live.predict(body), 422, "invalid-input")


def test_a_batch_above_the_limit_is_refused(live: Service) -> None:
    found = problem(live.predict({"rows": [{"features": {"weekday": 1}}] * 10_001}), 422, "invalid-input")
    assert "10000" in found["detail"]


@pytest.mark.parametrize("body", [
    b"", b"{", b'{"features": {"weekday": 1, "clicks_7d": NaN}}',
    b'{"features": {"weekday": 1, "clicks_7d": Infinity}}',
    b'{"features": {"weekday": 1}} x', b'\xff\xfe{', b'{"features": {"weekday": 1, "segment": "\xff"}}',
    b'{"features": {"weekday": 1, "deep": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}}",
    b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
])
def test_what_is_no_json_is_refused(live: Service, body: bytes) -> None:
    answer = live.client.post("/api/v1/predict", content=body, headers={"content-type": "application/json"})
    if answer.status_code == 422:  # nested where no value is read: its first key is at fault already
        problem(answer, 422, "invalid-input")
    else:
        problem(answer, 400, "malformed-json")
    assert live.client.get("/livez").status_code == 200


def test_a_body_of_100_mb_is_refused_without_being_read(live: Service) -> None:
    head = (f"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nX-API-Key: {live.key}\r\n"
            "Content-Type: application/json\r\n")
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as caller:
        caller.sendall(f"{head}Content-Length: 100000000\r\n\r\n{{".encode())
        answer = caller.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as caller:
        caller.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(4 * 2**20 // 0x10000 + 1):  # 4 MiB and a chunk; the rest is never sent
            caller.sendall(chunk)
        assert caller.recv(65536).startswith(b"HTTP/1.1 413")
    assert live.predict({"features": {"weekday": 1}}).status_code == 200


def test_a_caller_that_sends_it_all_reads_the_refusal(live: Service) -> None:
    body = b'{"features": {"weekday": 1, "segment": "' + b"x" * (8 * 2**20) + b'"}}'
    answer = live.client.post("/api/v1/predict", content=body, headers={"content-type": "application/json"})
    found = problem(answer, 413, "body-too-large")
    assert "4194304" in found["detail"]


def test_paths_methods_and_media_types(live: Service) -> None:
    problem(live.client.get("/nothing"), 404, "not-found")
    refused = live.client.get("/api/v1/predict")
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "POST"
    problem(live.client.post("/api/v1/predict", data={"a": "b"}), 415, "media-type")
    problem(live.predict({"features": {"weekday": 1}}, headers={"content-encoding": "gzip"}), 415, "media-type")
    described = live.client.get("/problems/expired-key").json()
    assert described["status"] == 401


# Keys


def test_keys_are_asked_for_found_and_expire(live: Service) -> None:
    keys, body = live.folder / "keys.json", {"features": {"weekday": 1}}
    bare = httpx.Client(base_url=live.client.base_url, timeout=60)
    missing = bare.post("/api/v1/predict", json=body)
    problem(missing, 401, "no-key")
    assert "Bearer" in missing.headers["www-authenticate"]
    problem(bare.post("/api/v1/predict", json=body, headers={"X-API-Key": "guess"}), 401, "unknown-key")
    assert bare.post("/api/v1/predict", json=body, headers={"Authorization": f"Bearer {live.key}"}).status_code == 200
    for path in ("/livez", "/readyz", "/metrics"):
        assert bare.get(path).status_code == 200
    made = service.command("keys", "add", "--id", "short", "--days", "0.00005", "--file", str(keys)).stdout.strip()
    _until(lambda: bare.post("/api/v1/predict", json=body, headers={"X-API-Key": made}).json().get("type", "")
           == "/problems/expired-key")  # taken up while running, then expired after four seconds
    found = problem(bare.post("/api/v1/predict", json=body, headers={"X-API-Key": made}), 401, "expired-key")
    assert "short expired at 20" in found["detail"]
    assert "keys add" in found["remedy"]
    listed = service.command("keys", "list", "--file", str(keys)).stdout
    assert "short\texpired" in listed and "tests\texpires" in listed
    assert made not in keys.read_text() and live.key not in keys.read_text()


def test_without_a_key_file_the_service_refuses_to_start(models: Models, tmp_path: Path) -> None:
    settings_ = {"SERVING_POINTER": str(models.pointer), "SERVING_BUNDLES": str(models.bundles)}
    refused = service.command("serve", environment=settings_)
    assert refused.returncode == 2
    assert "SERVING_OPEN=1" in refused.stderr
    absent = service.command("serve", environment=settings_ | {"SERVING_KEYS": str(tmp_path / "none.json")})
    assert absent.returncode == 2
    assert "keys add" in absent.stderr
    assert "SERVING_POLL" in service.command("--help").stdout


# The model


def test_a_swap_under_load_fails_no_request(models: Models, pointer: Path, tmp_path: Path) -> None:
    """Every answer equals the bundle that it names, and both bundles answered."""
    row = models.rows[5]
    wanted = {version: bundle(models, n).predict(columns([row]))["click_rate"][0]
              for n, version in enumerate(models.versions)}
    assert len(set(wanted.values())) == 2
    with running(tmp_path / "service", pointer, models.bundles) as found:
        answers: list[tuple[int, str, float]] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=found.client.base_url, headers=found.client.headers, timeout=60) as client:
                while not stop.is_set():
                    answer = client.post("/api/v1/predict", json={"features": row})
                    told = answer.json()
                    answers.append((answer.status_code, told["model_version"], told["predicted_ctr"]))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in (1, 0, 1):
            time.sleep(0.3)
            move(pointer, models.versions[turn])
            found.wait(f"ready['model_version'] == '{models.versions[turn]}'")
        stop.set()
        for thread in threads:
            thread.join()
        assert found.metric("serving_model_swaps_total") == 4
    assert {status for status, _, _ in answers} == {200}
    assert {version for _, version, _ in answers} == set(models.versions)
    assert all(rate == pytest.approx(wanted[version], rel=1e-12) for _, version, rate in answers)


def test_a_damaged_bundle_is_refused_and_the_old_one_answers_on(models: Models, pointer: Path, tmp_path: Path) -> None:
    copies = tmp_path / "bundles"
    shutil.copytree(models.bundles, copies)
    damaged = copies / models.versions[1] / "model.onnx"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with running(tmp_path / "service", pointer, copies) as found:
        move(pointer, models.versions[1])
        found.wait("'damaged' in (ready['fault'] or '')")
        ready = found.ready()
        assert (ready["ready"], ready["model_version"]) == (True, models.versions[0])
        assert ready["pointer_version"] == models.versions[1]
        assert found.predict({"features": models.rows[0]}).json()["model_version"] == models.versions[0]
        assert found.metric("serving_model_refused") == 1
        move(pointer, "../../elsewhere")
        found.wait("'no version' in (ready['fault'] or '')")
        damaged.write_bytes(whole)  # mended: taken over without a restart
        move(pointer, models.versions[1])
        found.wait(f"ready['model_version'] == '{models.versions[1]}'")
        assert found.metric("serving_model_refused") == 0


def test_without_a_bundle_historical_rates_answer_and_say_so(models: Models, pointer: Path, tmp_path: Path) -> None:
    """By the row's own rates, else by the unit's, which the pointer holds; the model answers once it is there."""
    bundles = tmp_path / "bundles"
    with running(tmp_path / "service", pointer, bundles) as found:
        assert found.client.get("/readyz").status_code == 200
        assert found.ready()["source"] == "historical_rates"
        rows = [{"features": {"click_rate_28d": 0.5, "weekday": 2}}, {"features": {}}]
        told = found.predict({"rows": rows}).json()
        own, units = told["predictions"]
        history = bundle(models).about["history"]
        assert (own["predicted_ctr"], own["predicted_conversion_rate"]) == (0.5, history["conversion_rate"])
        assert units["predicted_ctr"] == history["click_rate"]
        assert (told["model_version"], own["source"], own["confidence_interval"]) == (None, "historical_rates", None)
        assert "cannot be read" in own["reason"]
        shutil.copytree(models.bundles / models.versions[0], bundles / models.versions[0])
        found.wait("ready['source'] == 'model'")
        assert found.predict({"features": models.rows[0]}).json()["source"] == "model"


def test_with_nothing_at_all_it_is_not_ready_and_says_what_to_do(models: Models, tmp_path: Path) -> None:
    with running(tmp_path / "service", tmp_path / "none.json", tmp_path) as found:
        assert found.client.get("/readyz").status_code == 503
        assert found.client.get("/livez").status_code == 200
        told = problem(found.predict({"features": {}}), 503, "no-answer")
        assert "moe train" in told["remedy"]
        own = found.predict({"features": {"click_rate_28d": 0.1, "conversion_rate_28d": 0.2}}).json()
        assert (own["predicted_ctr"], own["source"]) == (0.1, "historical_rates")


# Look-up


def test_features_are_looked_up_by_entity_and_a_store_that_is_down_is_fallen_back_from(
        models: Models, pointer: Path, tmp_path: Path) -> None:
    bring("shop", models.night)
    store, key = settings().online_file("shop"), models.keys[7]
    [online] = open_reader(settings().online_address("shop")).read([key])
    known = {name: value for name, value in online.items() if name in models.rows[7]}
    row = known | key | {"weekday": 3}
    assert row.keys() == models.rows[7].keys()
    asked = {"entity": key, "features": {"weekday": row["weekday"]}}
    with running(tmp_path / "service", pointer, models.bundles, ONLINE_SECONDS="10",
                 ONLINE=settings().online_address("shop")) as found:
        told = found.predict(asked).json()
        assert (told["source"], told["reason"], told["warnings"]) == ("model", None, [])
        assert told["predicted_ctr"] == bundle(models).predict(columns([row]))["click_rate"][0]
        stranger = found.predict({"entity": key | {"line_id": "never seen"}, "features": {"weekday": 1}}).json()
        assert stranger["source"] == "model"
        assert sum("is missing" in warning for warning in stranger["warnings"]) == len(known)
        store.rename(tmp_path / "away")
        whole = {"entity": key, "features": row}
        rated = {"entity": key, "features": {"weekday": 1, "click_rate_28d": 0.25}}
        told = found.predict({"rows": [asked, whole, rated]}).json()
        fallen, given, own = told["predictions"]
        assert fallen["source"] == own["source"] == "historical_rates"
        assert "online store does not answer" in fallen["reason"]
        assert fallen["predicted_ctr"] == bundle(models).about["history"]["click_rate"]
        assert own["predicted_ctr"] == 0.25
        assert given["source"] == "model"  # nothing was missing, so nothing was asked
        assert found.metric("serving_lookups_failed_total") >= 1
        (tmp_path / "away").rename(store)
        _until(lambda: found.predict(asked).json()["source"] == "model")


# Log, end, and schema


def test_the_decision_log_equals_the_answers_and_a_stop_finishes_requests(
        models: Models, pointer: Path, tmp_path: Path) -> None:
    with running(tmp_path / "service", pointer, models.bundles, LOG_ROWS="40") as found:
        told: list[tuple[str, int, dict[str, Any], dict[str, Any]]] = []
        for n in range(30):
            answer = found.predict({"features": models.rows[n]}, headers={"X-Request-ID": f"asked-{n}"}).json()
            told.append((f"asked-{n}", 0, answer, models.rows[n]))
        batch = found.predict({"rows": [{"features": row, "entity": key} for row, key
                                        in zip(models.rows[:20], models.keys[:20], strict=True)]}).json()
        told += [(batch["request_id"], n, p, models.rows[n]) for n, p in enumerate(batch["predictions"])]
        # A request whose body is half sent when the service is told to stop is answered.
        body = json.dumps({"features": models.rows[0]}).encode()
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as caller:
            caller.sendall(f"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nX-API-Key: {found.key}\r\nX-Request-ID: last"
                           f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                           + body[:20])
            time.sleep(0.3)
            found.process.terminate()
            time.sleep(0.5)
            caller.sendall(body[20:])
            answer_bytes = b""
            while part := caller.recv(65536):
                answer_bytes += part
        assert answer_bytes.startswith(b"HTTP/1.1 200")
        told.append(("last", 0, json.loads(answer_bytes.partition(b"\r\n\r\n")[2]), models.rows[0]))
        assert found.process.wait(60) in (0, -15)
    files = sorted((tmp_path / "service" / "decisions").rglob("*.parquet"))
    assert len(files) >= 2, "forty rows close a file"
    logged = {(r["request_id"], r["row"]): r for path in files for r in pq.read_table(path).to_pylist()}
    assert len(logged) == len(told) == sum(pq.read_metadata(path).num_rows for path in files)
    for request_id, n, answer, row in told:
        kept = logged[request_id, n]
        assert (kept["click_rate"], kept["conversion_rate"]) == (
            answer["predicted_ctr"], answer["predicted_conversion_rate"])
        assert (kept["model_version"], kept["key_id"], kept["source"]) == (models.versions[0], "tests", "model")
        assert json.loads(kept["features"]) == row
    assert json.loads(logged[batch["request_id"], 4]["entity"]) == models.keys[4]


def test_schemathesis_finds_no_fault(live: Service) -> None:
    """Generated requests, valid and not, against the service's own OpenAPI document; a fixed seed."""
    found = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "schemathesis is missing: it stands in requirements.lock"
    result = subprocess.run(
        [found, "run", f"{live.client.base_url}/openapi.json", "--seed", "7", "--max-examples", "25", "--no-color",
         "-H", f"X-API-Key: {live.key}", "--continue-on-failure"],
        cwd=live.folder, text=True, capture_output=True, timeout=300)
    assert result.returncode == 0, result.stdout[-6000:]
    assert live.client.get("/livez").status_code == 200


def _until(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
