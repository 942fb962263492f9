"""Visits of the web site by budget line, through the UTM tags of the ads."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from moe.jobs import Night
from moe.units import UNPLACED

COUNTS = ("sessions", "bounces", "pages", "forms")


def traffic(night: Night, sessions: DataFrame, ads: DataFrame) -> dict[str, DataFrame]:
    """Sessions by budget line and UTC date of their start, over the dates of the session snapshot.

    No row counts a session that meets no line (`with_line`).
    """
    # Counted by tag first: what meets the ads is then as small as the ads themselves.
    visits = sessions.where(F.col("utm_campaign").isNotNull()).groupBy(
        "business_date", "utm_campaign", "utm_content"
    ).agg(
        F.count("*").alias("sessions"),
        F.count_if("is_bounce").alias("bounces"),
        F.sum("pages").alias("pages"),
        F.sum("forms").alias("forms"),
    )
    by_line = with_line(visits, ads).groupBy("line_id", "business_date").agg(
        *(F.sum(name).alias(name) for name in COUNTS)
    )
    return {
        "features.traffic__line_day": by_line.select(
            "line_id",
            "business_date",
            "sessions",
            _per_session("bounces").alias("bounce_rate"),
            _per_session("pages").alias("pages_per_session"),
            _per_session("forms").alias("forms_per_session"),
            F.date_add("business_date", 1).cast("timestamp").alias("event_at"),
            F.lit(night.cutoff).alias("known_at"),
        )
    }


def with_line(visits: DataFrame, ads: DataFrame) -> DataFrame:
    """Visits with the `line_id` of the ads by their tags; those that meet no line are left out.

    `utm_campaign` is the platform's campaign id. Where a campaign has several lines (a grain finer than the
    campaign), `utm_content`, the ad's id, decides if that ad has one line alone. Otherwise the visit stays
    unattributed; so do visits without tags, of unknown campaigns, and of `unplaced`.
    """
    line = F.coalesce("only_line", F.col("line_by_ad")[F.col("utm_content")])
    met = visits.join(F.broadcast(_campaigns(ads)), F.col("utm_campaign") == F.col("campaign_id"))
    return met.withColumn("line_id", line).where(F.col("line_id") != UNPLACED)


def _campaigns(ads: DataFrame) -> DataFrame:
    """By campaign: its line where it has one alone, and the line of each ad that has one alone."""
    by_ad = ads.groupBy("campaign_id", "ad_id").agg(F.min("line_id").alias("low"), F.max("line_id").alias("high"))
    decided = (F.col("ad_id") != "") & (F.col("low") == F.col("high"))
    by_campaign = by_ad.groupBy("campaign_id").agg(
        F.min("low").alias("low"),
        F.max("high").alias("high"),
        F.map_from_entries(F.collect_list(F.when(decided, F.struct("ad_id", "low")))).alias("line_by_ad"),
    )
    only = F.when(F.col("low") == F.col("high"), F.col("low"))
    return by_campaign.select("campaign_id", only.alias("only_line"), "line_by_ad")


def _per_session(count: str) -> Column:
    return F.col(count).cast("double") / F.col("sessions")
