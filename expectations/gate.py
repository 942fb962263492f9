"""The gate: Great Expectations judges every delivered file; the rows that fail are named one by one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from expectations.rules import Check, Rule
from moe.contracts import Contract
from moe.errors import MoeError

FAULT_SCHEMA = pa.schema([
    ("row", pa.int64()), ("column", pa.string()), ("rule", pa.string()),
    ("value", pa.string()), ("remedy", pa.string()),
])
MASK = "(personal)"
"""Stands for a personal value wherever it could be read."""

_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}  # no delivered value in the results


@dataclass(frozen=True)
class Judged:
    """`faults`: one row a row and rule broken; `warnings`: (rule, failing rows); `result`: Great Expectations'."""

    faults: pa.Table
    warnings: list[tuple[Rule, int]]
    result: Any


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _main_with_a_file():
        import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("delivered").add_dataframe_asset("file")
    return asset.add_batch_definition_whole_dataframe("whole")


@contextmanager
def _main_with_a_file() -> Iterator[None]:
    """Great Expectations imports pyspark, which takes a main module without a file (`python -c`, workers of
    pytest-xdist) for its own doctests and ends the process with status 0."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "-c"
    try:
        yield
    finally:
        del main.__file__


def suite(name: str, checks: list[Check]) -> Any:
    """The Great Expectations suite of a list of checks."""
    _batch_definition()  # before the first import: it turns telemetry off
    import great_expectations as gx
    import great_expectations.expectations as gxe

    made = [getattr(gxe, c.expectation)(**c.arguments, severity=c.severity, description=c.description)
            for c in checks]
    return gx.ExpectationSuite(name=name, expectations=made)  # adding them one by one compares each with all


def judge(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, checks: list[Check]
) -> Judged:
    """Validate a relation (with `_row`) and find its failing rows.

    Great Expectations judges; where an expectation fails, the predicates of its rules name the rows. Raises
    MoeError where the two do not count the same.
    """
    terms = {name: sql for check in checks for name, sql in check.terms.items()}
    columns = ", ".join(f'{sql} as "{name}"' for name, sql in terms.items()) or "1 as nothing"
    frame = connection.sql(f"select {columns} from {relation}").df()
    result = _batch_definition().get_batch({"dataframe": frame}).validate(
        suite(contract.name, checks), result_format=_COUNTS)
    by_description = {check.description: check for check in checks}
    faults, warnings = [FAULT_SCHEMA.empty_table()], []
    for judged in result.results:
        check = by_description.pop(judged.expectation_config.description)
        if judged.success:
            continue
        found = {rule: _failing_rows(connection, relation, contract, rule) for rule in check.rules}
        rows = len({row for table in found.values() for row in table.column("row").to_pylist()})
        if rows != judged.result.get("unexpected_count"):
            raise _at_odds(contract, check, f"finds {judged.result.get('unexpected_count')} rows, the gate {rows} "
                           f"{judged.exception_info.get('exception_message') or ''}")
        if check.severity == "critical":
            faults += found.values()
        else:
            warnings += [(rule, table.num_rows) for rule, table in found.items()]
    for check in by_description.values():
        raise _at_odds(contract, check, "did not judge it")
    return Judged(pa.concat_tables(faults), warnings, result)


def _at_odds(contract: Contract, check: Check, what: str) -> MoeError:
    return MoeError(f"{contract.name}, {check.description}: Great Expectations {what}",
                    "this is a fault of the check in expectations/rules.py; nothing was replaced")


def _failing_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, rule: Rule
) -> pa.Table:
    personal = any(c.personal and c.name in rule.columns for c in contract.columns)
    value = f"case when {rule.value} is not null then '{MASK}' end" if personal else rule.value
    filtered = "qualify" if "over (" in rule.fails else "where"
    found = connection.sql(
        f"select _row as row, ? as column, ? as rule, {value} as value, ? as remedy "
        f"from {relation} {filtered} {rule.fails} order by _row",
        params=[rule.column, rule.name, rule.remedy],
    ).to_arrow_table()
    return found.cast(FAULT_SCHEMA)
