"""The marts' contracts and the metrics, read from dbt's own files, so that no schema is written twice."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from moe.errors import MoeError
from moe.settings import settings

if TYPE_CHECKING:
    from moe.contracts import Column, Contract

_TYPES = {"STRING": "VARCHAR"}  # dbt's models use the names that DuckDB and Spark share


@dataclass(frozen=True)
class Metric:
    """A ratio of two columns of a mart; over several rows the ratio of their sums.

    `unit` is what it counts: share, ratio, unit currency.
    """

    name: str
    numerator: str
    denominator: str
    description: str
    unit: str


def metrics() -> tuple[Metric, ...]:
    """The metrics of `dbt/dbt_project.yml`, the same list that dbt renders."""
    project = _read(settings().dbt_project / "dbt_project.yml")
    return tuple(Metric(name, **terms) for name, terms in project["vars"]["metrics"].items())


def mart_contracts() -> list["Contract"]:
    """Contracts `marts.<model>` of every mart, by name. Raises MoeError where a file is not complete."""
    by_name = {metric.name: metric for metric in metrics()}
    found = []
    for path in sorted((settings().dbt_project / "models" / "marts").glob("*.yml")):
        for model in _read(path).get("models", []):
            try:
                found.append(_contract(model, by_name))
            except (KeyError, TypeError) as error:
                raise MoeError(f"{path}: model {model.get('name')} lacks {error}",
                               "give a description, data types and a primary key; compare with "
                               "dbt/models/marts/order__day.yml") from error
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise MoeError(f"{path} is not readable YAML: {error}",
                       "mend it; `dbt parse` in dbt/ shows the same") from error
    return found if isinstance(found, dict) else {}


def _contract(model: dict[str, Any], by_name: dict[str, Metric]) -> "Contract":
    from moe.contracts import ADDED, Contract  # which imports this module

    keys = {c["type"]: c.get("columns") for c in model["constraints"]}
    key = keys["primary_key"]
    return Contract(
        name=f"marts.{model['name']}",
        description=" ".join(model["description"].split()),
        columns=tuple(_column(c, key, by_name) for c in model["columns"] if c["name"] not in ADDED),
        owner="analytics engineering",
    )


def _column(column: dict[str, Any], key: list[str], by_name: dict[str, Metric]) -> "Column":
    from moe.contracts import Column

    name, metric = column["name"], by_name.get(column["name"])
    kind = column["data_type"].upper()
    return Column(
        name=name,
        type=_TYPES.get(kind, kind),
        description=metric.description if metric else " ".join(column["description"].split()),
        required=any(c["type"] == "not_null" for c in column.get("constraints", [])),
        key=name in key,
        measure=metric.unit if metric else column.get("config", {}).get("meta", {}).get("unit"),
    )
