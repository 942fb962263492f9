"""What the night's budgets are expected to bring over today's split, and how sure that is."""

import math
from dataclasses import dataclass
from typing import Any

from decisions.report.data import ReportData

EIGHTY = 1.2816  # half the width, in standard errors, of a range that holds four times out of five


@dataclass(frozen=True)
class Gain:
    """Expected gain a day in the objective, with its 80 % range; `chance` is that of any gain at all."""

    value: float
    share: float | None
    standard_error: float
    low: float
    high: float
    chance: float
    words: str


def response(curve: dict[str, Any], spend: float) -> float:
    """The outcome a day that the curve a * s / (s + k) expects at a daily spend."""
    return float(curve["ceiling"] * spend / (spend + curve["half_saturation"])) if spend > 0 else 0.0


def log_error(curve: dict[str, Any], spend: float) -> float:
    """Standard deviation of the log of the response, by the delta method in (log a, log k)."""
    pull = -curve["half_saturation"] / (spend + curve["half_saturation"])
    variance = (
        curve["log_ceiling_variance"]
        + pull * pull * curve["log_half_saturation_variance"]
        + 2 * pull * curve["log_covariance"]
    )
    return math.sqrt(max(variance, 0.0))


def difference_error(curve: dict[str, Any], spend: float, other: float) -> float:
    """Standard error of response(spend) - response(other), whose errors are strongly correlated."""

    def slope(s: float) -> float:
        return float(-curve["ceiling"] * curve["half_saturation"] * s / (s + curve["half_saturation"]) ** 2)

    a = response(curve, spend) - response(curve, other)
    k = slope(spend) - slope(other)
    variance = (
        a * a * curve["log_ceiling_variance"]
        + k * k * curve["log_half_saturation_variance"]
        + 2 * a * k * curve["log_covariance"]
    )
    return math.sqrt(max(variance, 0.0))


def expected_gain(data: ReportData) -> Gain:
    """The release's expected value less that of today's split; lines err independently of each other.

    A line that moves without a curve counts with the whole standard error of its expected value.
    """
    release = data.release
    value = float(release["expected_value"] - release["status_quo_value"])
    before = float(release["status_quo_value"])
    curves = {row["line_id"]: row for row in data.curves.to_pylist()}
    variance = 0.0
    for line in data.budgets.to_pylist():
        if line["budget"] == line["status_quo_budget"]:
            continue
        curve = curves.get(line["line_id"])
        error = line["expected_value_se"]
        if curve:
            error = difference_error(curve, float(line["budget"]), float(line["status_quo_budget"]))
        variance += error * error
    error = math.sqrt(variance)
    chance = 0.5 * (1 + math.erf(value / error / math.sqrt(2))) if error else float(value > 0)
    return Gain(
        value=value,
        share=value / before if before > 0 else None,
        standard_error=error,
        low=value - EIGHTY * error,
        high=value + EIGHTY * error,
        chance=chance,
        words=_words(value, error, chance),
    )


def _words(value: float, error: float, chance: float) -> str:
    if value == 0 and error == 0:
        return "Nothing changes against today’s split."
    if error == 0:
        return "No uncertainty is known for this estimate: read it with care."
    if chance >= 0.95:
        return "Very probably better than today’s split."
    if chance >= 0.8:
        return "Probably better than today’s split."
    if chance >= 0.6:
        return "Perhaps better than today’s split: a small bet, not a sure thing."
    if chance >= 0.4:
        return "Too close to call: expect no visible difference to today’s split."
    return "Expected to bring less than today’s split: a constraint forces the change."


def as_money(value: float, data: ReportData) -> float:
    """A value of the objective in the unit's currency: a conversion is worth what the next one costs."""
    if data.objective == "conversion_value":
        return value
    price = data.release["shadow_price"]
    return float(value / price) if price > 0 else 0.0
