"""SIGKILL at every commit point: readers never meet half a partition, and the next run mends all."""

import os
import signal
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from _stores import ADS, D1, D2, D3, FINDINGS, QUARANTINE, deliver, land, python, row, rows, shop, store_bytes

from moe import ledger, runner, tables
from moe.asof import COVERAGE
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, load_unit
from sources.mapping import ROWS

LANDED = ("landing.ads__report", *ROWS, QUARANTINE, FINDINGS, COVERAGE)
RUN = """
import sys
from datetime import date
from moe import runner
from moe.jobs import find
from moe.units import load_unit
runner.run(find(sys.argv[2:3]), load_unit(sys.argv[1]), [date(2026, 3, 2)], replace=True)
"""
READ = """
import sys
from datetime import date
from moe import tables
night = date(2026, 3, 2)
print("reading", flush=True)
while True:
    for name in sys.argv[1:]:  # each raises where a file is half, or gone
        tables.read(name, "shop", night)
        with tables.connect() as connection:
            tables.scan(connection, name, [tables.partition(name, "shop", night)]).fetchall()
"""


def points(job: str, written: tuple[str, ...]) -> list[str]:
    names = [table.partition(".")[2] for table in written]
    return [f"read:{job}", *(f"{when}:{n}" for n in names for when in ("written", "replaced")), f"record:{job}"]


def restated() -> list[dict[str, Any]]:
    return [*rows(D2, 150), row(D2, "bad", clicks="-1"), row(D1, "late")]


@pytest.fixture
def unit(home: Path, tmp_path: Path) -> Unit:
    """Two landed nights, the second delivered anew."""
    made = shop(tmp_path / "shop")
    deliver(made, D1, rows(D1))
    deliver(made, D2, rows(D2))
    land(made, D1, D2)
    deliver(made, D2, restated())
    return made


def undisturbed(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str) -> dict[str, str]:
    """Digests of the same night in a home of its own, where nothing was killed."""
    with monkeypatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path / "calm"))
        settings.cache_clear()
        land(unit, D1, D2)
        (record,) = runner.run(find([job]), unit, [D2])
    settings.cache_clear()
    return record.digests


def killed(unit: Unit, job: str, point: str, tables_read: tuple[str, ...]) -> None:
    """Run a job and kill it at a point, while a reader reads the night's partitions in a loop."""
    reader = python(READ, *[t for t in tables_read if tables.partition(t, unit.unit, D2).exists()])
    assert reader.stdout and reader.stdout.readline() == "reading\n"
    process = python(RUN, str(unit.folder / "unit.yml"), job, MOE_KILL_AT=point)
    _, printed = process.communicate()
    assert process.returncode == -signal.SIGKILL, printed
    time.sleep(0.1)
    reader.terminate()
    _, complaint = reader.communicate()
    assert reader.returncode == -signal.SIGTERM, complaint


def check_kill_and_repeat(
    unit: Unit, job: str, point: str, written: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(unit, tmp_path, monkeypatch, job)
    before, runs = store_bytes(), len(ledger.records(unit.unit, D2))
    killed(unit, job, point, written)
    after = {name: digest for name, digest in store_bytes().items() if not name.endswith(".tmp")}
    assert set(before) <= set(after)
    if point.startswith("read:") or point == f"written:{written[0].partition('.')[2]}":
        assert after == before
    assert len(ledger.records(unit.unit, D2)) == runs
    (record,) = runner.run(find([job]), unit, [D2], replace=True)
    assert record.digests == expected
    assert not [name for name in store_bytes() if not name.endswith(".parquet") or "/." in name]


FEW = {"read:land", "written:ads__report", "replaced:ad_performance__ad_day", "record:land"}


@pytest.mark.parametrize("point", [
    pytest.param(p, marks=() if p in FEW else pytest.mark.all) for p in points("land", LANDED)
])
def test_a_landing_that_was_killed(
    unit: Unit, point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_kill_and_repeat(unit, "land", point, LANDED, tmp_path, monkeypatch)


MARTS = ("marts.ad_performance__line_day", "marts.order__day", "marts.plan_vs_actual__line_day")
CURVES = ("out.curve__line",)
FEATURES = ("features.ads__line_segment",)


@pytest.mark.parametrize(("job", "written", "point"), [
    pytest.param(job, written, point, marks=() if point == "replaced:ad_performance__line_day" else pytest.mark.all)
    for job, written in (("marts", MARTS), ("ads", FEATURES)) for point in points(job, written)
])
def test_a_job_of_another_engine_that_was_killed(
    unit: Unit, job: str, written: tuple[str, ...], point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOE_SPARK_MASTER", "local[2]")
    settings.cache_clear()
    runner.run(find([job]), unit, [D2])  # of the first delivery, so that a run again changes the partition
    land(unit, D2, replace=True)
    check_kill_and_repeat(unit, job, point, written, tmp_path, monkeypatch)


def test_a_first_night_that_was_killed_is_not_taken_for_landed(home: Path, tmp_path: Path) -> None:
    """Coverage comes last, and is what tells that a night was landed."""
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, rows(D1))
    code = RUN.replace("date(2026, 3, 2)", "date(2026, 3, 1)")
    process = python(code, str(unit.folder / "unit.yml"), "land", MOE_KILL_AT="replaced:ad_performance__ad_day")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert tables.nights(ADS, "shop") == [D1]
    assert runner.missing_nights(find(["land"])[0], unit, D2) == [D1]
    deliver(unit, D2, rows(D2))
    done = runner.with_history(find(["land"]), unit, D2)
    assert [r.date for r in done] == [str(D1), str(D2)] and tables.nights(COVERAGE, "shop") == [D1, D2]


def test_temporaries_of_living_processes_stay(home: Path) -> None:
    target = tables.partition(ADS, "shop", D3)
    target.parent.mkdir(parents=True)
    ended = python("")
    ended.communicate()
    mine, dead = (target.with_name(f".{target.name}.{pid}.tmp") for pid in (1, ended.pid))
    spark = dead.with_suffix(".spark")
    spark.mkdir()
    (spark / "part").write_text("")
    for path in (mine, dead):
        path.write_text("")
    tables.beside(target)
    assert mine.exists() and not dead.exists() and not spark.exists()


def test_temporaries_of_other_machines_on_a_shared_store_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of a cluster share the store; each numbers its processes from 1 and sees none of another's."""
    target = tables.partition(ADS, "shop", D3)
    ended = python("")
    ended.communicate()
    for pid in (os.getpid(), ended.pid):
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="pod-a"))
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        theirs = tables.beside(target)
        theirs.write_text("half")
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="pod-b.example"))
        assert tables.beside(target) != theirs and theirs.exists()
        os.utime(theirs, (0, 0))
        tables.beside(target)
        assert not theirs.exists(), "nobody writes a partition for a day"


def test_a_reader_keeps_the_partition_that_it_opened(unit: Unit) -> None:
    path = tables.partition(ADS, unit.unit, D2)
    with pq.ParquetFile(path) as opened:
        land(unit, D2, replace=True)
        assert opened.read().num_rows == 200 and pq.read_metadata(path).num_rows == 151


def test_a_unit_is_loaded_by_its_path(unit: Unit) -> None:
    assert load_unit(str(unit.folder / "unit.yml")).first_night == date(2026, 3, 1)
