"""What a source hands over in a night: its files as text, and the business dates that they cover."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from moe import tables
from moe.errors import FileFault
from moe.jobs import Night
from moe.units import Source
from sources.files import Delivered, quoted, read
from sources.mapping import Mapping, expression

SEPARATORS = {";": "semicolon", "\t": "tab", "|": "vertical bar"}
"""What spreadsheets write between columns where people write decimals with a comma."""


@dataclass(frozen=True)
class Delivery:
    """The delivered files by their name in the mapping, and the business dates covered, oldest first."""

    files: dict[str, Delivered]
    dates: list[date]


def deliver(source: Source, mapping: Mapping, night: Night) -> Delivery:
    """Read what a source hands over in a night. Raises FileFault."""
    base = night.unit.resolve(source.path, night.date)
    if mapping.delivery == "once":
        file = _export(mapping, base)
        _check_columns(file, source, mapping)
        return _slice(_completed(file, mapping), mapping, night)
    found = {name: read(name, base / file.path if file.path else base, file.path, file.may_be_empty)
             for name, file in mapping.files.items()}
    for file in found.values():
        _check_columns(file, source, mapping)
    files = {name: _completed(file, mapping) for name, file in found.items()}
    return Delivery(files, [night.date - timedelta(days=d) for d in reversed(range(mapping.window_days))])


def _completed(file: Delivered, mapping: Mapping) -> Delivered:
    """The file with every optional column that it lacks, without values."""
    rows = file.rows
    for name in mapping.optional:
        if name not in file.columns:
            rows = rows.append_column(name, pa.array([""] * rows.num_rows, pa.string()))
    return replace(file, rows=rows)


def _check_columns(file: Delivered, source: Source, mapping: Mapping) -> None:
    terms = mapping.landing(source.name, file.name)
    missing = [c.name for c in terms.columns if c.name not in (*file.columns, *mapping.optional)]
    if missing:
        (first, *others) = file.columns
        other = next((word for sign, word in SEPARATORS.items() if sign in first and not others), "")
        raise FileFault(f"{file.path} has no column {', '.join(missing)}; it has: {', '.join(file.columns)}",
                        f"its separator seems to be the {other}: save or export it with commas" if other else
                        "ask the source for the columns, or change the mapping")


def _export(mapping: Mapping, base: Path) -> Delivered:
    (file,) = mapping.files.values()
    path = base / file.path if file.path else base
    stat = path.stat() if path.is_file() else None
    stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None
    return _parsed(mapping.main, path, file.path, file.may_be_empty, stamp)


@lru_cache(maxsize=6)  # a unit has its export, and beside it overrides, experiments and criteria
def _parsed(name: str, path: Path, label: str, may_be_empty: bool, _stamp: tuple[int, int, int] | None) -> Delivered:
    """An export made once serves every night of a process; a file that changed is read again."""
    return read(name, path, label, may_be_empty)


def _slice(file: Delivered, mapping: Mapping, night: Night) -> Delivery:
    """The rows of an export made once that night D would have handed over.

    A row is handed over on its own date and again when each delayed column becomes known; columns not yet
    known are empty. The unit's first night hands over all that was known by then, and the rows whose date
    cannot be read. Entities (what people keep in a file) are handed over whole up to D, every night, so that
    a row entered late is not lost; of several rows of one entity the one with the newest date counts, so that a
    file that is only appended to says what held in every night.
    """
    assert mapping.columns is not None
    day = expression(mapping.columns[mapping.date_column], mapping.target.column(mapping.date_column), raw=True)
    late = {s.column: s.known_after for s in mapping.columns.values() if s.column and s.known_after}
    entity = mapping.target.kind == "entity"
    whole = night.date == night.unit.first_night or entity
    with tables.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.register("export", file.rows)
        names = ", ".join(
            f"case when _day + {late[n]} <= $night then {quoted(n)} else '' end as {quoted(n)}" if n in late
            else quoted(n) for n in file.rows.column_names
        )
        days = ", ".join(f"$night - {delay}" for delay in mapping.known_after)
        chosen = "_day is null or _day <= $night" if whole else f"_day in ({days})"
        sql = (f"select {names}, _day from (select *, cast({day} as date) as _day from export) "
               f"where {chosen} {_newest(mapping) if entity else ''} order by _row")
        rows = connection.sql(sql, params={"night": night.date}).to_arrow_table()
    dates = sorted({d for d in pa.compute.unique(rows.column("_day")).to_pylist() if d is not None})
    handed = replace(file, rows=rows.drop_columns(["_day"]), ragged=file.ragged if whole else (),
                     open_ended=file.open_ended and whole)
    return Delivery({mapping.main: handed}, dates)


def _newest(mapping: Mapping) -> str:
    """SQL that keeps the newest row of each entity. Equal dates keep both, for the gate to tell."""
    assert mapping.columns is not None
    key = ", ".join(expression(mapping.columns[name], mapping.target.column(name), raw=True)
                    for name in mapping.target.key)
    return f"qualify _day is null or rank() over (partition by {key} order by _day desc nulls last) = 1"
