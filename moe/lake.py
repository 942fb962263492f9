"""Partitions in Iceberg tables too: for a store whose tables Spark, Trino or Athena read at any size.

With the setting `lake`, the name of a Spark catalog, each partition that a job has replaced is replaced in the table
`<lake>.<layer>.<subject>__<grain>` as well, in one snapshot: readers see the old rows or the new ones. Spark's jobs
then read there. What the catalog is, and where its jar lies, is `spark_conf` (docs/how-to/scale-out.md).
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from moe import spark
from moe.contracts import Contract
from moe.errors import MoeError
from moe.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def replace(contract: Contract, unit: str, night: date, partition: Path) -> None:
    """Make the table's partition of a unit's night the rows of a partition file. Raises MoeError where it cannot.

    The table, and columns that its contract has got since, are made where they are missing.
    """
    from pyspark.sql import functions as F

    session, table = spark.session(), _name(contract)
    frame = spark.read(contract.name, [partition], contract)
    columns = {field.name: f"`{field.name}` {field.dataType.simpleString()}" for field in frame.schema}
    try:
        session.sql(f"create namespace if not exists {table.rpartition('.')[0]}")
        session.sql(f"create table if not exists {table} ({', '.join(columns.values())}) using iceberg "
                    "partitioned by (unit, night)")
        if new := [columns[name] for name in columns if name not in session.table(table).columns]:
            session.sql(f"alter table {table} add columns ({', '.join(new)})")
        frame.writeTo(table).overwrite((F.col("unit") == unit) & (F.col("night") == F.lit(night)))
    except Exception as error:  # a class that is not there comes as Java's exception, not as PySpark's
        why = str(error).partition("\n\tat ")[0]  # what follows is Java's own stack
        raise MoeError(f"{table}: the partition of {night} could not be replaced: {why}",
                       "check the catalog's lines in MOE_SPARK_CONF and its jar (docs/how-to/scale-out.md), then run "
                       "again: the partition's file is in place, and the same rows come out") from error


def read(contract: Contract, unit: str, since: date, until: date) -> "DataFrame":
    """A table's partitions of the nights since..until; an empty frame where it has none."""
    from pyspark.sql import functions as F

    session, table = spark.session(), _name(contract)
    if not session.catalog.tableExists(table):
        return spark.read(contract.name, [], contract)
    return session.table(table).where((F.col("unit") == unit) & F.col("night").between(F.lit(since), F.lit(until)))


def _name(contract: Contract) -> str:
    return f"{settings().lake}.{contract.name}"
