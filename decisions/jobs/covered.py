"""Which campaigns, ad sets and accounts the budget lines cover, by the ads that were delivered lately."""

from datetime import timedelta

import pyarrow as pa

from decisions.report.uploads import IDENTITY
from moe import tables
from moe.contracts import contract
from moe.jobs import ADS, Night

LATELY = 28
"Nights of deliveries in which a line's campaign is looked for."


def ads_of_lines(night: Night, lines: list[str]) -> pa.Table:
    """The ads that each line covers: all of the newest delivery, and of older ones those of lines not found yet."""
    first, wanted = night.date - timedelta(days=LATELY - 1), set(lines)
    found: list[pa.Table] = []
    with tables.connect() as connection:
        for path in reversed(tables.files(ADS, night.unit.unit, first, night.date)):
            connection.register("delivered", tables.read_file(path))
            sql = (f"select distinct {', '.join(IDENTITY)} from delivered "
                   "where $all or list_contains($wanted, line_id) order by all")
            terms = {"all": not found, "wanted": sorted(wanted)}
            found.append(connection.sql(sql, params=terms).to_arrow_table())
            wanted -= set(found[-1].column("line_id").to_pylist())
            if not wanted:
                break
    return pa.concat_tables([contract(ADS).schema.empty_table().select(IDENTITY), *found], promote_options="permissive")
