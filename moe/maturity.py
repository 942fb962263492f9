"""How much of an outcome is reported yet: the chain ladder over the nights' deliveries.

Conversions count on the date of the click and grow for weeks. Each night restates the last days, so the
deliveries themselves show how a date grows with its age. The chain ladder (Mack 1993, Distribution-free
calculation of the standard error of chain ladder reserve estimates) multiplies the growth from each age to
the next, pooled over dates.
"""

from collections.abc import Sequence
from itertools import groupby

import duckdb
import pyarrow as pa

# Two deliveries of one date in consecutive nights say what an age adds. Accounts are paired one by one, since
# a night need not cover all of them. Sums stay DECIMAL: doubles would depend on the order of the rows.
# `several` is what dbt's int_line__newest calls the platform of a line that spans platforms.
_GROWTH = """
    with delivered as (
        select platform, source, account_id, business_date, night, sum({outcome}) as amount
        from {relation} group by all having count({outcome}) > 0
    ),
    paired as (
        select a.platform, (a.night - a.business_date)::int as age, a.amount as before, b.amount as after
        from delivered as a
        inner join delivered as b using (platform, source, account_id, business_date)
        where b.night = a.night + 1
    )
    select coalesce(platform, 'several') as name, age, sum(before) as before, sum(after) as after
    from paired group by grouping sets ((platform, age), (age)) order by name, age
"""
SCHEMA = pa.schema([("platform", pa.string()), ("age", pa.int64()), ("known", pa.float64())])


def shares_known(connection: duckdb.DuckDBPyConnection, relation: str, outcome: str) -> pa.Table:
    """Share of a date's outcome that is reported at each age in days: `platform`, `age`, `known` in [0, 1].

    `relation` holds rows of core.ad_performance__ad_day as delivered, `outcome` is its conversions or
    conversion_value. An age that was never delivered in two consecutive nights counts as final; so does one
    older than any. A line that spans platforms finds that of all of them together as platform `several`.
    """
    found = connection.execute(_GROWTH.format(relation=relation, outcome=outcome)).fetchall()
    rows = []
    for platform, group in groupby(found, key=lambda row: row[0]):
        ages = [(age, float(before), float(after)) for _, age, before, after in group]
        known = ladder([(before, after) for _, before, after in ages])
        rows += [{"platform": platform, "age": age, "known": share}
                 for (age, *_), share in zip(ages, known, strict=True)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def ladder(growth: Sequence[tuple[float, float]]) -> list[float]:
    """Share in [0, 1] that is reported at each age, from what dates had at it and at the next; youngest age first.

    Younger than the first age that had anything the share is 0. An older age that had nothing adds no growth: its
    dates are too few to tell, and 0 would deny what younger dates have.
    """
    first = next((i for i, (before, _) in enumerate(growth) if before > 0), len(growth))
    known, share = [], 1.0
    for i, (before, after) in reversed(list(enumerate(growth))):
        if after > 0 and (before > 0 or i < first):
            share *= before / after
        known.append(min(share, 1.0))
    return known[::-1]
