"""The file connector: CSV, gzipped CSV and Parquet as text tables with file and row, and their file faults."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from moe import tables
from moe.errors import FileFault, MissingFile

HEADER_ROW = 1
ROW, FILE = "_row", "_file"
WORKBOOK = b"PK\x03\x04"
"First bytes of a zip file, which a workbook (.xlsx, .ods) is."
_AGAIN = "ask the source to deliver it again, then run again"


@dataclass(frozen=True)
class Delivered:
    """A delivered file as text. `rows` has the delivered columns, then `_file` and `_row` (header is row 1;
    blank lines do not count)."""

    name: str
    label: str
    "Its path in the delivery."
    path: Path
    rows: pa.Table
    ragged: tuple[tuple[int, str], ...] = ()
    "Row number and text of lines with a wrong number of columns."
    open_ended: bool = False
    "A CSV whose last line has no line end: whole, or cut off inside its last value."

    @property
    def columns(self) -> list[str]:
        return [name for name in self.rows.column_names if name not in (ROW, FILE)]


def read(name: str, path: Path, label: str = "", may_be_empty: bool = False) -> Delivered:
    """Read a delivered file. Raises FileFault where it is missing, empty, truncated or not readable."""
    label = label or path.name
    if not path.is_file():
        raise MissingFile(f"{path} is missing", "ask the source for the delivery of this night, then run again")
    if path.stat().st_size == 0:
        raise FileFault(f"{path} is empty (0 bytes)", _AGAIN)
    if path.suffix == ".parquet":
        rows, ragged, open_ended = _parquet(path)
    else:
        rows, ragged, open_ended = _csv(path)
    if not rows.num_rows and not ragged and not may_be_empty:
        raise FileFault(f"{path} has a header but no rows",
                        f"{_AGAIN}; where no rows are normal, set may_be_empty in the mapping")
    rows = _with_lineage(rows, label, [number for number, _ in ragged])
    return Delivered(name, label, path, rows, tuple(ragged), open_ended)


def _csv(path: Path) -> tuple[pa.Table, list[tuple[int, str]], bool]:
    """Rows, lines with a wrong number of columns, and whether the last line has no end."""
    short: list[int] = []
    ragged: list[tuple[int, str]] = []

    def keep(row: Any) -> str:
        ragged.append((int(row.number), str(row.text)))
        short.extend([int(row.number)] * (row.actual_columns < row.expected_columns))
        return "skip"

    header: list[str] = []
    try:
        with pa.input_stream(str(path)) as stream:
            data = stream.read()
        if data.startswith(WORKBOOK):
            raise FileFault(f"{path} is a spreadsheet or another packed file, no CSV",
                            "save or export it as CSV (UTF-8), then run again")
        header = _header(path, data)
        if b"\n" not in data:
            return pa.table({name: pa.array([], pa.string()) for name in header}), [], True
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,  # row numbers of ragged lines need order
                column_names=header, skip_rows=HEADER_ROW,
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, header) from error
    last, open_ended = table.num_rows + len(ragged) + HEADER_ROW, not data.endswith((b"\n", b"\r"))
    tail = str(table.column(header[-1])[-1]) if table.num_rows else ""
    if data.count(b'"') % 2 and (open_ended or tail.endswith("\n")):
        raise FileFault(f"{path}, row {last}, column {header[-1]}: the file ends inside a quoted text",
                        f"it is truncated: {_AGAIN}")
    if open_ended and last in short:
        raise FileFault(f"{path}, row {last}: the last line is cut off", f"the file is truncated: {_AGAIN}")
    return table, ragged, open_ended


def _header(path: Path, data: bytes) -> list[str]:
    text = data.split(b"\n", 1)[0].decode("utf-8-sig").strip("\r")
    if "\r" in text:
        raise FileFault(f"{path}: its lines end with a carriage return alone, as old Macintosh files do",
                        "save it as CSV UTF-8 (comma delimited), then run again")
    names = next(csv.reader([text]), [])
    return _usable(path, names)


def _usable(path: Path, names: list[str]) -> list[str]:
    """Column names, those without one numbered. Raises FileFault where two differ in case alone, or not at all."""
    if not names:
        raise FileFault(f"{path}: the header is empty", "the first line must name every column once")
    names = [name or f"column_{position}" for position, name in enumerate(names, start=1)]
    folded = [name.casefold() for name in names]
    repeated = sorted({name for name in names if folded.count(name.casefold()) > 1})
    if repeated or {ROW, FILE} & set(folded):
        raise FileFault(f"{path}: the header repeats {', '.join(repeated) or f'{ROW} or {FILE}, which are ours'}",
                        "the first line must name every column once; capitals make no difference")
    return names


def _parquet(path: Path) -> tuple[pa.Table, list[tuple[int, str]], bool]:
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error, []) from error
    table = table.rename_columns(_usable(path, table.column_names))
    with tables.connect() as connection:
        connection.register("delivered", table)
        terms = ", ".join(f"coalesce(cast({quoted(n)} as varchar), '') as {quoted(n)}" for n in table.column_names)
        connection.execute("set preserve_insertion_order = true")
        return connection.sql(f"select {terms} from delivered").to_arrow_table(), [], False


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _unreadable(path: Path, error: Exception, header: list[str]) -> FileFault:
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return FileFault(f"{path}, row {HEADER_ROW}: not UTF-8: {text}", "save or export it as UTF-8, then run again")
    if "UTF8" in text:
        where = re.search(r"column #(\d+): Row #(\d+)", text)
        place = f", row {where[2]}, column {header[int(where[1])]}" if where else ""
        return FileFault(f"{path}{place}: not UTF-8", "save or export it as UTF-8, then run again")
    if re.search("truncated|magic bytes|footer|corrupt|inflate|page|deserialize|eof", text, re.IGNORECASE):
        return FileFault(f"{path} is truncated or corrupt: {text}", _AGAIN)
    return FileFault(f"{path} cannot be read: {text}", "check the format against the mapping, then run again")


def _with_lineage(rows: pa.Table, label: str, skipped: list[int]) -> pa.Table:
    numbers = pa.array(range(HEADER_ROW + 1, HEADER_ROW + 1 + rows.num_rows + len(skipped)), pa.int64())
    if skipped:
        numbers = numbers.filter(pc.invert(pc.is_in(numbers, pa.array(skipped, pa.int64()))))
    return rows.append_column(FILE, pa.repeat(pa.scalar(label), rows.num_rows)).append_column(ROW, numbers)
