"""A running Airflow of a test's own: scheduler, DAG processor and API server as separate processes."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services import free_port

from moe import nightly
from moe.settings import settings

PARTS = ("scheduler", "dag-processor", "api-server")


@contextmanager
def parts(environment: dict[str, str], logs: Path) -> Iterator[dict[str, str]]:
    """The three processes with an environment, stopped with all that they started. The environment that they got."""
    port = free_port()
    environment = environment | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of this test alone, and long enough for its algorithm " * 2,
        "AIRFLOW__API__WORKERS": "1",
    }
    started = []
    for part in PARTS:
        with (logs / f"{part}.out").open("w") as log:
            started.append(subprocess.Popen([sys.executable, "-m", "airflow", part], env=environment, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True))
    try:
        _wait_for_port(port, logs)
        yield environment
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait_for_port(port: int, logs: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, tails(logs)
            time.sleep(0.3)


def tails(logs: Path) -> str:
    return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}"
                     for path in [*logs.glob("*.out"), *logs.rglob("attempt=*.log")])


@dataclass
class Airflow:
    """A running Airflow on a home of its own, its metadata in SQLite."""

    environment: dict[str, str]
    logs: Path
    wait: float
    "Seconds until a wait is given up."

    def run(self, *arguments: str) -> str:
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "airflow", *arguments], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        database = settings().airflow_home / "airflow.db"
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
            return connection.execute(sql).fetchall()

    def wait_for(self, sql: str, wanted: list[tuple[str, ...]]) -> None:
        """Until a query of the metadata database answers as wanted; a failed run ends the wait."""
        until = time.monotonic() + self.wait
        while (found := self.rows(sql)) != wanted:
            failed = self.rows("select task_id, run_id from task_instance where state in ('failed', 'up_for_retry')")
            assert not failed, f"{failed}\n{tails(self.logs)}"
            assert time.monotonic() < until, f"{found}\n{tails(self.logs)}"
            time.sleep(0.5)


@contextmanager
def airflow(wait: float) -> Iterator[Airflow]:
    """An Airflow that runs this store's DAGs, two tasks at once, none of them by the calendar."""
    environment = nightly.environment() | {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # a paused DAG's runs stay queued
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # the DAGs stay as they are
    }
    logs = settings().airflow_home / "logs"
    logs.mkdir(parents=True)
    with (logs / "prepare.out").open("w") as log:
        nightly.prepare(log)
    with parts(environment, logs) as running:
        made = Airflow(running, logs, wait)
        made.wait_for("select count(*) >= 4 from dag", [(1,)])
        yield made
