"""The job `release`: the night's candidate as one row, with the checks that may hold it."""

from decimal import Decimal
from typing import Any

import pyarrow as pa

from decisions.auctions.checks import Platform, multiplier_problems, problems
from moe.jobs import Night

GAP_ALLOWED = 0.001
"""Optimality gap above which a candidate is held: the dual search ends far below it."""


def release(
    night: Night, budgets: pa.Table, allocation: pa.Table, bids: pa.Table, scores: pa.Table, warnings: pa.Table,
    multipliers: pa.Table | None = None,
) -> dict[str, pa.Table]:
    """The row of out.release__night."""
    lines, whole = budgets.to_pylist(), allocation.to_pylist()[0]
    bid_rows = bids.to_pylist()
    percentages = multipliers.to_pylist() if multipliers is not None else []
    held = _holds(lines, whole, bid_rows, warnings.to_pylist(), percentages, night)
    versions = sorted(set(scores.column("model_version").to_pylist()))
    return {"out.release__night": pa.table({
        "business_date": [night.decided_day],
        "lines": [len(lines)],
        "lines_changed": [sum(r["budget"] != r["previous_budget"] for r in lines)],
        "bids": [len(bid_rows)],
        "total": pa.array([_sum(lines, "budget")], pa.decimal128(18, 2)),
        "total_configured": pa.array([whole["total_configured"]], pa.decimal128(18, 2)),
        "currency": [whole["currency"]],
        "objective": [whole["objective"]],
        "expected_value": [whole["expected_value"]],
        "status_quo_value": [whole["status_quo_value"]],
        "upper_bound": [whole["upper_bound"]],
        "optimality_gap": [whole["optimality_gap"]],
        "shadow_price": [whole["shadow_price"]],
        "held": [bool(held)],
        "hold_reason": [" ".join(held)],
        "notes": [whole["notes"]],
        "model_version": pa.array([versions[0] if versions else None], pa.string()),
    })}


def _holds(
    lines: list[dict[str, Any]], whole: dict[str, Any], bids: list[dict[str, Any]], warnings: list[dict[str, Any]],
    multipliers: list[dict[str, Any]], night: Night,
) -> list[str]:
    """Sentences that say why the candidate may not be made live; none where it may."""
    found = []
    if _sum(lines, "budget") != whole["total_configured"]:
        found.append(f"Budgets add up to {_sum(lines, 'budget'):,.2f}, not to {whole['total_configured']:,.2f}.")
    outside = [r["line_name"] for r in lines if not r["floor"] <= r["budget"] <= r["cap"]]
    if outside:
        found.append(f"Outside their bounds: {', '.join(outside)}.")
    if whole["expected_value"] < whole["status_quo_value"] * (1 - 1e-9):
        found.append("Today's split is expected to return more.")
    if whole["optimality_gap"] > GAP_ALLOWED:
        found.append(f"The split may be {whole['optimality_gap']:.2%} below the best one.")
    limits = night.unit.bids
    platform = Platform(limits.floor, limits.cap)
    found += [problem.message for problem in problems(
        bids, {r["line_id"]: r["budget"] for r in lines}, platform, {(None, segment) for segment in limits.forbidden})]
    found += [problem.message for problem in multiplier_problems(multipliers, bids, platform)]
    late = [w["source"] for w in warnings if w["finding"] == "late" and w["message"].startswith("hold")]
    if late:
        found.append(f"Not delivered: {', '.join(late)}.")
    return found


def _sum(rows: list[dict[str, Any]], column: str) -> Decimal:
    return sum((r[column] for r in rows), Decimal(0))
