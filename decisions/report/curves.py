"""Response curves as small SVG pictures: they print sharply and need no script."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from decisions.report import evidence, formats
from decisions.report.data import ReportData
from decisions.report.drawing import path, ticks
from decisions.report.gain import EIGHTY, log_error, response

Values = dict[str, Any]

MOST = 24
AT_FIRST = 8  # the others unfold: a phone would otherwise scroll through them all
WIDTH, HEIGHT = 300, 176
LEFT, RIGHT, TOP, BOTTOM = 38, 14, 10, 24
STEPS = 36


@dataclass(frozen=True)
class CurveView:
    """One picture, ready to draw; every string is an SVG path or a number with one decimal."""

    line_id: str
    name: str
    change: str
    label: str
    returns: str
    band: str
    curve: str
    dots: str
    support: tuple[str, str]  # x and width of the supported range
    before: tuple[str, str]
    after: tuple[str, str]
    x_ticks: list[tuple[str, str]]
    y_ticks: list[tuple[str, str]]
    beyond: bool
    evidence: str
    unchecked: str  # the curve as it would be without experiments; empty where there was none


def curve_views(data: ReportData) -> list[CurveView]:
    """The lines with a curve whose budgets move most, at most `MOST`, largest move first."""
    curves = {row["line_id"]: row for row in data.curves.to_pylist()}
    lines = [row for row in data.budgets.to_pylist() if row["line_id"] in curves]
    lines.sort(key=lambda r: (-abs(r["budget"] - r["previous_budget"]), -r["budget"], r["line_id"]))
    lines = lines[:MOST]
    days = _known_days(data, [row["line_id"] for row in lines])
    said = evidence.by_line(data)
    return [_view(row, curves[row["line_id"]], days[row["line_id"]], said[row["line_id"]], data) for row in lines]


def _known_days(data: ReportData, line_ids: list[str]) -> dict[str, list[tuple[float, float]]]:
    history = data.history.select(["line_id", "business_date", "spend", data.objective, "outcome_known"])
    mine = pc.is_in(history["line_id"], pa.array(line_ids, pa.string()))
    known = pc.and_(pc.fill_null(history["outcome_known"], False), pc.is_valid(history[data.objective]))
    days: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in history.filter(pc.and_(mine, known)).sort_by("business_date").to_pylist():
        days[row["line_id"]].append((float(row["spend"] or 0), float(row[data.objective])))
    return days


def _view(line: Values, curve: Values, days: list[tuple[float, float]], said: str, data: ReportData) -> CurveView:
    before, after = float(line["previous_budget"]), float(line["budget"])
    outcomes = sorted(value for _, value in days)
    usual = outcomes[int(0.97 * (len(outcomes) - 1))] if outcomes else 0.0
    far: float = max(before, after, curve["spend_high"], 1e-9)
    right = max([far, *(s for s, _ in days)]) * 1.06
    top = max(usual, response(curve, far), 1e-9) * 1.18  # days above it are drawn at the upper edge

    def x(spend: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(spend / right, 1.0)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value / top, 0.0), 1.0)

    grid = [right * (i / STEPS) ** 1.5 for i in range(STEPS + 1)]  # closer near zero, where the curve bends
    middle = [response(curve, s) for s in grid]
    spread = [math.exp(min(EIGHTY * log_error(curve, s), 20)) for s in grid]
    upper = [(x(s), y(m * f)) for s, m, f in zip(grid, middle, spread, strict=True)]
    lower = [(x(s), y(m / f)) for s, m, f in zip(grid, middle, spread, strict=True)]
    was_curve = {"ceiling": curve["ceiling_before"], "half_saturation": curve["half_saturation_before"]}
    unchecked = [] if curve["ceiling_before"] is None else [(x(s), y(response(was_curve, s))) for s in grid]
    low, high = x(curve["spend_low"]), x(curve["spend_high"])
    change = formats.number(line["budget"] - line["previous_budget"], 2, signed=True)
    was, new = formats.number(line["previous_budget"], 2), formats.number(line["budget"], 2)
    expected = formats.outcome(response(curve, after), data.outcome_unit)
    return CurveView(
        line_id=line["line_id"],
        name=line["line_name"],
        change=f"{was} → {new}" if was != new else f"{new}, no change",
        label=f"{line['line_name']}: budget {was} to {new} ({change}), expected {expected} a day. {said}",
        returns=_returns(line, data),
        band=path(upper + lower[::-1]) + "Z",
        curve=path([(x(s), y(m)) for s, m in zip(grid, middle, strict=True)]),
        dots="".join(f"M{x(s):.1f} {y(v):.1f}h0" for s, v in days),
        support=(f"{low:.1f}", f"{max(high - low, 0):.1f}"),
        before=(f"{x(before):.1f}", f"{y(response(curve, before)):.1f}"),
        after=(f"{x(after):.1f}", f"{y(response(curve, after)):.1f}"),
        x_ticks=[(f"{x(t):.1f}", formats.compact(t)) for t in ticks(right)],
        y_ticks=[(f"{y(t):.1f}", formats.compact(t)) for t in ticks(top)],
        beyond=after > curve["spend_high"],
        evidence=said,
        unchecked=path(unchecked) if unchecked else "",
    )


def _returns(line: Values, data: ReportData) -> str:
    """What the next currency unit brings, and its worth where that is another number."""
    digits = 2 if data.objective == "conversion_value" else 3
    value = formats.number(line["marginal_value"], digits)
    if not data.weights:
        return value
    worth = line["marginal_value"] * data.weights.get(line["line_id"], 1.0)
    return f"{value} of {data.counted}, {formats.number(worth, digits)} of worth"
