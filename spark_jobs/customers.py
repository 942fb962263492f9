"""Customer features: recency, frequency and monetary value (RFM)."""

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from moe.jobs import Night

LOOKBACK_DAYS = 365
"One year, so that every season counts once."


def customers(night: Night, orders: DataFrame) -> dict[str, DataFrame]:
    """Each customer with a kept order in the last 365 days: days since, number, value in the unit's currency.

    Kept orders are those neither cancelled nor returned. Orders without a customer (guests) are left out.
    """
    kept = orders.where(
        (F.col("status") == "placed")
        & F.col("customer_id").isNotNull()
        & (F.col("ordered_at") >= F.lit(night.cutoff - timedelta(days=LOOKBACK_DAYS)))
        & (F.col("ordered_at") < F.lit(night.cutoff))
    )
    day = F.to_date("ordered_at")
    return {
        "features.customer__customer": kept.groupBy("customer_id").agg(
            F.datediff(F.lit(night.date), F.max(day)).alias("recency_days"),
            F.count("*").alias("frequency_orders"),
            F.sum("order_value").alias("monetary_value"),
            F.datediff(F.lit(night.date), F.min(day)).alias("tenure_days"),
        ).withColumns({"event_at": F.lit(night.cutoff), "known_at": F.lit(night.cutoff)})
    }
