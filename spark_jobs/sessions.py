"""Sessions of the web site: a visitor's events with gaps of less than 30 minutes."""

from datetime import UTC, datetime, time, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from moe.jobs import Night

GAP = timedelta(minutes=30)
"The web analytics convention (Google Analytics' and Adobe's default): 30 minutes without an event end a visit."
WINDOW_DAYS = 3
"Business dates that a night's partition holds. Later than that, late events change a session no more."
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_content")


def sessions(night: Night, events: DataFrame) -> dict[str, DataFrame]:
    """Sessions whose first event fell on the business dates (UTC) D-2..D, as known in the night of D.

    `events` are deduplicated by event id. Sessions still open at the cut-off are cut there; the next night
    completes them under the same id, as the id depends on visitor and first event alone.
    """
    first_day = night.date - timedelta(days=WINDOW_DAYS - 1)
    opening = datetime.combine(first_day, time.min, tzinfo=UTC)
    # Whether an event of the window begins a session depends on the 30 minutes before it and on nothing
    # earlier. Older events, of which the read deliveries hold only the late ones, must not take part.
    known = events.where((F.col("occurred_at") >= F.lit(opening - GAP)) & (F.col("occurred_at") < F.lit(night.cutoff)))

    # Seconds as whole microseconds: exact, and the same in every partitioning.
    by_visitor = Window.partitionBy("visitor_id").orderBy("occurred_at", "event_id")
    before = F.lag("occurred_at").over(by_visitor)
    begins = before.isNull() | (F.col("occurred_at") >= before + F.expr(f"interval {GAP.seconds} seconds"))
    numbered = known.select(
        "visitor_id", "occurred_at", "event_id", "event_name", *TAGS, F.when(begins, 1).otherwise(0).alias("begins")
    ).withColumn("number", F.sum("begins").over(by_visitor))

    order = F.struct("occurred_at", "event_id")
    tagged = F.concat_ws("", *TAGS) != ""
    grouped = numbered.groupBy("visitor_id", "number").agg(
        F.min(order).alias("first"),
        F.max("occurred_at").alias("ended_at"),
        F.count("*").alias("events"),
        *(F.count_if(F.col("event_name") == name).alias(column) for name, column in COUNTED.items()),
        F.min(F.when(tagged, F.struct("occurred_at", "event_id", *TAGS))).alias("tag"),
    )
    started_at = F.col("first.occurred_at")
    return {
        "features.session__session": grouped.where(started_at >= F.lit(opening)).select(
            F.substring(F.sha2(F.concat_ws("|", "visitor_id", F.unix_micros(started_at), "first.event_id"), 256), 1, 32).alias("session_id"),
            "visitor_id",
            started_at.alias("started_at"),
            "ended_at",
            F.to_date(started_at).alias("business_date"),
            ((F.unix_micros("ended_at") - F.unix_micros(started_at)) / 1e6).alias("session_seconds"),
            *COUNTED.values(),
            ((F.col("events") == 1) & (F.col("pages") == 1)).alias("is_bounce"),
            *(F.col(f"tag.{name}").alias(name) for name in TAGS),
        )
    }


COUNTED = {"page_view": "pages", "form_submit": "forms", "purchase": "purchases"}
