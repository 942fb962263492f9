"""One source's delivery through the gate: typed by its landing contracts, mapped, checked by the core contract."""

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from expectations.gate import FAULT_SCHEMA, MASK, Judged, judge
from expectations.rules import GIVEN, UNREADABLE, checks, reads_as
from moe import tables
from moe.contracts import Column, Contract
from moe.errors import FileFault, MoeError
from moe.jobs import Night
from sources.applied import of_the_unit, strange_campaigns
from sources.core import mapped_terms
from sources.delivery import Delivery
from sources.files import Delivered, quoted
from sources.mapping import Mapping
from sources.quarantine import forgive_equal_events, quarantine
from sources.typed import typed

TYPE_CHANGED_FROM = 3
"""Unreadable values from which a column with no readable one counts as of another type, not as bad rows."""


@dataclass
class Gated:
    """What a delivery gives, beside its landing rows."""

    rows: pa.Table = field(default_factory=lambda: pa.table({}))
    "Clean core rows as the mapping gives them."
    quarantine: pa.Table = field(default_factory=lambda: pa.table({}))
    findings: dict[tuple[str, str, str], tuple[int, str]] = field(default_factory=dict)
    "Rows and message by file, finding and column."
    results: dict[str, Any] = field(default_factory=dict)
    "Great Expectations' results by page."
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    "Faulty rows and all rows by file."
    accounts: list[str] = field(default_factory=list)
    "Ad accounts delivered, those with faulty rows too."


def gate(source: str, mapping: Mapping, delivery: Delivery, night: Night) -> Gated:
    """Check a delivery and map it. Raises FileFault where a file as a whole cannot be taken."""
    done, faults = Gated(), {}
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        for name, file in delivery.files.items():
            terms = mapping.landing(source, name)
            wants = {c.name: reads_as(c.type) for c in terms.columns if c.type != "VARCHAR"}
            _typed_table(connection, file, terms)
            _refuse_changed_types(connection, f"{name}__all", file, terms, wants)
            judged = judge(connection, quoted(f"{name}__all"), terms, checks(terms, from_text=wants))
            faults[name] = pa.concat_tables([judged.faults, _ragged(file, terms)])
            _note(done, f"{source}.{name}", file, judged)
            _note_shape(done, file, terms)
            _split(connection, name, faults[name])
        main = delivery.files[mapping.main]
        _map(connection, mapping, source)
        target = mapped_terms(mapping.target)
        wants = {name: mapping.wants(name) for name in mapping.read_late}
        _refuse_changed_types(connection, "mapped", main, target, wants)
        window = None
        if mapping.target.kind == "report" and mapping.delivery == "nightly":
            window = (delivery.dates[0], delivery.dates[-1])
        rules = checks(target, window, "business_date", wants) + of_the_unit(mapping, night)
        core = judge(connection, "mapped", target, rules)
        _note(done, f"{source}.{main.name}.mapped", main, core)
        faults[main.name] = pa.concat_tables([faults[main.name], core.faults])
        if mapping.target.kind == "event":
            faults[main.name], repeated = forgive_equal_events(connection, mapping.target, faults[main.name])
            if repeated:
                done.findings[main.label, "duplicate_event", "event_id"] = (
                    repeated, f"{repeated:,} events were delivered more than once with the same content: counted once")
        for name, file in delivery.files.items():
            bad = len(set(faults[name].column("row").to_pylist()))
            done.counts[name] = (bad, file.rows.num_rows + len(file.ragged))
        done.rows = _clean(connection, mapping.target, target, faults[main.name])
        if strange := strange_campaigns(mapping, done.rows, night):
            done.findings[main.label, "unknown_campaign", "campaign_id"] = strange
        # Simulated spend is nobody's, and a breakdown's rows stand in the report too.
        happened = mapping.fills not in ("core.bid_landscape__bid", "core.inventory__level_day")
        done.quarantine = pa.concat_tables([
            quarantine(connection, source, file, faults[name], measured=happened and name == mapping.main)
            for name, file in delivery.files.items()
        ])
        if mapping.target.kind == "report":
            done.accounts = _accounts(connection)
    return done


def _typed_table(connection: duckdb.DuckDBPyConnection, file: Delivered, terms: Contract) -> None:
    """`<name>__all`: delivered texts read as their types; the text stands beside each, and again if unreadable."""
    connection.register(f"{file.name}__text", file.rows)
    columns = []
    for column in terms.columns:
        text = f"nullif(trim({quoted(column.name)}), '')"
        columns.append(f"{typed(text, column.type)} as {quoted(column.name)}")
        if column.type != "VARCHAR":
            columns.append(f"{text} as {quoted(GIVEN + column.name)}")
    connection.execute(f"create temp table {quoted(file.name + '__all')} as select *{_unreadable(terms)} from "
                       f"(select _file, _row, {', '.join(columns)} from {quoted(file.name + '__text')})")


def _unreadable(terms: Contract, names: list[str] | None = None) -> str:
    chosen = [c.name for c in terms.columns if c.type != "VARCHAR"] if names is None else names
    return "".join(f", case when {quoted(n)} is null then {quoted(GIVEN + n)} end as {quoted(UNREADABLE + n)}"
                   for n in chosen)


