"""Rows that the gate keeps out of core: where they stand, what is wrong, and what they measure."""

import duckdb
import pyarrow as pa

from expectations.gate import FAULT_SCHEMA
from moe.contracts import Contract, contract
from sources.files import Delivered

QUARANTINE = "core.quarantine__row"
MEASURES = ("impressions", "clicks", "spend", "conversions", "conversion_value")


def quarantine(
    connection: duckdb.DuckDBPyConnection, source: str, file: Delivered, faults: pa.Table, measured: bool
) -> pa.Table:
    """Faults as rows of core.quarantine__row. A row's measures stand on the first of its faults.

    `measured`: the file is the main one, whose rows `mapped` and `mapped_faulty` hold in core columns.
    """
    schema = contract(QUARANTINE).schema
    wanted = pa.schema([field for field in schema if field.name not in ("unit", "night")])
    if not faults.num_rows:
        return wanted.empty_table()
    connection.register("the_faults", faults)
    have = {row[0] for row in connection.execute("describe mapped").fetchall()} if measured else set()
    seen = ["_row", *(x for x in MEASURES if x in have)]
    measures = ", ".join(f"case when n = 1 then m.{x} end as {x}" if x in have else f"cast(null as double) as {x}"
                         for x in MEASURES)
    found = connection.sql(
        # a delivered row may give several core rows, which may break one rule each
        f"with one as (select * from the_faults "
        f"qualify row_number() over (partition by row, \"column\", rule order by value) = 1), "
        f"numbered as (select *, row_number() over (partition by row order by \"column\", rule) as n from one), "
        f"m as (select {', '.join(seen)} from mapped union select {', '.join(seen)} from mapped_faulty) "
        f"select $source as source, $file as file, f.row, f.column, f.rule, f.value, f.remedy, {measures} "
        "from numbered f left join m on f.row = m._row order by f.row, f.column, f.rule",
        params={"source": source, "file": file.label},
    ).to_arrow_table()
    return found.cast(wanted)


def forgive_equal_events(
    connection: duckdb.DuckDBPyConnection, target: Contract, faults: pa.Table
) -> tuple[pa.Table, int]:
    """An event delivered twice with the same content is one event; only differing ones are faults.

    Gives the faults that stay, and how many rows repeat an event.
    """
    connection.register("event_faults", faults)
    names = ", ".join(f'"{c.name}"' for c in target.columns)
    equal = f"(select event_id from (select distinct {names} from mapped) group by event_id having count(*) = 1)"
    kept = connection.sql(
        "select f.* from event_faults f left join mapped m on f.row = m._row "
        f"where f.rule <> 'duplicated key' or m.event_id not in {equal}"
    ).to_arrow_table().cast(FAULT_SCHEMA)
    repeated = connection.execute(
        f"select count(*) - count(distinct event_id) from mapped where event_id in {equal}").fetchall()[0][0]
    return kept, repeated
