"""What was known in a night, as one SQL text that DuckDB, Spark and dbt share (`moe/sql/as_of.sql`)."""

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from moe.contracts import Contract
from moe.errors import MoeError

COVERAGE = "core.coverage__account_day"


@lru_cache(maxsize=1)
def _macros() -> Any:
    text = (Path(__file__).parent / "sql" / "as_of.sql").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=False).from_string(text).module  # noqa: S701 (SQL, not HTML)


def as_of_sql(contract: Contract, relation: str, night: date, since: date, coverage: str = "") -> str:
    """SELECT of the rows of a core table that were known in `night`.

    `relation` and `coverage` are names of tables or views that hold the nights since..night of the table
    and of `core.coverage__account_day`; the kind of the table comes from its contract.
    """
    nights = {"night": f"date '{night.isoformat()}'", "since": f"date '{since.isoformat()}'"}
    match contract.kind:
        case "report":
            return str(_macros().as_of_report(relation, coverage, **nights))
        case "event":
            return str(_macros().as_of_event(relation, list(contract.key), **nights))
        case "entity":
            return str(_macros().as_of_entity(relation, list(contract.key), **nights))
    raise MoeError(f"{contract.name} is a snapshot: it has no as-of reading", "read its partition of the night")
