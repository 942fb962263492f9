"""Airflow on PostgreSQL: its database is made by `moe airflow`, and a real scheduler runs a task there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import scheduler
from services import PASSWORD, Postgres

from moe import nightly
from moe.doctor import checks
from moe.settings import settings

DAG = '''
from datetime import datetime
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
with DAG("one", schedule=None, start_date=datetime(2026, 1, 1), is_paused_upon_creation=False):
    PythonOperator(task_id="task", python_callable=lambda: 2, pool="spark")
'''
WAIT = 300


@pytest.fixture
def made(home: Path, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Airflow's database, brought up by our own preparation. Its name."""
    monkeypatch.setenv("MOE_AIRFLOW_DATABASE", postgres.url(database))
    settings.cache_clear()
    with (home / "prepare.log").open("w") as log:
        nightly.prepare(log)
    return database


@pytest.fixture
def running(made: str, home: Path) -> Iterator[dict[str, str]]:
    """Scheduler, DAG processor and API server on it; stopped with all that they started. Their environment."""
    (home / "dags").mkdir()
    (home / "dags" / "one.py").write_text(DAG)
    environment = nightly.environment() | {"AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
                                           "AIRFLOW__CORE__PARALLELISM": "1"}
    with scheduler.parts(environment, home) as given:
        yield given


def test_the_database_of_airflow_is_made_on_postgresql(made: str, home: Path, postgres: Postgres) -> None:
    pools = dict(postgres.execute("select pool, slots from slot_pool", made))
    assert {"spark": 1, "dbt": 1}.items() <= pools.items()
    assert not (settings().airflow_home / "airflow.db").exists()
    assert PASSWORD not in (home / "prepare.log").read_text()
    check = next(check for check in checks() if check.what == "Airflow's database")
    assert check.ok and f"127.0.0.1:{postgres.port}/{made}" in check.found
    with (home / "again.log").open("w") as log:
        nightly.prepare(log)
    assert (home / "again.log").read_text() == "", "it was prepared twice"
    desk = nightly.environment("shop")
    assert desk["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:"), "schedulers would run a desk's tasks"
    assert desk["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"].startswith("sqlite+aiosqlite:")


@pytest.mark.all
def test_a_scheduler_runs_a_task_on_postgresql(running: dict[str, str], made: str, postgres: Postgres,
                                               home: Path) -> None:
    def until(statement: str, wanted: object) -> None:
        end = time.monotonic() + WAIT
        while (found := postgres.execute(statement, made)) != wanted:
            assert time.monotonic() < end, f"{found}\n{scheduler.tails(home)}"
            time.sleep(0.5)

    until("select dag_id from dag", [("one",)])
    subprocess.run([sys.executable, "-m", "airflow", "dags", "trigger", "one", "--conf", json.dumps({})], env=running,
                   check=True, capture_output=True)
    until("select state from task_instance", [("success",)])
    until("select state from dag_run", [("success",)])
    assert PASSWORD not in scheduler.tails(home)
