"""Writes files whose bytes depend on their rows alone."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Columns = dict[str, object]


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns (arrays, lists, or one value for all rows) as CSV, gzipped if the name says so."""
    text = pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()
    if path.suffix != ".gz":
        path.write_bytes(text)
        return
    packed = io.BytesIO()
    # a gzip header carries the time and name of writing, unless told otherwise
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
        stream.write(text)
    path.write_bytes(packed.getvalue())


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table as one Parquet file."""
    pq.write_table(table, path)


def decimals(amounts: np.ndarray, digits: int = 2) -> list[str]:
    """Numbers with a fixed number of decimals."""
    return [f"{amount:.{digits}f}" for amount in amounts]


def instants(microseconds: np.ndarray) -> np.ndarray:
    """Microseconds since 1970 as ISO 8601 text in UTC, to the second."""
    seconds = (microseconds // 1_000_000).astype("datetime64[s]")
    return np.char.add(np.datetime_as_string(seconds), "Z")
