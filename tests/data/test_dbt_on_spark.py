"""dbt on Spark: the project's own tests pass, and every mart has the rows that it has on DuckDB."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from moe import frames, jobs, marts, runner, spark, tables
from moe.contracts import contract
from moe.dbt_contracts import mart_contracts
from moe.errors import MissingInput, MoeError
from moe.jobs import Night
from moe.settings import settings
from moe.units import Unit, load_unit
from simulator.deliveries import deliver
from simulator.world import World
from tests.data.test_marts import put

ADS, BUDGETS, PERFORMANCE = "core.ad_performance__ad_day", "out.budget__line", "marts.ad_performance__line_day"
SIMULATED = date(2026, 6, 3)
NIGHTS = {"advertiser": SIMULATED, "online_ads": date(2020, 6, 3)}
PASSED = {"model": 16, "test": 18, "unit_test": 11, "operation": 1}
MARTS = [jobs.BY_NAME["marts"]]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Three landed nights of the simulated advertiser and of the real company; plans for half of their lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("dbt")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("MOE_SPARK_MASTER", "local[2]")
        patch.delenv("MOE_DBT_TARGET", raising=False)
        settings.cache_clear()
        world = World(first_day=date(2026, 6, 1), events_per_day=400)
        deliver(world, SIMULATED, settings().deliveries, settings().truth)
        for name, night in NIGHTS.items():
            unit = load_unit(name)
            runner.run([jobs.BY_NAME["land"]], unit, [night - timedelta(days=d) for d in (2, 1, 0)])
            plan(unit, night)
        yield
    settings.cache_clear()


def plan(unit: Unit, night: date) -> None:
    """What the night before decided for every other line, and for a line that nobody reported."""
    lines = sorted(set(tables.read(ADS, unit.unit, night)["line_id"].to_pylist()))[::2]
    put(BUDGETS, night - timedelta(days=1), [
        {"line_id": line, "line_name": f"Line {n}", "business_date": night, "currency": "USD",
         "budget": Decimal("33.33") * (n + 1)} for n, line in enumerate([*lines, "unreported"])
    ], unit.unit)


def built(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], dict[str, pa.Table]]:
    """Digests and rows of every mart, by the job on a target."""
    monkeypatch.setenv("MOE_DBT_TARGET", target)
    settings.cache_clear()
    (record,) = runner.run(MARTS, load_unit(name), [NIGHTS[name]])
    return record.digests, {m.name: tables.read(m.name, name, NIGHTS[name]) for m in mart_contracts()}


@pytest.mark.parametrize("name", NIGHTS)
def test_every_mart_has_the_same_rows_on_both_targets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digests, there = built(name, "duckdb", monkeypatch)
    again, here = built(name, "spark", monkeypatch)
    for mart in mart_contracts():
        assert here[mart.name].schema.equals(mart.schema)
        assert here[mart.name].equals(there[mart.name]), mart.name
    assert digests == again
    assert there[PERFORMANCE].num_rows > 20
    assert pc.sum(there["marts.plan_vs_actual__line_day"]["planned_budget"]).as_py() > 0
    assert (there["marts.order__day"].num_rows > 0) == (name == "advertiser")
    assert not list(settings().work.glob("marts-*"))


def test_dbts_own_tests_pass_on_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole build, data and unit tests, in the session of this process."""
    monkeypatch.setenv("MOE_DBT_TARGET", "spark")
    settings.cache_clear()
    session = spark.session()
    session.sql("drop database if exists marts cascade")
    session.sql(f"create database marts location '{tmp_path}'")
    monkeypatch.chdir(settings().dbt_project)
    variables = {"as_of": str(SIMULATED), "unit": "advertiser", "home": str(settings().home)}
    outcome = marts._dbt(["build"], tmp_path / "target", variables)
    assert outcome.success, [r.message for r in outcome.result.results if r.status not in ("success", "pass")]
    assert Counter(str(r.node.resource_type) for r in outcome.result.results) == PASSED
    assert {r.status for r in outcome.result.results} == {"success", "pass"}
    session.sql("drop database marts cascade")


def test_a_failing_data_test_stops_the_job_on_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amounts of two currencies in one mart; the partition of before stays."""
    monkeypatch.setenv("MOE_DBT_TARGET", "spark")
    settings.cache_clear()
    path = tables.partition(ADS, "online_ads", NIGHTS["online_ads"])
    mart = tables.partition(PERFORMANCE, "online_ads", NIGHTS["online_ads"])
    kept, before = path.read_bytes(), mart.read_bytes()
    rows = tables.read_file(path).drop_columns(["unit", "night"])
    mixed = pa.array(["EUR"] + ["USD"] * (rows.num_rows - 1))
    rows = rows.set_column(rows.column_names.index("currency"), "currency", mixed)
    written = frames.write(rows, contract(ADS), "online_ads", NIGHTS["online_ads"])
    tables.put_in_place(written.temporary, written.target)
    try:
        with pytest.raises(MoeError, match=r"test one_value_stg_ad_performance__ad_day_currency .*: 1 failing rows"):
            runner.run(MARTS, load_unit("online_ads"), [NIGHTS["online_ads"]])
    finally:
        path.write_bytes(kept)
    assert mart.read_bytes() == before


def test_a_night_that_is_not_landed_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_DBT_TARGET", "spark")
    settings.cache_clear()
    unit = load_unit("online_ads")
    with pytest.raises(MissingInput, match="moe run land"):
        marts.marts(Night(unit, date(2020, 6, 9)))
    stranger = unit.model_copy(update={"unit": "stranger"})
    with pytest.raises(MoeError, match="unit stranger has no landed night"):  # by dbt itself
        marts._on_spark(Night(stranger, date(2020, 6, 9)), tmp_path)


def test_a_catalog_that_others_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_DBT_TARGET", "spark")
    settings.cache_clear()
    spark.session().conf.set("spark.sql.defaultCatalog", "shared")
    try:
        with pytest.raises(MoeError, match="not shared and in-memory"):
            marts._on_spark(Night(load_unit("online_ads"), NIGHTS["online_ads"]), tmp_path)
    finally:
        spark.session().conf.unset("spark.sql.defaultCatalog")


@pytest.mark.all
def test_an_analysts_plain_build_on_spark(tmp_path: Path) -> None:
    """By the command, twice, in a session that dbt makes: its metastore stays under the home."""
    environment: dict[str, Any] = os.environ | {"MOE_HOME": str(settings().home), "MOE_UNIT": "advertiser"}
    project = settings().dbt_project
    places = ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "log")]
    before = set(project.iterdir())
    for command in (["build"], ["test", "--select", "order__day"]):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("dbt")), *command, "--target", "spark", *places],
            cwd=project, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout
        results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
        assert {r["status"] for r in results} <= {"pass", "success"}
    assert set(project.iterdir()) == before
    assert (settings().work / "dbt-spark" / "metastore_db").is_dir()
