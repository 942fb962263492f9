"""Visits of the web site by budget line and hour block, and which of them led to a purchase.

A block's conversion rate is what a bid percentage of an ad schedule rests on, and that percentage acts on the hour of
the click: so a purchase counts in the block of the visit that it is attributed to, not in its own.
"""

from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from moe.jobs import Night
from spark_jobs.sessions import WINDOW_DAYS
from spark_jobs.traffic import with_line

BLOCK_HOURS = 4
"Google Ads takes up to six schedule rows a day for a campaign; six blocks are the finest that all of a day fits in."
ATTRIBUTION_DAYS = 7
"A purchase up to seven days after a tagged visit of the same browser is that visit's, the newest tagged one's first."
NIGHTS = ATTRIBUTION_DAYS + 1
"Nights of session snapshots that hold every session of the date counted and of the days in which it is attributed."
AGE_DAYS = ATTRIBUTION_DAYS + WINDOW_DAYS - 1
"Age of the date that a night counts: by then no session of its attribution days changes any more."


def hours(night: Night, sessions: DataFrame, ads: DataFrame) -> dict[str, DataFrame]:
    """Sessions and converting sessions of the UTC date D - `AGE_DAYS` by line and hour block of the unit's time zone.

    `sessions` are the snapshots of the last `NIGHTS` nights; of each the oldest date is taken, which is final. Visits
    meet lines as in `traffic`. A tagged visit that is no budget line's (a newsletter's) keeps the credit it has.
    """
    date = night.date - timedelta(days=AGE_DAYS)
    final = sessions.where(F.col("business_date") == F.date_sub("night", WINDOW_DAYS - 1))
    later = Window.partitionBy("visitor_id").orderBy("started_at", "session_id")
    since, after = (later.rowsBetween(first, Window.unboundedFollowing) for first in (Window.currentRow, 1))
    purchase = F.min(F.when(F.col("purchases") > 0, F.col("started_at"))).over(since)
    next_tag = F.min(F.when(F.col("utm_campaign").isNotNull(), F.col("started_at"))).over(after)
    in_time = purchase <= F.col("started_at") + F.make_dt_interval(F.lit(ATTRIBUTION_DAYS))
    converts = in_time & (next_tag.isNull() | (purchase < next_tag))
    visits = final.withColumn("converts", converts).where(
        (F.col("business_date") == F.lit(date)) & F.col("utm_campaign").isNotNull()
    )
    local = F.from_utc_timestamp("started_at", night.unit.time_zone)
    by_tag = visits.groupBy("utm_campaign", "utm_content", _block(local).alias("hour_block")).agg(
        F.count("*").alias("sessions"), F.count_if("converts").alias("converting_sessions")
    )
    by_line = with_line(by_tag, ads).groupBy("line_id", "hour_block").agg(
        F.sum("sessions").alias("sessions"), F.sum("converting_sessions").alias("converting_sessions")
    )
    return {"features.hour_traffic__line_block": by_line.withColumn("business_date", F.lit(date))}


def _block(local: Column) -> Column:
    """'08-12' for the hours from eight until before noon."""
    first = (F.floor(F.hour(local) / BLOCK_HOURS) * BLOCK_HOURS).cast("int")
    return F.format_string("%02d-%02d", first, first + BLOCK_HOURS)
