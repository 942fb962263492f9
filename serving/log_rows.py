"""The rows of the decision log: from answered requests to columns."""

from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from serving.answers import Prediction
from serving.schema import Values

SCHEMA = pa.schema([
    ("at", pa.timestamp("us", "UTC")), ("request_id", pa.string()), ("row", pa.int32()), ("key_id", pa.string()),
    ("model_version", pa.string()), ("source", pa.string()), ("reason", pa.string()), ("entity", pa.string()),
    ("features", pa.string()), ("click_rate", pa.float64()), ("conversion_rate", pa.float64()),
])
"`entity` and `features` are JSON, so that a file's schema outlives the model."
REPEATED = ["key_id", "model_version", "source", "reason"]
"Columns whose values repeat."
ENCODE, ENCODE_INTO = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_into


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


class Rows:
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
