"""The decision log: every predicted row, with what it was predicted from, as Parquet files.

A request puts its rows on a bounded queue and goes on; a thread writes `<folder>/<date>/<time>-<process>-<n>.parquet`
(UTC, by rename, so that a reader sees whole files only). Only features and keys of the entity that the bundle names
are kept: lines, segments and counts, nothing personal.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
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
TICK, PAUSE = 0.2, 2.0
"Seconds between looks at the queue, and after a file that could not be written."
log = logging.getLogger("serving")


@dataclass(frozen=True, slots=True)
class Decision:
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
        self._queue: deque[Decision] = deque()
        self._added = self._written = self._files = 0  # each counted by one thread alone
        self._held: list[pa.RecordBatch] = []
        self._since = 0.0
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
        self._queue.append(decision)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(TICK)
            # At every tick, so that few objects wait: the garbage collector would walk through all of them.
            if decisions := [self._queue.popleft() for _ in range(len(self._queue))]:
                self._since = self._since or time.monotonic()
                self._held.append(_columns(decisions))
            rows = sum(batch.num_rows for batch in self._held)
            if rows and (stopping or rows >= self._rows or time.monotonic() - self._since >= self._seconds):
                self._close_file(rows)

    def _close_file(self, rows: int) -> None:
        """Write what is held; where that fails, it is held on and tried again."""
        try:
            self._put(pa.Table.from_batches(self._held))
        except (OSError, pa.ArrowException) as error:
            self._metrics.log_failed.inc()
            log.error("decision log: %s; rows wait until there is no room for more", error)
            self._stop.wait(PAUSE)
            return
        self._held, self._since = [], 0.0
        self._written += rows
        self._metrics.logged.inc(rows)

    def _put(self, table: pa.Table) -> None:
        self._files += 1
        now = datetime.now(UTC)
        path = self._folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{os.getpid()}-{self._files}.parquet"
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(f".{path.name}")
        pq.write_table(table, beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)


def _columns(decisions: list[Decision]) -> pa.RecordBatch:
    encode = msgspec.json.Encoder().encode
    found: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for d in decisions:
        rows, model = range(len(d.rows)), d.model_version
        found["at"] += [int(d.at * 1e6) for _ in rows]
        found["request_id"] += [d.request_id for _ in rows]
        found["row"] += rows
        found["key_id"] += [d.key_id for _ in rows]
        found["model_version"] += [model if p.source == "model" else None for p in d.predictions]
        found["source"] += [p.source for p in d.predictions]
        found["reason"] += [p.reason for p in d.predictions]
        found["entity"] += [encode(r.entity) if isinstance(r.entity, msgspec.Struct) else None for r in d.rows]
        found["features"] += [encode(r.features if r.entity is None else dict(zip(d.names, v, strict=True)))
                              for r, v in zip(d.rows, d.values, strict=True)]
        found["click_rate"] += [p.predicted_ctr for p in d.predictions]
        found["conversion_rate"] += [p.predicted_conversion_rate for p in d.predictions]
    return pa.record_batch([pa.array(found[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
