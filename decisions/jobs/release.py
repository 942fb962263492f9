"""The job `release`: the night's candidate as one row, with the checks that may hold it."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions import draws, hold
from decisions.allocation import scaled_status_quo
from decisions.amounts import cents
from decisions.auctions.checks import Platform, multiplier_problems, problems
from decisions.jobs.responses import curves_of, day_value
from decisions.limits import Infeasible
from decisions.preferences import counted
from moe.errors import MoeError
from moe.jobs import Night

Rows = list[dict[str, Any]]

GAP_ALLOWED = 0.001
"""Optimality gap above which a candidate is held: the dual search ends far below it."""


def release(
    night: Night, budgets: pa.Table, allocation: pa.Table, bids: pa.Table, scores: pa.Table, warnings: pa.Table,
    curves: pa.Table, drawn: pa.Table, past_budgets: pa.Table, past_releases: pa.Table,
    multipliers: pa.Table | None = None, demand: pa.Table | None = None, front: pa.Table | None = None,
) -> dict[str, pa.Table]:
    """The row of out.release__night. `past_budgets` and `past_releases` are of the nights before."""
    lines, whole = budgets.to_pylist(), allocation.to_pylist()[0]
    bid_rows = bids.to_pylist()
    in_force, since = _in_force(lines, past_budgets.to_pylist(), past_releases.to_pylist(), night)
    ids = [r["line_id"] for r in lines]
    fitted = curves_of(curves, ids)
    names = [r["line_name"] for r in lines]
    worth = day_value(night, ids, names, fitted, demand)
    status_quo_value = whole["status_quo_value"] if since is None else float(worth(fitted, in_force / 100))
    counts = _counted(night, list(zip(ids, names, strict=True)), front)
    value = worth if counts is None else day_value(night, ids, names, fitted, demand, counts)
    try:
        worlds = draws.from_table(drawn).of(ids)
        tonight = np.array([float(r["budget"]) for r in lines])
        found = hold.compare(value(worlds, tonight), value(worlds, in_force / 100))
    except ValueError as error:
        raise MoeError(f"tonight's budgets of {night.unit.unit} cannot be compared with those in force: {error}",
                       "run the job `curves` of the night again; the live release stays") from error
    percentages = multipliers.to_pylist() if multipliers is not None else []
    loses = whole["expected_value"] < status_quo_value * (1 - 1e-9) if counts is None else bool(
        value(fitted, tonight) < value(fitted, in_force / 100) * (1 - 1e-9))
    held = _holds(lines, whole, bid_rows, warnings.to_pylist(), percentages, night, loses)
    held += [said] if (said := hold.reason(found, **night.unit.budget.hold.model_dump())) else []
    notes = [whole["notes"]] if whole["notes"] else []
    if counts is not None:
        notes.append("Product lines compete: whether the change pays is judged by what a unit of each counts.")
    if since is not None:
        notes.append(f"The nights after {since} were held: tonight's budgets are compared with that night's, which are "
                     "in force.")
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
        "status_quo_value": [status_quo_value],
        "upper_bound": [whole["upper_bound"]],
        "optimality_gap": [whole["optimality_gap"]],
        "shadow_price": [whole["shadow_price"]],
        "beats_status_quo": [found.probability],
        "beats_low": [found.probability_low],
        "beats_high": [found.probability_high],
        "expected_regret": [found.regret],
        "expected_regret_se": [found.regret_se],
        "gain_low": [found.gain_low],
        "gain_high": [found.gain_high],
        "held": [bool(held)],
        "hold_reason": [" ".join(held)],
        "notes": ["\n".join(notes)],
        "model_version": pa.array([versions[0] if versions else None], pa.string()),
    })}


def _counted(night: Night, texts: list[tuple[str, str]], front: pa.Table | None) -> Any:
    """How often each line's worth counts at the night's point of the product lines' front; None where none compete."""
    chosen = [r for r in front.to_pylist() if r["chosen"]] if front is not None else []
    if night.unit.budget.product_lines is None or not chosen:
        return None
    weights, values = ({r["product_line"]: r[what] for r in chosen} for what in ("weight", "value"))
    return counted(night.unit.budget.product_lines, texts, weights, values)


def _in_force(lines: Rows, past_budgets: Rows, past_releases: Rows, night: Night) -> tuple[Any, date | None]:
    """Budgets in cents that stay where tonight's are held, scaled to tonight's total within its bounds, and the night
    that set them where it is not the one before.

    Which release is live is a pointer that people move, so it is not read: a night that was not held counts as live.
    """
    held = {r["night"]: r["held"] for r in past_releases if r["night"] < night.date}
    status_quo = np.array([cents(r["status_quo_budget"]) for r in lines], dtype=np.int64)
    live = max((of for of, stopped in held.items() if not stopped), default=None)
    if live is None or not held.get(night.before):
        return status_quo, None
    had = {r["line_id"]: cents(r["budget"]) for r in past_budgets if r["night"] == live}
    before = np.array([had.get(r["line_id"], 0) for r in lines], dtype=np.int64)
    low, high = (np.array([cents(r[bound]) for r in lines], dtype=np.int64) for bound in ("floor", "cap"))
    try:
        return scaled_status_quo(before, cents(_sum(lines, "budget")), low, high), live
    except Infeasible:  # the budgets break their bounds, which holds them anyway
        return status_quo, None


def _holds(
    lines: Rows, whole: dict[str, Any], bids: Rows, warnings: Rows, multipliers: Rows, night: Night,
    loses: bool,
) -> list[str]:
    """Sentences that say why the candidate may not be made live; none where it may.

    `loses`: it is expected to return less than the budgets in force, as the night was asked to count it.
    """
    found = []
    if _sum(lines, "budget") != whole["total_configured"]:
        found.append(f"Budgets add up to {_sum(lines, 'budget'):,.2f}, not to {whole['total_configured']:,.2f}.")
    outside = [r["line_name"] for r in lines if not r["floor"] <= r["budget"] <= r["cap"]]
    if outside:
        found.append(f"Outside their bounds: {', '.join(outside)}.")
    if whole.get("measure") in (None, "mean") and loses:
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


def _sum(rows: Rows, column: str) -> Decimal:
    return sum((r[column] for r in rows), Decimal(0))
