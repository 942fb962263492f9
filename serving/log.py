"""The decision log: every predicted row, with what it was predicted from, as Parquet files.

A request leaves its rows on a bounded queue and goes on, every few requests make them columns, and a thread writes
`<folder>/<date>/<time>-<process>-<n>.parquet` (UTC, by rename, so that a reader sees whole files only). Requests make
the columns, since a thread that made many at once would hold the interpreter for milliseconds. Only features and keys
of the entity that the bundle names are kept: lines, segments and counts, nothing personal.
"""

import logging
import os
import threading
import time
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
"Columns whose values repeat: to look for repetition in the others takes three times as long as to write them."
TICK, PAUSE = 0.05, 2.0
"Seconds between looks at what is due, and after a file that could not be written."
TOGETHER = 512
"Rows that are made columns together, in a quarter of a millisecond, and are a row group: fewer cost more a row."
BREATH = 0.01
"Seconds between two row groups: a whole file at once would take the core from requests in slices of 4 ms."
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


class DecisionLog:
    """`add` never waits. `close` writes what is left."""

    def __init__(self, folder: Path, rows: int, seconds: float, most: int, metrics: Metrics) -> None:
        self._folder, self._rows, self._seconds, self._most = folder, rows, seconds, most
        self._metrics = metrics
        self._encode = msgspec.json.Encoder().encode
        self._lock = threading.Lock()  # of the next three
        self._left: list[tuple[Any, ...]] = []
        self._held: list[pa.RecordBatch] = []
        self._since = 0.0  # when the oldest row of these came, or a moment later
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
        self._added += count
        rows = _rows(decision, self._encode)
        with self._lock:
            if not self._left and not self._held:
                self._since = time.monotonic()
            self._left += rows
            if len(self._left) >= TOGETHER:
                self._gather()

    def _gather(self) -> None:
        """Make columns of the rows that are left, under the lock."""
        if self._left:
            self._held.append(_batch(self._left))
            self._left = []

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(TICK)
            held = self._added - self._written
            if held and (stopping or held >= self._rows or time.monotonic() - self._since >= self._seconds):
                self._close_file()

    def _close_file(self) -> None:
        """Write what is held; where that fails, it is held on and tried again."""
        with self._lock:
            self._gather()
            held = list(self._held)
        try:
            self._put(held)
        except (OSError, pa.ArrowException) as error:
            self._metrics.log_failed.inc()
            log.error("decision log: %s; rows wait until there is no room for more", error)
            self._stop.wait(PAUSE)
            return
        rows = sum(batch.num_rows for batch in held)
        with self._lock:
            del self._held[:len(held)]
            self._since = time.monotonic()
        self._written += rows
        self._metrics.logged.inc(rows)

    def _put(self, held: list[pa.RecordBatch]) -> None:
        self._files += 1
        now = datetime.now(UTC)
        path = self._folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{os.getpid()}-{self._files}.parquet"
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(f".{path.name}")
        with pq.ParquetWriter(beside, SCHEMA, use_dictionary=REPEATED, compression="zstd") as writer:
            for batch in held:
                writer.write_batch(batch)
                if self._added - self._written < 2 * self._rows:  # else rows come faster than this would write them
                    self._stop.wait(BREATH)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)


def _rows(d: Decision, encode: Any) -> list[tuple[Any, ...]]:
    """A decision's rows, with the fields of SCHEMA."""
    at, made = int(d.at * 1e6), []
    for n, (row, values, told) in enumerate(zip(d.rows, d.values, d.predictions, strict=True)):
        entity = encode(row.entity) if isinstance(row.entity, msgspec.Struct) else None
        features = encode(row.features if row.entity is None else dict(zip(d.names, values, strict=True)))
        made.append((at, d.request_id, n, d.key_id, d.model_version if told.source == "model" else None, told.source,
                     told.reason, entity, features, told.predicted_ctr, told.predicted_conversion_rate))
    return made


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(SCHEMA, zip(*rows, strict=True), strict=True)
    return pa.record_batch([pa.array(values, field.type) for field, values in columns], schema=SCHEMA)
