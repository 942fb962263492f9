"""The job `reconcile`: the model's count of past days beside the platform's and the shop's."""

from datetime import timedelta

import pyarrow as pa

from decisions.jobs.curves import from_table
from decisions.jobs.reported import shares_reported
from decisions.reconciliation import Model, beside
from decisions.rows import table_of
from moe.jobs import Night

COUNTS = "out.reconciliation__line_day"


def reconcile(
    night: Night, counts: pa.Table, history: pa.Table, curves: pa.Table, demand: pa.Table, deliveries: pa.Table
) -> dict[str, pa.Table]:
    """Rows of out.reconciliation__line_day: `counts` and `history` are marts, `demand` and `deliveries` those of past
    nights."""
    objective = night.unit.objective
    foreseen = {(r["line_id"], r["business_date"]): r["factor"] for r in demand.to_pylist()
                if r["business_date"] == r["night"] + timedelta(days=1)}
    model = Model(
        lines=tuple(curves.column("line_id").to_pylist()),
        curves=from_table(curves),
        demand=foreseen,
        share_known=shares_reported(deliveries, objective),
    )
    spends = {(r["line_id"], r["business_date"]): r["spend"]
              for r in history.select(["line_id", "business_date", "spend"]).to_pylist()}
    return {COUNTS: table_of(COUNTS, beside(counts.to_pylist(), spends, model, objective, night.date))}
