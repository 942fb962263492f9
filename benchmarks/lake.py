"""A store in Iceberg tables: the proof to run where Iceberg's jar for one's Spark is at hand, with its seconds.

    MOE_HOME=… python -m benchmarks.lake --jars iceberg-spark-runtime-….jar --date 2026-06-30

Takes a night that has run on files (`moe run night`). Puts every partition of core into the tables of a new
catalog, runs the event jobs there, replaces one partition by half of its rows, and puts it back. Ends with an
error where a digest differs from the files', or where a replacement touched another night.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from moe import frames, lake, runner, spark, tables
from moe.contracts import Contract, contract, contracts
from moe.jobs import find
from moe.settings import settings
from moe.units import load_unit

JOBS = ["sessions", "traffic", "customers", "ads"]


def configure(jars: str, folder: str) -> None:
    """The settings as a person gives them: a catalog of files in a folder."""
    conf = {
        "spark.jars": jars,
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": folder,
    }
    os.environ |= {"MOE_LAKE": "lake", "MOE_SPARK_CONF": json.dumps(conf)}
    settings.cache_clear()


def digest(terms: Contract, unit: str, night: date, folder: Path) -> str:
    """Of a partition as the lake holds it, as the files' digests are."""
    path = folder / "partition.parquet"
    frame = lake.read(terms, unit, night, night)
    spark.write_one_file(frame.drop("unit", "night"), terms, unit, night, path)
    return frames.digest(path)


def fill(unit: str) -> list[tuple[str, date]]:
    """Every partition of core into its table."""
    core = [table for table in contracts() if table.startswith("core.")]
    found = [(table, night) for table in core for night in tables.nights(table, unit)]
    for table, night in found:
        lake.replace(contract(table), unit, night, tables.partition(table, unit, night))
    return found


def restate(table: str, unit: str, night: date, folder: Path) -> None:
    """Half of the rows over the partition, then all again: no other night may change."""
    terms, path, half = contract(table), tables.partition(table, unit, night), folder / "half.parquet"
    nights = tables.nights(table, unit)
    rows = tables.read_file(path)
    pq.write_table(rows.slice(0, rows.num_rows // 2), half)
    for new in (half, path):
        lake.replace(terms, unit, night, new)
        for other in nights:
            check(f"{table} of {other}", digest(terms, unit, other, folder),
                  frames.digest(new if other == night else tables.partition(table, unit, other)))


def check(what: str, found: str, expected: str) -> None:
    if found != expected:
        sys.exit(f"{what}: the lake holds {found}, the files {expected}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jars", required=True, help="iceberg-spark-runtime for this Spark; several with commas")
    parser.add_argument("--date", required=True, type=date.fromisoformat)
    parser.add_argument("--unit", default="advertiser")
    chosen = parser.parse_args()
    unit, night = load_unit(chosen.unit), chosen.date
    shown = Table(f"{unit.unit}, {night}", "seconds")
    with tempfile.TemporaryDirectory() as folder:
        configure(chosen.jars, f"{folder}/warehouse")
        started = time.perf_counter()
        shown.add_row(f"Spark {spark.session().version} starts", f"{time.perf_counter() - started:.1f}")
        started = time.perf_counter()
        partitions = fill(unit.unit)
        shown.add_row(f"{len(partitions)} partitions of core into tables", f"{time.perf_counter() - started:.1f}")
        kept = {t: frames.digest(tables.partition(t, unit.unit, night)) for job in find(JOBS) for t in job.writes}
        for record in runner.run(find(JOBS), unit, [night]):
            for table, found in record.digests.items():
                check(f"job {record.job}", found, kept[table])
                check(table, digest(contract(table), unit.unit, night, Path(folder)), kept[table])
            shown.add_row(f"{record.job}, from tables to file and table: equal rows", f"{record.seconds:.1f}")
        started = time.perf_counter()
        restate("core.ad_performance__ad_day", unit.unit, night, Path(folder))
        shown.add_row("a partition replaced twice: no other night changed", f"{time.perf_counter() - started:.1f}")
    Console().print(shown)


if __name__ == "__main__":
    main()
