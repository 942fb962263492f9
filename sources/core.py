"""What the platform adds to mapped rows: the source, amounts in the unit's currency, budget lines, pseudonyms."""

import hashlib
import hmac
from dataclasses import replace
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from moe import tables
from moe.contracts import Contract
from moe.errors import FileFault
from moe.units import BETWEEN, UNPLACED, Unit

_ADDED = {
    "core.ad_performance__ad_day": ("source", "line_id", "line_name", "currency_original", "spend_original",
                                    "conversion_value_original"),
    "core.bid_landscape__bid": ("source", "line_id", "line_name", "currency_original", "spend_original",
                                "bid_original"),
    "core.inventory__level_day": ("source", "line_id", "line_name"),
    "core.order__order": ("currency_original", "order_value_original"),
    "core.applied_setting__entity_day": ("source",),
}
"""Columns of core tables that no mapping gives."""
_AMOUNTS = ("spend", "conversion_value", "view_conversion_value", "order_value", "bid")
_DATES = {"core.ad_performance__ad_day": "business_date", "core.bid_landscape__bid": "business_date",
          "core.order__order": "cast(ordered_at as date)"}


def mapped_terms(target: Contract) -> Contract:
    """The core contract less the columns that the platform adds: what a mapping gives, amounts as delivered."""
    kept = tuple(c for c in target.columns if c.name not in _ADDED.get(target.name, ()))
    return replace(target, columns=kept)


def add_platform_columns(rows: pa.Table, target: Contract, source: str, unit: Unit) -> pa.Table:
    """Gated rows with every column of the core table. Raises FileFault for a currency without a rate."""
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.register("gated", rows)
        terms = {c.name: f'g."{c.name}"' for c in target.columns if c.name in rows.column_names}
        if "source" in _ADDED.get(target.name, ()):
            terms["source"] = f"'{source}'"
        if "line_id" in _ADDED.get(target.name, ()):
            terms["line_id"], terms["line_name"] = _line(unit)
        joined = "gated g"
        if "currency_original" in target.column_names:
            terms |= _converted(target, unit)
            connection.register("rates", _rates(unit))
            day = _DATES[target.name]
            joined = (f"(select *, {day} as _day from gated) g asof left join rates r "
                      "on g.currency = r.currency and g._day >= r.since")
            _refuse_unknown_currency(connection, joined, source, unit)
        columns = ", ".join(f'cast({terms[c.name]} as {c.type}) as "{c.name}"' for c in target.columns)
        return connection.sql(f"select {columns} from {joined}").to_arrow_table()


def _converted(target: Contract, unit: Unit) -> dict[str, str]:
    """Amounts times the rate of their day, rounded to the contract's scale (half away from zero)."""
    terms = {"currency": f"'{unit.currency}'", "currency_original": "g.currency"}
    for amount in _AMOUNTS:
        if amount in target.column_names:
            terms[amount] = f'cast(g."{amount}" as decimal(24,6)) * r.rate'
            terms[f"{amount}_original"] = f'g."{amount}"'
    return terms


def _rates(unit: Unit) -> pa.Table:
    rows = [(unit.currency, date(1, 1, 1), 1), *((r.currency, r.since, r.rate) for r in unit.rates)]
    currencies, since, rates = zip(*rows, strict=True)
    return pa.table({
        "currency": pa.array(currencies, pa.string()),
        "since": pa.array(since, pa.date32()),
        "rate": pa.array(rates, pa.decimal128(14, 8)),
    })


def _refuse_unknown_currency(connection: duckdb.DuckDBPyConnection, joined: str, source: str, unit: Unit) -> None:
    found = connection.execute(
        f"select g.currency, min(g._day), count(*) from {joined} where r.rate is null group by 1 order by 1"
    ).fetchall()
    if found:
        said = "; ".join(f"{currency} from {day} ({count:,} rows)" for currency, day, count in found)
        raise FileFault(f"source {source}, column currency: no rate to {unit.currency} for {said}",
                        f"add it under `rates` in the file of unit {unit.unit} (currency, since, rate), then run again")


def _line(unit: Unit) -> tuple[str, str]:
    """SQL of line_id and line_name by the unit's grain."""
    complete = " and ".join(f"coalesce(g.\"{part}\", '') <> ''" for part in unit.line)
    parts = ", ".join(f'g."{part}"' for part in unit.line)
    names = ", ".join("g.campaign_name" if part == "campaign_id" else f'g."{part}"'
                      for part in unit.line if part != "account_id" or len(unit.line) == 1)
    return (f"case when {complete} then concat_ws(' / ', {parts}) else '{UNPLACED}' end",
            f"case when {complete} then concat_ws('{BETWEEN}', {names}) else '{UNPLACED}' end")


def pseudonymise(rows: pa.Table, target: Contract, key: bytes) -> pa.Table:
    """Replace personal columns by pseudonyms: the first 32 hex digits of HMAC-SHA256 under the secret key.

    Mail addresses count without regard to capitals, so that a person is one person in every table.
    """
    for column in target.columns:
        if column.personal:
            values = rows.column(column.name)
            known = {v: _pseudonym(v, key) for v in pc.unique(values).to_pylist() if v is not None}
            hidden = pa.array([known.get(v) for v in values.to_pylist()], pa.string())
            rows = rows.set_column(rows.column_names.index(column.name), column.name, hidden)
    return rows


def _pseudonym(value: str, key: bytes) -> str:
    value = value.lower() if "@" in value else value
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]
