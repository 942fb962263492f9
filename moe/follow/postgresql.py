"""The live release as tables of PostgreSQL, in a schema of their own, `moe`.

`moe.budget__line` and its like hold the nights that were live, by (unit, night, …); `moe.live_release` says which
night is live in each unit, and the views `moe.live_budget__line` … show that night's rows. A release is replaced and
the row in `moe.live_release` moved in one transaction, so that a reader sees one whole release or the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from moe import tables
from moe.contracts import Contract, contract
from moe.errors import MoeError, Retriable
from moe.follow import ddl
from moe.follow.live import Live, live, other_store
from moe.settings import settings
from moe.tables import commit_point

TABLES = ("out.release__night", "out.allocation__night", "out.budget__line", "out.bid__line_segment")
LOCK_SECONDS = 60
"Longest wait for another follower, or for a person's transaction that holds the tables."


def follow(unit: str, dry_run: bool = False) -> str:
    """Make PostgreSQL equal to what is live now; gives a sentence.

    Raises Retriable where the server does not answer, MoeError where its tables are not those of the contracts or
    another store has written there. Nothing is changed then.
    """
    with connect(settings().postgres_url.get_secret_value()) as connection:
        connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
        with connection.transaction(force_rollback=dry_run):
            connection.execute("select pg_advisory_xact_lock(hashtext('moe.live_release'))")
            now = live(unit)  # under the lock, so that the one who writes last has read last
            found = _release(now)
            ddl.make_live_release(connection)
            was = _shown(connection, now)
            for name, rows in found.items():
                _replace(connection, contract(name), now, rows)
            commit_point("copied:postgresql")
            _move(connection, now)
        commit_point("moved:postgresql")
    lines, bids = found["out.budget__line"].num_rows, found["out.bid__line_segment"].num_rows
    return f"{'would go ' * dry_run}{was or 'nothing'} → {now.night}, {lines} lines, {bids} bids"


@contextmanager
def connect(address: str, seconds: int = 10) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit; its errors are told without the password."""
    try:
        where = conninfo_to_dict(address)
    except psycopg.ProgrammingError:  # its text shows what it could not read
        raise MoeError("the address of PostgreSQL cannot be read",
                       "write postgresql://user:password@host:port/database, the password percent-encoded") from None
    name = f"PostgreSQL at {where.get('host', 'localhost')}:{where.get('port', 5432)}/{where.get('dbname', '')}"
    try:
        with psycopg.connect(address, connect_timeout=seconds, application_name="moe", autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Retriable(f"{name}: {_without_password(where, error)}",
                        "check that it runs, can be reached and takes this user (`moe doctor`)") from None
    except psycopg.Error as error:
        raise MoeError(f"{name} refused: {_without_password(where, error)}",
                       "mend what it names; the rights that its user needs: docs/how-to/use-postgres-and-s3.md"
                       ) from None


def _without_password(where: dict[str, Any], error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.replace(str(where["password"]), "…") if where.get("password") else text


def _release(now: Live) -> dict[str, pa.Table]:
    """The live night's tables. Raises Retriable where they do not agree with each other."""
    found = {name: tables.read(name, now.unit, now.night) for name in TABLES}
    (row,) = found["out.release__night"].to_pylist()
    budgets, bids = found["out.budget__line"], found["out.bid__line_segment"]
    total = sum(budgets.column("budget").to_pylist(), Decimal(0))
    if (budgets.num_rows, bids.num_rows, total) != (row["lines"], row["bids"], row["total"]):
        raise Retriable(
            f"the tables of {now.night} do not agree: {budgets.num_rows} lines, {bids.num_rows} bids, {total}; the "
            f"release says {row['lines']}, {row['bids']}, {row['total']}",
            f"it may be running again just now; if not: moe run allocate bid release --unit {now.unit} "
            f"--date {now.night}")
    return found


def _shown(connection: psycopg.Connection[Any], now: Live) -> date | None:
    """The night that is shown there. Raises MoeError where it does not come from this store's log."""
    row = connection.execute("select night, move, moved_at from moe.live_release where unit = %s",
                             [now.unit]).fetchone()
    if row is None:
        return None
    night, move, moved_at = row
    if move > len(now.moves) or datetime.fromisoformat(now.moves[move - 1].at) != moved_at:
        raise other_store("PostgreSQL", now, move)
    return date.fromisoformat(str(night))


def _replace(connection: psycopg.Connection[Any], terms: Contract, now: Live, rows: pa.Table) -> None:
    """Replace the live night's rows of a table, by COPY."""
    ddl.make(connection, terms)
    table, columns = ddl.table(terms), ddl.columns(terms)
    connection.execute(sql.SQL("delete from {} where unit = %s and night = %s").format(table), [now.unit, now.night])
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("copy {} ({}) from stdin (format binary)").format(table, names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types([kind.partition("(")[0] for kind in columns.values()])
        for row in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
            copy.write_row(row)


def _move(connection: psycopg.Connection[Any], now: Live) -> None:
    connection.execute(
        "insert into moe.live_release (unit, night, move, moved_at, moved_by, reason) values (%s, %s, %s, %s, %s, %s) "
        "on conflict (unit) do update set (night, move, moved_at, moved_by, reason) = "
        "(excluded.night, excluded.move, excluded.moved_at, excluded.moved_by, excluded.reason)",
        [now.unit, now.night, len(now.moves), now.entry.at, now.entry.who, now.entry.reason])
