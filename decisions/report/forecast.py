"""The section "Forecast": fan charts by metric and scenario, the same as a table, and how earlier forecasts did."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.templating import embedded
from decisions.report.views import Cell, Column, Row, TableView

PAST_DAYS = 28
MOST_SCOPES = 6  # the total and the largest platforms; all are in forecast.csv
QUANTILES = ("quantile_05", "quantile_25", "quantile_50", "quantile_75", "quantile_95")
NOT_SHOWN = ("naive", "seasonal_naive")
PEERS = {"crps_naive": "the mean of the last seven days", "crps_seasonal_naive": "the same weekdays of the week before"}
METRICS = {"spend": "Spend", "conversions": "Conversions", "conversion_value": "Conversion value"}
LEAST_CHECKED = 7  # days known, before a verdict is worth a sentence
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class ForecastView:
    """What the template needs."""

    words: str
    verdict: str
    totals: TableView
    scores: TableView | None
    json: Markup


def view(data: ReportData) -> ForecastView | None:
    """The section; None in a night without a forecast."""
    if data.forecast is None or not data.forecast.num_rows:
        return None
    rows = sorted((r for r in data.forecast.to_pylist() if r["scenario"] not in NOT_SHOWN),
                  key=lambda r: r["scenario"] != "expected")
    scores = data.forecast_scores.to_pylist() if data.forecast_scores is not None else []
    return ForecastView(words(rows, data), verdict(scores, data.objective), _totals(rows, data), _scores(scores),
                        embedded(_drawn(rows, data)))


def words(rows: Rows, data: ReportData) -> str:
    """What a month brings, for people without statistics."""
    month = next(r for r in rows if r["scenario"] == "expected" and r["scope"] == "all" and r["days"] == 28
                 and r["metric"] == data.objective)
    what = "conversion value" if data.objective == "conversion_value" else "conversions"
    unit = f"{formats.NBSP}{data.currency}" if data.objective == "conversion_value" else ""
    return (f"With tonight’s budgets held, the next 28 days are expected to bring "
            f"{_rounded(month['mean'])}{unit} of {what}. In 9 of 10 such months it will be between "
            f"{_rounded(month['quantile_05'])} and {_rounded(month['quantile_95'])}{unit}.")


def verdict(scores: Rows, objective: str) -> str:
    """One sentence: whether earlier forecasts kept their promise, and whether anyone could have done as well."""
    mine = [r for r in scores if r["scope"] == "all" and r["metric"] == objective and r["span"].startswith("days")]
    days = len({r["business_date"] for r in mine})
    if days < LEAST_CHECKED:
        return ("Too few days of earlier forecasts are known to judge them: outcomes are complete about two weeks "
                "after the day.")
    found = _figures(mine)
    said = (f"Checked against the last {days} days whose outcomes are known: the 9-in-10 range held in "
            f"{formats.percent(found.ninety, 0)} of {formats.count(found.count, 'forecast')}")
    if found.skill is None:
        return f"{said}."
    if found.skill > 0:
        return f"{said}, and they were {formats.percent(found.skill, 0)} closer than {found.peer}."
    return (f"{said}, but they were {formats.percent(-found.skill, 0)} further off than {found.peer}: "
            "trust that simple rule more for now.")


@dataclass(frozen=True)
class _Figures:
    count: int
    half: float
    ninety: float
    skill: float | None  # over the better peer: 1 - CRPS / its CRPS
    peer: str


def _figures(rows: Rows) -> _Figures:
    count = sum(r["forecasts"] for r in rows)
    half, ninety = (sum(r["forecasts"] * r[name] for r in rows) / count for name in ("covered_50", "covered_90"))
    skills = {}
    for name, peer in PEERS.items():
        both = [r for r in rows if r[name] is not None]
        theirs = sum(r["forecasts"] * r[name] for r in both)
        if theirs > 0:
            skills[peer] = 1 - sum(r["forecasts"] * r["crps"] for r in both) / theirs
    peer = min(skills, key=lambda p: (skills[p], p), default="")
    return _Figures(count, half, ninety, skills.get(peer), peer)


def _totals(rows: Rows, data: ReportData) -> TableView:
    """The next 14 and 28 days by scenario and metric."""
    at = {(r["scenario"], r["metric"], r["days"]): r for r in rows if r["scope"] == "all" and r["days"] > 1}
    titles = {r["scenario"]: r["title"] for r in rows if r["days"] > 1}
    columns = [Column("scenario", "Scenario"), Column("what", "What")]
    for days in (14, 28):
        columns += [Column(f"mean{days}", f"Next {days} days", numeric=True),
                    Column(f"range{days}", "In 9 of 10 cases", numeric=True)]
    made = []
    for scenario, title in titles.items():
        for metric, name in METRICS.items():
            cells = [Cell(title), Cell(f"{name}, {data.currency}" if metric != "conversions" else name)]
            for days in (14, 28):
                r = at[scenario, metric, days]
                cells += [Cell(_rounded(r["mean"]), repr(r["mean"])),
                          Cell(f"{_rounded(r[QUANTILES[0]])} to {_rounded(r[QUANTILES[-1]])}", repr(r[QUANTILES[0]]))]
            made.append(Row(cells))
    return TableView("forecast-table", "All lines with a budget, tonight’s budgets held", columns, made, fold=12)


def _scores(scores: Rows) -> TableView | None:
    """Coverage and skill by metric and horizon, all lines."""
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for r in scores:
        if r["scope"] == "all":
            groups[r["metric"], r["span"]].append(r)
    if not groups:
        return None
    columns = [Column("what", "What"), Column("span", "How far ahead"), Column("count", "Forecasts", numeric=True),
               Column("half", "5-in-10 range held", numeric=True), Column("ninety", "9-in-10 range held", numeric=True),
               Column("skill", "Closer than the simple rule", numeric=True)]
    made = []
    for (metric, span), rows in groups.items():
        f = _figures(rows)
        skill = Cell(formats.percent(f.skill, 0, signed=True), None if f.skill is None else repr(f.skill))
        made.append(Row([Cell(METRICS[metric]), Cell(f"{span} together" if span[0].isdigit() else span),
                         Cell(f"{f.count:,}", str(f.count)),
                         Cell(formats.percent(f.half, 0), repr(f.half)),
                         Cell(formats.percent(f.ninety, 0), repr(f.ninety)), skill]))
    note = ("Closer by the continuous ranked probability score, beside the better of two simple rules: the mean of the "
            "last seven days, and the same weekday of the week before.")
    return TableView("forecast-scores", "Forecasts of earlier nights against what is known now", columns, made,
                     fold=15, note=note)


def _drawn(rows: Rows, data: ReportData) -> dict[str, Any]:
    """Compact numbers for the charts: by scope, scenario and metric five series of the days ahead, and what was."""
    size: dict[str, float] = {r["scope"]: r["mean"] for r in rows
                              if (r["scenario"], r["metric"], r["days"]) == ("expected", "spend", 28)}
    scopes = sorted(size, key=lambda s: (s != "all", -size[s], s))[:MOST_SCOPES]
    titles = {r["scenario"]: r["title"] for r in rows if r["scenario"] != "so_far"}
    days: dict[tuple[str, str, str], dict[date, dict[str, Any]]] = defaultdict(dict)
    for r in rows:
        if r["days"] == 1 and r["scope"] in scopes:
            days[r["scope"], r["scenario"], r["metric"]][r["business_date"]] = r

    def fan(scope: str, scenario: str, metric: str) -> list[list[float]]:
        found = [r for _, r in sorted(days[scope, scenario, metric].items())]
        return [[_short(r[q]) for r in found] for q in QUANTILES]

    first = min(days["all", "expected", "spend"])
    back = [first - timedelta(days=n) for n in range(PAST_DAYS, 0, -1)]

    def so_far(scope: str, metric: str) -> list[float | None]:
        found = days[scope, "so_far", metric]
        return [_short(found[day]["mean"]) if day in found else None for day in back]

    return {
        "first": first.isoformat(),
        "currency": data.currency,
        "scopes": scopes,
        "scenarios": [{"name": name, "title": title} for name, title in titles.items()],
        "fans": {s: {name: {m: fan(s, name, m) for m in METRICS} for name in titles} for s in scopes},
        "so_far": {s: {m: so_far(s, m) for m in METRICS} for s in scopes},
    }


def _rounded(value: float) -> str:
    """Three digits: a forecast knows no more."""
    return formats.estimate(float(f"{value:.3g}"))


def _short(value: float) -> float:
    """Four digits are more than a chart shows."""
    return float(f"{value:.4g}")
