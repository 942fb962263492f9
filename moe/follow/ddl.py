"""Tables of PostgreSQL from contracts: columns, exact types, keys, comments, and a view of what is live."""

import re
from typing import Any

import psycopg
from psycopg import sql

from moe.contracts import ADDED, Contract
from moe.errors import MoeError

TYPES = {
    "VARCHAR": "text", "DATE": "date", "DOUBLE": "double precision", "BIGINT": "bigint", "INTEGER": "integer",
    "BOOLEAN": "boolean", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}
LIVE = """
create table if not exists moe.live_release (
    unit text primary key, night date not null, move bigint not null, moved_at timestamptz not null,
    moved_by text not null, reason text not null
);
comment on table moe.live_release is 'The night whose release is live in each business unit. It follows the pointer.';
comment on column moe.live_release.move is 'How many moves led here: the length of the publication log.'
"""


def table(terms: Contract, prefix: str = "") -> sql.Identifier:
    """`moe.budget__line` of `out.budget__line`; `live_` in front is its view."""
    return sql.Identifier("moe", prefix + terms.name.partition(".")[2])


def columns(terms: Contract) -> dict[str, str]:
    """PostgreSQL's type of every column, `unit` and `night` first. Raises MoeError where a type has none."""
    return dict(zip(ADDED, ("text", "date"), strict=True)) | {c.name: _type(terms, c.type) for c in terms.columns}


def _type(terms: Contract, duckdb_type: str) -> str:
    if exact := re.fullmatch(r"DECIMAL\((\d+), ?(\d+)\)", duckdb_type):
        return f"numeric({exact[1]},{exact[2]})"
    if duckdb_type not in TYPES:
        raise MoeError(f"{terms.name}: {duckdb_type} has no type in PostgreSQL here", "add it to moe/follow/ddl.py")
    return TYPES[duckdb_type]


def make_live_release(connection: psycopg.Connection[Any]) -> None:
    """Make the schema and the table that follows the pointer; a user without the right to may find them made."""
    if connection.execute("select to_regnamespace('moe')").fetchone() == (None,):
        connection.execute("create schema moe")
    if connection.execute("select to_regclass('moe.live_release')").fetchone() == (None,):
        connection.execute(LIVE)


def make(connection: psycopg.Connection[Any], terms: Contract) -> None:
    """Make a contract's table, or add the columns that are new in it.

    Raises MoeError where a column is there in another type, or is no longer in the contract: what to do with its
    values is for a person to say.
    """
    wanted, there = columns(terms), _there(connection, terms)
    if there == wanted:
        return
    differing = [f"{n} {kind}, wanted {wanted.get(n, 'none')}" for n, kind in there.items() if wanted.get(n) != kind]
    if differing:
        name = terms.name.partition(".")[2]
        raise MoeError(f"moe.{name} in PostgreSQL is not that of its contract: {'; '.join(differing)}",
                       f"alter it; or `drop table moe.{name} cascade` and follow again: the live night comes back")
    if there:
        for name in (name for name in wanted if name not in there):
            added = _column(terms, name, required=False)  # rows of earlier nights have no value
            connection.execute(sql.SQL("alter table {} add column {}").format(table(terms), added))
    else:
        _create(connection, terms)
    connection.execute(sql.SQL("create or replace view {} as select t.* from {} t join moe.live_release using "
                               "(unit, night)").format(table(terms, "live_"), table(terms)))
    _comment(connection, terms)


def _there(connection: psycopg.Connection[Any], terms: Contract) -> dict[str, str]:
    return dict(connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute join pg_class on pg_class.oid = attrelid "
        "where relnamespace = 'moe'::regnamespace and relname = %s and attnum > 0 and not attisdropped",
        [terms.name.partition(".")[2]]).fetchall())


def _create(connection: psycopg.Connection[Any], terms: Contract) -> None:
    required = {*ADDED, *(c.name for c in terms.columns if c.required)}
    described = [_column(terms, name, name in required) for name in columns(terms)]
    key = sql.SQL("primary key ({})").format(sql.SQL(", ").join(map(sql.Identifier, (*ADDED, *terms.key))))
    connection.execute(sql.SQL("create table {} ({})").format(table(terms), sql.SQL(", ").join([*described, key])))


def _column(terms: Contract, name: str, required: bool) -> sql.Composed:
    kind = sql.SQL(columns(terms)[name] + (" not null" if required else ""))
    return sql.SQL("{} {}").format(sql.Identifier(name), kind)


def _comment(connection: psycopg.Connection[Any], terms: Contract) -> None:
    for kind, name in (("table", table(terms)), ("view", table(terms, "live_"))):
        connection.execute(sql.SQL(f"comment on {kind} {{}} is {{}}").format(name, terms.description))
    for column in terms.columns:
        text = column.description + (f" [{column.measure}]" if column.measure else "")
        connection.execute(sql.SQL("comment on column {}.{} is {}").format(
            table(terms), sql.Identifier(column.name), text))
