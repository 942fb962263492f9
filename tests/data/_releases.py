"""Releases of a small unit, written as the jobs write them and made live by the real function."""

from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa

from moe import frames, publish, release, tables
from moe.contracts import Contract, contract

UNIT = "shop"
D1, D2, D3 = (date(2026, 3, day) for day in (1, 2, 3))
TABLES = ("out.release__night", "out.allocation__night", "out.budget__line", "out.bid__line_segment")
BUDGETS = {"brand": Decimal("0.01"), "search": Decimal("9999999999999.97"), "video": Decimal("33.33")}


def write(night: date, budgets: dict[str, Decimal] | None = None, unit: str = UNIT) -> None:
    """A night's candidate: two bids a line."""
    budgets = BUDGETS if budgets is None else budgets
    lines = [{"line_id": f"id {name}", "line_name": name, "budget": amount} for name, amount in budgets.items()]
    bids = [line | {"segment": segment, "bid": Decimal("0.0001")} for line in lines for segment in ("new", "loyal")]
    total = {"lines": len(lines), "bids": len(bids), "total": sum(budgets.values(), Decimal(0))}
    for name, rows in zip(TABLES, ([total], [{}], lines, bids), strict=True):
        put(name, unit, night, [_filled(contract(name), night, row) for row in rows])


def put(name: str, unit: str, night: date, rows: list[dict[str, Any]]) -> None:
    terms = contract(name)
    schema = pa.schema([field for field in terms.schema if field.name not in ("unit", "night")])
    written = frames.write(pa.Table.from_pylist(rows, schema), terms, unit, night)
    tables.put_in_place(written.temporary, written.target)


def publish_night(night: date, budgets: dict[str, Decimal] | None = None, back: bool = False) -> None:
    write(night, budgets)
    release.make_live(UNIT, night, who="a person", reason="because", back=back)


def publish_model(version: str, night: date = D1, kind: publish.Kind = "model") -> None:
    now = publish.live(kind, UNIT)
    publish.move(kind, UNIT, version, expected=now.moved_to if now else None, effective=night, who="test",
                 reason="trained", facts={})


def stored(name: str, night: date, unit: str = UNIT) -> list[dict[str, Any]]:
    return sorted(tables.read(name, unit, night).to_pylist(), key=str)


def shown(connection: psycopg.Connection[Any], table: str) -> list[dict[str, Any]]:
    """All rows of a table or view, as the table store would give them."""
    cursor = connection.execute(f"select * from moe.{table}")
    names = [column.name for column in cursor.description or ()]
    return sorted((dict(zip(names, row, strict=True)) for row in cursor), key=str)


def _filled(terms: Contract, night: date, row: dict[str, Any]) -> dict[str, Any]:
    usual = {"VARCHAR": "EUR", "DATE": night, "DOUBLE": 0.1 + 0.2, "BIGINT": 2**53 + 1, "BOOLEAN": False}
    return {c.name: row.get(c.name, Decimal("1.23") if c.type.startswith("DECIMAL") else usual[c.type])
            if c.required or c.name in row else None for c in terms.columns}
