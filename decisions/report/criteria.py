"""Success criteria in words for a campaign manager, and which KPI could tell of each line."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from decisions.criteria.kpis import KPIS
from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, left_out

STATUS = {
    "missed": ("missed", "failed"), "not_judged": ("not judged", "cap"), "cannot_tell_yet": ("cannot tell yet", ""),
    "on_the_way": ("on the way", "done"), "reached": ("reached", "done"),
}
"""Word and style of the badge, what needs a person first."""
SUITS = {"good": "good", "poor": "off"}


def words(data: ReportData) -> str:
    """How many contracts there are in each state; empty where there is none."""
    rows = _rows(data.criteria)
    counts = [(sum(r["status"] == status for r in rows), word) for status, (word, _) in STATUS.items()]
    told = ", ".join(f"{n} {word}" for n, word in counts if n)
    return f"{formats.count(len(rows), 'contract')}: {told}." if rows else ""


def criteria(data: ReportData) -> TableView | None:
    """Every contract and what became of it tonight; None where there is none."""
    order = list(STATUS)
    rows = sorted(_rows(data.criteria), key=lambda r: (order.index(r["status"]), r["end_date"], r["criterion_id"]))
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    return TableView(
        id="criteria-table",
        caption="Contracts of campaigns, and what became of each tonight",
        columns=[Column("campaign", "Campaign"), Column("state", "Tonight"), Column("kpi", "KPI"),
                 Column("goal", "Target", numeric=True), Column("reached", "So far", numeric=True),
                 Column("meaning", "What that means")],
        rows=[_row(r, data.currency) for r in shown],
        note=left_out(len(shown), len(rows), "contracts", "criteria.csv"),
        cards=True,
    )


def _row(r: dict[str, Any], currency: str) -> Row:
    word, tone = STATUS[r["status"]]
    low, high = (_number(r[side], r["kpi"]) for side in ("value_low", "value_high"))
    sign = "≤" if KPIS[r["kpi"]].lower_is_better else "≥"
    unit = f" {currency}" if KPIS[r["kpi"]].money else ""
    per = "" if KPIS[r["kpi"]].per else " a day"
    return Row([
        Cell(r["campaign_name"], sub=f"{r['owner']}: {r['linked_objective']}"),
        Cell("", value=r["status"], badge=word, tone=tone),
        Cell(f"{KPIS[r['kpi']].words}{unit}{per}"),
        Cell(f"{sign} {_number(r['target'], r['kpi'])}", value=repr(r["target"])),
        Cell(_number(r["value"], r["kpi"]), value=None if r["value"] is None else repr(r["value"]),
             sub="" if r["value_low"] is None else f"{low} to {high}"),
        Cell(said(r)),
    ], {"criterion": r["criterion_id"]})


def said(r: dict[str, Any]) -> str:
    """What a row of out.criterion__campaign means."""
    length = (r["end_date"] - r["start_date"]).days + 1
    known = f"{r['days_known']} of {formats.count(length, 'day')} known"
    chance = "more than chance explains" if r["clear"] else "no more than chance could make"
    match r["status"]:
        case "not_judged":
            return str(r["note"])
        case "reached" | "missed" if r["days_known"] >= length:
            verdict = "Its figure keeps the target" if r["status"] == "reached" else "Its figure misses the target"
            return f"All days are known. {verdict}; the difference is {chance}."
        case "reached":
            return f"It is over, {known}. Its figure keeps the target; the difference is {chance}."
        case "on_the_way":
            return f"{known}; so far the target is kept, by {chance}." + _until(r)
        case "missed":
            return f"{known}; so far the target is missed, by {chance}." + _ahead(r, length) + _until(r)
    return _open(r, length, known)


def _open(r: dict[str, Any], length: int, known: str) -> str:
    effect = formats.percent(r["minimum_effect"], 0)
    if r["days_needed"] is None and r["faster_kpi"] is None:
        return f"Too noisy to tell, or too few days with data before it: {known}."
    if r["days_needed"] is not None and r["days_needed"] <= length:
        if r["days_known"] < r["days_needed"]:
            return f"Cannot be told before {formats.long_day(r['told_on'])}: {known}, and {effect} takes " \
                   f"{r['days_needed']} to show."
        return f"Too close to call: {known}, and the target lies within what chance explains." + _until(r)
    when = f"Cannot be told before {formats.long_day(r['told_on'])}" if r["told_on"] else "Cannot be told"
    text = f"{when}: the effect you want to see ({effect}) is smaller than the noise of its {length} days."
    if r["faster_kpi"] is not None:
        other = KPIS[r["faster_kpi"]].words.capitalize()
        text += f" {other} would show it in {formats.count(r['faster_days'], 'day')}."
    return text


def _ahead(r: dict[str, Any], length: int) -> str:
    """What the days that are left must bring, for a KPI that adds up."""
    left = length - r["days_known"]
    if KPIS[r["kpi"]].per is not None or left <= 0:
        return ""
    need = (r["target"] * length - r["value"] * r["days_known"]) / left
    open_days = formats.count(left, "day")
    return f" To reach it, the {open_days} that are not known yet need {_number(need, r['kpi'])} a day."


def _until(r: dict[str, Any]) -> str:
    delay = 0 if r["told_on"] is None else (r["told_on"] - r["start_date"]).days + 1 - r["days_needed"]
    return f" Its figure is final on {formats.long_day(r['end_date'] + timedelta(days=delay))}."


def suitability(data: ReportData) -> TableView | None:
    """By line and KPI the smallest effect that 14 days show; None in nights from before it."""
    lines: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for r in _rows(data.kpis):
        lines[r["line_id"]][r["kpi"]] = r
    if not lines:
        return None
    kpis = [k for k in KPIS.values() if any(k.name in found for found in lines.values())]
    size = {line: max((found[k]["value"] or 0.0 for k in ("conversions", "clicks") if k in found), default=0.0)
            for line, found in lines.items()}
    shown = sorted(lines, key=lambda line: (-size[line], line))[:MOST_ROWS]
    return TableView(
        id="kpis-table",
        caption="Smallest effect that 14 days show, as a share of the KPI",
        columns=[Column("line", "Line"), Column("volume", "Conversions a day", numeric=True),
                 *(Column(f"kpi {k.name}", k.words.capitalize(), numeric=True) for k in kpis)],
        rows=[Row([Cell(next(iter(lines[line].values()))["line_name"]), _volume(lines[line]),
                   *(_shows(lines[line].get(k.name)) for k in kpis)]) for line in shown],
        fold=12,
        note=("Green: 14 days show 10 %. Bold brown: not even 25 %. Below each, the days until a day is known. At 80 % "
              "power and 5 % error, two-sided, against a target; against the line’s own past it takes more "
              "(kpi_suitability.csv). " + left_out(len(shown), len(lines), "lines", "kpi_suitability.csv")).strip(),
    )


def _volume(found: dict[str, dict[str, Any]]) -> Cell:
    value = found["conversions"]["value"] if "conversions" in found else None
    return Cell(formats.estimate(value), None if value is None else repr(value))


def _shows(r: dict[str, Any] | None) -> Cell:
    if r is None or r["detectable_effect"] is None:
        return Cell(formats.NOTHING)
    text = "over 100 %" if r["detectable_effect"] > 1 else formats.percent(r["detectable_effect"], 0)
    return Cell(text, repr(r["detectable_effect"]), f"+{r['delay_days']} d", tone=SUITS.get(r["suitability"], ""))


def _number(value: float | None, kpi: str) -> str:
    return formats.estimate(value) if KPIS[kpi].per is None else formats.number(value, 2)


def _rows(table: Any) -> list[dict[str, Any]]:
    return [] if table is None else list(table.to_pylist())
