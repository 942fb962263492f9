"""Spend, conversions and value by day, as compact numbers for the page's charts."""

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from decisions.report.data import ReportData

MOST_LINES = 60  # about 2 kB a line
MOST_DAYS = 90
MEASURES = ("spend", "conversions", "conversion_value")
COMPLETE = 0.95
"""Share of what a day's outcomes are projected to be in the end from which a day counts as reported."""


def series(data: ReportData) -> dict[str, Any]:
    """{"first": ISO date, "known": [0 | 1 a day], "partly": [0 | 1 a day], "sets": [{"name", "spend", …, one number or
    null a day}]}.

    A day is known when every line's outcome is; the total of a day that is not known is null, not a part of
    it. Outcomes of a day that is partly known are still growing. A platform that never reports a value adds
    none to the total. The first set is the total, then come the lines that spent most.
    """
    history = data.history
    if not history.num_rows:
        return {"first": "", "currency": data.currency, "known": [], "partly": [], "sets": [], "orders": [], "lines": 0}
    history = history.filter(pc.greater(history["business_date"], _last(history) - timedelta(days=MOST_DAYS)))
    slim = pa.table(
        {
            "line_id": history["line_id"],
            "line_name": history["line_name"],
            "business_date": history["business_date"],
            "known": pc.fill_null(history["outcome_known"], False),
            **{m: pc.cast(history[m], pa.float64()) for m in MEASURES},
        }
    )
    first = pc.min(slim["business_date"]).as_py()
    days = (_last(slim) - first).days + 1
    summed = [(m, "sum") for m in MEASURES] + [("known", "min")]
    total = slim.group_by("business_date", use_threads=False).aggregate(summed).to_pylist()
    by_day = {row["business_date"]: row for row in total}
    lines = _largest_lines(slim)
    chosen = slim.filter(pc.is_in(slim["line_id"], pa.array([i for i, _ in lines], pa.string())))
    by_line: dict[str, dict[date, dict[str, Any]]] = {i: {} for i, _ in lines}
    for row in chosen.to_pylist():
        by_line[row["line_id"]][row["business_date"]] = row
    sets = [_set("All lines", {d: _renamed(r) for d, r in by_day.items()}, first, days)]
    sets += [_set(name, by_line[line_id], first, days) for line_id, name in lines]
    everyday = [first + timedelta(days=i) for i in range(days)]
    return {
        "first": first.isoformat(),
        "currency": data.currency,
        "known": [int(bool(by_day.get(d, {}).get("known_min"))) for d in everyday],
        "partly": _partly(data.forecast, by_day, everyday),
        "sets": sets,
        "orders": _orders(data.orders, everyday),
        "lines": len(pc.unique(slim["line_id"])),
    }


def _partly(forecast: pa.Table | None, by_day: dict[date, dict[str, Any]], everyday: list[date]) -> list[int]:
    """Whether platforms are still to report more of a day than `COMPLETE` leaves open, by the projection of its end."""
    open_ = set()
    for r in [] if forecast is None else forecast.to_pylist():
        if (r["scenario"], r["scope"], r["days"]) == ("so_far", "all", 1) and r["metric"] != "spend":
            said = by_day.get(r["business_date"], {}).get(f"{r['metric']}_sum")
            if said is not None and float(said) < COMPLETE * r["mean"]:
                open_.add(r["business_date"])
    return [int(day in open_) for day in everyday]


def _last(history: pa.Table) -> date:
    last: date = pc.max(history["business_date"]).as_py()
    return last


def _largest_lines(slim: pa.Table) -> list[tuple[str, str]]:
    spent = slim.group_by("line_id", use_threads=False).aggregate([("spend", "sum"), ("line_name", "max")])
    rows = sorted(spent.to_pylist(), key=lambda r: (-(r["spend_sum"] or 0), r["line_id"]))
    return [(r["line_id"], r["line_name_max"]) for r in rows[:MOST_LINES]]


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {"known": row["known_min"], **{m: row[f"{m}_sum"] for m in MEASURES}}


def _set(name: str, rows: dict[date, dict[str, Any]], first: date, days: int) -> dict[str, Any]:
    picked: dict[str, Any] = {"name": name, **{m: [] for m in MEASURES}}
    for i in range(days):
        row = rows.get(first + timedelta(days=i))
        for m in MEASURES:
            value = None if row is None or (m != "spend" and not row["known"]) else row[m]
            picked[m].append(None if value is None else _short(value))
    return picked


def _short(value: float) -> float | int:
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _orders(orders: pa.Table | None, everyday: list[date]) -> list[int | None]:
    if orders is None:
        return []
    by_day = {row["business_date"]: row["orders"] for row in orders.to_pylist()}
    return [by_day.get(d) for d in everyday]
