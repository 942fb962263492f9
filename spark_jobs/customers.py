"""Customer features: recency, frequency and monetary value (RFM), and tenure."""

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from moe.jobs import Night

LOOKBACK_DAYS = 365
"One year: every season once."


def customers(night: Night, orders: DataFrame) -> dict[str, DataFrame]:
    """Each customer with a kept order in the 365 days before the cut-off; days are UTC, values in unit currency.

    Kept is what was neither cancelled nor returned. Orders without a customer, as guests place them, are left out.
    """
    kept = orders.where(
        (F.col("status") == "placed")
        & F.col("customer_id").isNotNull()
        & (F.col("ordered_at") >= F.lit(night.cutoff - timedelta(days=LOOKBACK_DAYS)))
        & (F.col("ordered_at") < F.lit(night.cutoff))
    )
    by_customer = kept.groupBy("customer_id").agg(
        F.max("ordered_at").alias("newest"),
        F.min("ordered_at").alias("first"),
        F.count("*").alias("frequency_orders"),
        F.sum("order_value").alias("monetary_value"),
    )
    return {
        "features.customer__customer": by_customer.select(
            "customer_id",
            F.datediff(F.lit(night.date), F.to_date("newest")).alias("recency_days"),
            "frequency_orders",
            "monetary_value",
            F.datediff(F.lit(night.date), F.to_date("first")).alias("tenure_days"),
            F.lit(night.cutoff).alias("event_at"),
            F.lit(night.cutoff).alias("known_at"),
        )
    }
