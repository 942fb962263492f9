"""Writing a job's output as a partition: conform to the contract, write beside, check, move over the old one."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moe import tables
from moe.contracts import ADDED, Contract
from moe.errors import MoeError


@dataclass(frozen=True)
class Written:
    """A complete partition file, not yet in place. `digest` is of its rows as a multiset."""

    contract: Contract
    temporary: Path
    target: Path
    rows: int
    digest: str

    @property
    def table(self) -> str:
        return self.contract.name


def write(frame: Any, contract: Contract, unit: str, night: date) -> Written:
    """Write an Arrow table or a Spark DataFrame beside its partition and check it against the contract."""
    target = tables.partition(contract.name, unit, night)
    temporary = tables.beside(target)
    try:
        if isinstance(frame, pa.Table):
            _write_arrow(frame, contract, unit, night, temporary)
        else:
            from moe.spark import write_one_file

            write_one_file(frame, contract, unit, night, temporary)
        rows, digest = _check(temporary, contract)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MoeError(f"{contract.name} of {night} could not be written: {error}",
                       "free disk space under the platform's home (`moe doctor`), then run again; "
                       "nothing was replaced") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Written(contract, temporary, target, rows, digest)


def _write_arrow(frame: pa.Table, contract: Contract, unit: str, night: date, path: Path) -> None:
    missing = [c.name for c in contract.columns if c.name not in frame.column_names]
    extra = [name for name in frame.column_names if name not in contract.column_names]
    if missing or extra:
        raise MoeError(f"{contract.name}: columns missing {missing}, not in the contract {extra}",
                       f"change the job or contracts/{contract.layer}")
    added = {"unit": pa.repeat(unit, frame.num_rows), "night": pa.repeat(night, frame.num_rows)}
    columns = [added[n] if n in added else frame.column(n) for n in contract.column_names]
    arrays = [_cast(column, field) for column, field in zip(columns, contract.schema, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=contract.schema)
    if contract.key:
        table = table.sort_by([(name, "ascending") for name in contract.key])
    pq.write_table(table, path, compression="zstd")


def _cast(column: Any, field: pa.Field) -> pa.ChunkedArray:
    array = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return array if array.type == field.type else array.cast(field.type)


def _check(path: Path, contract: Contract) -> tuple[int, str]:
    """Row count and digest of a written file. Raises where a required column has nulls or a key repeats."""
    if not pq.read_metadata(path).num_rows:
        return 0, _digest(0, 0, 0)
    required = [c.name for c in contract.columns if c.required]
    nulls = ", ".join(f'count(*) - count("{name}")' for name in (*ADDED, *required))
    key = ", ".join(f'"{name}"' for name in contract.key) or "1"
    with tables.connect() as connection:
        result = connection.execute(
            f"select count(*), {f'count(distinct ({key}))' if contract.key else 'count(*)'}, "
            f"sum(hash(hash(t))::hugeint), bit_xor(hash(hash(t))), {nulls} from read_parquet(?) as t",
            [str(path)],
        ).fetchall()[0]
    rows, distinct, total, xor, *null_counts = result
    for name, count in zip((*ADDED, *required), null_counts, strict=True):
        if count:
            raise MoeError(f"{contract.name}: {count} rows have no {name}, which the contract requires",
                           "mend the job that writes it; nothing was replaced")
    if distinct != rows:
        raise MoeError(f"{contract.name}: {rows - distinct} rows repeat the key ({', '.join(contract.key)})",
                       "mend the job that writes it; nothing was replaced")
    return rows, _digest(rows, total, xor)


def digest(path: Path) -> str:
    """Digest of a Parquet file's rows as a multiset: count, sum and xor of their hashes."""
    with tables.connect() as connection:
        result = connection.execute(
            "select count(*), sum(hash(hash(t))::hugeint), bit_xor(hash(hash(t))) from read_parquet(?) as t",
            [str(path)],
        ).fetchall()[0]
    rows, total, xor = result
    return _digest(rows, total or 0, xor or 0)


def _digest(rows: int, total: int, xor: int) -> str:
    return f"{rows}-{total % 2**64:016x}-{xor:016x}"