def _refuse_changed_types(
    connection: duckdb.DuckDBPyConnection, table: str, file: Delivered, terms: Contract, wants: dict[str, str]
) -> None:
    if not wants:
        return
    counts = ", ".join(f"count({quoted(n)}), count({quoted(UNREADABLE + n)}), min({quoted(UNREADABLE + n)})"
                       for n in wants)
    found = connection.execute(f"select {counts} from {quoted(table)}").fetchall()[0]
    for at, name in enumerate(wants):
        readable, unreadable, example = found[3 * at : 3 * at + 3]
        if not readable and unreadable >= TYPE_CHANGED_FROM:
            shown = MASK if terms.column(name).personal else repr(example)
            raise FileFault(
                f"{file.path}, column {name}: the type changed: it was {wants[name]}, "
                f"now all {unreadable:,} values are like {shown}",
                "ask the source what changed, then mend the delivery or the mapping",
            )


def _ragged(file: Delivered, terms: Contract) -> pa.Table:
    personal = any(c.personal for c in terms.columns)
    return pa.Table.from_pylist(
        [{"row": row, "column": "", "rule": "wrong number of columns", "value": MASK if personal else text[:200],
          "remedy": "quote texts that hold the separator; deliver the line again"} for row, text in file.ragged],
        schema=FAULT_SCHEMA,
    )


def _split(connection: duckdb.DuckDBPyConnection, name: str, faults: pa.Table) -> None:
    """`<name>` holds the clean rows, `<name>__faulty` the others."""
    connection.register(f"{name}__faults", faults)
    for view, test in ((name, "not in"), (f"{name}__faulty", "in")):
        connection.execute(f"create temp view {quoted(view)} as select * from {quoted(name + '__all')} "
                           f"where _row {test} (select row from {quoted(name + '__faults')})")


def _map(connection: duckdb.DuckDBPyConnection, mapping: Mapping, source: str) -> None:
    """`mapped`: clean rows in core columns; `mapped_faulty`: the faulty ones, for their measures."""
    sql, target = mapping.sql(), mapped_terms(mapping.target)
    try:
        have = {row[0] for row in connection.execute(f"describe {sql}").fetchall()}
        known = {"_row", *(c.name for c in target.columns), *(GIVEN + name for name in mapping.read_late)}
        if have - known:
            raise MoeError(f"source {source}: select: {mapping.fills} has no column {', '.join(sorted(have - known))}",
                           f"its columns: {', '.join(c.name for c in target.columns)}")
        terms = [f"{_core_column(c, c.name in have)} as {quoted(c.name)}" for c in target.columns]
        terms += [quoted(GIVEN + name) for name in mapping.read_late]
        select = f"select *{_unreadable(target, list(mapping.read_late))} from (select _row, {', '.join(terms)} from "
        connection.execute(f"create temp table mapped as {select}({sql}))")
        connection.execute(f"create or replace temp view {quoted(mapping.main)} as "
                           f"select * from {quoted(mapping.main + '__faulty')}")
        connection.execute(f"create temp table mapped_faulty as {select}({sql}))")
    except duckdb.Error as error:
        raise MoeError(f"source {source}: its mapping does not run: {error}",
                       "mend its select; every core column that is not listed is empty") from error


def _core_column(column: Column, given: bool) -> str:
    """A part of the key that may be empty is an empty text, not null."""
    value = f"cast({quoted(column.name) if given else 'null'} as {column.type})"
    return f"coalesce({value}, '')" if column.key and not column.required else value


def _note(done: Gated, page: str, file: Delivered, judged: Judged) -> None:
    done.results[page] = judged.result
    for rule, count in judged.warnings:
        message = f"{count:,} rows have {rule.name}: {rule.remedy}"
        done.findings[file.label, "not_above", rule.column] = (count, message)


def _note_shape(done: Gated, file: Delivered, terms: Contract) -> None:
    known = {c.name for c in terms.columns} | set(terms.ignored)
    extra = [name for name in file.columns if name not in known]
    if extra:
        done.findings[file.label, "extra_column", "+".join(extra)] = (
            file.rows.num_rows, f"not in the contract: {', '.join(extra)}; kept in landing, used nowhere")
    if file.open_ended and file.rows.num_rows:
        done.findings[file.label, "no_line_end", ""] = (
            1, "the last line has no line end: if the source writes one, the file is cut off inside its last value")


def _clean(
    connection: duckdb.DuckDBPyConnection, core: Contract, target: Contract, faults: pa.Table
) -> pa.Table:
    connection.register("main_faults", faults)
    distinct, order = ("distinct on (event_id)", "event_id, _row") if core.kind == "event" else ("", "_row")
    names = ", ".join(quoted(c.name) for c in target.columns)
    return connection.sql(f"select {distinct} {names} from mapped where _row not in (select row from main_faults) "
                          f"order by {order}").to_arrow_table()


def _accounts(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute("select account_id from mapped union select account_id from mapped_faulty").fetchall()
    return sorted(account for (account,) in found if account)
