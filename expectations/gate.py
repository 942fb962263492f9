"""The gate: Great Expectations judges every delivered file; the rows that fail are named one by one."""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from expectations.rules import Rule
from moe.contracts import Contract

FAULT_SCHEMA = pa.schema([
    ("row", pa.int64()), ("column", pa.string()), ("rule", pa.string()),
    ("value", pa.string()), ("remedy", pa.string()),
])
_MASK = "(personal)"


@dataclass(frozen=True)
class Checked:
    """`faults`: one row a row and rule broken; `warnings`: (rule, failing rows); `result`: Great Expectations'."""

    faults: pa.Table
    warnings: list[tuple[Rule, int]]
    result: Any


@lru_cache(maxsize=1)
def _context() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    asset = _context().data_sources.add_pandas("delivered").add_dataframe_asset("file")
    return asset.add_batch_definition_whole_dataframe("whole")


def suite(name: str, rules: list[Rule]) -> Any:
    """The Great Expectations suite of a list of rules."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    _context()
    made = gx.ExpectationSuite(name=name)
    for rule in rules:
        kind, arguments = rule.expectation
        made.add_expectation(getattr(gxe, kind)(
            **arguments, severity=rule.severity, meta={"rule": rule.name, "column": rule.column}
        ))
    return made


def check(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, rules: list[Rule]) -> Checked:
    """Validate a relation (with `_row`) and find its failing rows.

    Great Expectations judges; where an expectation fails, the rule's own predicate names the rows.
    """
    frame = _frame(connection, relation, rules)
    batch = _batch_definition().get_batch({"dataframe": frame})
    result = batch.validate(suite(contract.name, rules), result_format="SUMMARY")
    by_meta = {(r.name, r.column): r for r in rules}
    failed = [by_meta[r.expectation_config.meta["rule"], r.expectation_config.meta["column"]]
              for r in result.results if not r.success]
    faults, warnings = [FAULT_SCHEMA.empty_table()], []
    for rule in failed:
        rows = _failing_rows(connection, relation, contract, rule)
        if rule.severity == "critical":
            faults.append(rows)
        elif rows.num_rows:
            warnings.append((rule, rows.num_rows))
    return Checked(pa.concat_tables(faults), warnings, result)


def _frame(connection: duckdb.DuckDBPyConnection, relation: str, rules: list[Rule]) -> Any:
    """The columns under rules, as pandas: exact numbers as floats (only signs and ranges are checked here)."""
    wanted: dict[str, None] = {}
    for rule in rules:
        _, arguments = rule.expectation
        names = arguments.get("column_list") or [v for k, v in arguments.items() if k.startswith("column")]
        wanted.update(dict.fromkeys(names))
    types = {row[0]: row[1] for row in connection.execute(f"describe {relation}").fetchall()}
    terms = [
        f'cast("{n}" as double) as "{n}"' if types[n].startswith("DECIMAL")
        else f'cast("{n}" as varchar) as "{n}"' if types[n] in ("DATE", "TIMESTAMP WITH TIME ZONE")
        else f'"{n}"'
        for n in wanted
    ]
    return connection.sql(f"select {', '.join(terms)} from {relation}").df()


def _failing_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, rule: Rule
) -> pa.Table:
    personal = any(c.personal and c.name == rule.column for c in contract.columns)
    value = f"case when {rule.value} is not null then '{_MASK}' end" if personal else rule.value
    sql = (f"select _row as row, ? as column, ? as rule, {value} as value, ? as remedy "
           f"from {relation} qualify {rule.fails} order by _row")
    if "over (" not in rule.fails:
        sql = sql.replace(" qualify ", " where ")
    found = connection.sql(sql, params=[rule.column, rule.name, rule.remedy]).to_arrow_table()
    return found.cast(FAULT_SCHEMA)
