"""The sheets of the night's workbook: its tables, each with its columns, in the words of the page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from decisions.criteria.kpis import KPIS
from decisions.report import actions, applied, changes, criteria, forecast, playbook
from decisions.report import sheet_columns as columns
from decisions.report.data import ReportData
from decisions.report.sheet_columns import Field

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Sheet:
    """A table with a total below it where a field is summed."""

    name: str
    fields: tuple[Field, ...]
    rows: Rows


def sheets(data: ReportData) -> list[Sheet]:
    """Every table of the night that has rows, and Budgets, Bids and Limits always."""
    lines = [r | {"unit": data.outcome_unit} for r in _sorted(data.budgets, "line_id")]
    found = [
        Sheet("Advice", columns.ADVICE, _advice(data)),
        Sheet("Three counts", columns.COUNTS, _sorted(data.counts, "line_id", "business_date")),
        Sheet("What changed", columns.CHANGES, _changes(data)),
        Sheet("Limit costs", columns.COSTS, _costs(data)),
        Sheet("Days ahead", columns.AHEAD, [
            r | {"group": data.groups.get(r["line_id"], ""), "unit": data.outcome_unit}
            for r in _sorted(data.ahead, "business_date", "line_id")]),
        Sheet("Product lines", columns.FRONT, [
            r | {"plan": r["point"] + 1, "unit": data.worth_unit}
            for r in _sorted(data.front, "point", "product_line")]),
        Sheet("Forecast", columns.FORECAST, _of_metric(data, (
            r for r in _sorted(data.forecast, "scenario", "scope", "metric", "days", "business_date")
            if r["scenario"] not in forecast.NOT_SHOWN))),
        Sheet("Forecast checks", columns.CHECKS, _of_metric(
            data, _sorted(data.forecast_scores, "scope", "metric", "span", "business_date"))),
        Sheet("Plan and spend", columns.PLANNED, _sorted(data.plan_vs_actual, "business_date", "line_id")),
        Sheet("Set on platforms", columns.APPLIED, [
            r | {"word": applied.STATES[r["state"]], "todo": applied.REMEDIES[r["state"]]}
            for r in _sorted(data.applied, "line_id")]),
        Sheet("Success criteria", columns.CRITERIA, [
            r | _kpi(r["kpi"], data) | {"word": criteria.STATUS[r["status"]][0], "meaning": criteria.said(r)}
            for r in _sorted(data.criteria, "end_date", "criterion_id")]),
        Sheet("KPI suitability", columns.SUITABILITY, [
            r | _kpi(r["kpi"], data) for r in _sorted(data.kpis, "line_id", "kpi")]),
        Sheet("Playbook", columns.PLAYBOOK, _playbook()),
    ]  # fmt: skip
    return [
        Sheet("Budgets", columns.WEIGHED if data.weights else columns.BUDGETS, _budgets(lines, data)),
        Sheet("Bids", columns.BIDS, _sorted(data.bids, "line_id", "segment")),
        Sheet("Limits and reasons", columns.LIMITS, lines),
        *(sheet for sheet in found if sheet.rows),
    ]


def _sorted(table: pa.Table | None, *order: str) -> Rows:
    found: Rows = [] if table is None else table.sort_by([(name, "ascending") for name in order]).to_pylist()
    return found


def _budgets(lines: Rows, data: ReportData) -> Rows:
    """The largest change first, as on the page."""
    found = []
    for r in lines:
        weight = data.weights.get(r["line_id"], 1.0)
        found.append(r | {"change": r["budget"] - r["previous_budget"], "weight": weight,
                          "worth": r["expected_value"] * weight})
    return sorted(found, key=lambda r: (-abs(r["change"]), r["line_id"]))


def _advice(data: ReportData) -> Rows:
    titles = {entry.kind: entry.title for entry in playbook.entries()}
    return [{**vars(a), "unit": data.worth_unit, "playbook": titles[a.kind], "gain": a.gain if a.gain > 0 else None}
            for a in actions.actions(data)]


def _changes(data: ReportData) -> Rows:
    names = {r["line_id"]: r["line_name"] for r in data.budgets.to_pylist()}
    return [r | {"line_name": names.get(r["line_id"], r["line_id"]), "label": changes.CAUSES[r["cause"]][0],
                 "means": changes.CAUSES[r["cause"]][1]} for r in _sorted(data.changes, "line_id", "position")]


def _costs(data: ReportData) -> Rows:
    names = {r["line_id"]: r["line_name"] for r in data.budgets.to_pylist()}
    return [r | {"name": names.get(r["subject"], r["subject"]), "unit": data.worth_unit,
                 "business_date": data.release["business_date"]}
            for r in ([] if data.limit_costs is None else data.limit_costs.to_pylist())]


def _of_metric(data: ReportData, rows: Iterable[dict[str, Any]]) -> Rows:
    return [r | {"what": forecast.METRICS[r["metric"]],
                 "unit": "conversions" if r["metric"] == "conversions" else data.currency} for r in rows]


def _kpi(name: str, data: ReportData) -> dict[str, str]:
    return {"what": KPIS[name].words, "unit": data.currency if KPIS[name].money else ""}


def _playbook() -> Rows:
    return [{**vars(entry), "before": "\n".join(entry.before),
             "how": "\n".join(f"{place}: {text}" for place, text in entry.steps)} for entry in playbook.entries()]
