"""The unit's overrides file: read, appended to under a lock, and replaced in one step.

A row holds from its `entered_on` (the first night that knows it). A change of a row is one more row of the same
`override_id` with a later date, so that every night still finds what held when it ran; only a row that no night has
seen yet is replaced where it stands.
"""

import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

from decisions.overrides import COLUMNS, MORE, Override
from decisions.report.files import write
from moe.errors import MoeError
from moe.units import Unit

AMOUNTS = ("amount", "from_amount", "to_amount")
HOW = "see docs/how-to/plan-budgets.md"


def path_of(unit: Unit) -> Path:
    """The unit's overrides file. Raises MoeError where its `unit.yml` names none."""
    found = [source for source in unit.sources if source.mapping == "overrides"]
    if not found:
        raise MoeError(f"unit {unit.unit} has no overrides file",
                       f"add to `sources` in {unit.folder}/unit.yml: "
                       "- {name: overrides, mapping: overrides, path: overrides.csv, late: go_on}")
    return unit.resolve(found[0].path)


def history(unit: Unit) -> list[Override]:
    """Every row of the file, oldest first. Raises MoeError that names the row which cannot be read."""
    path = path_of(unit)
    return parsed(path, _text(path))


def newest(rows: list[Override]) -> list[Override]:
    """The state of each override: of the rows with its id the one with the newest date."""
    found: dict[str, Override] = {}
    for row in sorted(rows, key=lambda o: o.entered_on):
        found[row.override_id] = row
    return list(found.values())


def append(
    unit: Unit, row: Override, was: Override | None, check: Callable[[list[Override]], None], dry_run: bool
) -> None:
    """Write a row at the end of the file, or over `was` where it has the same date: no night has seen that one.

    `check` sees the state of the file's overrides first, and raises where the row cannot stand beside them.
    """
    path = path_of(unit)
    with _locked(path):
        text = _text(path)
        text = _with_more(text) if row.kind == "request" else text
        check(newest(parsed(path, text)))
        lines = text.splitlines(keepends=True)
        if was is not None and was.entered_on == row.entered_on:
            lines = _without(lines, row.override_id, row.entered_on)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        content = "".join(lines) + _line(row, text)
        parsed(path, content)
        if not dry_run:
            write(path.resolve(), content.encode())


def parsed(path: Path, text: str) -> list[Override]:
    """The rows of the file's text. Raises MoeError that names file and row."""
    reader, rows = csv.DictReader(io.StringIO(text), strict=True), list[Override]()
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise MoeError(f"{path} has no column {', '.join(missing)}", f"its header is {','.join(COLUMNS)}")
        for cells in reader:
            given = {name: (cells.get(name) or "").strip() or None for name in (*COLUMNS, *MORE)}
            amounts = {name: Decimal(number) for name in AMOUNTS if (number := given[name])}
            rows.append(Override(
                given["override_id"] or "", given["kind"], given["line_id"],  # type: ignore[arg-type]  # checked there
                amounts.get("amount"), given["reason"] or "", given["who"] or "",
                date.fromisoformat(given["entered_on"] or ""), date.fromisoformat(given["until"] or ""),
                given["to_id"], given["state"],  # type: ignore[arg-type]  # checked there
                amounts.get("from_amount"), amounts.get("to_amount")))
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise MoeError(f"{path}, row {len(rows) + 2}: {error}", f"mend the row, then try again; {HOW}") from error
    return rows


def _text(path: Path) -> str:
    """The file's text, a header alone where there is no file. Raises MoeError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig") if path.exists() else ",".join(COLUMNS) + "\n"
    except UnicodeDecodeError as error:
        raise MoeError(f"{path} is not UTF-8: byte {error.start} cannot be read",
                       "save it as `CSV UTF-8` in the spreadsheet, then try again") from error


def _line(row: Override, text: str) -> str:
    """The row as CSV, in the order of the file's own columns."""
    names = next(csv.reader(io.StringIO(text)))
    values = {name: "" if (value := getattr(row, name)) is None else str(value) for name in (*COLUMNS, *MORE)}
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([values.get(name, "") for name in names])
    return line.getvalue()


def _with_more(text: str) -> str:
    """The file with the columns of requests, where its header lacks them; other rows end before them."""
    rows = list(csv.reader(io.StringIO(text)))
    missing = [name for name in MORE if rows and name not in rows[0]]
    if not missing:
        return text
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [*cells, *(missing if at == 0 else [""] * len(missing))] for at, cells in enumerate(rows) if cells)
    return out.getvalue()


def _without(lines: list[str], override_id: str, entered_on: date) -> list[str]:
    """The file's lines but the one of an override and date. Our rows are one line each."""
    names = next(csv.reader(lines[:1]))
    places = names.index("override_id"), names.index("entered_on")

    def is_it(line: str) -> bool:
        cells = next(csv.reader([line]), [])
        return len(cells) == len(names) and tuple(cells[p].strip() for p in places) == (override_id, str(entered_on))

    return [line for line in lines if not is_it(line)]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, so that no row of another is lost between reading and writing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
