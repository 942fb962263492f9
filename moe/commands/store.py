"""The store: its tables, their rows, the ledger of runs, and the pages of the contracts."""

import sys
from typing import Annotated

import typer
from rich.table import Column, Table

from moe.commands.options import DateOption, UnitOption, unit_of
from moe.errors import MoeError
from moe.terminal import out, print_rows


def tables(unit: UnitOption = "") -> None:
    """List tables with their nights and size."""
    from moe import tables as store
    from moe.contracts import contracts

    name = unit_of(unit).unit
    table = Table("table", "nights", "first", "last", "MB", "what it holds")
    for column in table.columns[:4]:
        column.no_wrap = True  # other commands take names and nights as they are
    for entry in store.tables():
        nights = store.nights(entry, name)
        size = sum(store.partition(entry, name, night).stat().st_size for night in nights) / 1e6
        span = (str(nights[0]), str(nights[-1])) if nights else ("", "")
        text = contracts()[entry].description if entry in contracts() else ""
        table.add_row(entry, str(len(nights)), *span, f"{size:.1f}" if nights else "", text)
    out.print(table)


def show(
    table: Annotated[str, typer.Argument(help="Its name, such as out.budget__line: see `moe tables`.")],
    day: DateOption = None,
    unit: UnitOption = "",
    rows: Annotated[int, typer.Option(help="Rows to show.")] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="All rows as CSV.")] = False,
) -> None:
    """Show a table's partition of a night (the newest where no --date is given)."""
    from moe import tables as store
    from moe.contracts import contract

    name = unit_of(unit).unit
    if table not in store.tables():
        contract(table)  # says which names are near
    nights = store.nights(table, name)
    if day is None and not nights:
        raise MoeError(f"{table} holds nothing for unit {name}", "see `moe tables`")
    night = day.date() if day else nights[-1]
    data = store.read(table, name, night)
    if as_csv:
        import pyarrow.csv

        pyarrow.csv.write_csv(data, sys.stdout.buffer)
        return
    kept = data.select([c for c in data.column_names if c not in ("unit", "night")])
    print_rows(kept.column_names, [[_text(value) for value in row.values()] for row in kept.slice(0, rows).to_pylist()],
               f"{table} · {name} · {night} · {data.num_rows:,} rows")


def _text(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def ledger(day: DateOption = None, unit: UnitOption = "") -> None:
    """List the runs of jobs, newest last."""
    from moe import ledger as book

    whole = (Column(name, no_wrap=True) for name in ("at", "night", "job", "status"))
    table = Table(*whole, "s", "rows out", "code", "reason")
    for r in book.records(unit_of(unit).unit, day.date() if day else None)[-200:]:
        rows = ", ".join(f"{count:,}" for count in r["rows_out"].values())
        table.add_row(r["at"], r["date"], r["job"], r["status"], f"{r['seconds']:.1f}", rows, r["code"], r["reason"])
    out.print(table)


def pages() -> None:
    """Write one page a table to docs/tables, from the contracts."""
    from moe.pages import folder, write

    out.print(f"{write()} pages in {folder()}")
