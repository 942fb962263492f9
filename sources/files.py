"""The file connector: CSV, gzipped CSV and Parquet as text tables with file and row, and their file faults."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from moe import tables
from moe.errors import FileFault

HEADER_ROW = 1
ROW, FILE = "_row", "_file"


@dataclass(frozen=True)
class Delivered:
    """A delivered file as text. `rows` has the delivered columns, then `_file` and `_row` (header is row 1)."""

    name: str
    path: Path
    rows: pa.Table
    ragged: list[tuple[int, str]] = field(default_factory=list)
    "Row number and text of lines with a wrong number of columns."

    @property
    def columns(self) -> list[str]:
        return [name for name in self.rows.column_names if name not in (ROW, FILE)]


def read(name: str, path: Path, may_be_empty: bool = False) -> Delivered:
    """Read a delivered file. Raises FileFault where it is missing, empty, truncated or not readable."""
    if not path.is_file():
        raise FileFault(f"{path} is missing", "ask the source for the delivery of this night, then run again")
    if path.stat().st_size == 0:
        raise FileFault(f"{path} is empty (0 bytes)", "ask the source to deliver it again, then run again")
    ragged: list[tuple[int, str]] = []
    rows = _parquet(path) if path.suffix == ".parquet" else _csv(path, ragged)
    if not rows.num_rows and not ragged and not may_be_empty:
        raise FileFault(f"{path} has a header but no rows",
                        "ask the source to deliver it again; where no rows are normal, "
                        "set may_be_empty in the mapping")
    return Delivered(name, path, _with_lineage(rows, path, [n for n, _ in ragged]), ragged)


def _csv(path: Path, ragged: list[tuple[int, str]]) -> pa.Table:
    def keep(row: pyarrow.csv.InvalidRow) -> str:
        ragged.append((int(row.number), str(row.text)))
        return "skip"

    header = _header(path)
    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # row numbers of ragged lines need order
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    if ragged and ragged[-1][0] == table.num_rows + len(ragged) + HEADER_ROW:
        raise FileFault(f"{path}, row {ragged[-1][0]}: the last line is cut off: {ragged[-1][1][:80]!r}",
                        "the file is truncated: ask the source to deliver it again, then run again")
    return table


def _header(path: Path) -> list[str]:
    try:
        with pa.input_stream(str(path)) as stream:
            first = stream.read(1 << 16).split(b"\n", 1)[0].decode("utf-8-sig").strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    import csv

    names = next(csv.reader([first]), [])
    repeated = sorted({n for n in names if names.count(n) > 1})
    if not first or repeated:
        raise FileFault(f"{path}: the header {'is empty' if not first else f'repeats {repeated}'}",
                        "the first line must name every column once")
    return names


def _parquet(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    with tables.connect() as connection:
        connection.register("delivered", table)
        terms = ", ".join(f'''coalesce(cast("{n}" as varchar), '') as "{n}"''' for n in table.column_names)
        connection.execute("set preserve_insertion_order = true")
        return connection.sql(f"select {terms} from delivered").to_arrow_table()


def _unreadable(path: Path, error: Exception) -> FileFault:
    text = str(error)
    if "UTF8" in text or "utf-8" in text or "codec" in text:
        return FileFault(f"{path} is not UTF-8: {text}", "save or export it as UTF-8, then run again")
    if "runcated" in text or "magic bytes" in text or "footer" in text or "corrupt" in text.lower():
        return FileFault(f"{path} is truncated or corrupt: {text}",
                         "ask the source to deliver it again, then run again")
    return FileFault(f"{path} cannot be read: {text}", "check the format against the mapping, then run again")


def _with_lineage(rows: pa.Table, path: Path, skipped: list[int]) -> pa.Table:
    numbers = pa.array(range(HEADER_ROW + 1, HEADER_ROW + 1 + rows.num_rows + len(skipped)), pa.int64())
    if skipped:
        numbers = numbers.filter(pc.invert(pc.is_in(numbers, pa.array(skipped, pa.int64()))))
    rows = rows.append_column(FILE, pa.repeat(pa.scalar(path.name), rows.num_rows))
    return rows.append_column(ROW, numbers)
