"""What was known in a night: restated dates, vanished rows, re-runs, units side by side, DuckDB and Spark."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from _stores import ADS, D1, D2, D3, D4, deliver, known, land, row, rows, shop

from moe import frames, runner, spark, tables
from moe.asof import COVERAGE, as_of_sql
from moe.contracts import Contract, contract
from moe.errors import MoeError
from moe.settings import settings

EVENTS, ORDERS = "core.web_event__event", "core.order__order"
MAY_BE_EMPTY = {"files": {"report": {"path": "report.csv", "may_be_empty": True}}}


def facts(found: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(r["business_date"], r["account_id"], r["campaign_id"], r["clicks"]) for r in found}


def test_a_restated_delivery_changes_exactly_the_dates_it_covers(home: Path, tmp_path: Path) -> None:
    """Each delivery covers three days: night 4 restates days 2 and 3, and day 1 stays as night 3 told it."""
    unit = shop(tmp_path / "shop")
    deliver(unit, D3, [row(D1, clicks=1), row(D2, clicks=2), row(D2, "gone", clicks=2), row(D3, clicks=3)])
    deliver(unit, D4, [row(D2, clicks=20), row(D4, clicks=4)])
    land(unit, D3, D4)
    assert facts(known(unit, D3)) == {(D1, "a1", "brand", 1), (D2, "a1", "brand", 2), (D2, "a1", "gone", 2),
                                      (D3, "a1", "brand", 3)}
    assert facts(known(unit, D4)) == {(D1, "a1", "brand", 1), (D2, "a1", "brand", 20), (D4, "a1", "brand", 4)}


def test_an_account_that_is_not_delivered_keeps_its_days(home: Path, tmp_path: Path) -> None:
    """A date of an account vanishes where the account is delivered; an account that is not says nothing."""
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [row(D1, clicks=1), row(D1, account="a2", clicks=1)])
    deliver(unit, D2, [row(D2, clicks=2)])
    land(unit, D1, D2)
    assert facts(known(unit, D2)) == {(D1, "a2", "brand", 1), (D2, "a1", "brand", 2)}


def test_an_account_whose_rows_are_all_quarantined_was_delivered(home: Path, tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [row(D1, clicks=1), row(D1, account="a2", clicks=1)])
    deliver(unit, D2, [row(D2, clicks=2), row(D1, account="a2", clicks="none")])
    land(unit, D1, D2)
    assert facts(known(unit, D2)) == {(D2, "a1", "brand", 2)}


def test_a_late_night_never_changes_an_older_reading(home: Path, tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop")
    for night in (D1, D2, D3):
        deliver(unit, night, [row(night, clicks=night.day), row(max(D1, night - timedelta(days=1)), "x", clicks=9)])
    first = land(unit, D1, D2)
    before = [known(unit, night) for night in (D1, D2)]
    land(unit, D3)
    assert [known(unit, night) for night in (D1, D2)] == before
    assert [r.digests for r in land(unit, D2, D1)] == [r.digests for r in reversed(first)]


def test_two_units_in_one_store_do_not_see_each_other(home: Path, tmp_path: Path) -> None:
    alone = shop(tmp_path / "shop")
    other = shop(tmp_path / "other", {"unit": "other", "line": ["account_id", "campaign_id"]})
    for unit, clicks in ((alone, 1), (other, 2)):
        deliver(unit, D1, [row(D1, clicks=clicks)])
    land(alone, D1)
    before = known(alone, D1)
    land(other, D1)
    assert known(alone, D1) == before and facts(known(other, D1)) == {(D1, "a1", "brand", 2)}
    assert known(other, D1)[0]["line_id"] == "a1 / brand" and before[0]["line_id"] == "brand"


def test_a_lookback_reads_no_older_delivery(home: Path, tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", mapping={"window_days": 1})
    for night in (D1, D2, D3):
        deliver(unit, night, [row(night)])
    land(unit, D1, D2, D3)
    found = runner.as_of(contract(ADS), unit.unit, D3, D2)
    assert set(found.column("business_date").to_pylist()) == {D2, D3}


def test_a_snapshot_has_no_reading_as_of() -> None:
    with pytest.raises(MoeError, match=r"core.coverage__account_day is a snapshot"):
        as_of_sql(contract(COVERAGE), "rows", D1, D1)


def put(table: str, unit: str, night: date, found: list[dict[str, Any]]) -> None:
    """Write a partition; columns left out are empty."""
    terms = contract(table)
    blank: dict[str, Any] = {c.name: {"VARCHAR": "", "BIGINT": 0, "DATE": night}.get(c.type, Decimal(0))
                             if c.required else None for c in terms.columns}
    schema = pa.schema([terms.schema.field(c.name) for c in terms.columns])
    written = frames.write(pa.Table.from_pylist([blank | r for r in found], schema), terms, unit, night)
    tables.put_in_place(written.temporary, written.target)


def event(name: str, hour: int, page: str) -> dict[str, Any]:
    return {"event_id": name, "occurred_at": datetime(2026, 3, 1, hour, tzinfo=UTC), "visitor_id": "v",
            "event_name": "page_view", "page_path": page}


def order(name: str, status: str, day: date) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {"order_id": name, "ordered_at": at, "updated_at": at, "status": status, "currency": "EUR",
            "order_value": Decimal("9.99"), "order_value_original": Decimal("9.99"), "currency_original": "EUR"}


def fill(unit: str) -> None:
    put(EVENTS, unit, D1, [event("e1", 1, "/a"), event("e2", 2, "/b")])
    put(EVENTS, unit, D2, [event("e2", 2, "/again"), event("e3", 3, "/c")])
    put(ORDERS, unit, D1, [order("o1", "placed", D1), order("o2", "placed", D1)])
    put(ORDERS, unit, D2, [order("o1", "returned", D2)])
    for night in (D1, D2):
        put(COVERAGE, unit, night, [{"source": "ads", "account_id": "a1", "business_date": D1}])


def test_events_are_the_first_delivered_and_entities_the_newest(home: Path) -> None:
    fill("shop")
    read = {table: runner.as_of(contract(table), "shop", night, D1).to_pylist()
            for table, night in ((EVENTS, D2), (ORDERS, D2))}
    assert [(r["event_id"], r["page_path"]) for r in read[EVENTS]] == [("e1", "/a"), ("e2", "/b"), ("e3", "/c")]
    assert [(r["order_id"], r["status"]) for r in read[ORDERS]] == [("o1", "returned"), ("o2", "placed")]
    before = runner.as_of(contract(ORDERS), "shop", D1, D1).to_pylist()
    assert [(r["order_id"], r["status"]) for r in before] == [("o1", "placed"), ("o2", "placed")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Spark session for the module, under a home that outlives the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("spark")))
        patch.setenv("MOE_SPARK_MASTER", "local[2]")
        settings.cache_clear()
        yield spark.session()
    settings.cache_clear()


def equal_in_both(table: str, unit: str, night: date) -> None:
    terms = contract(table)
    here = runner.as_of(terms, unit, night, D1)
    there = pa.Table.from_pandas(spark.as_of(terms, unit, night, D1).toPandas(), preserve_index=False)
    assert here.num_rows > 0
    assert sorted_rows(there, terms) == sorted_rows(here, terms)


@pytest.mark.parametrize("night", [D1, D2, D4])
def test_spark_and_duckdb_read_the_same_reports(session: Any, home: Path, tmp_path: Path, night: date) -> None:
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [*rows(D1, 20), row(D1, account="a2")])
    deliver(unit, D2, [*rows(D1, 10), row(D2, cost="0.000001")])
    deliver(unit, D4, [row(D3), row(D4)])
    land(unit, D1, D2, D4)
    equal_in_both(ADS, unit.unit, night)


@pytest.mark.parametrize("table", [EVENTS, ORDERS])
def test_spark_and_duckdb_read_the_same_events_and_entities(session: Any, home: Path, table: str) -> None:
    fill("shop")
    for night in (D1, D2):
        equal_in_both(table, "shop", night)


def sorted_rows(table: pa.Table, terms: Contract) -> list[tuple[Any, ...]]:
    def plain(value: Any) -> Any:
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value

    found = [{n: plain(r[n]) for n in terms.column_names} for r in table.to_pylist()]
    return [tuple(r.values()) for r in sorted(found, key=lambda r: [str(r[k]) for k in terms.key])]
