"""The marts: one small store, whole nights through the runner, rows in and rows out."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moe import contracts, frames, jobs, runner, tables
from moe.asof import COVERAGE, as_of_sql
from moe.dbt_contracts import mart_contracts, metrics
from moe.errors import MissingInput, MoeError
from moe.settings import Settings, settings
from moe.units import Unit

ADS, ORDERS, BUDGETS = "core.ad_performance__ad_day", "core.order__order", "out.budget__line"
PERFORMANCE, PLAN, ORDER_DAYS = (
    "marts.ad_performance__line_day", "marts.plan_vs_actual__line_day", "marts.order__day")
D1, D2, D3 = date(2020, 6, 1), date(2020, 6, 2), date(2020, 6, 3)
MARTS = [jobs.BY_NAME["marts"]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home, and the marts' contracts beside the shipped ones."""
    monkeypatch.setenv("MOE_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("MOE_CONFIG", str(tmp_path / "none.toml"))
    settings.cache_clear()
    contracts.contracts.cache_clear()
    known = contracts.contracts()
    for mart in mart_contracts():
        monkeypatch.setitem(known, mart.name, mart)
    yield tmp_path / "var"
    settings.cache_clear()
    contracts.contracts.cache_clear()


def unit(name: str = "shop") -> Unit:
    return Unit(
        unit=name, name=name, currency="USD", first_night=D1, line=("campaign_id",), folder=Path(),
        budget={"total": 100}, bids={"cap": 1}, sources=({"name": "ads", "mapping": "m", "path": "p"},),
    )  # type: ignore[arg-type]


def put(table: str, night: date, rows: list[dict[str, Any]], unit: str = "shop") -> None:
    """Write a partition; columns left out are zero or empty where the contract requires them."""
    terms = contracts.contract(table)
    empty = {"VARCHAR": "", "BIGINT": 0, "DOUBLE": 0.0, "DATE": night}
    blank = {c.name: (empty.get(c.type, Decimal(0)) if c.required else None) for c in terms.columns}
    schema = pa.schema([terms.schema.field(c.name) for c in terms.columns])
    written = frames.write(pa.Table.from_pylist([blank | row for row in rows], schema), terms, unit, night)
    tables.put_in_place(written.temporary, written.target)


def ad(
    line: str, day: date, spend: str, clicks: int, conversions: str | None = None, **more: Any
) -> dict[str, Any]:
    known = {} if conversions is None else {
        "conversions": Decimal(conversions), "conversion_value": 10 * Decimal(conversions)}
    return {
        "source": "ads", "account_id": "a", "business_date": day, "platform": "google_ads",
        "campaign_id": line, "campaign_name": line, "segment": "s",
        "line_id": line, "line_name": line.title(), "currency": "USD", "impressions": 100 * clicks,
        "clicks": clicks, "spend": Decimal(spend), **known, **more,
    }


def order(name: str, at: datetime, status: str, value: str, customer: str | None) -> dict[str, Any]:
    return {"order_id": name, "ordered_at": at, "updated_at": at, "status": status, "currency": "USD",
            "order_value": Decimal(value), "customer_id": customer}


def budget(line: str, day: date, amount: str) -> dict[str, Any]:
    return {"line_id": line, "line_name": line.title(), "business_date": day, "currency": "USD",
            "budget": Decimal(amount)}


def deliver(night: date, days: list[date], ads: list[dict[str, Any]], orders: list[dict[str, Any]],
            unit: str = "shop") -> None:
    put(COVERAGE, night, [{"source": "ads", "account_id": "a", "business_date": d} for d in days], unit)
    put(ADS, night, ads, unit)
    put(ORDERS, night, orders, unit)


@pytest.fixture
def store() -> None:
    """Three nights of `shop`, the second restating the first day, and a night of another unit."""
    noon, next_noon = datetime(2020, 6, 1, 12, tzinfo=UTC), datetime(2020, 6, 2, 12, tzinfo=UTC)
    late = datetime(2020, 6, 1, 23, 59, 59, tzinfo=UTC)
    deliver(D1, [D1], [
        ad("brand", D1, "10.000001", 10, "1", ad_id="x"),
        ad("brand", D1, "5", 5, None, ad_id="y"),
        ad("ghost", D1, "7", 7, "2"),
    ], [order("o1", noon, "placed", "30", "c1"), order("o2", late, "placed", "20", None)])
    deliver(D2, [D1, D2], [  # `ghost` vanished, `brand` was restated and its outcome became known
        ad("brand", D1, "11.000001", 11, "1", ad_id="x"),
        ad("brand", D1, "5", 5, "0.5", ad_id="y", line_name="Brand renamed"),
        ad("brand", D2, "8", 0, None, line_name="Brand renamed"),
        ad("generic", D2, "0.000009", 3, None),
    ], [order("o1", noon, "returned", "30", "c1"), order("o3", next_noon, "placed", "5", "c2")])
    deliver(D3, [D3], [ad("brand", D3, "9", 4, "2", line_name="Brand renamed")], [])
    deliver(D2, [D2], [ad("brand", D2, "99", 9, "9")], [], unit="other")
    put(BUDGETS, D1, [budget("brand", D2, "6.50"), budget("idle", D2, "3")])
    put(BUDGETS, D2, [budget("brand", D3, "1000")])


def run(night: date, name: str = "shop") -> dict[str, str]:
    (record,) = runner.run(MARTS, unit(name), [night])
    return record.digests


def rows(table: str, night: date, *names: str, unit: str = "shop") -> list[tuple[Any, ...]]:
    found = tables.read(table, unit, night).to_pylist()
    assert {(r["unit"], r["night"]) for r in found} <= {(unit, night)}
    return [tuple(r[name] for name in names) for r in found]


FIGURES = ("line_id", "line_name", "business_date", "impressions", "clicks", "spend", "conversions",
           "conversion_value", "outcome_known")


def test_a_night_knows_restated_rows_and_no_vanished_ones(store: None) -> None:
    run(D2)
    assert rows(PERFORMANCE, D2, *FIGURES) == [
        ("brand", "Brand renamed", D1, 1600, 16, Decimal("16.000001"), Decimal("1.5"), Decimal("15"), True),
        ("brand", "Brand renamed", D2, 0, 0, Decimal("8"), None, None, False),
        ("generic", "Generic", D2, 300, 3, Decimal("0.000009"), None, None, False),
    ]
    assert rows(PERFORMANCE, D2, *(m.name for m in metrics())) == [
        (0.01, 1.5 / 16, 16.000001 / 16, 16.000001 / 1.5, 15 / 16.000001),
        (None, None, None, None, None),
        (0.01, None, 0.000003, None, None),
    ]
    assert rows(PERFORMANCE, D2, "platform", "currency") == [("google_ads", "USD")] * 3


def test_an_older_night_knows_what_was_known_then(store: None) -> None:
    run(D2)
    run(D1)
    assert rows(PERFORMANCE, D1, *FIGURES) == [
        ("brand", "Brand", D1, 1500, 15, Decimal("15.000001"), Decimal("1"), Decimal("10"), False),
        ("ghost", "Ghost", D1, 700, 7, Decimal("7"), Decimal("2"), Decimal("20"), True),
    ]
    names = ("business_date", "orders", "cancelled", "returned", "order_value", "customers")
    assert rows(ORDER_DAYS, D1, *names) == [(D1, 2, 0, 0, Decimal("50"), 1)]


def test_orders_have_the_newest_state(store: None) -> None:
    run(D2)
    names = ("business_date", "orders", "cancelled", "returned", "order_value", "currency", "customers")
    assert rows(ORDER_DAYS, D2, *names) == [
        (D1, 2, 0, 1, Decimal("20"), "USD", 1),
        (D2, 1, 0, 0, Decimal("5"), "USD", 1),
    ]


def test_the_plan_stands_beside_what_happened(store: None) -> None:
    run(D2)
    names = ("line_id", "line_name", "planned_budget", "spend", "difference", "clicks")
    assert rows(PLAN, D2, *names) == [
        ("brand", "Brand renamed", Decimal("6.50"), Decimal("8"), Decimal("1.5"), 0),
        ("generic", "Generic", None, Decimal("0.000009"), Decimal("0.000009"), 3),
        ("idle", "Idle", Decimal("3"), None, Decimal("-3"), None),
    ]
    assert rows(PLAN, D2, "business_date", "currency") == [(D2, "USD")] * 3


def test_the_first_night_has_no_plan_and_a_unit_only_its_own_rows(store: None) -> None:
    run(D1)
    run(D2, "other")
    assert rows(PLAN, D1, "line_id", "planned_budget") == [("brand", None), ("ghost", None)]
    assert rows(PERFORMANCE, D2, "line_id", "spend", unit="other") == [("brand", Decimal("99"))]
    assert rows(ORDER_DAYS, D2, "orders", unit="other") == []


def test_the_same_rows_again_whatever_was_delivered_later(store: None) -> None:
    first = run(D2)
    deliver(D3, [D1, D2, D3], [ad("brand", D1, "1", 1)], [])
    assert run(D2) == first
    assert not list(settings().work.glob("marts-*"))


def test_totals_are_those_of_the_as_of_reading_exactly(store: None) -> None:
    run(D3)
    known = runner.as_of(contracts.contract(ADS), "shop", D3, D3 - timedelta(days=179)).to_pylist()
    mart = tables.read(PERFORMANCE, "shop", D3).to_pylist()
    for name in ("impressions", "clicks", "spend", "conversions", "conversion_value"):
        assert sum(r[name] or 0 for r in mart) == sum(r[name] or 0 for r in known), name
    assert sum(r["spend"] for r in mart) == Decimal("33.000010")


def test_only_the_last_180_business_dates_are_held() -> None:
    for night in (D3 - timedelta(days=180), D3 - timedelta(days=179), D3):
        deliver(night, [night], [ad("brand", night, "1", 1)], [])
    run(D3)
    assert rows(PERFORMANCE, D3, "business_date") == [(D3 - timedelta(days=179),), (D3,)]


def test_later_and_older_nights_are_never_opened(store: None) -> None:
    for night in (D3, D1 - timedelta(days=200)):
        tables.partition(ADS, "shop", night).write_bytes(b"not Parquet")
    run(D2)
    assert len(rows(PERFORMANCE, D2, "line_id")) == 3


def test_a_night_that_was_not_landed_is_refused(home: Path) -> None:
    with pytest.raises(MissingInput, match="moe run land --unit shop --date 2020-06-01"):
        run(D1)


def test_a_failing_test_names_itself_and_replaces_nothing(store: None) -> None:
    run(D2)
    before = tables.partition(PERFORMANCE, "shop", D2).read_bytes()
    deliver(D2, [D2], [ad("brand", D2, "1", 1), ad("generic", D2, "1", 1, currency="EUR")], [])
    with pytest.raises(MoeError, match=r"test one_value_stg_\w+_currency .*: 1 failing rows"):
        run(D2)
    assert tables.partition(PERFORMANCE, "shop", D2).read_bytes() == before
    assert not list(settings().work.glob("marts-*"))


def test_a_failing_model_names_itself(store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A null breaks the mart's contract; the process stays in its folder."""
    copy = copied_project(tmp_path)
    mart = copy / "models" / "marts" / "order__day.sql"
    mart.write_text(mart.read_text().replace("min(currency)", "cast(null as varchar)"))
    monkeypatch.setattr(Settings, "dbt_project", copy)
    here = Path.cwd()
    with pytest.raises(MoeError, match=r"model order__day failed .*NOT NULL constraint"):
        run(D2)
    assert Path.cwd() == here


def test_a_mart_that_loses_rows_is_caught(store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copied_project(tmp_path)
    mart = copy / "models" / "marts" / "ad_performance__line_day.sql"
    mart.write_text(mart.read_text() + "    and newest.line_id <> 'generic'\n")
    monkeypatch.setattr(Settings, "dbt_project", copy)
    with pytest.raises(MoeError, match=r"test ad_performance_reconciles failed .*: 3 failing rows"):
        run(D2)


def copied_project(tmp_path: Path) -> Path:
    """The dbt project in a place of its own, with what it reads beside it."""
    for part in ("dbt", "moe/sql", "contracts", "units"):
        shutil.copytree(settings().root / part, tmp_path / part,
                        ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))
    return tmp_path / "dbt"


def dbt(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), *arguments], cwd=project, capture_output=True, text=True,
        env=os.environ | {"MOE_UNIT": "shop"} | environment,
    )


