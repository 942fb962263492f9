"""The section on what people overrode: sentences, weeks, and each override before and under it."""

from decimal import Decimal
from typing import Any

from decisions.report import formats
from decisions.report.adoption import BEFORE, Adoption, Sum, adoption
from decisions.report.data import ReportData
from decisions.report.requests import requests
from decisions.report.views import Cell, Column, Row, TableView, amount, share

MOST_EPISODES = 12


def words(found: Adoption, data: ReportData) -> list[str]:
    """The section in sentences."""
    if not found.nights:
        return []
    said = [f"Of the last {formats.count(found.nights, 'night')}, {found.live} went live."]
    lines = set().union(*(week.lines for week in found.weeks)) if found.weeks else set()
    if not lines:
        return [*said, "People overrode no line in them."]
    money = sum((week.money for week in found.weeks), Decimal(0))
    total = sum((week.total for week in found.weeks), Decimal(0))
    said.append(f"In them people overrode {formats.count(len(lines), 'line')}, with "
                f"{formats.money(money, data.currency)}: {formats.percent(money / total if total else 0)} of all that "
                "was released.")
    people, model = Sum(), Sum()
    for week in found.weeks:
        people.add(week.people.spend, week.people.outcome)
        model.add(week.model.spend, week.model.outcome)
    if people.rate is not None and model.rate is not None:
        said.append(f"{_unit(data)}: {_rate(people.rate, data)} on days under an override, {_rate(model.rate, data)} "
                    "on lines left to the model.")
    return said


def weeks(found: Adoption, data: ReportData) -> TableView | None:
    """Overrides week by week; None where nobody overrode anything."""
    if not any(week.lines for week in found.weeks):
        return None
    return TableView(
        id="overrides-table",
        caption=f"Week by week. {_unit(data)}",
        columns=[
            Column("week", "Week from"),
            Column("lines", "Lines overridden", numeric=True),
            Column("money", f"{data.currency} under override", numeric=True),
            Column("share", "of the total", numeric=True),
            Column("people", "Overridden", numeric=True),
            Column("model", "Left to the model", numeric=True),
        ],
        rows=[Row([
            Cell(formats.short_day(week.first), week.first.isoformat()),
            Cell(formats.number(len(week.lines)), str(len(week.lines))),
            amount(week.money),
            share(float(week.money / week.total) if week.total else None),
            _cell(week.people.rate, data),
            _cell(week.model.rate, data),
        ]) for week in found.weeks],
    )  # fmt: skip


def episodes(found: Adoption, data: ReportData) -> TableView | None:
    """Each override before and under it; None where there was none."""
    if not found.episodes:
        return None
    shown = found.episodes[:MOST_EPISODES]
    more = len(found.episodes) - len(shown)
    return TableView(
        id="episodes-table",
        caption=f"Each override, most money first. {_unit(data)}, in the {BEFORE} days before and under it",
        columns=[
            Column("line", "Line"),
            Column("since", "Since"),
            Column("days", "Days", numeric=True),
            Column("money", f"{data.currency} under it", numeric=True),
            Column("before", "Line before", numeric=True),
            Column("under", "Line under it", numeric=True),
            Column("mbefore", "Others before", numeric=True, hint="Lines that nobody overrode, on the same days"),
            Column("munder", "Others meanwhile", numeric=True, hint="Lines that nobody overrode, on the same days"),
            Column("why", "Why"),
        ],
        rows=[Row([
            Cell(e.name),
            Cell(formats.short_day(e.days[0]), e.days[0].isoformat()),
            Cell(formats.number(len(e.days)), str(len(e.days))),
            amount(e.money),
            *(_cell(s.rate, data) for s in (e.before, e.under, e.model_before, e.model_under)),
            Cell(e.reason),
        ]) for e in shown],
        fold=8,
        note=f"and {formats.count(more, 'smaller override')}." if more > 0 else "",
    )  # fmt: skip


def _unit(data: ReportData) -> str:
    if data.objective == "conversion_value":
        return f"Value per {data.currency} spent"
    return f"Conversions per 1,000 {data.currency} spent"


def _rate(rate: float | None, data: ReportData) -> str:
    return formats.number(None if rate is None else rate * (1 if data.objective == "conversion_value" else 1000), 2)


def _cell(rate: float | None, data: ReportData) -> Cell:
    return Cell(_rate(rate, data), None if rate is None else repr(rate), tone="" if rate is not None else "quiet")


def views(data: ReportData) -> dict[str, Any]:
    """What the template needs."""
    found = adoption(data)
    return {"words": words(found, data), "weeks": weeks(found, data), "episodes": episodes(found, data),
            "requests": requests(data)}
