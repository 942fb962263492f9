"""The lake without Iceberg's jar: reading a catalog's tables, and the fault where the jar is missing.

Iceberg itself runs in `benchmarks/lake.py`, where its jar is at hand.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from moe import lake, ledger, runner, spark, tables
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Job, Night
from moe.settings import settings
from moe.units import Unit

D = date(2026, 3, 1)
ORDERS = "marts.order__day"
JOB = Job("orders", "tests.data.test_lake:orders", reads={}, writes=(ORDERS,))
UNIT = Unit.model_validate({
    "unit": "shop", "name": "Shop", "currency": "EUR", "first_night": D, "line": ["campaign_id"], "folder": Path(),
    "budget": {"total": 1}, "bids": {"cap": 1}, "sources": [{"name": "ads", "mapping": "m", "path": "p"}]})


def orders(night: Night) -> dict[str, pa.Table]:
    """The job: one day's orders, as many as the day of the month."""
    value = pa.array([Decimal(night.date.day)]).cast(contract(ORDERS).schema.field("order_value").type)
    return {ORDERS: pa.table({
        "business_date": [night.date], "orders": [night.date.day], "cancelled": [0], "returned": [0],
        "order_value": value, "currency": ["EUR"], "customers": [1]})}


@pytest.fixture
def catalog(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Name a catalog in the settings; what the test gives the session is taken back."""
    def name(catalog: str) -> None:
        monkeypatch.setenv("MOE_LAKE", catalog)
        settings.cache_clear()

    monkeypatch.setenv("MOE_SPARK_MASTER", "local[2]")
    yield name
    spark.session().conf.unset("spark.sql.catalog.lake")
    spark.session().sql("drop database if exists marts cascade")


def test_a_missing_jar_leaves_the_file_in_place_and_says_what_to_do(catalog: Any) -> None:
    catalog("lake")
    spark.session().conf.set("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
    with pytest.raises(MoeError, match=r"lake.marts.order__day: the partition of 2026-03-01") as fault:
        runner.run([JOB], UNIT, [D])
    assert "org.apache.iceberg.spark.SparkCatalog" in fault.value.message and "\tat " not in fault.value.message
    assert "its jar (docs/how-to/scale-out.md)" in fault.value.remedy
    assert tables.read(ORDERS, "shop", D)["orders"].to_pylist() == [1]
    assert ledger.newest("shop", D)["orders"]["status"] == "failed"  # so that the next run makes both


def test_nights_are_read_from_the_catalogs_table(catalog: Any) -> None:
    """Not from the files, of which one is gone."""
    nights = [D + timedelta(days=d) for d in range(4)]
    runner.run([JOB], UNIT, nights)
    session, terms = spark.session(), contract(ORDERS)
    session.sql("create database if not exists marts")
    spark.partitions(terms, "shop", D, nights[-1]).write.saveAsTable(ORDERS)
    tables.partition(ORDERS, "shop", nights[1]).unlink()
    catalog("spark_catalog")
    found = lake.read(terms, "shop", nights[1], nights[2])
    assert sorted(row["orders"] for row in found.collect()) == [2, 3]
    assert lake.read(terms, "another", D, nights[-1]).count() == 0
    assert spark.partitions(terms, "shop", D, nights[-1]).count() == 4
    missing = lake.read(contract("core.order__order"), "shop", D, D)
    assert (missing.count(), missing.columns) == (0, list(contract("core.order__order").column_names))
