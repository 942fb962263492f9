"""How each budget line and segment did on the ad platform, with rates that small counts cannot distort."""

from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from moe.jobs import Night

LOOKBACK_DAYS = 60
RATE_DAYS = 28
LEVEL_DAYS = 7
PRIOR_IMPRESSIONS = 1000.0
PRIOR_CLICKS = 100.0
PRIOR_CLICKS_COST = 20.0


def ads(night: Night, ads: DataFrame) -> dict[str, DataFrame]:
    """One row for each line × segment."""
    age = F.datediff(F.lit(night.date), "business_date")
    rows = ads.where((F.col("line_id") != "unplaced") & age.between(0, LOOKBACK_DAYS - 1))
    reported = F.col("conversions").isNotNull()
    daily = rows.groupBy("source", "line_id", "segment", age.alias("age")).agg(
        F.min("platform").alias("platform"),
        F.sum("impressions").alias("impressions"),
        F.sum("clicks").alias("clicks"),
        F.sum("spend").alias("spend"),
        F.sum("conversions").alias("conversions"),
        F.sum(F.when(reported, F.col("clicks"))).alias("reported_clicks"),
    )
    by_age = Window.partitionBy("source", F.isnull("conversions")).orderBy("age")
    ranked = daily.withColumn("reported", F.col("conversions").isNotNull() & (F.dense_rank().over(by_age) <= RATE_DAYS))

    def over(days: int, column: str) -> Column:
        return F.sum(F.when(F.col("age") < days, F.col(column)).otherwise(0))

    totals = ranked.groupBy("line_id", "segment").agg(
        F.min("platform").alias("platform"),
        over(LEVEL_DAYS, "impressions").alias("impressions_7d"),
        over(LEVEL_DAYS, "clicks").alias("clicks_7d"),
        over(LEVEL_DAYS, "spend").alias("spend_7d"),
        over(RATE_DAYS, "impressions").alias("impressions_28d"),
        over(RATE_DAYS, "clicks").alias("clicks_28d"),
        F.sum(F.when(F.col("reported"), F.col("conversions")).otherwise(0)).alias("conversions_28d"),
        F.sum(F.when(F.col("reported"), F.col("reported_clicks")).otherwise(0)).alias("reported_clicks_28d"),
        F.count_distinct(F.when((F.col("age") < RATE_DAYS) & (F.col("impressions") > 0), F.col("age"))).alias("days_active_28d"),
    )
    return {
        "features.ads__line_segment": totals.select(
            "line_id", "segment", "platform", "impressions_7d", "clicks_7d", "spend_7d",
            _shrunk("clicks_7d", "impressions_7d", PRIOR_IMPRESSIONS).alias("click_rate_7d"),
            _shrunk("clicks_28d", "impressions_28d", PRIOR_IMPRESSIONS).alias("click_rate_28d"),
            _shrunk("conversions_28d", "reported_clicks_28d", PRIOR_CLICKS).alias("conversion_rate_28d"),
            _shrunk("spend_7d", "clicks_7d", PRIOR_CLICKS_COST).alias("cost_per_click_7d"),
            "days_active_28d",
            F.lit(night.cutoff).alias("event_at"),
            F.lit(night.cutoff).alias("known_at"),
        )
    }


def _shrunk(above: str, below: str, strength: float) -> Column:
    unit = Window.partitionBy()
    total_above, total_below = (F.sum(name).over(unit).cast("double") for name in (above, below))
    mean = F.when(total_below > 0, total_above / total_below).otherwise(0.0)
    return (F.col(above).cast("double") + strength * mean) / (F.col(below).cast("double") + strength)
