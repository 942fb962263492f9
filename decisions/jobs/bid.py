"""The job `bid`: the largest bid a click of every line and segment, so that no line is expected to overspend.

What a line spent of the last day's budget corrects its bids (`auctions.feedback`), from the correction of the night
before. A night whose release was held tells nothing: other budgets stood on the platforms.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from decisions.amounts import cents, money
from decisions.auctions.landscape import SCALE, Landscape
from decisions.bids import bids
from decisions.jobs.lines import worth_of
from decisions.jobs.pace import correction
from moe.jobs import Night

PRIOR_CONVERSIONS = 10.0
"""Conversions that the unit's mean value counts for in each line's own value of a conversion."""
DAYS = 7.0
FORBIDDEN = "No bid: policy forbids this segment"


def bid(
    night: Night, budgets: pa.Table, scores: pa.Table, ads: pa.Table, history: pa.Table,
    response: pa.Table, pace: pa.Table | None = None, plan: pa.Table | None = None, released: pa.Table | None = None,
    settings: pa.Table | None = None,
) -> dict[str, pa.Table]:
    """Rows of out.bid__line_segment, for every line with a budget row and every segment scored, and of
    out.bid_pace__line. `pace` and `released` are of the night before, `plan` is of marts.plan_vs_actual__line_day."""
    lines = {r["line_id"]: r for r in budgets.to_pylist()}
    order = sorted(lines)
    at = {line: n for n, line in enumerate(order)}
    recent = {(r["line_id"], r["segment"]): r for r in ads.to_pylist()}
    rows = [r for r in sorted(scores.to_pylist(), key=lambda r: (r["line_id"], r["segment"]))
            if r["line_id"] in lines and (r["line_id"], r["segment"]) in recent]
    objective_is_money = night.unit.objective == "conversion_value"
    known = _value_per_conversion(history, order, night)
    predicted = [r.get("value_per_conversion") for r in rows]
    values = [known[r["line_id"]] if value is None else value for r, value in zip(rows, predicted, strict=True)]
    seen = [recent[r["line_id"], r["segment"]] for r in rows]
    clicks = _expected_clicks(rows, seen, lines)
    forbidden = np.array([r["segment"] in night.unit.bids.forbidden for r in rows], dtype=np.bool_)
    cap = np.where(forbidden, 0, int(night.unit.bids.cap * SCALE))
    worth = worth_of(night.unit, order, [lines[line]["line_name"] for line in order])
    paced = correction(night, order, history, pace, plan, released, settings)
    made = bids(
        np.array([at[r["line_id"]] for r in rows], dtype=np.int64),
        np.array([r["conversion_rate"] for r in rows]),
        np.array(values if objective_is_money else [1.0] * len(rows)),
        clicks,
        np.array([r["cost_per_click_7d"] for r in seen]),
        np.array([cents(lines[line]["budget"]) for line in order], dtype=np.int64),
        np.array([lines[line]["money_price"] for line in order]),
        # A click never costs more than its worth; conversions without a value have no such price.
        price_floor=1 / worth if objective_is_money else 1e-9,
        bid_floor=np.where(forbidden, 0, int(night.unit.bids.floor * SCALE)),
        bid_cap=cap,
        landscape=_landscape(response, rows),
        correction=paced.correction.factor,
        first_price=night.unit.bids.auction == "first_price",
    )
    no_budget = [lines[r["line_id"]]["budget"] == 0 for r in rows]
    return {"out.bid__line_segment": pa.table({
        "line_id": [r["line_id"] for r in rows],
        "segment": [r["segment"] for r in rows],
        "line_name": [lines[r["line_id"]]["line_name"] for r in rows],
        "business_date": pa.array([night.decided_day] * len(rows), pa.date32()),
        "bid": money(made.bid, 4),
        "bid_cap": money(cap, 4),
        "currency": pa.array([night.unit.currency] * len(rows), pa.string()),
        "click_rate": pa.array([r["click_rate"] for r in rows], pa.float64()),
        "conversion_rate": pa.array([r["conversion_rate"] for r in rows], pa.float64()),
        "value_per_conversion": pa.array(values, pa.float64()),
        "value_source": ["history" if value is None else "model" for value in predicted],
        "expected_clicks": pa.array(made.expected_clicks, pa.float64()),
        "expected_spend": money(made.expected_spend_cents),
        "binding": ["no_budget" if none else (str(b) or "none")
                    for none, b in zip(no_budget, made.binding, strict=True)],
        "reason": [FORBIDDEN if no else text for no, text in zip(forbidden, made.reason, strict=True)],
    }), "out.bid_pace__line": paced.table(night, order, made)}


def _value_per_conversion(history: pa.Table, lines: list[str], night: Night) -> dict[str, float]:
    """Value of a conversion by line in the unit's currency, shrunk to the unit's mean: for segments whose score has
    none, since the night's model was trained before the unit reported values."""
    value, conversions = dict.fromkeys(lines, 0.0), dict.fromkeys(lines, 0.0)
    for r in history.to_pylist():
        if r["line_id"] in value and r["conversions"] is not None:
            value[r["line_id"]] += float(r["conversion_value"] or 0)
            conversions[r["line_id"]] += float(r["conversions"])
    total = sum(conversions.values())
    mean = sum(value.values()) / total if total else 0.0
    return {line: (value[line] + mean * PRIOR_CONVERSIONS) / (conversions[line] + PRIOR_CONVERSIONS)
            for line in lines}


def _landscape(response: pa.Table, rows: list[dict[str, Any]]) -> Landscape | None:
    """What bids win in the rows' order: auctions times win rate times the row's click rate."""
    if not response.num_rows:
        return None
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in sorted(response.to_pylist(), key=lambda r: r["bid"]):
        curves.setdefault((r["line_id"], r["segment"]), []).append(r)
    grid = [int(r["bid"] * SCALE) for r in next(iter(curves.values()))]
    won, price = np.full((2, len(rows), len(grid)), np.nan)
    for at, row in enumerate(rows):
        curve = curves.get((row["line_id"], row["segment"]), [])
        if curve:
            won[at] = [r["eligible_impressions"] * r["win_rate"] * row["click_rate"] for r in curve]
            price[at] = [r["cost_per_click"] for r in curve]
    return Landscape(np.array(grid, dtype=np.int64), won, price)


def _expected_clicks(rows: list[dict[str, Any]], seen: list[dict[str, Any]], lines: dict[str, Any]) -> Any:
    """Clicks a day at today's cost, the segments sharing the line's budget as they shared its recent spend."""
    spent: dict[str, float] = {}
    for r in seen:
        spent[r["line_id"]] = spent.get(r["line_id"], 0.0) + r["spend_7d"] / DAYS
    scale = [float(lines[r["line_id"]]["budget"]) / spent[r["line_id"]] if spent[r["line_id"]] > 0 else 0.0
             for r in rows]
    return np.array([s["clicks_7d"] / DAYS * k for s, k in zip(seen, scale, strict=True)])
