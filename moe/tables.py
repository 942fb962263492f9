"""Named tables and their partitions: one Parquet file a unit and night, replaced by rename.

A reader that has the old file open keeps the old content; a crash leaves the old partition.
"""

import contextlib
import os
import re
import shutil
import signal
import time
from datetime import date
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from moe.contracts import contracts
from moe.errors import MissingInput
from moe.settings import settings
from moe.units import option

ABANDONED_SECONDS = 86_400
"Age from which a temporary of another machine is nobody's: no step takes a day."
_NIGHT = re.compile(r"^(\d{4}-\d{2}-\d{2})\.parquet$")


def partition(table: str, unit: str, night: date) -> Path:
    """Path of one partition: `<store>/<layer>/<subject__grain>/<unit>/<night>.parquet`."""
    layer, _, name = table.partition(".")
    return settings().store / layer / name / unit / f"{night.isoformat()}.parquet"


def nights(table: str, unit: str) -> list[date]:
    """Nights that a table holds for a unit, ascending."""
    folder = partition(table, unit, date.min).parent
    if not folder.is_dir():
        return []
    return sorted(date.fromisoformat(m[1]) for name in os.listdir(folder) if (m := _NIGHT.match(name)))


def files(table: str, unit: str, since: date, until: date) -> list[Path]:
    """Partitions of the nights since..until, ascending."""
    return [partition(table, unit, n) for n in nights(table, unit) if since <= n <= until]


def tables() -> list[str]:
    """Every table that has a contract, or lies in the store."""
    stored = {f"{p.parent.name}.{p.name}" for p in settings().store.glob("*/*") if p.is_dir()}
    return sorted(set(contracts()) | stored)


@lru_cache(maxsize=1)
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """The process's in-memory DuckDB: opening one takes 16 ms, a cursor on it none (a fork makes its own)."""
    settings().work.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(config={"temp_directory": str(settings().work)})
    database.execute("set global TimeZone = 'UTC'")
    if settings().threads:
        database.execute(f"set global threads = {settings().threads}")
    return database


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of one's own (temporary tables and views are private) to an in-memory DuckDB in UTC."""
    return _database(os.getpid()).cursor()


def scan(connection: duckdb.DuckDBPyConnection, table: str, paths: list[Path]) -> duckdb.DuckDBPyRelation:
    """Rows of partitions as a DuckDB relation; with none, an empty one of the contract's schema.

    They are read by Arrow: DuckDB opens a path again for each step of a query, and fails (seen: one read in
    three, under a writer that never rests) where the partition was replaced in between.
    """
    found = [read_file(path) for path in paths] or [contracts()[table].schema.empty_table()]
    return connection.from_arrow(pa.concat_tables(found, promote_options="default"))


def read(table: str, unit: str, night: date) -> pa.Table:
    """One partition as an Arrow table. Raises MissingInput where it is not there."""
    path = partition(table, unit, night)
    if not path.exists():
        have = nights(table, unit)
        span = f"; it holds {have[0]} to {have[-1]}" if have else ""
        raise MissingInput(
            f"{table} has no partition of {night} for unit {unit}{span}",
            f"run `moe jobs` to see which job writes it, then `moe run <job> --unit {option(unit)} --date {night}`",
        )
    return read_file(path)


def read_file(path: Path) -> pa.Table:
    """A partition's rows from the one file that its name meant when it was opened: `pq.read_table` opens it
    twice, and fails where it was replaced in between."""
    with pq.ParquetFile(path) as file:
        return file.read()


def commit_point(name: str) -> None:
    """A named place in a commit where crash tests kill the process."""
    if settings().kill_at == name:
        os.kill(os.getpid(), signal.SIGKILL)


def beside(target: Path) -> Path:
    """A temporary path in the target's folder, which no reader takes for a partition.

    It names process and machine: the pods of a cluster share a store, and their process numbers are alike. What
    processes that died left beside the same target is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*"):
        process, _, rest = left.name.removeprefix(f".{target.name}.").partition(".")
        if process.isdigit() and _is_left_over(left, int(process), machine=rest.rpartition(".")[0]):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.{os.getpid()}.{os.uname().nodename}.tmp")


def _is_left_over(path: Path, process: int, machine: str) -> bool:
    """Whether nobody writes a temporary any more. Of another machine's processes only its age tells."""
    if machine in ("", os.uname().nodename):
        return not _alive(process)
    with contextlib.suppress(FileNotFoundError):  # its process has just put it in place
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def replace_text(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old one or the new one."""
    temporary = beside(path)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def replace(temporary: Path, target: Path) -> None:
    """Move a file that is on disk over the old one, such that the move outlives a power cut."""
    os.replace(temporary, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def put_in_place(temporary: Path, target: Path) -> None:
    """Move a complete file over the old one, durably."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    commit_point(f"written:{target.parent.parent.name}")
    replace(temporary, target)
    commit_point(f"replaced:{target.parent.parent.name}")
