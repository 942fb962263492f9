"""What a source hands over in a night: its files as text, and the business dates that they cover."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pyarrow as pa

from moe import tables
from moe.errors import FileFault
from moe.jobs import Night
from moe.units import Source
from sources.files import Delivered, read
from sources.mapping import File, Mapping, _expression, _name


@dataclass(frozen=True)
class Delivery:
    """The delivered files by their name in the mapping, and the business dates covered, oldest first."""

    files: dict[str, Delivered]
    dates: list[date]
    not_read: frozenset[int] = frozenset()
    "Rows of the main file whose date cannot be read: quarantined in the unit's first night."


def deliver(source: Source, mapping: Mapping, night: Night) -> Delivery:
    """Read what a source hands over in a night. Raises FileFault."""
    base = night.unit.resolve(source.path, night.date)
    files = {name: read(name, base / file.path if file.path else base, file.may_be_empty)
             for name, file in mapping.files.items()}
    for name, file in files.items():
        _check_columns(file, source, mapping, name)
    if mapping.delivery == "once":
        return _slice(files[mapping.main], mapping, night)
    dates = [night.date - timedelta(days=d) for d in reversed(range(mapping.window_days))]
    return Delivery(files, dates)


def _check_columns(file: Delivered, source: Source, mapping: Mapping, name: str) -> None:
    terms = mapping.landing(source.name, name)
    missing = [c.name for c in terms.columns if c.name not in file.columns]
    if missing:
        raise FileFault(f"{file.path} has no column {', '.join(missing)}; it has: {', '.join(file.columns)}",
                        "ask the source for the columns, or change the mapping")


def _slice(file: Delivered, mapping: Mapping, night: Night) -> Delivery:
    """The rows of an export made once that night D would have handed over.

    A row is handed over on its own date and again when each delayed column becomes known; columns not yet
    known are empty. The unit's first night hands over all that was known by then.
    """
    assert mapping.columns is not None
    day = _expression(mapping.columns[mapping.date_column], mapping.target.column(mapping.date_column))
    late = {s.column: s.known_after for s in mapping.columns.values() if s.column and s.known_after}
    first = night.date == night.unit.first_night
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.register("export", file.rows)
        names = ", ".join(
            f'case when _day + {late[n]} <= $night then {_name(n)} else \'\' end as {_name(n)}' if n in late
            else _name(n) for n in file.rows.column_names
        )
        days = ", ".join(f"$night - {delay}" for delay in mapping.known_after)
        chosen = "_day is null or _day <= $night" if first else f"_day in ({days})"
        sql = (f"select {names}, _day from (select *, cast({day} as date) as _day from export) "
               f"where {chosen} order by _row")
        rows = connection.sql(sql, params={"night": night.date}).to_arrow_table()
    dates = sorted({d for d in rows.column("_day").to_pylist() if d is not None})
    unread = rows.filter(pa.compute.is_null(rows.column("_day"))).column("_row").to_pylist()
    return Delivery({mapping.main: replace(file, rows=rows.drop_columns(["_day"]), ragged=_ragged(file, first))},
                    dates, frozenset(unread))


def _ragged(file: Delivered, first: bool) -> list[tuple[int, str]]:
    """Lines with a wrong number of columns have no date: they are handed over in the first night."""
    return file.ragged if first else []


__all__ = ["Delivery", "File", "deliver"]
