"""How much of an outcome is reported yet: the chain ladder over the nights' deliveries.

Conversions count on the date of the click and grow for weeks. Each night restates the last days, so the
deliveries themselves show how a date grows with its age. The chain ladder (Mack 1993, Distribution-free
calculation of the standard error of chain ladder reserve estimates) multiplies the growth from each age to
the next, pooled over dates.
"""

import duckdb
import pyarrow as pa

# Two deliveries of one date in consecutive nights say what an age adds. Accounts are paired one by one, since
# a night need not cover all of them. Sums stay DECIMAL: doubles would depend on the order of the rows.
_GROWTH = """
    with delivered as (
        select platform, source, account_id, business_date, night, sum({outcome}) as amount
        from {relation} group by all having count({outcome}) > 0
    )
    select a.platform, (a.night - a.business_date)::int as age, sum(a.amount) as before, sum(b.amount) as after
    from delivered as a
    inner join delivered as b using (platform, source, account_id, business_date)
    where b.night = a.night + 1
    group by all order by a.platform, age desc
"""
SCHEMA = pa.schema([("platform", pa.string()), ("age", pa.int64()), ("known", pa.float64())])


def shares_known(connection: duckdb.DuckDBPyConnection, relation: str, outcome: str) -> pa.Table:
    """Share of a date's outcome that is reported at each age in days: `platform`, `age`, `known` in (0, 1].

    `relation` holds rows of core.ad_performance__ad_day as delivered, `outcome` is its conversions or
    conversion_value. An age that was never delivered in two consecutive nights counts as final; so does one
    older than any.
    """
    rows, known = [], dict[str, float]()
    for platform, age, before, after in connection.execute(
        _GROWTH.format(relation=relation, outcome=outcome)
    ).fetchall():  # from the oldest age back
        factor = float(before) / float(after) if before > 0 and after > 0 else 1.0
        known[platform] = known.get(platform, 1.0) * factor
        rows.append({"platform": platform, "age": age, "known": min(known[platform], 1.0)})
    return pa.Table.from_pylist(sorted(rows, key=lambda r: (r["platform"], r["age"])), schema=SCHEMA)
