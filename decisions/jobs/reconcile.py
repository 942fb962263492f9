"""The job `reconcile`: the model's count of past days beside the platform's and the shop's."""

from datetime import timedelta

import pyarrow as pa

from decisions.jobs.curves import from_table
from decisions.reconciliation import Model, beside
from moe import tables
from moe.contracts import contract
from moe.jobs import Night
from moe.maturity import shares_known

COUNTS = "out.reconciliation__line_day"


def reconcile(
    night: Night, counts: pa.Table, history: pa.Table, curves: pa.Table, demand: pa.Table, deliveries: pa.Table
) -> dict[str, pa.Table]:
    """Rows of out.reconciliation__line_day: `counts` and `history` are marts, `demand` and `deliveries` those of past
    nights."""
    objective = night.unit.objective
    foreseen = {(r["line_id"], r["business_date"]): r["factor"] for r in demand.to_pylist()
                if r["business_date"] == r["night"] + timedelta(days=1)}
    with tables.connect() as connection:
        connection.register("deliveries", deliveries)
        known = shares_known(connection, "deliveries", objective).to_pylist()
    model = Model(
        lines=tuple(curves.column("line_id").to_pylist()),
        curves=from_table(curves),
        demand=foreseen,
        share_known={(r["platform"], r["age"]): r["known"] for r in known},
    )
    spends = {(r["line_id"], r["business_date"]): r["spend"]
              for r in history.select(["line_id", "business_date", "spend"]).to_pylist()}
    rows = beside(counts.to_pylist(), spends, model, objective, night.date)
    wanted = contract(COUNTS)
    schema = pa.schema([wanted.schema.field(column.name) for column in wanted.columns])
    return {COUNTS: pa.Table.from_pylist(rows, schema)}
