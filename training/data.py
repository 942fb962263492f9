"""The network's data: a folder of Parquet files by date.

    data.json                   the constants of `Reading`, and every file with its hash
    train/2026-07-01.parquet    a row group holds at most GROUP_ROWS rows
    valid/2026-07-15.parquet    later dates, which tell when to stop
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from moe.errors import MoeError
from training.dataset import TARGETS
from training.reading import Reading

GROUP_ROWS = 16_384
MANIFEST = "data.json"
_TYPES = {"string": pa.string(), "double": pa.float64(), "int64": pa.int64()}


def schema(kinds: Mapping[str, str]) -> pa.Schema:
    """Inputs, then events and exposure of each target: exposure 0 where a row says nothing of it."""
    counts = [(name, pa.float64()) for target in TARGETS for name in (target.events, target.exposure)]
    return pa.schema([*((name, _TYPES[kind]) for name, kind in kinds.items()), *counts])


@dataclass(frozen=True)
class Group:
    """A row group."""

    file: Path
    index: int
    rows: int


def write(folder: Path, parts: Iterable[tuple[str, str, pa.Table]], reading: Reading) -> None:
    """Write tables as (part, date, rows) one after another; the manifest comes last, so it vouches for all."""
    (folder / MANIFEST).unlink(missing_ok=True)
    files, wanted = {}, schema(reading.kinds)
    for part, day, table in parts:
        path = folder / part / f"{day}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.select(wanted.names).cast(wanted), path, row_group_size=GROUP_ROWS)
        with path.open("rb") as file:
            files[f"{part}/{path.name}"] = hashlib.file_digest(file, "sha256").hexdigest()
    beside = folder / f".{MANIFEST}"
    beside.write_text(json.dumps({"reading": reading.described(), "files": files}) + "\n")
    os.replace(beside, folder / MANIFEST)


@dataclass(frozen=True)
class Data:
    """A folder that `write` made. Raises MoeError that names what is missing or of another type."""

    folder: Path

    @cached_property
    def manifest(self) -> bytes:
        try:
            return (self.folder / MANIFEST).read_bytes()
        except OSError as error:
            raise MoeError(f"{self.folder} holds no training data: {error}",
                           "`moe train` writes it (training_launch=torchrun), or training.data.write") from error

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.manifest).hexdigest()

    @cached_property
    def reading(self) -> Reading:
        return Reading.of(json.loads(self.manifest)["reading"])

    @property
    def schema(self) -> pa.Schema:
        return schema(self.reading.kinds)

    def groups(self, part: str) -> list[Group]:
        found = []
        for name in sorted(json.loads(self.manifest)["files"]):
            if not name.startswith(f"{part}/"):
                continue
            try:
                with pq.ParquetFile(self.folder / name) as file:
                    _check(self.folder / name, file.schema_arrow, self.schema)
                    rows = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            except (OSError, pa.ArrowInvalid) as error:
                raise MoeError(f"{self.folder / name} cannot be read: {error}", "write the data again") from error
            found += [Group(self.folder / name, index, count) for index, count in enumerate(rows) if count]
        if not found:
            raise MoeError(f"{self.folder} has no rows to {part}", "train on dates that hold rows")
        return found


def _check(path: Path, found: pa.Schema, wanted: pa.Schema) -> None:
    for field in wanted:
        at = found.get_field_index(field.name)
        if at < 0 or found.field(at).type != field.type:
            seen = "is missing" if at < 0 else f"is {found.field(at).type}"
            raise MoeError(f"column {field.name} of {path} {seen}, where {field.type} is wanted",
                           "write the data again with training.data.write")
