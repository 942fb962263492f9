"""The decision log: every predicted row, with what it was predicted from, as Parquet files.

A request leaves its rows and goes on; every few requests make them a row group of a file in memory, which is some
tenth as large as the rows. A thread writes whole files, `<folder>/<date>/<time>-<process>-<n>.parquet` (UTC, by
rename, so that a reader sees whole files only). Requests make the row groups, since a thread that did would take the
interpreter and the core from them for longer. Only features and keys of the entity that the bundle names are kept:
lines, segments and counts, nothing personal.
"""

import contextlib
import io
import logging
import os
import threading
import time
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from serving.answers import Prediction
from serving.metrics import Metrics
from serving.schema import Values

SCHEMA = pa.schema([
    ("at", pa.timestamp("us", "UTC")), ("request_id", pa.string()), ("row", pa.int32()), ("key_id", pa.string()),
    ("model_version", pa.string()), ("source", pa.string()), ("reason", pa.string()), ("entity", pa.string()),
    ("features", pa.string()), ("click_rate", pa.float64()), ("conversion_rate", pa.float64()),
])
"`entity` and `features` are JSON, so that a file's schema outlives the model."
REPEATED = ["key_id", "model_version", "source", "reason"]
"Columns whose values repeat."
WRITTEN = {
    "use_dictionary": REPEATED, "write_statistics": ["at"],
    "column_encoding": {"at": "DELTA_BINARY_PACKED", "request_id": "DELTA_BYTE_ARRAY"},
    "compression": {name: "zstd" if name in ("entity", "features") else "none" for name in SCHEMA.names}}
"Where looking for repetition pays: in all columns it takes twice as long, for a file of the same size."
TICK, PAUSE = 0.05, 2.0
"Seconds between looks at what is due, and after a file that could not be written."
TOGETHER = 512
"Rows of a row group, made in 0.8 ms: fewer cost more a row, more make requests wait."
ENCODE, ENCODE_INTO = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_into
log = logging.getLogger("serving")


class Decision(msgspec.Struct, frozen=True):
    """The rows of one answered request."""

    at: float
    request_id: str
    key_id: str
    model_version: str | None
    names: tuple[str, ...]
    rows: Sequence[Any]
    "As they were asked: where there was nothing to look up, their features are what was used."
    values: Sequence[Values]
    predictions: Sequence[Prediction]


class _Rows:
    """Rows by column, as Arrow holds them: nothing is copied, and no row's values are looked for again in memory."""

    def __init__(self) -> None:
        self._at, self._row, self._group = array("q"), array("i"), array("i")
        self._clicks, self._conversions = array("d"), array("d")
        self._ids, self._features = _Texts(), _Texts()
        self._entities: list[bytes | None] = []
        self._groups: dict[tuple[str | None, ...], int] = {}
        "The distinct values of REPEATED, numbered."

    def __len__(self) -> int:
        return len(self._at)

    def add(self, d: Decision) -> None:
        at, request_id = int(d.at * 1e6), d.request_id.encode()
        for n, (row, values, told) in enumerate(zip(d.rows, d.values, d.predictions, strict=True)):
            group = d.key_id, d.model_version if told.source == "model" else None, told.source, told.reason
            entity = ENCODE(row.entity) if isinstance(row.entity, msgspec.Struct) else None
            # What may fail comes first, so that no column has more rows than another.
            self._features.encode(row.features if row.entity is None else dict(zip(d.names, values, strict=True)))
            self._at.append(at)
            self._row.append(n)
            self._group.append(self._groups.setdefault(group, len(self._groups)))
            self._clicks.append(told.predicted_ctr)
            self._conversions.append(told.predicted_conversion_rate)
            self._ids.add(request_id)
            self._entities.append(entity)

    def batch(self) -> pa.RecordBatch:
        """The rows with the fields of SCHEMA. Nothing can be added afterwards."""
        count, group = len(self), pa.Array.from_buffers(pa.int32(), len(self), [None, pa.py_buffer(self._group)])
        found = {name: pa.array(values, pa.string()).take(group)
                 for name, values in zip(REPEATED, zip(*self._groups, strict=True), strict=True)}
        for name, values in (("at", self._at), ("row", self._row), ("click_rate", self._clicks),
                             ("conversion_rate", self._conversions)):
            found[name] = pa.Array.from_buffers(SCHEMA.field(name).type, count, [None, pa.py_buffer(values)])
        found |= {"request_id": self._ids.column(), "features": self._features.column(),
                  "entity": pa.array(self._entities, pa.string())}
        return pa.record_batch([found[name] for name in SCHEMA.names], schema=SCHEMA)


