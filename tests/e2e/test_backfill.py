"""Three nights of the real company by a real scheduler and the real `airflow backfill create`, then again."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from services import free_port

from feature_repo.online import online_night
from moe import ledger, nightly, publish, tables
from moe.settings import settings

NIGHTS = ["2020-06-01", "2020-06-02", "2020-06-03"]
UNIT = "display_short"
PARTS = ("scheduler", "dag-processor", "api-server")
WAIT = 900  # seconds: three nights take 170 on two busy cores


@dataclass
class Airflow:
    """A running Airflow on a home of its own."""

    environment: dict[str, str]
    database: Path
    logs: Path

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run([sys.executable, "-m", "airflow", *arguments], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30) as database:
            return database.execute(sql).fetchall()

    def wait_for(self, sql: str, wanted: list[tuple[str, ...]]) -> None:
        """Until a query of the metadata database answers as wanted; a failed run ends the wait."""
        until = time.monotonic() + WAIT
        while (found := self.rows(sql)) != wanted:
            failed = self.rows("select task_id, run_id from task_instance where state in ('failed', 'up_for_retry')")
            assert not failed, f"{failed}\n{self.tails()}"
            assert time.monotonic() < until, f"{found}\n{self.tails()}"
            time.sleep(0.5)

    def tails(self) -> str:
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}"
                         for path in [*self.logs.glob("*.out"), *self.logs.rglob("attempt=*.log")])


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of the real company's unit with a short history, and a home to run it in."""
    folder = tmp_path_factory.mktemp("backfill")
    text = (settings().shipped_units / "online_ads" / "unit.yml").read_text(encoding="utf-8")
    for old, new in (("unit: online_ads", f"unit: {UNIT}"), ("2020-04-01\n", "2020-05-24\n")):
        assert old in text
        text = text.replace(old, new)
    path = folder / UNIT / "unit.yml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(folder / "home"))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("MOE_UNITS", json.dumps([str(path)]))
        settings.cache_clear()
        yield path
    settings.cache_clear()


@pytest.fixture(scope="module")
def airflow(company: Path) -> Iterator[Airflow]:
    """Scheduler, DAG processor and API server, as separate processes; stopped with all that they started."""
    port = free_port()
    environment = nightly.environment() | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of this test alone, and long enough for its algorithm " * 2,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # a paused DAG's backfill stays queued
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # no night of yesterday beside the backfill
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__API__WORKERS": "1",
    }
    logs = settings().airflow_home / "logs"
    logs.mkdir(parents=True)
    with (logs / "prepare.out").open("w") as log:
        nightly.prepare(log)
    running = Airflow(environment, settings().airflow_home / "airflow.db", logs)
    started = [_start(part, running) for part in PARTS]
    try:
        running.wait_for("select dag_id from dag where dag_id = 'nightly'", [("nightly",)])
        _wait_for_port(port, running)
        yield running
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _start(part: str, running: Airflow) -> "subprocess.Popen[bytes]":
    with (running.logs / f"{part}.out").open("w") as log:
        return subprocess.Popen([sys.executable, "-m", "airflow", part], env=running.environment, stdout=log,
                                stderr=subprocess.STDOUT, start_new_session=True)


def _wait_for_port(port: int, running: Airflow) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, running.tails()
            time.sleep(0.3)


def _backfill(airflow: Airflow, nights: list[str], *more: str) -> None:
    """Create a backfill and wait until all its runs succeeded."""
    airflow.wait_for("select count(*) from backfill where completed_at is null", [(0,)])  # one at a time is allowed
    this = int(airflow.rows("select count(*) from backfill")[0][0]) + 1
    airflow.run("backfill", "create", "--dag-id", "nightly", "--from-date", nights[0], "--to-date", nights[-1],
                "--max-active-runs", "1", *more)
    airflow.wait_for(f"select date(logical_date), state, run_type from dag_run where backfill_id = {this} "
                     "order by start_date", [(night, "success", "backfill") for night in nights])


def _digests() -> dict[str, dict[str, str]]:
    """The digests of the newest run of every job, by night."""
    return {night: {f"{job}.{table}": digest for job, record in ledger.newest(UNIT, date.fromisoformat(night)).items()
                    for table, digest in record["digests"].items()} for night in NIGHTS}


@pytest.mark.timeout(1900)
def test_a_backfill_runs_its_nights_in_order_repeats_itself_and_publishes_nothing(airflow: Airflow) -> None:
    _backfill(airflow, NIGHTS)
    first = _digests()
    for night in NIGHTS:
        assert date.fromisoformat(night) in tables.nights("out.release__night", UNIT)
        assert (settings().report(UNIT, date.fromisoformat(night)) / "index.html").exists()
    order = [r["date"] for r in ledger.records(UNIT) if r["job"] == "release"]
    assert order == NIGHTS

    # all again, and asked to publish
    _backfill(airflow, NIGHTS, "--reprocess-behavior", "completed", "--dag-run-conf", '{"publish": true}')
    assert [r["date"] for r in ledger.records(UNIT) if r["job"] == "release"] == NIGHTS * 2
    assert _digests() == first
    assert publish.log("release", UNIT) == [] and publish.live("release", UNIT) is None
    assert online_night(UNIT) is None


def test_a_night_at_a_desk_is_d_and_its_failure_tells_what_to_do(company: Path, capsys: Any) -> None:
    """It ends at the first failure, without waiting for a retry of the late source."""
    text = company.read_text(encoding="utf-8").replace(UNIT, "display_late").replace("performance_data.csv", "gone.csv")
    late = company.parent.parent / "display_late" / "unit.yml"
    late.parent.mkdir()
    late.write_text(text, encoding="utf-8")
    started = time.monotonic()
    assert nightly.nightly(str(late), date(2020, 6, 5)) == 1
    assert time.monotonic() - started < 120
    said = capsys.readouterr().out
    assert "✗ land" in said and "Step land failed." in said and "gone.csv is missing" in said
    assert "What to do:" in said and f"moe nightly --unit {late} --date 2020-06-05" in said
    log = Path(said.partition("Full log: ")[2].strip()).read_text(encoding="utf-8")
    assert "Step land of night 2020-06-05 failed" in log
    assert "Traceback" not in said
