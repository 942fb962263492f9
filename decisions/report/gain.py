"""What the night's budgets are expected to bring over today's split, and how sure that is.

Tables of lines and curves hold outcomes as platforms count them; the night decides by their worth, an outcome times the
margin and lifetime that the unit states of its line. Gains, prices and what lines are compared by are in worth here.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.draws import Draws
from decisions.report.data import ReportData
from decisions.report.formats import outcome

FloatArray = NDArray[np.float64]
OUTCOMES = ("expected_value", "expected_value_se", "status_quo_value", "marginal_value", "money_price")
"Columns of out.budget__line that are outcomes or prices in it."
EIGHTY = 1.2816  # half the width, in standard errors, of a range that holds four times out of five


@dataclass(frozen=True)
class Gain:
    """Expected gain a day in worth, with its 5 to 95 % range; `chance` is that of any gain at all, None
    where no draws were kept."""

    value: float
    share: float | None
    low: float
    high: float
    chance: float | None
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


def expected_gain(data: ReportData) -> Gain:
    """The release's expected value less that of the budgets in force; the range, the chance and the regret are those
    of the posterior draws that the release was checked by. Nights from before it know none of these."""
    release = data.release
    value = float(release["expected_value"] - release["status_quo_value"])
    before = float(release["status_quo_value"])
    known = release.get("beats_status_quo") is not None
    low, high = (release["gain_low"], release["gain_high"]) if known else (value, value)
    return Gain(
        value=value,
        share=value / before if before > 0 else None,
        low=float(low),
        high=float(high),
        chance=float(release["beats_status_quo"]) if known else None,
        words=_words(release) + _risk(data),
    )


def _words(release: dict[str, Any]) -> str:
    chance = release.get("beats_status_quo")
    if release["lines_changed"] == 0:
        return "Nothing changes against today’s split."
    if chance is None:
        return "No uncertainty is known for this estimate: read it with care."
    if chance >= 0.95:
        return f"Very probably better than today’s split: {_cases(chance)}."
    if chance >= 0.8:
        return f"Probably better than today’s split: {_cases(chance)}."
    if chance >= 0.6:
        return "Perhaps better than today’s split: a small bet, not a sure thing."
    if chance >= 0.4:
        return "Too close to call: expect no visible difference to today’s split."
    return "Expected to bring less than today’s split: a constraint forces the change."


def _risk(data: ReportData) -> str:
    """What the change may lose, unless it is as good as sure."""
    chance = data.release.get("beats_status_quo")
    if chance is None or chance >= 0.95 or data.release["lines_changed"] == 0:
        return ""
    lost = outcome(data.release["expected_regret"], data.worth_unit)
    return f" Over all cases, what it may lose is {lost} a day on average."


def _cases(chance: float) -> str:
    """Draws are too few to tell 99 from 100 in 100."""
    return f"in {'more than 98' if chance > 0.98 else f'{100 * chance:.0f}'} of 100 cases that the data allow"


def lines_of(data: ReportData) -> list[dict[str, Any]]:
    """The rows of out.budget__line, their outcomes and prices in worth."""
    return [row | {name: row[name] * data.weights.get(row["line_id"], 1.0) for name in OUTCOMES}
            for row in data.budgets.to_pylist()]


def curves_of(data: ReportData) -> dict[str, dict[str, Any]]:
    """The rows of out.curve__line by line; what they respond is in worth."""
    return {row["line_id"]: row | {"ceiling": row["ceiling"] * data.weights.get(row["line_id"], 1.0)}
            for row in data.curves.to_pylist()}


def spend_of(data: ReportData, column: str) -> FloatArray:
    return np.array([float(v) for v in data.budgets.column(column).to_pylist()])


def draws_of(data: ReportData) -> Draws | None:
    """The night's draws of the lines of its budgets, in their order and in worth; None where a line has none."""
    lines = data.budgets.column("line_id").to_pylist()
    try:
        drawn = None if data.draws is None else data.draws.of(lines)
    except ValueError:
        return None
    return drawn and replace(drawn, a=drawn.a * [data.weights.get(line, 1.0) for line in lines])


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


def worth(spend: float, data: ReportData) -> float:
    """What so much spend brings a day in worth, at what the next currency unit returns tonight."""
    return float(spend) * max(float(data.release["shadow_price"]), 0.0)
