"""What is not there: missing values, missing nights, and dates that have not come in."""

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from moe import tables
from moe.asof import COVERAGE
from monitoring.model import Window

SOURCE_DAYS = 60
"Nights of deliveries in which a source's newest date is looked for."


@dataclass(frozen=True)
class Availability:
    """A statistic of one column, table (`*`) or source, with the nights or rows that it is of."""

    table: str
    column: str
    check: str
    statistic: float
    current_rows: int
    reference_rows: int


def missing(connection: duckdb.DuckDBPyConnection, columns: dict[str, tuple[str, ...]], reference: Window,
            current: Window) -> list[Availability]:
    """Share of lines and segments without a value in the newest nights, less that of the reference.

    Reads the view `seen` (`monitoring.seen`). Columns that the reference never had are left out: the unit has
    no such source.
    """
    names = [name for part in columns.values() for name in part]
    counts = ", ".join(f'count("{name}")' for name in names)
    sql = f"select count(*), {counts} from seen where night between ? and ?"
    (n, *now), (m, *then) = (connection.execute(sql, [w.since, w.until]).fetchall()[0] for w in (current, reference))
    had = dict(zip(names, zip(now, then, strict=True), strict=True))
    return [
        Availability(table, name, "missing", round((1 - had[name][0] / n) - (1 - had[name][1] / m), 9), n, m)
        for table, part in columns.items() for name in part if n and m and had[name][1]
    ]


def absent_nights(unit: str, wanted: tuple[str, ...], reference: Window, current: Window) -> list[Availability]:
    """Nights of the newest without a partition of a table that the reference nights have."""
    found = []
    for table in wanted:
        then, now = (len(tables.files(table, unit, w.since, w.until)) for w in (reference, current))
        if then:
            found.append(Availability(table, "*", "absent_nights", float(current.nights - now), now, then))
    return found


def lateness(unit: str, night: date, reference: Window) -> list[Availability]:
    """Days between a night and the newest business date that a source has delivered by it, above the largest
    such number of the reference nights."""
    since = reference.since - timedelta(days=SOURCE_DAYS)
    with tables.connect() as connection:
        tables.scan(connection, COVERAGE, tables.files(COVERAGE, unit, since, night)).create_view("coverage")
        rows = connection.execute(
            """
            with asked as (
                select unnest(generate_series($since::timestamp, $until, interval 1 day))::date as night
                union select $night
            ),
            newest as (
                select c.source, a.night, max(c.business_date) as business_date
                from asked as a inner join coverage as c on c.night <= a.night group by all
            ),
            late as (select source, night, night - business_date as days from newest)
            select source, max(days) filter (night = $night), max(days) filter (night between $since and $until),
                count(*) filter (night between $since and $until)
            from late group by source order by source
            """, {"since": reference.since, "until": reference.until, "night": night}).fetchall()
    return [Availability(COVERAGE, source, "late_days", float(max(now - then, 0)), 1, nights)
            for source, now, then, nights in rows if then is not None and now is not None]
