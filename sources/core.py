"""What the platform adds to mapped rows: the source, amounts in the unit's currency, budget lines, pseudonyms."""

import hashlib
import hmac
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from moe import tables
from moe.contracts import Contract
from moe.errors import FileFault
from moe.units import Unit

UNPLACED = "unplaced"
ADDED_COLUMNS = {
    "core.ad_performance__ad_day": ("source", "line_id", "line_name", "currency_original", "spend_original",
                                    "conversion_value_original"),
    "core.order__order": ("currency_original", "order_value_original"),
}
"""Columns of core tables that no mapping gives."""
_AMOUNTS = ("spend", "conversion_value", "order_value")
_DATES = {"core.ad_performance__ad_day": "business_date", "core.order__order": "cast(ordered_at as date)"}


def add_platform_columns(rows: pa.Table, target: Contract, source: str, unit: Unit) -> pa.Table:
    """Gated rows with every column of the core table. Raises FileFault for a currency without a rate."""
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.register("gated", rows)
        terms = {c.name: f'g."{c.name}"' for c in target.columns if c.name in rows.column_names}
        if "line_id" in ADDED_COLUMNS.get(target.name, ()):
            terms["source"] = f"'{source}'"
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
    terms = {"currency": f"'{unit.currency}'", "currency_original": "g.currency"}
    for amount in _AMOUNTS:
        if amount in target.column_names:
            terms[amount] = f'cast(g."{amount}" as decimal(24,6)) * cast(r.rate as decimal(14,8))'
            terms[f"{amount}_original"] = f'g."{amount}"'
    return terms


def _rates(unit: Unit) -> pa.Table:
    rows = [{"currency": unit.currency, "since": date(1, 1, 1), "rate": 1}]
    rows += [{"currency": r.currency, "since": r.since, "rate": r.rate} for r in unit.rates]
    return pa.table({
        "currency": pa.array([r["currency"] for r in rows], pa.string()),
        "since": pa.array([r["since"] for r in rows], pa.date32()),
        "rate": pa.array([r["rate"] for r in rows], pa.decimal128(18, 8)),
    })


def _refuse_unknown_currency(connection, joined: str, source: str, unit: Unit) -> None:  # type: ignore[no-untyped-def]
    found = connection.execute(
        f"select g.currency, min(g._day), count(*) from {joined} where r.rate is null group by 1 order by 1"
    ).fetchall()
    if found:
        said = "; ".join(f"{currency} from {day} ({count:,} rows)" for currency, day, count in found)
        raise FileFault(f"source {source}: no rate to {unit.currency} for {said}",
                        "add it under `rates` in the unit's file (currency, since, rate), then run again")


def _line(unit: Unit) -> tuple[str, str]:
    """SQL of line_id and line_name by the unit's grain."""
    complete = " and ".join(f"coalesce(g.\"{part}\", '') <> ''" for part in unit.line)
    parts = ", ".join(f'g."{part}"' for part in unit.line)
    names = ", ".join("g.campaign_name" if part == "campaign_id" else f'g."{part}"'
                      for part in unit.line if part != "account_id" or len(unit.line) == 1)
    return (f"case when {complete} then concat_ws(' / ', {parts}) else '{UNPLACED}' end",
            f"case when {complete} then concat_ws(' · ', {names}) else '{UNPLACED}' end")


def pseudonymise(rows: pa.Table, target: Contract, key: bytes) -> pa.Table:
    """Replace personal columns by pseudonyms: the first 32 hex digits of HMAC-SHA256 under the secret key."""
    for column in target.columns:
        if column.personal:
            values = pc.dictionary_encode(rows.column(column.name)).combine_chunks()
            values = values if isinstance(values, pa.DictionaryArray) else values.chunk(0)
            hidden = pa.array(
                [hmac.new(key, v.encode(), hashlib.sha256).hexdigest()[:32] for v in values.dictionary.to_pylist()],
                pa.string(),
            )
            replaced = pa.DictionaryArray.from_arrays(values.indices, hidden).dictionary_decode()
            rows = rows.set_column(rows.column_names.index(column.name), column.name, replaced)
    return rows
