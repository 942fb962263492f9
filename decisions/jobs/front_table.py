"""The front of product lines that compete for the total, as a table."""

import pyarrow as pa

from decisions.plan import Front
from decisions.rows import table_of
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
    return table_of(FRONT, rows)
