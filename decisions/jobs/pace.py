"""The state of the bids' feedback: what each line spent of its budget, and the correction that follows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.auctions.feedback import MOST, Correction, corrected
from decisions.bids import Bids
from moe.jobs import Night

MATURE_DAYS, COST_DAYS = 7, 14
"""The cost per conversion is that of two weeks whose youngest day is a week old: most conversions are reported."""


@dataclass(frozen=True, eq=False)
class Paced:
    """The correction of n lines, and what it rests on, NaN where nothing was seen."""

    correction: Correction
    budget: np.ndarray
    spend: np.ndarray
    cost: np.ndarray
    conversions: np.ndarray

    def table(self, night: Night, lines: list[str], made: Bids) -> pa.Table:
        """Rows of out.bid_pace__line."""
        with np.errstate(divide="ignore", invalid="ignore"):
            each = self.cost / self.conversions
        return pa.table({
            "line_id": pa.array(lines, pa.string()),
            "business_date": pa.array([night.decided_day] * len(lines), pa.date32()),
            "planned_budget": _known(self.budget),
            "spend": _known(self.spend),
            "cost_per_conversion": _known(each),
            "spend_correction": pa.array(self.correction.spend, pa.float64()),
            "cost_correction": pa.array(self.correction.cost, pa.float64()),
            "correction": pa.array(self.correction.factor, pa.float64()),
            "can_rise": pa.array(made.can_rise, pa.bool_()),
            "can_fall": pa.array(made.can_fall, pa.bool_()),
        })


def correction(
    night: Night, lines: list[str], history: pa.Table, before: pa.Table | None, plan: pa.Table | None,
    released: pa.Table | None, settings: pa.Table | None,
) -> Paced:
    """The night's correction of each line, from that of the night before and what was spent under it.

    A line that had another budget on the platform than was released, or may have had (`settings`, out.applied__line of
    the night before), tells nothing of its bids; one whose account was not read counts as set.
    """
    state = {r["line_id"]: r for r in before.to_pylist()} if before is not None else {}
    went_out = released is not None and not any(r["held"] for r in released.to_pylist())
    seen = {r["line_id"]: r for r in plan.to_pylist() if r["business_date"] == night.date} if plan is not None else {}

    def of(rows: dict[str, dict[str, Any]], column: str, missing: float) -> np.ndarray:
        found = [rows.get(line, {}).get(column) for line in lines]
        return np.array([missing if value is None else float(value) for value in found])

    budget, spend = of(seen, "planned_budget", np.nan), of(seen, "spend", np.nan)
    read = [r for r in settings.to_pylist() if r["state"] != "not_read"] if settings is not None else []
    other = {r["line_id"] for r in read if r["difference"] != 0}
    budget = np.where(np.isin(lines, sorted(other)), np.nan, budget)
    cost, conversions = _matured(night, lines, history)
    was = Correction(of(state, "spend_correction", 0.0), of(state, "cost_correction", MOST))
    now = corrected(
        was, budget if went_out else np.full(len(lines), np.nan), spend,
        can_rise=of(state, "can_rise", 1.0), can_fall=of(state, "can_fall", 1.0),
        cost=cost, conversions=conversions, target=_target(night),
    )
    return Paced(now, budget, spend, cost, conversions)


def _target(night: Night) -> float | None:
    return None if night.unit.bids.cost_per_conversion is None else float(night.unit.bids.cost_per_conversion)


def _matured(night: Night, lines: list[str], history: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Spend and conversions of each line over the matured days."""
    last = night.date - timedelta(days=MATURE_DAYS)
    first = last - timedelta(days=COST_DAYS - 1)
    at = {line: i for i, line in enumerate(lines)}
    cost, conversions = np.zeros((2, len(lines)))
    for r in history.select(["line_id", "business_date", "spend", "conversions"]).to_pylist():
        if r["line_id"] in at and first <= r["business_date"] <= last and r["conversions"] is not None:
            cost[at[r["line_id"]]] += float(r["spend"])
            conversions[at[r["line_id"]]] += float(r["conversions"])
    return cost, conversions


def _known(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))
