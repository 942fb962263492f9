"""Sessions of the web site: a visitor's events with gaps of less than 30 minutes."""

from datetime import UTC, datetime, time, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from moe.jobs import Night

GAP_MINUTES = 30
"The web analytics convention (Google Analytics, Adobe Analytics): 30 minutes without an event end a session."
WINDOW_DAYS = 3
"Business dates of a night's partition: later events change their sessions no more."
COUNTED = {"page_view": "pages", "form_submit": "forms", "purchase": "purchases"}
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_content")


def sessions(night: Night, events: DataFrame) -> dict[str, DataFrame]:
    """Sessions that began on the UTC dates D-2..D, as known in the night of D.

    `events` hold each event id once. A session still open at the cut-off is cut there; the next night completes
    it under the same id, which is the hash of the visitor and the instant of the first event.
    """
    opening = datetime.combine(night.date - timedelta(days=WINDOW_DAYS - 1), time.min, tzinfo=UTC)
    # Whether an event of the window begins a session depends on the 30 minutes before it, and on nothing
    # earlier: of older days the read deliveries hold only what came late, so those events take no part.
    since = opening - timedelta(minutes=GAP_MINUTES)
    known = events.where((F.col("occurred_at") >= F.lit(since)) & (F.col("occurred_at") < F.lit(night.cutoff)))

    by_visitor = Window.partitionBy("visitor_id").orderBy("occurred_at", "event_id")
    before = F.lag("occurred_at").over(by_visitor)
    begins = before.isNull() | (F.col("occurred_at") >= before + F.make_dt_interval(mins=F.lit(GAP_MINUTES)))
    numbered = known.select(
        "visitor_id", "occurred_at", "event_id", "event_name", *TAGS, begins.cast("int").alias("begins")
    ).withColumn("number", F.sum("begins").over(by_visitor))

    tagged = F.concat_ws("", *TAGS) != ""  # nulls are skipped: some exports write empty tags, some none
    by_session = numbered.groupBy("visitor_id", "number").agg(
        F.min("occurred_at").alias("started_at"),
        F.max("occurred_at").alias("ended_at"),
        F.count("*").alias("events"),
        *(F.count_if(F.col("event_name") == name).alias(column) for name, column in COUNTED.items()),
        F.min(F.when(tagged, F.struct("occurred_at", "event_id", *TAGS))).alias("tag"),
    )
    session_id = F.sha2(F.concat_ws("|", "visitor_id", F.unix_micros("started_at")), 256)
    microseconds = F.unix_micros("ended_at") - F.unix_micros("started_at")
    return {
        "features.session__session": by_session.where(F.col("started_at") >= F.lit(opening)).select(
            F.substring(session_id, 1, 32).alias("session_id"),
            "visitor_id",
            "started_at",
            "ended_at",
            F.to_date("started_at").alias("business_date"),
            (microseconds / 1e6).alias("session_seconds"),
            *COUNTED.values(),
            ((F.col("events") == 1) & (F.col("pages") == 1)).alias("is_bounce"),
            *(F.col(f"tag.{name}").alias(name) for name in TAGS),
        )
    }
