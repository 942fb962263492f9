"""Columns of an auction log's file, with checks whose errors name the file, the row, the column and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from decisions.auctions.log import FloatArray, IntArray
from moe.errors import FileFault

REQUIRED = ("time", "market_price", "click")
OPTIONAL = ("conversion", "click_rate", "conversion_rate", "bid_floor", "bid", "segment", "campaign")
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"

BoolArray = NDArray[np.bool_]


def as_array(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """The values as numpy has them."""
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())


class Columns:
    """The mapped columns of a file as text, with checks that say which row is at fault."""

    def __init__(self, path: Path, names: dict[str, str], features: Sequence[str]) -> None:
        self.path, self._names = path, names
        known = (*REQUIRED, *OPTIONAL)
        if wrong := sorted(set(names) - set(known)):
            raise FileFault(f"--map names {', '.join(wrong)}, which no auction log has",
                            f"map any of {', '.join(known)}")
        have = names_of(path)
        for name in (*REQUIRED, *names, *features):
            if self.name(name) not in have:
                raise FileFault(f"{path} has no column {self.name(name)!r}; it has {', '.join(have)}",
                                f"say which column it is: --map {name}=…" if name in known else "correct --features")
        wanted = [self.name(n) for n in known if self.name(n) in have]
        self._data = _read(path, sorted({*wanted, *features}))
        self._row = np.arange(1, self._data.num_rows + 1)
        if not self._data.num_rows:
            raise FileFault(f"{path} has no rows", "give a log with auctions")

    def name(self, column: str) -> str:
        return self._names.get(column, column)

    def has(self, column: str) -> bool:
        return self.name(column) in self._data.column_names

    def need(self, column: str, why: str) -> None:
        if not self.has(column):
            raise FileFault(f"{self.path}: {why}, and there is no column {self.name(column)!r}",
                            f"say which column it is: --map {column}=…"
                            + (", or name columns to learn it from by --features" if column == "click_rate" else ""))

    def keep(self, column: str, value: str) -> None:
        self.need(column, f"only {column} {value} is asked for")
        mask = as_array(pc.equal(self._data[self.name(column)], value).fill_null(False))
        if not mask.any():
            raise FileFault(f"{self.path} has no row with {self.name(column)} {value!r}", "check the value")
        self._data, self._row = self._data.filter(pa.array(mask)), self._row[mask]

    def column(self, column: str) -> pa.ChunkedArray:
        return pc.fill_null(self._data[self.name(column)], "")

    def codes(self, column: str) -> IntArray:
        """Codes of the values, from 0."""
        return as_array(pc.dictionary_encode(self.column(column)).combine_chunks().indices).astype(np.int64)

    def empty(self, column: str) -> BoolArray:
        return as_array(pc.equal(pc.utf8_trim_whitespace(self.column(column)), ""))

    def refuse(self, column: str, bad: BoolArray, what: str, remedy: str) -> None:
        """Raise on the first row where `bad`, with its value."""
        if bad.any():
            at = int(np.argmax(bad))
            value = self.column(column)[at].as_py() if self.has(column) else ""
            more = f" ({int(bad.sum()):,} rows)" if bad.sum() > 1 else ""
            raise FileFault(f"{self.path}, row {self._row[at]}, column {self.name(column)!r}: {value!r} {what}{more}",
                            remedy)

    def numbers(self, column: str, allow_empty: bool = False) -> FloatArray:
        """Numbers not below 0; 0 where empty, if that is allowed."""
        text, empty = self.column(column), self.empty(column)
        bad = ~as_array(pc.match_substring_regex(text, NUMBER))
        self.refuse(column, bad & ~(empty & allow_empty), "is not a number", "correct the row or leave it out")
        if allow_empty and empty.any():
            text = pc.if_else(pa.chunked_array([pa.array(empty)]), "0", text)
        numbers = as_array(pc.cast(pc.utf8_trim_whitespace(text), pa.float64())).copy()
        self.refuse(column, ~(np.isfinite(numbers) & (numbers >= 0)), "is negative or not finite",
                    "correct the row or leave it out")
        return numbers

    def counts(self, column: str, lost: BoolArray) -> IntArray:
        """Whole numbers; 0, or empty, where the auction was lost."""
        numbers = self.numbers(column, allow_empty=True)
        self.refuse(column, self.empty(column) & ~lost, "is empty, though the auction was won", "give 0 or 1")
        self.refuse(column, numbers != np.rint(numbers), "is not a whole number", "give 0 or 1")
        self.refuse(column, (numbers > 0) & lost, "stands in an auction that was lost",
                    "give its market price, or 0")
        return numbers.astype(np.int64)

    def shares(self, column: str) -> FloatArray:
        numbers = self.numbers(column)
        self.refuse(column, (numbers <= 0) | (numbers > 1), "is not a rate above 0 and at most 1",
                    "give predicted rates as shares, not percent")
        return numbers


def names_of(path: Path) -> list[str]:
    """The file's own names of its columns. Raises FileFault where there is no such file, or none that can be read."""
    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        return [name.strip('"') for name in _header(path)[1]]
    except FileNotFoundError:
        raise FileFault(f"there is no file {path}", "give the path of a CSV or Parquet file") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise FileFault(f"{path} cannot be read: {error}", "give CSV (UTF-8, with a header) or Parquet") from None


def _header(path: Path) -> tuple[str, list[str]]:
    """Delimiter and names of a text file."""
    with pa.input_stream(str(path), compression="detect") as stream:
        line = stream.read(65_536).split(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    delimiter = max("\t,;", key=line.count)
    return delimiter, line.split(delimiter)


def _read(path: Path, columns: list[str]) -> pa.Table:
    if path.suffix == ".parquet":
        found = pyarrow.parquet.read_table(path, columns=columns)
        whole = {c: pc.cast(found[c], pa.int8()) if pa.types.is_boolean(found[c].type) else found[c] for c in columns}
        return pa.table({c: pc.cast(values, pa.string()) for c, values in whole.items()})
    try:
        delimiter, names = _header(path)
        # Tab separated logs hold user agents and addresses as they came, lone quotation marks and all.
        plain = delimiter == "\t" and not any('"' in name for name in names)
        parse = pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False if plain else '"')
        with pa.input_stream(str(path), compression="detect") as stream:
            return pyarrow.csv.read_csv(
                stream, parse_options=parse,
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=columns, column_types=dict.fromkeys(columns, pa.string())),
            )
    except pa.ArrowInvalid as error:
        raise FileFault(f"{path} cannot be read: {error}", "give every row as many columns as the header") from None
