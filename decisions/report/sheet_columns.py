"""The columns of the workbook's sheets as literals; every amount stands beside its currency, every outcome its unit."""

from dataclasses import dataclass

from decisions.reconciliation import CLASSES
from decisions.report import forecast

AMOUNT, BID, RATE, VALUE, WHOLE, DATE = "#,##0.00", "#,##0.0000", "0.00%", "#,##0.00", "#,##0", "yyyy-mm-dd"
COUNT, RETURN = "#,##0.0", "0.0000"


@dataclass(frozen=True)
class Field:
    """A column of a sheet: the row's key, its heading, number format and width in signs, and whether it is summed."""

    name: str
    heading: str
    format: str = ""
    width: int = 14
    summed: bool = False


LINE = (Field("line_name", "Line", width=36), Field("line_id", "Line ID", width=28))
PLATFORM, DAY = Field("platform", "Platform"), Field("business_date", "Day", DATE, 12)
CURRENCY, UNIT = Field("currency", "Currency", width=9), Field("unit", "Unit", width=16)
WHY, NOTE = Field("reason", "Why", width=70), Field("note", "Note", width=50)
ADVICE = (
    Field("verb", "Do", width=10), Field("title", "What", width=50), Field("detail", "Why", width=70),
    Field("gain", "Gain a day", VALUE), Field("at_most", "At most"), Field("low", "Gain, low", VALUE),
    Field("high", "Gain, high", VALUE), Field("unit", "Unit of the gain", width=16), Field("risk", "Risk", width=50),
    Field("otherwise", "If nobody does it", width=50), Field("playbook", "Playbook", width=40),
)
BUDGETS = (
    *LINE, PLATFORM, DAY,
    Field("previous_budget", "Yesterday's budget", AMOUNT, 18, summed=True),
    Field("budget", "Tomorrow's budget", AMOUNT, 18, summed=True), Field("change", "Change", AMOUNT, summed=True),
    CURRENCY,
    Field("expected_value", "Expected a day", VALUE, 16, summed=True),
    Field("expected_value_se", "Its standard error", VALUE, 16),
    Field("status_quo_value", "Expected at today's split", VALUE, 22, summed=True),
    Field("marginal_value", "Return of the next unit", RETURN, 21), UNIT, WHY,
)
WEIGHED = (
    *BUDGETS[:-1], Field("weight", "Worth of a unit", RETURN),
    Field("worth", "Expected worth a day", VALUE, 18, summed=True), WHY,
)
"Of a unit that states margins or lifetimes."
BIDS = (
    *LINE, Field("segment", "Segment", width=20), DAY, Field("bid", "Bid a click", BID), Field("bid_cap", "Cap", BID),
    CURRENCY, Field("click_rate", "Click rate", RATE), Field("conversion_rate", "Conversion rate", RATE, 16),
    Field("value_per_conversion", "Value of a conversion", VALUE, 20),
    Field("expected_clicks", "Expected clicks", COUNT, 16, summed=True),
    Field("expected_spend", "Expected spend", AMOUNT, 16, summed=True), Field("binding", "What holds it"), WHY,
)
LIMITS = (
    *LINE, PLATFORM, Field("budget", "Tomorrow's budget", AMOUNT, 18), Field("floor", "Least allowed", AMOUNT),
    Field("cap", "Most allowed", AMOUNT), CURRENCY, Field("binding", "What holds it"),
    Field("marginal_value", "Return of the next unit", RETURN, 21), UNIT,
    Field("override_id", "Override", width=16), Field("reason_code", "Reason code", width=16), WHY,
)
COUNTS = (
    *LINE, PLATFORM, DAY, CURRENCY, Field("spend", "Spent", AMOUNT),
    Field("expected_so_far", "Model, as far as reported", VALUE, 22),
    Field("platform_value", "Platform, value", AMOUNT, 16), Field("shop_value", "Shop, value", AMOUNT, 16),
    Field("difference_value", "Platform less shop", AMOUNT, 18),
    *(Field(f"{name}_value", name.replace("_", " ").capitalize(), AMOUNT, 16) for name in CLASSES),
    Field("platform_conversions", "Platform, conversions", COUNT, 20), Field("shop_orders", "Shop, orders", WHOLE),
    Field("difference_orders", "Platform less shop, orders", COUNT, 24),
    *(Field(f"{name}_orders", f"{name.replace('_', ' ').capitalize()}, orders", COUNT, 20) for name in CLASSES),
)
CHANGES = (
    *LINE, DAY, Field("label", "Cause", width=24), Field("amount", "Moved", AMOUNT, summed=True), CURRENCY,
    Field("means", "What that means", width=70),
)
COSTS = (
    Field("subject_kind", "Whose"), Field("name", "Name", width=36), Field("limit", "Limit", width=30), DAY,
    Field("cost", "Costs a day", VALUE), UNIT,
)
AHEAD = (
    *LINE, PLATFORM, Field("group", "Group", width=20), DAY, Field("budget", "Planned", AMOUNT, summed=True),
    Field("most_delivered", "Platform may spend", AMOUNT, 18, summed=True), CURRENCY,
    Field("expected_value", "Expected", VALUE), UNIT, Field("limit", "What holds it", width=30),
)
FRONT = (
    Field("plan", "Plan", WHOLE), Field("product_line", "Product line", width=28), DAY,
    Field("value", "Expected a day", VALUE, 16), UNIT, Field("weight", "Weight", RETURN), Field("chosen", "Taken"),
    Field("dominated", "Worse, by rounding", width=18),
)
FORECAST = (
    Field("title", "If", width=34), Field("scope", "For", width=24), Field("what", "What", width=18),
    Field("days", "Days together", WHOLE), Field("business_date", "Last day", DATE, 12),
    Field("mean", "Expected", VALUE),
    *(Field(name, f"{int(name[-2:])} in 100 are below", VALUE, 20) for name in forecast.QUANTILES), UNIT,
)
CHECKS = (
    Field("scope", "For", width=24), Field("what", "What", width=18), Field("span", "How far ahead", width=16), DAY,
    Field("observed", "It was", VALUE), UNIT, Field("forecasts", "Forecasts", WHOLE),
    Field("covered_50", "5-in-10 range held", RATE, 18), Field("covered_90", "9-in-10 range held", RATE, 18),
    Field("crps", "Distance (CRPS)", VALUE, 16), Field("crps_naive", "By last seven days", VALUE, 18),
    Field("crps_seasonal_naive", "By last week's day", VALUE, 18),
)
PLANNED = (
    *LINE, DAY, Field("planned_budget", "Planned", AMOUNT), Field("spend", "Spent", AMOUNT),
    Field("difference", "Difference", AMOUNT), CURRENCY, Field("conversions", "Conversions", COUNT),
    Field("conversion_value", "Value", AMOUNT),
)
APPLIED = (
    *LINE, PLATFORM, DAY, Field("word", "State", width=22), Field("since", "Set so since", DATE, 12),
    Field("released_budget", "Released", AMOUNT), Field("set_budget", "Set", AMOUNT),
    Field("difference", "Difference", AMOUNT), Field("difference_share", "In %", RATE), CURRENCY,
    Field("bids_differ", "Bids that differ", WHOLE), Field("todo", "What to do", width=60), NOTE,
)
CRITERIA = (
    Field("campaign_name", "Campaign", width=36), Field("criterion_id", "Contract", width=18),
    Field("owner", "Owner", width=18), Field("linked_objective", "Objective", width=24),
    Field("word", "Tonight", width=16), Field("what", "KPI", width=22), UNIT,
    Field("target", "Target", VALUE), Field("value", "So far", VALUE),
    Field("value_low", "So far, low", VALUE), Field("value_high", "So far, high", VALUE),
    Field("start_date", "From", DATE, 12), Field("end_date", "To", DATE, 12), Field("days_known", "Days known", WHOLE),
    Field("meaning", "What that means", width=70),
)
SUITABILITY = (
    *LINE, Field("what", "KPI", width=22), Field("value", "A day", VALUE), UNIT,
    Field("days_known", "Days known", WHOLE), Field("delay_days", "Days until known", WHOLE, 16),
    Field("noise", "Noise", RATE),
    Field("detectable_effect", "14 days show, against a target", RATE, 28),
    Field("detectable_change", "14 days show, against its past", RATE, 28),
    Field("days_needed", "Days for 10 %", WHOLE), Field("suitability", "Suits"),
)
PLAYBOOK = (
    Field("title", "Advice", width=40), Field("means", "What it means", width=60), Field("why", "Why", width=60),
    Field("before", "Check before", width=60), Field("how", "How to do it", width=80),
    Field("ignore", "When to ignore it", width=60),
)
