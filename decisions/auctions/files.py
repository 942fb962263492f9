"""Read an auction log from CSV (or tab separated text, gzip or not) or Parquet, by a small mapping of names.

Every row is checked; an error names the file, the row, the column and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from decisions.auctions.log import MOST_PRICE, NANO, AuctionLog, FloatArray, IntArray, Seen
from decisions.auctions.rates import predicted
from moe.errors import FileFault

REQUIRED = ("time", "market_price", "click")
OPTIONAL = ("conversion", "click_rate", "conversion_rate", "bid_floor", "bid", "segment", "campaign")
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
SEEN_FOR_RATES = 0.5
"""Share of the training part on which a click rate is learnt where the log has none; it is left out of the replay."""


def read(
    path: Path, names: Mapping[str, str] | None = None, *, price_per: int = 1000, campaign: str | None = None,
    features: Sequence[str] = (), conversions: bool = False, train_share: float = 0.6,
) -> tuple[AuctionLog, int]:
    """The log in `path`, and the instant at which `train_share` of its time is over; `names` gives the file's own
    name of a column where it differs from ours.
 Columns: `time` (ISO 8601, UTC where none is named; seconds or milliseconds since 1970; yyyyMMddHHmmss with or
    without milliseconds), `market_price` (empty where the auction was lost; then `bid`, the logger's, is needed),
    `click`, and optional `conversion`, `click_rate`, `conversion_rate` (a click's), `bid_floor`, `segment`,
    `campaign`. Prices are per `price_per` impressions: 1000 or 1. Without `click_rate`, it is learnt from the columns
    in `features`, on the first half of the training part, which is left out. `conversions`: rates are of conversions,
    click_rate × conversion_rate. Raises FileFault.
    """
    table = _Table(path, dict(names or {}), features)
    if campaign is not None:
        table.keep("campaign", campaign)
    time = _microseconds(table)
    lost = table.empty("market_price")
    price = table.numbers("market_price", allow_empty=True) * NANO / price_per
    if lost.any():
        table.need("bid", f"row {1 + int(np.argmax(lost))} has no market price, so that the auction was lost")
        price[lost] = table.numbers("bid")[lost] * NANO / price_per
    floor = table.numbers("bid_floor") * NANO / price_per if table.has("bid_floor") else np.zeros(len(price))
    for name, amounts in (("market_price", price), ("bid_floor", floor)):
        table.refuse(name, amounts > MOST_PRICE, "is too large a price", "check the unit of prices (--price-per)")
    click = table.counts("click", lost)
    conversion = table.counts("conversion", lost) if table.has("conversion") else np.zeros_like(click)
    segment = table.codes("segment") if table.has("segment") else np.zeros(len(price), dtype=np.int64)
    order = np.argsort(time, kind="stable")
    first, length = int(time[order[0]]), int(time[order[-1]] - time[order[0]])
    teaches = first + round(SEEN_FOR_RATES * train_share * length)
    kept = order[np.searchsorted(time[order], teaches):] if features else order
    rate = _rate(table, order, kept, click, lost, features, conversions)
    seen = Seen(time[kept], rate, np.rint(floor[kept]).astype(np.int64), segment[kept])
    log = AuctionLog(seen, np.rint(price[kept]).astype(np.int64), lost[kept], click[kept], conversion[kept])
    return log, first + round(train_share * length)


def _rate(
    table: _Table, order: IntArray, kept: IntArray, click: IntArray, lost: np.ndarray, features: Sequence[str],
    conversions: bool,
) -> FloatArray:
    if features:
        columns = [table.codes(name) for name in features]
        early = order[: order.size - kept.size]
        early = early[~lost[early]]
        if not click[early].any():
            raise FileFault(f"{table.path}: no click in the first half of the training part",
                            "give a longer log, a larger --train-share, or a column click_rate")
        rate = predicted([c[early] for c in columns], np.minimum(click[early], 1), [c[kept] for c in columns])
    else:
        table.need("click_rate", "a bid needs a predicted click rate")
        rate = table.shares("click_rate")[kept]
    if conversions:
        table.need("conversion_rate", "a bid for conversions needs a predicted conversion rate of a click")
        table.need("conversion", "bidding for conversions needs to know them")
        rate = rate * table.shares("conversion_rate")[kept]
    return rate


def _microseconds(table: _Table) -> IntArray:
    text = pc.utf8_trim_whitespace(table.column("time"))
    digits = pc.match_substring_regex(text, r"^\d+(\.\d+)?$")
    if not pc.all(digits).as_py():
        for zone in (None, "UTC"):
            try:
                return _whole(pc.cast(text, pa.timestamp("us", zone)))
            except pa.ArrowInvalid:
                continue
        bad = np.array([not _is_instant(value) for value in text.to_pylist()])
        table.refuse("time", bad, "is not an instant", "give ISO 8601, all with a zone or all without, or seconds "
                     "since 1970")
        table.refuse("time", ~_array(pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$")),
                     "has no zone, though others have", "give all with a zone or all without")
    length = int(pc.utf8_length(text[0]).as_py()) if len(text) else 0
    if length in (14, 17):
        parts = [pc.utf8_slice_codeunits(text, a, b) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))]
        instant = pc.binary_join_element_wise(*parts, "-")
        stamp = pc.strptime(instant, format="%Y-%m-%d-%H-%M-%S", unit="us", error_is_null=True)
        table.refuse("time", _array(pc.is_null(stamp)), "is not an instant", "give yyyyMMddHHmmss")
        rest = pc.cast(pc.utf8_slice_codeunits(text, 14, 17), pa.int64()) if length == 17 else None
        return _whole(stamp) + (_array(rest) * 1000 if rest is not None else 0)
    seconds = _array(pc.cast(text, pa.float64()))
    return np.rint(seconds * (1_000 if np.median(seconds) > 1e11 else 1_000_000)).astype(np.int64)


def _is_instant(value: str) -> bool:
    for zone in (None, "UTC"):
        try:
            pa.array([value]).cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
        return True
    return False


def _whole(instants: pa.ChunkedArray) -> IntArray:
    return _array(pc.cast(pc.cast(instants, pa.timestamp("us")), pa.int64())).astype(np.int64)


def _array(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())


class _Table:
    """The mapped columns of a file as text, with checks that say which row is at fault."""

    def __init__(self, path: Path, names: dict[str, str], features: Sequence[str]) -> None:
        self.path, self._names = path, names
        known = (*REQUIRED, *OPTIONAL)
        if wrong := sorted(set(names) - set(known)):
            raise FileFault(f"--map names {', '.join(wrong)}, which no auction log has",
                            f"map any of {', '.join(known)}")
        have = _columns(path)
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
        mask = _array(pc.equal(self._data[self.name(column)], value).fill_null(False))
        if not mask.any():
            raise FileFault(f"{self.path} has no row with {self.name(column)} {value!r}", "check the value")
        self._data, self._row = self._data.filter(pa.array(mask)), self._row[mask]

    def column(self, column: str) -> pa.ChunkedArray:
        return pc.fill_null(self._data[self.name(column)], "")

    def codes(self, column: str) -> IntArray:
        """Codes of the values, from 0."""
        return _array(pc.dictionary_encode(self.column(column)).combine_chunks().indices).astype(np.int64)

    def empty(self, column: str) -> np.ndarray:
        return _array(pc.equal(pc.utf8_trim_whitespace(self.column(column)), ""))

    def refuse(self, column: str, bad: np.ndarray, what: str, remedy: str) -> None:
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
        bad = ~_array(pc.match_substring_regex(text, NUMBER))
        self.refuse(column, bad & ~(empty & allow_empty), "is not a number", "correct the row or leave it out")
        if allow_empty and empty.any():
            text = pc.if_else(pa.chunked_array([pa.array(empty)]), "0", text)
        numbers = _array(pc.cast(pc.utf8_trim_whitespace(text), pa.float64())).copy()
        self.refuse(column, ~(np.isfinite(numbers) & (numbers >= 0)), "is negative or not finite",
                    "correct the row or leave it out")
        return numbers

    def counts(self, column: str, lost: np.ndarray) -> IntArray:
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


def _columns(path: Path) -> list[str]:
    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        return _header(path)[1]
    except FileNotFoundError:
        raise FileFault(f"there is no file {path}", "give the path of a CSV or Parquet file") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise FileFault(f"{path} cannot be read: {error}", "give CSV (UTF-8, with a header) or Parquet") from None


def _header(path: Path) -> tuple[str, list[str]]:
    """Delimiter and names of a text file."""
    with pa.input_stream(str(path), compression="detect") as stream:
        line = stream.read(65_536).split(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    delimiter = max("\t,;", key=line.count)
    return delimiter, [name.strip('"') for name in line.split(delimiter)]


def _read(path: Path, columns: list[str]) -> pa.Table:
    if path.suffix == ".parquet":
        found = pyarrow.parquet.read_table(path, columns=columns)
        return pa.table({c: pc.cast(found[c], pa.string()) for c in columns})
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            return pyarrow.csv.read_csv(
                stream, parse_options=pyarrow.csv.ParseOptions(delimiter=_header(path)[0]),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=columns, column_types=dict.fromkeys(columns, pa.string())),
            )
    except pa.ArrowInvalid as error:
        raise FileFault(f"{path} cannot be read: {error}", "give every row as many columns as the header") from None
