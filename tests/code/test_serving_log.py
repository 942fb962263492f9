"""The decision log: every row once and in order, while files close, while one cannot be written, and at a stop."""

import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from serving.answers import Prediction
from serving.log import TOGETHER, DecisionLog
from serving.log_rows import Decision
from serving.metrics import Metrics

MADE = Prediction(0.02, 0.05, None, None, "model", None, [])


def decision(n: int, rows: int = 1) -> Decision:
    asked = [SimpleNamespace(features={"n": n}, entity={"email": "a@b.c"})] * rows
    return Decision(1_750_000_000.0 + n, f"r{n}", "shop", "abc", ("n",), asked, [(float(n),)] * rows, [MADE] * rows)


def logged(folder: Path) -> list[tuple[str, int]]:
    rows = [row for path in folder.glob("*/[!.]*.parquet") for row in pq.read_table(path).to_pylist()]
    return [(r["request_id"], r["row"]) for r in sorted(rows, key=lambda r: (r["at"], r["row"]))]


def counted(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"serving_{name}_total") or 0.0


def until(true: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_row_once_while_files_close(tmp_path: Path) -> None:
    metrics = Metrics()
    log = DecisionLog(tmp_path, rows=300, seconds=60, most=100_000, metrics=metrics)
    for n in range(4 * TOGETHER):
        log.add(decision(n, rows=1 + n % 3))
        if n % 100 == 0:
            time.sleep(0.03)
    log.close()
    assert logged(tmp_path) == [(f"r{n}", row) for n in range(4 * TOGETHER) for row in range(1 + n % 3)]
    assert len(list(tmp_path.glob("*/*.parquet"))) > 1
    assert counted(metrics, "decisions_logged") == len(logged(tmp_path))


def test_few_rows_are_written_after_their_time(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, rows=1000, seconds=0.2, most=1000, metrics=Metrics())
    log.add(decision(0))
    until(lambda: logged(tmp_path) == [("r0", 0)])
    log.add(decision(1))
    until(lambda: logged(tmp_path) == [("r0", 0), ("r1", 0)])
    log.close()
    assert len(list(tmp_path.glob("*/*.parquet"))) == 2


def test_rows_wait_while_no_file_can_be_written_and_too_many_are_counted(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.log.PAUSE", 0.01)
    metrics, blocked = Metrics(), tmp_path / "blocked"
    log = DecisionLog(blocked, rows=1, seconds=60, most=10, metrics=metrics)
    blocked.rmdir()
    blocked.write_text("a file where the folder was")
    for n in range(12):
        log.add(decision(n))
    until(lambda: counted(metrics, "decision_files_failed") > 1)
    assert counted(metrics, "decisions_dropped") == 2
    blocked.unlink()
    blocked.mkdir()
    until(lambda: len(logged(blocked)) == 10)
    log.close()
    assert logged(blocked) == [(f"r{n}", 0) for n in range(10)]


def test_a_key_that_no_bundle_names_is_not_kept(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, rows=10, seconds=60, most=10, metrics=Metrics())
    log.add(decision(7))
    log.close()
    [path] = tmp_path.glob("*/*.parquet")
    kept = pq.read_table(path).to_pylist()[0]
    assert (kept["features"], kept["entity"]) == ('{"n":7.0}', None)


def test_a_row_that_cannot_be_kept_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, rows=10, seconds=60, most=10, metrics=Metrics())
    bad = decision(1)
    bad.rows[0].entity, bad.rows[0].features = None, {"n": 0.5, "m": object()}
    log.add(decision(0))
    with pytest.raises(TypeError):
        log.add(bad)
    log.add(decision(2))
    log.close()
    [path] = tmp_path.glob("*/*.parquet")
    kept = pq.read_table(path).to_pylist()
    assert [(r["request_id"], r["features"]) for r in kept] == [("r0", '{"n":0.0}'), ("r2", '{"n":2.0}')]
