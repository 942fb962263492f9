"""Rows as a table of their contract."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from moe.contracts import ADDED, contract


def table_of(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as the table `name`, without the columns that the platform adds to each. A column that a row lacks is null,
    and one that the contract lacks is left out."""
    return pa.Table.from_pylist(list(rows), schema=pa.schema([f for f in contract(name).schema if f.name not in ADDED]))
