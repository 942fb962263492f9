"""The job `marts`: one throwaway `dbt build`, on DuckDB or on Spark, whose marts become the night's partitions.

Throwaway is a DuckDB file, or a folder under the tables of the Spark session, whose catalog is the process's own.
"""

import contextlib
import json
import threading
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from moe import tables
from moe.asof import COVERAGE
from moe.errors import MissingInput, MoeError
from moe.jobs import BY_NAME, Night
from moe.settings import settings
from moe.units import option

_FILE = "night.duckdb"  # its stem is part of the relation names that the parsed project keeps
_ONE_AT_A_TIME = threading.Lock()  # dbt works in the process's current folder and with global flags
_QUIET = ("--quiet", "--log-level", "none", "--log-level-file", "none", "--no-print", "--no-write-json",
          "--no-partial-parse", "--no-version-check", "--no-send-anonymous-usage-stats")


def marts(night: Night) -> dict[str, pa.Table]:
    """The night's marts by table name, without `unit` and `night`, which the runner adds.

    Raises MissingInput where the night is not landed, and MoeError where a model or a test of dbt fails.
    """
    unit = night.unit.unit
    if night.date not in tables.nights(COVERAGE, unit):
        raise MissingInput(f"{COVERAGE} has no partition of {night.date} for unit {unit}",
                           f"run `moe run land --unit {option(unit)} --date {night.date}` first")
    settings().work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="marts-", dir=settings().work) as folder, _ONE_AT_A_TIME:
        return _BUILD[settings().dbt_target](night, Path(folder))


def _on_duckdb(night: Night, folder: Path) -> dict[str, pa.Table]:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        _build(night, folder)
    finally:
        DuckDBConnectionManager.close_all_connections()  # dbt keeps the file open for a next command
    with duckdb.connect(folder / _FILE, read_only=True) as connection:
        return {
            table: connection.sql(f"select * exclude (unit, night) from {table}").to_arrow_table()
            for table in BY_NAME["marts"].writes
        }


def _on_spark(night: Night, folder: Path) -> dict[str, pa.Table]:
    """In the process's Spark session, which dbt's session method finds. The database `marts` is thrown away there."""
    from moe import spark

    session = spark.session()
    catalog = tuple(session.conf.get(f"spark.sql.{key}") for key in ("defaultCatalog", "catalogImplementation"))
    if catalog != ("spark_catalog", "in-memory"):
        raise MoeError(f"marts on Spark want the session's own catalog, not {' and '.join(catalog)}, where they would "
                       "drop a database that others use",
                       "leave spark.sql.defaultCatalog and spark.sql.catalogImplementation out of MOE_SPARK_CONF; "
                       "a catalog of Iceberg tables is the setting MOE_LAKE")
    session.sql("drop database if exists marts cascade")
    place = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    session.sql(f"create database marts location '{place}'")
    try:
        _build(night, folder)
        return {table: session.table(table).drop("unit", "night").toArrow() for table in BY_NAME["marts"].writes}
    finally:
        session.sql("drop database marts cascade")


_BUILD = {"duckdb": _on_duckdb, "spark": _on_spark}


def _build(night: Night, folder: Path) -> None:
    """Run models and data tests; unit tests prove the SQL, not the night, and belong to the test command."""
    variables: dict[str, Any] = {
        "as_of": night.date.isoformat(),
        "unit": night.unit.unit,
        "home": str(settings().home),
        "file": str(folder / _FILE),
        "account": {
            "time_zone": night.unit.time_zone,
            "click_window_days": {source.name: source.click_window_days for source in night.unit.sources},
        },
    }
    if settings().threads:
        variables["duckdb_threads"] = str(settings().threads)
    with contextlib.chdir(settings().dbt_project):  # dbt moves there and, after an error, stays
        parsed = _parsed(settings().dbt_project, settings().dbt_target).deepcopy()
        result = _dbt(["build", "--exclude-resource-type", "unit_test"], folder, variables, parsed)
    _check(result, night)


@lru_cache(maxsize=1)
def _parsed(project: Path, target: str) -> Any:
    """dbt's manifest for a target, parsed once a process: it is the same for every night and unit."""
    with TemporaryDirectory(prefix="marts-parse-", dir=settings().work) as folder:
        result = _dbt(["parse"], Path(folder), {"file": str(Path(folder) / _FILE)})
    if not result.success:
        raise MoeError(f"dbt cannot read {project}: {result.exception}",
                       "mend the file that it names; `dbt parse` in dbt/ shows the same")
    return result.result


def _dbt(command: list[str], folder: Path, variables: dict[str, Any], manifest: Any = None) -> Any:
    """Run a dbt command in this process, silent, writing only under `folder`; gives a dbtRunnerResult."""
    from dbt.cli.main import dbtRunner

    project = str(settings().dbt_project)
    places = ["--project-dir", project, "--profiles-dir", project, "--target", settings().dbt_target,
              "--target-path", str(folder), "--log-path", str(folder)]
    return dbtRunner(manifest=manifest).invoke([*command, *_QUIET, *places, "--vars", json.dumps(variables)])


def _check(result: Any, night: Night) -> None:
    """Raise MoeError that names the first model or test that failed, and how many more did."""
    outcomes = result.result.results if result.result else []
    failed = [o for o in outcomes if o.status in ("error", "fail", "runtime error")]
    if result.success and not failed:
        return
    again = (f"look at it with `cd dbt && MOE_HOME={settings().home} dbt build --target {settings().dbt_target} --vars "
             f"'{{unit: {night.unit.unit}, as_of: {night.date}}}'`, mend the model or the data that it "
             "names, then run again; nothing was replaced")
    if not failed:
        raise MoeError(f"dbt build of {night.date} failed: {result.exception}", again)
    first, more = failed[0], len(failed) - 1
    what = f"dbt {first.node.resource_type} {first.node.name} failed for {night.date}"
    why = f"{first.failures} failing rows" if first.status == "fail" else " ".join(str(first.message).split())
    raise MoeError(f"{what}: {why}{f'; {more} more failed' if more else ''}", again)
