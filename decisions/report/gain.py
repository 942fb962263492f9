"""What the night's budgets are expected to bring over today's split, and how sure that is."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.draws import Draws
from decisions.report.data import ReportData

FloatArray = NDArray[np.float64]
EIGHTY = 1.2816  # half the width, in standard errors, of a range that holds four times out of five
NINETY = 1.6449  # half the width, in standard errors, of a range that holds nine times out of ten


@dataclass(frozen=True)
class Gain:
    """Expected gain a day in the objective, with its 5 to 95 % range; `chance` is that of any gain at all."""

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
    """The release's expected value less that of today's split.

    The range is that of the night's draws. A night without draws: lines err independently of each other, and a line
    that moves without a curve counts with the whole standard error of its expected value.
    """
    release = data.release
    value = float(release["expected_value"] - release["status_quo_value"])
    before = float(release["status_quo_value"])
    drawn = over_draws(data)
    if drawn is not None and drawn.any():
        low, high = np.quantile(drawn, (0.05, 0.95))
        chance = float((drawn > 0).mean())
        return Gain(value, value / before if before > 0 else None, float(drawn.std()), float(low), float(high), chance,
                    _words(value, 1.0, chance))
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
        low=value - NINETY * error,
        high=value + NINETY * error,
        chance=chance,
        words=_words(value, error, chance),
    )


def over_draws(data: ReportData) -> FloatArray | None:
    """Gain a day of tonight's budgets over today's split in each draw (K,); None in a night without draws."""
    found = draws_of(data)
    if found is None:
        return None
    spend, before = (spend_of(data, name) for name in ("budget", "status_quo_budget"))
    return np.asarray((found.value(spend) - found.value(before)).sum(axis=-1))


def spend_of(data: ReportData, column: str) -> FloatArray:
    return np.array([float(v) for v in data.budgets.column(column).to_pylist()])


def draws_of(data: ReportData) -> Draws | None:
    """The night's draws of the lines of its budgets, in their order; None where a line has none."""
    try:
        return None if data.draws is None else data.draws.of(data.budgets.column("line_id").to_pylist())
    except ValueError:
        return None


def elsewhere(data: ReportData, drawn: Draws) -> FloatArray:
    """What one currency unit more or less would bring in each draw (K,) on the lines that nothing holds."""
    free = np.array([b == "none" for b in data.budgets.column("binding").to_pylist()])
    spend = spend_of(data, "budget")
    weight = np.where(free, spend, 0.0)
    if not weight.sum():
        return np.full(len(drawn.a), float(data.release["shadow_price"]))
    marginal = drawn.a * drawn.k / (spend + drawn.k) ** 2
    return np.asarray(marginal @ (weight / weight.sum()))


def range_of(drawn: FloatArray | None) -> tuple[float | None, float | None, float | None]:
    """5 and 95 % of a gain over draws, and the share of draws in which there is one."""
    if drawn is None:
        return None, None, None
    low, high = np.quantile(drawn, (0.05, 0.95))
    return float(low), float(high), float((drawn > 0).mean())


def risk(chance: float | None) -> str:
    """The risk of a change in words, by the share of draws in which it pays."""
    if chance is None:
        return "How sure this is, is not known."
    against = round(100 * (1 - chance))
    odds = f"in {against} of 100 worlds that fit the data it brings less than leaving it"
    if chance >= 0.95:
        return f"Low: {odds}." if against else "Low: it pays in every world that fits the data."
    if chance >= 0.8:
        return f"Some: {odds}."
    if chance >= 0.6:
        return f"A bet: {odds}."
    return f"High: {odds}."


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


def worth(spend: float, data: ReportData) -> float:
    """What so much spend brings a day in the objective, at what the next currency unit returns tonight."""
    return float(spend) * max(float(data.release["shadow_price"]), 0.0)
