"""One source's delivery through the gate: typed by its landing contracts, mapped, checked by the core contract."""

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from expectations.gate import FAULT_SCHEMA, Checked, check
from expectations.rules import UNREADABLE, reads_as, rules
from moe import tables
from moe.contracts import Column, Contract, contract
from moe.errors import FileFault, MoeError
from moe.jobs import Night
from sources.delivery import Delivery
from sources.files import Delivered
from sources.mapping import Mapping

MEASURES = ("impressions", "clicks", "spend", "conversions", "conversion_value")
TYPE_CHANGED_FROM = 3
"""Unreadable values from which a column with no readable one counts as of another type, not as bad rows."""


@dataclass
class Gated:
    """Clean core rows (with `_row`), quarantined rows, findings, Great Expectations' results, counts by file."""

    rows: pa.Table
    quarantine: pa.Table
    findings: list[tuple[str, str, str, int, str]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    "Faulty rows and all rows by file."


def gate(source: str, mapping: Mapping, delivery: Delivery, night: Night) -> Gated:
    """Check a delivery and map it. Raises FileFault where a file as a whole cannot be taken."""
    done = Gated(pa.table({}), contract("core.quarantine__row").schema.empty_table())
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        faults: dict[str, pa.Table] = {}
        for name, file in delivery.files.items():
            terms = mapping.landing(source, name)
            _typed_view(connection, name, file, terms)
            checked = check(connection, f'"{name}__all"', terms, rules(terms))
            faults[name] = pa.concat_tables([checked.faults, _ragged(file)])
            _note(done, f"{source}.{name}", file.path.name, file, terms, checked)
            _split(connection, name, faults[name])
        main, main_file = mapping.main, delivery.files[mapping.main]
        _map(connection, mapping, source)
        first, last = (delivery.dates[0], delivery.dates[-1]) if delivery.dates else (night.date, night.date)
        dated = "business_date" if mapping.target.kind == "report" else ""
        window = (first, last) if dated and mapping.delivery == "nightly" else None
        target = _delivered_terms(mapping.target)
        core = check(connection, "mapped", target, rules(target, window, dated, typed=True))
        _note(done, f"{source}.{main}.mapped", main_file.path.name, main_file, mapping.target, core, mapped=True)
        faults[main] = pa.concat_tables([faults[main], core.faults])
        _finish(connection, mapping, source, delivery, faults, done)
    return done


def _typed_view(connection: duckdb.DuckDBPyConnection, name: str, file: Delivered, terms: Contract) -> None:
    """`<name>__all`: delivered texts read as their types; what cannot be read is null, its text beside it."""
    connection.register(f"{name}__text", file.rows)
    columns = []
    for column in terms.columns:
        text = f'nullif(trim("{column.name}"), \'\')'
        if column.type == "VARCHAR":
            columns.append(f'{text} as "{column.name}"')
            continue
        typed = f"try_cast({text} as {column.type})"
        if column.type in ("BIGINT", "INTEGER"):  # a plain cast would round 3.7 to 4
            typed = f"case when regexp_full_match({text}, '[+-]?\\d+(\\.0*)?') then {typed} end"
        columns.append(f'{typed} as "{column.name}"')
        columns.append(f'case when {text} is not null and {typed} is null then {text} end '
                       f'as "{UNREADABLE}{column.name}"')
    connection.execute(f'create temp table "{name}__all" as select _file, _row, {", ".join(columns)} '
                       f'from "{name}__text"')
    for column in terms.columns:
        if column.type != "VARCHAR":
            _refuse_changed_type(connection, name, file, column)


def _refuse_changed_type(
    connection: duckdb.DuckDBPyConnection, name: str, file: Delivered, column: Column
) -> None:
    readable, unreadable, example = connection.execute(
        f'select count("{column.name}"), count("{UNREADABLE}{column.name}"), min("{UNREADABLE}{column.name}") '
        f'from "{name}__all"'
    ).fetchall()[0]
    if not readable and unreadable >= TYPE_CHANGED_FROM:
        raise FileFault(
            f"{file.path}, column {column.name}: the type changed: it was {reads_as(column.type)}, "
            f"now all {unreadable:,} values are like {example!r}",
            "ask the source what changed, then mend the delivery or the mapping",
        )


def _ragged(file: Delivered) -> pa.Table:
    return pa.Table.from_pylist(
        [{"row": row, "column": "", "rule": "wrong number of columns", "value": text[:200],
          "remedy": "quote texts that hold the separator; deliver the line again"} for row, text in file.ragged],
        schema=FAULT_SCHEMA,
    )


def _split(connection: duckdb.DuckDBPyConnection, name: str, faults: pa.Table) -> None:
    """`<name>` holds the clean rows, `<name>__faulty` the others."""
    connection.register(f"{name}__faults", faults)
    for view, test in ((name, "not in"), (f"{name}__faulty", "in")):
        connection.execute(f'create temp view "{view}" as select * from "{name}__all" '
                           f'where _row {test} (select row from "{name}__faults")')


def _map(connection: duckdb.DuckDBPyConnection, mapping: Mapping, source: str) -> None:
    """`mapped`: clean rows in core columns; `mapped_faulty`: the faulty ones, for their measures."""
    sql = mapping.sql()
    columns = []
    for c in _delivered_terms(mapping.target).columns:
        typed = f'cast("{c.name}" as {c.type})'
        columns.append((c, f"coalesce({typed}, '')" if _empty_key(c) else typed))
    try:
        have = {row[0] for row in connection.execute(f"describe {sql}").fetchall()}
        terms = ", ".join(f'{sql_ if c.name in have else _default(c)} as "{c.name}"' for c, sql_ in columns)
        connection.execute(f"create temp table mapped as select _row, {terms} from ({sql})")
        connection.execute(f'create temp table kept as select * from "{mapping.main}"')
        connection.execute(f'create or replace temp view "{mapping.main}" as '
                           f'select * from "{mapping.main}__faulty"')
        connection.execute(f"create temp table mapped_faulty as select _row, {terms} from ({sql})")
    except duckdb.Error as error:
        raise MoeError(f"source {source}: its mapping does not run: {error}",
                       "mend its select; every core column that is not listed is empty") from error


def _default(column: Column) -> str:
    return "''" if _empty_key(column) else f"cast(null as {column.type})"


def _empty_key(column: Column) -> bool:
    """A part of the key that may be empty is an empty text, not null."""
    return column.key and not column.required


def _delivered_terms(target: Contract) -> Contract:
    """The core contract less what the platform adds after the gate (amounts as delivered, line, source)."""
    from dataclasses import replace

    from sources.core import ADDED_COLUMNS

    kept = tuple(c for c in target.columns if c.name not in ADDED_COLUMNS.get(target.name, ()))
    return replace(target, columns=kept)


def _note(
    done: Gated, page: str, file_name: str, file: Delivered, terms: Contract, checked: Checked, mapped: bool = False
) -> None:
    done.results[page] = checked.result
    for rule, count in checked.warnings:
        done.findings.append((file_name, "not_above", rule.column, count,
                              f"{count:,} rows have {rule.name}: {rule.remedy}"))
    known = {c.name for c in terms.columns} | set(terms.ignored)
    extra = [] if mapped else [name for name in file.columns if name not in known]
    if extra:
        done.findings.append((file_name, "extra_column", "+".join(extra), file.rows.num_rows,
                              f"not in the contract: {', '.join(extra)}; kept in landing, used nowhere"))


def _finish(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    source: str,
    delivery: Delivery,
    faults: dict[str, pa.Table],
    done: Gated,
) -> None:
    if mapping.target.kind == "event":
        faults[mapping.main] = _forgive_equal_events(connection, mapping, faults[mapping.main], delivery, done)
    connection.register("main_faults", faults[mapping.main])
    distinct = "distinct on (event_id)" if mapping.target.kind == "event" else ""
    names = ", ".join(f'"{c.name}"' for c in _delivered_terms(mapping.target).columns)
    done.rows = connection.sql(
        f"select {distinct} {names} from mapped where _row not in (select row from main_faults) order by "
        f"{'event_id, _row' if distinct else '_row'}"
    ).to_arrow_table()
    for name, file in delivery.files.items():
        bad = len(set(faults[name].column("row").to_pylist()))
        done.counts[name] = (bad, file.rows.num_rows + len(file.ragged))
    done.quarantine = pa.concat_tables(
        [_quarantine(connection, mapping, source, name, file, faults[name]) for name, file in delivery.files.items()]
    )


def _forgive_equal_events(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, faults: pa.Table, delivery: Delivery, done: Gated
) -> pa.Table:
    """An event delivered twice with the same content is one event; only differing ones are faults."""
    connection.register("event_faults", faults)
    names = ", ".join(f'"{c.name}"' for c in mapping.target.columns if c.name in
                      {r[0] for r in connection.execute("describe mapped").fetchall()})
    equal = f"(select event_id from (select distinct {names} from mapped) group by event_id having count(*) = 1)"
    kept = connection.sql(
        "select f.* from event_faults f join mapped m on f.row = m._row "
        f"where not (f.rule = 'duplicated key' and m.event_id in {equal}) "
        "union all select f.* from event_faults f where f.row not in (select _row from mapped)"
    ).to_arrow_table().cast(FAULT_SCHEMA)
    repeated = connection.execute(
        f"select count(*) - count(distinct event_id) from mapped where event_id in {equal}").fetchall()[0][0]
    if repeated:
        file = delivery.files[mapping.main].path.name
        done.findings.append((file, "duplicate_event", "event_id", repeated,
                              f"{repeated:,} events were delivered more than once with the same content: "
                              "counted once"))
    return kept


def _quarantine(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    source: str,
    name: str,
    file: Delivered,
    faults: pa.Table,
) -> pa.Table:
    """Faults as rows of core.quarantine__row. A row's measures stand on the first of its faults."""
    connection.register("the_faults", faults)
    have = {row[0] for row in connection.execute("describe mapped").fetchall()}
    measures = ", ".join(
        (f'case when n = 1 then m."{x}" end as "{x}"' if x in have and name == mapping.main
         else f'cast(null as double) as "{x}"') for x in MEASURES
    )
    seen = ", ".join(f'"{x}"' for x in MEASURES if x in have) or "1 as none"
    found = connection.sql(
        f"with numbered as (select *, row_number() over (partition by row order by \"column\", rule) as n "
        f"from the_faults), "
        f"m as (select _row, {seen} from mapped union all select _row, {seen} from mapped_faulty) "
        f"select '{source}' as source, '{file.path.name.replace(chr(39), chr(39) * 2)}' as file, f.row, f.column, "
        f"f.rule, f.value, f.remedy, {measures} from numbered f left join m on f.row = m._row "
        "order by f.row, f.column, f.rule"
    ).to_arrow_table()
    schema = contract("core.quarantine__row").schema
    return found.cast(pa.schema([schema.field(n) for n in found.column_names]).remove_metadata())
