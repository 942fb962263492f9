"""Contracts as data: Open Data Contract Standard (v3.1) YAML, one table a file.

The file's folder is the layer and its name the table: `contracts/core/order__order.yml` describes
`core.order__order`. Our own keys stand under `customProperties` of the table (`kind`, `failure_share`)
and of a column (`unit`, `minimum`, `known_after` …).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import pyarrow as pa
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty

from moe.errors import MoeError
from moe.settings import settings

Kind = Literal["report", "event", "entity", "snapshot"]

ADDED = ("unit", "night")
"""Columns that the platform adds to every table: the business unit, and the night of the partition."""


@dataclass(frozen=True)
class Column:
    """One column. `type` is a DuckDB type; `minimum` holds for every value that is not null."""

    name: str
    type: str
    description: str
    required: bool = False
    key: bool = False
    personal: bool = False
    measure: str | None = None  # what the number counts: USD, seconds, share …
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """A table's contract. `columns` leaves out `unit` and `night`, which every table has."""

    name: str
    description: str
    columns: tuple[Column, ...]
    kind: Kind = "snapshot"
    failure_share: float = 0.0
    owner: str = ""
    not_above: tuple[tuple[str, str], ...] = ()  # pairs (a, b) where a > b is worth a warning
    ignored: tuple[str, ...] = ()  # delivered columns that are known and not used

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.key)

    @property
    def column_names(self) -> tuple[str, ...]:
        return ADDED + tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema of the table's Parquet files, `unit` and `night` first."""
        added = [pa.field("unit", pa.string(), nullable=False), pa.field("night", pa.date32(), nullable=False)]
        return pa.schema(added + [pa.field(c.name, _arrow_type(c.type), not c.required) for c in self.columns])


@lru_cache
def _arrow_type(type_: str) -> pa.DataType:
    """The Arrow type of a DuckDB type, as DuckDB gives it."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.sql(f"select cast(null as {type_})").to_arrow_table().schema.field(0).type


def _custom(item: Any) -> dict[str, Any]:
    return {p.property: p.value for p in item.customProperties or []}


def _column(prop: SchemaProperty) -> Column:
    custom = _custom(prop)
    options = prop.logicalTypeOptions or {}
    return Column(
        name=prop.name or "",
        type=prop.physicalType or "VARCHAR",
        description=" ".join((prop.description or "").split()),
        required=bool(prop.primaryKey) if prop.required is None else prop.required,
        key=bool(prop.primaryKey),
        personal=prop.classification == "personal",
        measure=custom.get("unit"),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        allowed=tuple(v.value or "" for v in prop.enum or []),
    )


def read(path: Path) -> Contract:
    """Read one contract file. Raises MoeError where it is not valid ODCS."""
    try:
        document = OpenDataContractStandard.from_file(str(path))
        if not document.schema_ or len(document.schema_) != 1:
            raise MoeError(f"{path} must describe exactly one table", "split it, one table a file")
        found = _contract(path, document)
        found.schema  # noqa: B018 (raises where a type is none of DuckDB's)
    except MoeError:
        raise
    except Exception as error:
        raise MoeError(f"{path} is not a valid Open Data Contract Standard file: {error}",
                       "compare it with a shipped contract in contracts/") from error
    if not found.columns:
        raise MoeError(f"{path}: properties: it describes no column",
                       "compare it with a shipped contract in contracts/")
    if found.kind not in get_args(Kind):
        raise MoeError(f"{path}: customProperties: kind is {found.kind}", f"one of: {', '.join(get_args(Kind))}")
    wrong = [name for pair in found.not_above for name in pair if name not in found.column_names]
    if wrong:
        raise MoeError(f"{path}: customProperties: not_above names {', '.join(wrong)}, which it does not describe",
                       "name columns of the table")
    return found


def _contract(path: Path, document: OpenDataContractStandard) -> Contract:
    assert document.schema_ is not None
    table = document.schema_[0]
    custom = _custom(table)
    return Contract(
        name=f"{path.parent.name}.{path.stem}",
        description=" ".join((table.description or "").split()),
        columns=tuple(_column(p) for p in table.properties or []),
        kind=custom.get("kind", "snapshot"),
        failure_share=float(custom.get("failure_share", 0.0)),
        owner=str(_custom(document).get("owner", "")),
        not_above=tuple((a, b) for a, b in custom.get("not_above", [])),
        ignored=tuple(custom.get("ignored", [])),
    )


@lru_cache(maxsize=1)
def contracts() -> dict[str, Contract]:
    """All contracts by table name: the shipped files, and the marts from dbt's own YAML."""
    from moe.dbt_contracts import mart_contracts

    found = [read(path) for path in sorted(settings().contracts.glob("*/*.yml"))] + mart_contracts()
    return {contract.name: contract for contract in found}


def contract(table: str) -> Contract:
    """The contract of a table. Raises MoeError with the nearest names where there is none."""
    known = contracts()
    if table not in known:
        import difflib

        near = difflib.get_close_matches(table, known)
        raise MoeError(f"there is no table {table}: none has a contract of that name",
                       f"did you mean: {', '.join(near)}?" if near else "`moe tables` lists all of them")
    return known[table]
