"""The decision log: every predicted row, with what it was predicted from, as Parquet files.

A request leaves its rows and goes on; every few requests make them a row group of a file in memory, which is an
eighth as large as the rows. A thread writes whole files, `<folder>/<date>/<time>-<process>-<n>.parquet` (UTC, by
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
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from serving.log_rows import REPEATED, SCHEMA, Decision, Rows
from serving.metrics import Metrics

WRITTEN = {
    "use_dictionary": REPEATED, "write_statistics": ["at"],
    "column_encoding": {"at": "DELTA_BINARY_PACKED", "request_id": "DELTA_BYTE_ARRAY"},
    "compression": {name: "zstd" if name in ("entity", "features") else "none" for name in SCHEMA.names}}
"Where looking for repetition pays: in all columns it takes twice as long, for a file of the same size."
TICK, PAUSE = 0.05, 2.0
"Seconds between looks at what is due, and after a file that could not be written."
TOGETHER = 512
"Rows of a row group, made in 0.8 ms: fewer cost more a row, more make requests wait."
log = logging.getLogger("serving")


class _File:
    """A Parquet file in memory, and rows that are not in it yet."""

    def __init__(self) -> None:
        self.rows, self.since = 0, 0.0
        self._left = Rows()
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
        left, self._left = self._left, Rows()
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

