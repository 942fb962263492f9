"""How each budget line and segment did on the ad platform, with rates that small counts cannot distort."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from moe.jobs import Night
from moe.units import UNPLACED

LOOKBACK_DAYS = 60  # holds 28 dates whose conversions are known only 30 days after the click
LEVEL_DAYS = 7
RATE_DAYS = 28

# Prior strengths: how many impressions or clicks of its own a line × segment needs before its own rate weighs as
# much as the unit's mean. Measured where it could be, on 91 days of one company's display campaigns.
PRIOR_IMPRESSIONS = 200.0  # moments of a beta distribution over lines × segments: 211 (28 days), 220 (7 days)
PRIOR_CLICKS = 50.0  # at the usual 2 to 4 % of clicks, one or two conversions: fewer tell next to nothing
PRIOR_CONVERSIONS = 10.0  # of a line, for the value of a conversion: as the bids count their own history
PRIOR_PAID_CLICKS = 5.0  # mean cost of a click differs by 59 % between lines × segments: 1 / 0.59² ≈ 3, rounded up


def ads(night: Night, ads: DataFrame) -> dict[str, DataFrame]:
    """One row for each line × segment with a report in the last 60 business dates; amounts in unit currency.

    The 7-day and 28-day windows end with D. Conversions are counted by date of click over the newest 28 dates on
    which their source reports conversions at all: the delay is the source's, so its lines share the dates.
    `unplaced` never gets a budget and is left out, of the unit's means too.
    """
    age = F.datediff(F.lit(night.date), "business_date")
    rows = ads.where((F.col("line_id") != UNPLACED) & age.between(0, LOOKBACK_DAYS - 1))
    daily = rows.groupBy("source", "line_id", "segment", age.alias("age")).agg(
        F.min("platform").alias("platform"),
        F.sum("impressions").alias("impressions"),
        F.sum("clicks").alias("clicks"),
        F.sum("spend").alias("spend"),
        F.sum("conversions").alias("conversions"),
        F.sum(F.when(F.col("conversions").isNotNull(), F.col("conversion_value"))).alias("conversion_value"),
        F.sum(F.when(F.col("conversions").isNotNull(), F.col("clicks"))).alias("reported_clicks"),
    )
    dates_reported = Window.partitionBy("source", F.col("conversions").isNull()).orderBy("age")
    is_reported = F.col("conversions").isNotNull() & (F.dense_rank().over(dates_reported) <= RATE_DAYS)
    totals = daily.withColumn("is_reported", is_reported).groupBy("line_id", "segment").agg(
        F.min("platform").alias("platform"),  # a line over several platforms: the first by name
        _sum("impressions", F.col("age") < LEVEL_DAYS).alias("impressions_7d"),
        _sum("clicks", F.col("age") < LEVEL_DAYS).alias("clicks_7d"),
        _sum("spend", F.col("age") < LEVEL_DAYS).alias("spend_7d"),
        _sum("impressions", F.col("age") < RATE_DAYS).alias("impressions_28d"),
        _sum("clicks", F.col("age") < RATE_DAYS).alias("clicks_28d"),
        _sum("conversions", F.col("is_reported")).alias("conversions_28d"),
        _sum("reported_clicks", F.col("is_reported")).alias("reported_clicks_28d"),
        _sum("conversion_value", F.col("is_reported")).alias("conversion_value_28d"),
        _days_active().alias("days_active_28d"),
    )
    return {
        "features.ads__line_segment": totals.select(
            "line_id",
            "segment",
            "platform",
            "impressions_7d",
            "clicks_7d",
            "spend_7d",
            _shrunk("clicks_7d", "impressions_7d", PRIOR_IMPRESSIONS).alias("click_rate_7d"),
            _shrunk("clicks_28d", "impressions_28d", PRIOR_IMPRESSIONS).alias("click_rate_28d"),
            _shrunk("conversions_28d", "reported_clicks_28d", PRIOR_CLICKS).alias("conversion_rate_28d"),
            # By line: a segment's few conversions say little about what one of them is worth.
            _shrunk("conversion_value_28d", "conversions_28d", PRIOR_CONVERSIONS, "line_id").alias(
                "value_per_conversion_28d"
            ),
            _shrunk("spend_7d", "clicks_7d", PRIOR_PAID_CLICKS).alias("cost_per_click_7d"),
            "days_active_28d",
            F.lit(night.cutoff).alias("event_at"),
            F.lit(night.cutoff).alias("known_at"),
        )
    }


def _sum(column: str, where: Column) -> Column:
    return F.sum(F.when(where & F.col(column).isNotNull(), F.col(column)).otherwise(0))


def _days_active() -> Column:
    """Distinct dates with impressions among the last 28, as bits of an integer: a distinct count shuffles again."""
    active = (F.col("age") < RATE_DAYS) & (F.col("impressions") > 0)
    return F.bit_count(F.coalesce(F.bit_or(F.when(active, F.expr("shiftleft(1, age)"))), F.lit(0)))


def _shrunk(above: str, below: str, strength: float, by: str = "") -> Column:
    """A ratio of the row, or of all rows with its `by`, drawn to the unit's by `strength` units of the denominator.

    0 where the unit has none at all.

    Sums are integers and decimals, exact in any order; doubles begin at the division, so the bits never differ.
    """
    unit = Window.partitionBy()  # of one row a line × segment: small enough for one task
    unit_above, unit_below = (F.sum(name).over(unit).cast("double") for name in (above, below))
    mean = F.when(unit_below > 0, unit_above / unit_below).otherwise(0.0)
    own = [F.sum(name).over(Window.partitionBy(by)) if by else F.col(name) for name in (above, below)]
    return (own[0].cast("double") + strength * mean) / (own[1].cast("double") + strength)
