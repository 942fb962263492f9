"""Labels from core, as known in a night: counts and exposures by line, segment and business date.

Conversions arrive for days after the click. The share of them that is known at an age (nights since the
business date) is estimated from how deliveries grew (`moe.maturity`), and the clicks that a conversion rate
counts on are multiplied by it: a Poisson count thinned by a share is Poisson with that share of the exposure.
"""

from datetime import date, timedelta

import pandas as pd

from moe import tables
from moe.asof import COVERAGE, as_of_sql
from moe.contracts import contract
from moe.errors import MoeError
from moe.maturity import shares_known

ADS = "core.ad_performance__ad_day"
LOOKBACK_DAYS = 180
"Deliveries that are read, and business dates that are learnt from."
KNOWN_LEAST = 0.5
"A date counts for conversions once this share of them is known: less rests on the estimated share too much."

_LABELS = """
    with cells as (
        select r.*, coalesce(k.known, 1) as known
        from ({known}) as r
        left join known as k on k.platform = r.platform and k.age = r.night - r.business_date
        where r.business_date > date '{since}' and r.business_date <= date '{night}'
    )
    select line_id, segment, business_date,
        sum(impressions)::double as impressions, sum(clicks)::double as clicks,
        sum(conversions) filter (known >= {least})::double as conversions,
        sum(conversion_value) filter (conversions is not null and known >= {least})::double as conversion_value,
        -- whole units of a thousandth, so that the sum does not depend on the order of the rows
        sum(round(clicks * known * 1000)::bigint)
            filter (conversions is not null and known >= {least})::double / 1000 as conversion_clicks
    from cells
    group by all order by all
"""


def labels(unit: str, night: date) -> pd.DataFrame:
    """One row a line, segment and business date of the lookback, in key order.

    `impressions` and `clicks`; `conversions` and `conversion_clicks`, the clicks whose conversions those are
    so far, both null while unknown; `conversion_value` of those conversions, null where none is reported.
    """
    since = night - timedelta(days=LOOKBACK_DAYS)
    with tables.connect() as connection:
        tables.scan(connection, ADS, tables.files(ADS, unit, since, night)).create_view("rows")
        tables.scan(connection, COVERAGE, tables.files(COVERAGE, unit, since, night)).create_view("coverage")
        connection.register("known", shares_known(connection, "rows", "conversions"))
        sql = _LABELS.format(known=as_of_sql(contract(ADS), "rows", night, since, "coverage"),
                             since=since, night=night, least=KNOWN_LEAST)
        found: pd.DataFrame = connection.sql(sql).df()
    faults = found[["impressions", "clicks"]].isna().any(axis=1)
    if faults.any():
        first = found[faults].iloc[0]
        raise MoeError(f"{ADS} of unit {unit} has no impressions or clicks for line {first['line_id']}, "
                       f"{first['business_date']:%Y-%m-%d}",
                       "mend the source's mapping, then `moe run land --from … --to …` again")
    return found


def regions(unit: str, night: date) -> dict[str, str]:
    """The region of each line that was reported by `night`; its platform where the unit reports none."""
    since = night - timedelta(days=LOOKBACK_DAYS)
    with tables.connect() as connection:
        tables.scan(connection, ADS, tables.files(ADS, unit, since, night)).create_view("rows")
        where = "coalesce(nullif(region, ''), platform)"
        found = connection.sql(f"select line_id, if(count(distinct {where}) = 1, min({where}), 'several') "
                               "from rows group by line_id").fetchall()
    return dict(found)