def test_an_analysts_plain_build_gives_the_newest_night(store: None, tmp_path: Path) -> None:
    project = copied_project(tmp_path)
    done = dbt(project, "build")
    assert done.returncode == 0, done.stdout
    run(D3)
    with duckdb.connect(project / "dev.duckdb", read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for mart in mart_contracts():
            built = connection.sql(f"from {mart.name} order by all").to_arrow_table()
            assert built.to_pylist() == tables.read(mart.name, "shop", D3).to_pylist()
    results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    unit_tests = [r["status"] for r in results if r["unique_id"].startswith("unit_test.")]
    assert len(unit_tests) == 11 and set(unit_tests) == {"pass"}
    staging_reads_by_the_contracts_kind_and_key(project)


def staging_reads_by_the_contracts_kind_and_key(project: Path) -> None:
    """The staging SQL holds the very text that the platform renders from the contract."""
    since = D3 - timedelta(days=179)
    for table, model in ((ADS, "stg_ad_performance__ad_day"), (ORDERS, "stg_order__order")):
        rows, coverage = (f'"dev"."{t.replace(".", chr(34) + "." + chr(34))}"' for t in (table, COVERAGE))
        compiled = (project / "target/compiled/moe/models/staging" / f"{model}.sql").read_text()
        assert as_of_sql(contracts.contract(table), rows, D3, since, coverage) in compiled


def test_a_build_of_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    """Not empty marts: they would look like a night without spend."""
    done = dbt(copied_project(tmp_path), "build")
    assert done.returncode != 0
    assert "unit shop has no landed night" in done.stdout and "moe run land" in done.stdout


def test_a_night_of_empty_deliveries_gives_empty_marts() -> None:
    deliver(D1, [], [], [])
    run(D1)
    for mart in mart_contracts():
        assert tables.read(mart.name, "shop", D1).num_rows == 0


def test_partitions_have_the_contracts_schema(store: None) -> None:
    run(D2)
    for mart in mart_contracts():
        assert pq.read_schema(tables.partition(mart.name, "shop", D2)).equals(mart.schema)
