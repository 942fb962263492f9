"""The job `criteria`: what each KPI can tell of each line, and what became of every campaign's success criterion."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from decisions.criteria.judge import MOST_DAYS, Verdict, faults, judge, lines_of
from decisions.criteria.kpis import DAYS, KPIS, MEASURES, Series, series
from decisions.jobs.reported import shares_reported
from decisions.names import newest_names
from decisions.rows import table_of
from moe.jobs import Night
from moe.units import UNPLACED

SUITABILITY, CRITERIA = "out.kpi_suitability__line", "out.criterion__campaign"
HORIZON = 14
"Days of the detectable effect."
WORTH_SEEING, FAIR = 0.10, 0.25
"Effects that make a KPI good or fair where `HORIZON` days show them."
KNOWN = 0.95
"Share of a day from which it counts as known."
VISITS_FINAL = 2
"Days after which features.traffic__line_day does not restate a day: it covers the last three."


def criteria(
    night: Night, history: pa.Table, deliveries: pa.Table, traffic: pa.Table, said: pa.Table
) -> dict[str, pa.Table]:
    """`history` is marts.ad_performance__line_day, `deliveries` core as delivered, `traffic` the nights' partitions of
    features.traffic__line_day, `said` core.criterion__campaign as of the night."""
    rows = [r for r in history.to_pylist() if r["line_id"] != UNPLACED]
    visits = _newest(traffic)
    of_line, names = _by_line(rows), newest_names(rows)
    has = _kpis(rows, visits)
    delay = _delays(deliveries, night)
    reported: dict[str, date] = {}
    for r in rows:
        reported[r["platform"]] = max(r["business_date"], reported.get(r["platform"], date.min))

    def known(lines: list[str]) -> Series | None:
        found = [r for line in lines for r in of_line[line]]
        until = min((reported[r["platform"]] for r in found), default=night.date)
        return series(found, [v for line in lines for v in visits.get(line, [])], delay, until, night.date)

    return {
        SUITABILITY: table_of(SUITABILITY, (row for line in sorted(names) for row in _suitability(
            line, names[line], known([line]), has, night))),
        CRITERIA: table_of(CRITERIA, _judged(said.to_pylist(), names, has, known, night)),
    }


def _suitability(
    line: str, name: str, known: Series | None, has: list[str], night: Night
) -> list[dict[str, Any]]:
    assert known is not None
    found, lately = [], known.days(night.date - timedelta(days=DAYS - 1), night.date)
    for kpi in (KPIS[k] for k in has):
        noise = known.noise(kpi)
        row: dict[str, Any] = {
            "line_id": line, "kpi": kpi.name, "line_name": name, "value": known.value(kpi, lately),
            "days_known": int(known.known(kpi)[lately].sum()), "delay_days": known.delay_of(kpi),
            "suitability": "unknown"}
        if noise is not None:
            effect = noise.detectable_effect(HORIZON)
            row |= {
                "noise": noise.sd, "correlation": noise.correlation, "detectable_effect": effect,
                "detectable_change": noise.detectable_change(HORIZON),
                "days_needed": noise.days_for(WORTH_SEEING, MOST_DAYS),
                "suitability": "good" if effect <= WORTH_SEEING else "fair" if effect <= FAIR else "poor"}
        found.append(row)
    return found


def _judged(
    rows: list[dict[str, Any]], names: dict[str, str], has: list[str], known: Callable[[list[str]], Series | None],
    night: Night,
) -> list[dict[str, Any]]:
    counted = [r for r in rows if r["until"] is None or r["until"] >= night.decided_day]
    wrong, found = faults(counted, names, has, night.date), []
    for row in counted:
        lines, note = lines_of(row["campaign"], names), wrong.get(row["criterion_id"], "")
        days = None if note else known(lines)
        verdict = Verdict("not_judged", note) if days is None else judge(row, days, has)
        told = asdict(verdict) | {
            "value_low": verdict.low, "value_high": verdict.high, "lines": len(lines),
            "campaign_name": names[lines[0]] if len(lines) == 1 else row["campaign"]}
        found.append(row | told)
    return found


def _by_line(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for r in sorted(rows, key=lambda r: r["business_date"]):
        found[r["line_id"]].append(r)
    return found


def _newest(traffic: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """Sessions by line, each day as the newest night counted it."""
    days = {(r["line_id"], r["business_date"]): r for r in sorted(traffic.to_pylist(), key=lambda r: r["night"])}
    found = defaultdict(list)
    for (line, _), row in sorted(days.items()):
        found[line].append(row)
    return found


def _kpis(rows: list[dict[str, Any]], visits: dict[str, Any]) -> list[str]:
    """KPIs that the unit's data have."""
    measures = {m for m in MEASURES if m != "sessions" and any(r[m] for r in rows)}
    measures |= {"sessions"} if visits else set()
    return [kpi.name for kpi in KPIS.values() if {kpi.of, kpi.per or kpi.of} <= measures]


def _delays(deliveries: pa.Table, night: Night) -> Callable[[str, str], int]:
    """Days until `KNOWN` of a platform's measure is reported, by how the nights' deliveries grew."""
    found: dict[tuple[str, str], int] = {}
    for measure in MEASURES:
        if measure != "sessions":
            for (platform, age), known in shares_reported(deliveries, measure).items():
                if known < KNOWN:
                    found[platform, measure] = max(found.get((platform, measure), 0), age + 1)
    return lambda platform, measure: VISITS_FINAL if measure == "sessions" else found.get((platform, measure), 0)