class _Texts:
    """A column of texts."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("i", [0])

    def add(self, text: bytes) -> None:
        self._bytes += text
        self._ends.append(len(self._bytes))

    def encode(self, value: Any) -> None:
        """Add a value as JSON."""
        ENCODE_INTO(value, self._bytes, self._ends[-1])
        self._ends.append(len(self._bytes))

    def column(self) -> pa.StringArray:
        return pa.StringArray.from_buffers(len(self._ends) - 1, pa.py_buffer(self._ends), pa.py_buffer(self._bytes))


class _File:
    """A Parquet file in memory, and rows that are not in it yet."""

    def __init__(self) -> None:
        self.rows, self.since = 0, 0.0
        self._left = _Rows()
        self._sink = io.BytesIO()  # Arrow's own buffer grows by copies that take milliseconds
        self._writer = pq.ParquetWriter(self._sink, SCHEMA, **WRITTEN)

    def add(self, decision: Decision) -> None:
        if not self.rows:
            self.since = time.monotonic()
        self._left.add(decision)
        self.rows += len(decision.values)
        if len(self._left) >= TOGETHER:
            self._gather()

    def _gather(self) -> None:
        left, self._left = self._left, _Rows()
        self._writer.write_batch(left.batch())

    def whole(self) -> memoryview:
        """What is to be written. Nothing can be added afterwards."""
        if len(self._left):
            self._gather()
        self._writer.close()
        return self._sink.getbuffer()


class DecisionLog:
    """`add` never waits. `close` writes what is left."""

    def __init__(self, folder: Path, rows: int, seconds: float, most: int, metrics: Metrics) -> None:
        self._folder, self._rows, self._seconds, self._most = folder, rows, seconds, most
        self._metrics = metrics
        self._lock = threading.Lock()  # of the file that is added to
        self._file = _File()
        self._added = self._written = self._files = 0  # each counted by one thread alone
        self._stop = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def add(self, decision: Decision) -> None:
        """From the event loop alone."""
        count = len(decision.values)
        if self._added - self._written + count > self._most:
            self._metrics.dropped.inc(count)
            return
        with self._lock:
            self._file.add(decision)
        self._added += count

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(TICK)
            file = self._file
            if file.rows and (stopping or file.rows >= self._rows or time.monotonic() - file.since >= self._seconds):
                self._close_file()

    def _close_file(self) -> None:
        """Write what is held, and try again until it is written or the service stops."""
        fresh = _File()
        with self._lock:
            file, self._file = self._file, fresh
        try:
            held = file.whole()
        except pa.ArrowException as error:  # the thread goes on: later files may do
            self._metrics.dropped.inc(file.rows)
            self._written += file.rows
            log.error("decision log: %d rows are lost: %s", file.rows, error)
            return
        while not self._put(held):
            if self._stop.is_set():
                log.error("decision log: %d rows are lost", file.rows)
                return
            self._stop.wait(PAUSE)
        self._written += file.rows
        self._metrics.logged.inc(file.rows)

    def _put(self, held: memoryview) -> bool:
        now = datetime.now(UTC)
        path = self._folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{os.getpid()}-{self._files}.parquet"
        beside = path.with_name(f".{path.name}")
        try:
            path.parent.mkdir(exist_ok=True)
            with beside.open("wb") as file:
                file.write(held)
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            self._metrics.log_failed.inc()
            log.error("decision log: %s; rows wait until there is no room for more", error)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)  # the next try has another name
            return False
        self._files += 1
        return True

