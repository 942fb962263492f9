"""The nightly page of a unit, from the night's tables and its ledger."""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from decisions.draws import from_table
from decisions.jobs.archive import archive
from decisions.jobs.ask import said
from decisions.jobs.covered import ads_of_lines
from decisions.jobs.groups import groups_of
from decisions.jobs.lines import worth_of
from decisions.overrides import active
from decisions.periods import MONTHS
from decisions.report import ReportData, adoption, render
from decisions.report.data import Period
from decisions.report.requests import requests_of
from moe import ledger, publish, tables
from moe.contracts import contract
from moe.jobs import NIGHT, Night

BUDGETS = "out.budget__line"
SHOWN_DAYS = 90


def report(night: Night, overrides: pa.Table) -> dict[str, pa.Table]:
    """Write the report of the night (index.html, and files beside it), then the page over all nights. Fills no table.

    `overrides` is core.override__override as of the night. Raises MissingInput where the night has no release yet.
    """
    unit = night.unit

    def read(table: str) -> pa.Table:
        return tables.read(table, unit.unit, night.date)

    folder = night.settings.report(unit.unit, night.date)
    checks = night.settings.data_docs / unit.unit / night.date.isoformat() / "index.html"
    live = publish.live("release", unit.unit)
    orders, experiments = read("marts.order__day"), _or_empty("out.experiment__test", night)
    counts = _or_empty("out.reconciliation__line_day", night)
    budgets = read(BUDGETS)
    data = ReportData(
        unit=unit.unit,
        unit_name=unit.name,
        night=night.date,
        currency=unit.currency,
        objective=unit.objective,
        release=read("out.release__night").to_pylist()[0],
        live={"night": live.effective, "who": live.who, "when": live.at, "reason": live.reason} if live else None,
        budgets=budgets,
        limits=_or_empty("out.limit_price__limit", night),
        bids=read("out.bid__line_segment"),
        curves=read("out.curve__line"),
        history=_newest_days(read("marts.ad_performance__line_day"), night),
        plan_vs_actual=read("marts.plan_vs_actual__line_day"),
        orders=orders if orders.num_rows else None,
        quarantine=_or_empty("core.quarantine__row", night),
        warnings=_or_empty("core.warning__finding", night),
        steps=_steps(night),
        links=({"Data checks of the night": os.path.relpath(checks, folder)} if checks.exists() else {})
        | _monitoring(night, folder) | {"All nights: calendar and comparison": "../index.html"},
        experiments=experiments if experiments.num_rows else None,
        applied=_or_none("out.applied__line", night),
        forecast=_or_empty("out.forecast__day", night),
        forecast_scores=_or_empty("out.forecast_score__day", night),
        past=_past(night),
        requests=requests_of(night),
        ads=ads_of_lines(night, budgets.column("line_id").to_pylist()),
        draws=from_table(drawn) if (drawn := _or_none("out.curve_draw__line", night)) else None,
        changes=_or_none("out.budget_change__line_cause", night),
        limit_costs=_or_none("out.limit_cost__limit", night),
        period=_period(overrides, night),
        multipliers=_or_none("out.bid_multiplier__line_dimension", night),
        criteria=_or_none("out.criterion__campaign", night),
        kpis=_or_none("out.kpi_suitability__line", night),
        counts=counts if counts.num_rows else None,
        ahead=_or_none("out.plan__line_day", night),
        groups=_groups(budgets, night),
        weights=_weights(budgets, night),
        front=_or_none("out.front__point", night),
    )
    render(data, folder)
    archive(night)
    return {}


def _groups(budgets: pa.Table, night: Night) -> dict[str, str]:
    """The group that each line stands in; lines in none are left out."""
    names = dict(zip(*(budgets.column(name).to_pylist() for name in ("line_id", "line_name")), strict=True))
    return {line: group.name for group in groups_of(night.unit, names, list(names)) for line in group.lines}


def _weights(budgets: pa.Table, night: Night) -> dict[str, float]:
    """Margin × lifetime of each line of which the unit states them."""
    lines, names = (budgets.column(name).to_pylist() for name in ("line_id", "line_name"))
    found = zip(lines, worth_of(night.unit, lines, names).tolist(), strict=True)
    return {line: weight for line, weight in found if weight != 1}


def _past(night: Night) -> pa.Table:
    """Budgets of the nights that the page looks back on, each with whether its release was ever live."""
    unit, since = night.unit.unit, night.date - timedelta(days=adoption.DAYS - 1)
    was_live = {entry.moved_to for entry in publish.log("release", unit)}
    wanted = ["line_id", "line_name", "business_date", "budget", "override_id", "reason"]
    found = [contract(BUDGETS).schema.empty_table().select(wanted).append_column("live", pa.array([], pa.bool_()))]
    for path in tables.files(BUDGETS, unit, since, night.date):
        rows = tables.read_file(path).select(wanted)
        found.append(rows.append_column("live", pa.array([path.stem in was_live] * rows.num_rows, pa.bool_())))
    return pa.concat_tables(found, promote_options="permissive")


def _monitoring(night: Night, folder: Path) -> dict[str, str]:
    """The night's monitoring is written after this page; until then the newest one before it is linked too."""
    unit, found = night.unit.unit, night.settings.monitoring

    def page(of: date) -> Path:
        return found(unit, of) / "index.html"

    links = {"Monitoring of the model": os.path.relpath(page(night.date), folder)}
    if page(night.date).exists():
        return links
    links = {"Monitoring of the model (opens once the step `monitor` of this night is done)": links.popitem()[1]}
    earlier = (night.date - timedelta(days=n) for n in range(1, 8))
    newest = next((of for of in earlier if page(of).exists()), None)
    return links | ({f"Monitoring of the night of {newest}": os.path.relpath(page(newest), folder)} if newest else {})


def _newest_days(history: pa.Table, night: Night) -> pa.Table:
    """The days that the page shows."""
    first = pa.scalar(night.date - timedelta(days=SHOWN_DAYS - 1))
    return history.filter(pa.compute.greater_equal(history.column("business_date"), first))


def _or_empty(table: str, night: Night) -> pa.Table:
    paths = tables.files(table, night.unit.unit, night.date, night.date)
    return tables.read(table, night.unit.unit, night.date) if paths else contract(table).schema.empty_table()


def _or_none(table: str, night: Night) -> pa.Table | None:
    """None in nights from before the table."""
    return _or_empty(table, night) if tables.files(table, night.unit.unit, night.date, night.date) else None


def _period(overrides: pa.Table, night: Night) -> Period | None:
    """The total that rules, a month's before a quarter's."""
    in_force = active(said(overrides), night.date)
    for kind in MONTHS:
        for o in in_force:
            if o.kind == kind and o.amount is not None:
                decided = tables.read("out.allocation__night", night.unit.unit, night.date).to_pylist()[0]
                return Period(kind, o.amount, o.who, o.reason, decided.get("period_spent"))
    return None


def _steps(night: Night) -> list[dict[str, Any]]:
    done = ledger.newest(night.unit.unit, night.date)
    return [{k: done[job.name][k] for k in ("job", "status", "seconds", "reason")}
            for job in NIGHT if job.name in done]
