"""The front of product lines that compete for the total, as a table."""

import pyarrow as pa

from decisions.plan import Front
from moe.contracts import contract
from moe.jobs import Night

FRONT = "out.front__point"


def front_table(front: Front | None, night: Night) -> pa.Table:
    """Rows of out.front__point: what each product line has at each point; none where none compete."""
    rows = [
        {"point": number, "product_line": name, "business_date": night.decided_day, "objective": night.unit.objective,
         "value": point.values[name], "weight": point.weights[name], "chosen": point is front.chosen,
         "dominated": point.dominated, "distance": front.distance}
        for number, point in enumerate(front.points) for name in sorted(point.values)
    ] if front is not None else []  # fmt: skip
    schema = pa.schema([field for field in contract(FRONT).schema if field.name not in ("unit", "night")])
    return pa.Table.from_pylist(rows, schema=schema)
