"""The night's event jobs on a standalone cluster of two workers: the rows of one machine, also when a worker dies."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from moe import runner, tables
from moe.jobs import BY_NAME, find
from moe.settings import settings
from moe.units import load_unit
from simulator.deliveries import deliver
from simulator.world import World
from tests.e2e.spark_cluster import Cluster, cluster

D = date(2026, 6, 5)
JOBS = ["sessions", "traffic", "customers", "ads"]
MOE = str(Path(sys.executable).parent / "moe")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Five landed nights of the simulated advertiser; what the jobs give for the last on this machine alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("events")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        settings.cache_clear()
        first = D - timedelta(days=4)
        deliver(World(first_day=first, events_per_day=3_000), D, settings().deliveries, settings().truth)
        runner.run(find(["land"]), load_unit("advertiser"), [first + timedelta(days=d) for d in range(5)])
        yield finished(started("local[2]"))[0]
    settings.cache_clear()


@pytest.fixture(scope="module")
def two_workers(expected: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def started(master: str) -> subprocess.Popen[str]:
    """`moe run` of the event jobs, as a person or a DAG starts it."""
    conf = {"spark.executor.memory": "512m", "spark.sql.shuffle.partitions": "4"}
    environment = {"MOE_SPARK_MASTER": master, "MOE_SPARK_CONF": json.dumps(conf), "MOE_SPARK_MEMORY": "1g"}
    return subprocess.Popen([MOE, "run", *JOBS, "--date", str(D), "--no-history"], env=os.environ | environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> tuple[dict[str, str], str]:
    """Digests by table, and what it said meanwhile."""
    try:
        printed, complaint = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, complaint
    records = [json.loads(line) for line in printed.splitlines()]
    assert [(r["job"], r["status"]) for r in records] == [(job, "done") for job in JOBS]
    return {table: digest for r in records for table, digest in r["digests"].items()}, complaint


def test_a_cluster_gives_the_rows_of_one_machine(expected: dict[str, str], two_workers: Cluster) -> None:
    assert finished(started(two_workers.url))[0] == expected
    (application,) = two_workers.state()["completedapps"]
    assert (application["name"], application["cores"], application["state"]) == ("moe", 2, "FINISHED")
    assert application["memoryperexecutor"] == 512  # MiB: the settings' spark_conf
    assert [worker.executors for worker in two_workers.workers] == [1, 1]
    assert all(int(digest.partition("-")[0]) > 10 for digest in expected.values())


def test_a_worker_killed_in_mid_job_changes_no_row(expected: dict[str, str], two_workers: Cluster) -> None:
    """It dies with its executor when it holds results that the next stage of the first job wants."""
    outputs = [tables.partition(table, "advertiser", D) for job in JOBS for table in BY_NAME[job].writes]
    for output in outputs:
        output.unlink()
    doomed = two_workers.workers[0]
    before = doomed.shuffled()
    process = started(two_workers.url)
    while process.poll() is None and not doomed.shuffled() - before:
        time.sleep(0.02)
    doomed.kill()
    left = [output for output in outputs if output.exists()]
    assert (process.poll(), left) == (None, []), "the first job was not under way"
    digests, complaint = finished(process)
    assert digests == expected
    assert "Lost executor" in complaint
    assert [worker["state"] for worker in two_workers.state()["workers"]].count("ALIVE") == 1
