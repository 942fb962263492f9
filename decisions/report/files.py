"""The files beside the page: CSV safe to open in a spreadsheet, and writing in one step."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
BOM = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the local code page


def write(path: Path, content: bytes) -> None:
    """Replace `path` in one step: a reader sees the old file or the new one, never half of one."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            temporary.chmod(0o644)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def csv_bytes(table: pa.Table) -> bytes:
    """The table as CSV. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            table = table.set_column(i, field.name, _harmless(table[field.name]))
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    return BOM + bytes(sink.getvalue())


def _harmless(column: pa.ChunkedArray) -> pa.ChunkedArray:
    values = {v: "'" + v for v in pc.unique(column).to_pylist() if v and runs(v)}
    if not values:
        return column
    return pa.chunked_array([pa.array([values.get(v, v) for v in column.to_pylist()], column.type)])


def runs(text: str) -> bool:
    """Whether a spreadsheet that opens the text from a CSV file would run it."""
    return text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
