"""How much of a day is reported by the night, from how the deliveries before it grew."""

import pyarrow as pa

from moe import tables
from moe.maturity import shares_known

Shares = dict[tuple[str, int], float]
"By platform, or `several` for all together, and age in days, in [0, 1]; what is older than any is final."


def shares_reported(deliveries: pa.Table, measure: str) -> Shares:
    """Share of a measure, a column of core.ad_performance__ad_day, that is reported at each age."""
    with tables.connect() as connection:
        connection.register("deliveries", deliveries)
        rows = shares_known(connection, "deliveries", measure).to_pylist()
    return {(r["platform"], r["age"]): r["known"] for r in rows}
