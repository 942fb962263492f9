"""The job `forecast`: what the next four weeks bring with tonight's budgets held, and how earlier forecasts did."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from decisions import draws
from decisions.forecast import scenarios
from decisions.forecast.learn import learn_from
from decisions.forecast.past import METRICS, OBJECTIVES, Past
from decisions.forecast.paths import Ahead, simulate
from decisions.forecast.tables import ALL, HORIZON, Known, forecast_rows, past_rows, peer_rows, score_rows
from decisions.jobs.curves import LEAST_KNOWN
from decisions.jobs.reported import Shares, shares_reported
from decisions.jobs.responses import curves_of, factors
from decisions.rows import table_of
from moe.errors import MoeError
from moe.jobs import Night

LEARNT_DAYS = 150
MATURE = 0.98
"""Share of a day's outcome that is reported once its forecasts are scored: what is still to come moves no score."""
SETTLED_DAYS = 3
"""Age from which spend is taken as known: platforms take invalid clicks back for two days."""
Rows = list[dict[str, Any]]


def forecast(
    night: Night, history: pa.Table, deliveries: pa.Table, curves: pa.Table, drawn: pa.Table, demand: pa.Table,
    budgets: pa.Table, plans: pa.Table, published: pa.Table,
) -> dict[str, pa.Table]:
    """Rows of out.forecast__day and out.forecast_score__day. `plans` is marts.plan_vs_actual__line_day of past nights,
    `published` out.forecast__day of past nights."""
    rows = [r for r in history.to_pylist() if night.unit.funds(r["line_id"])]
    share = {m: shares_reported(deliveries, m) for m in OBJECTIVES}
    lines = [r for r in budgets.to_pylist() if r["platform"]]
    try:
        past = _past(rows, plans.to_pylist(), {r["line_id"]: r["platform"] for r in lines}, share, night)
        paths = _paths(past, lines, curves, drawn, demand, night)
    except ValueError as error:
        raise MoeError(f"no forecast for {night.unit.unit} in the night of {night.date}: {error}",
                       "run the job `curves` of the night again; the live release stays") from error
    known, newest = _known(rows, share, night)
    earlier = [r for r in published.to_pylist() if r["night"] < night.date]
    return {
        "out.forecast__day": table_of("out.forecast__day", [
            *forecast_rows(paths, scenarios.chosen(night.unit.scenarios), past, night.decided_day),
            *peer_rows(past, night.decided_day), *past_rows(past, night.decided_day)]),
        "out.forecast_score__day": table_of("out.forecast_score__day", score_rows(earlier, known, newest)),
    }


def _paths(
    past: Past, lines: Rows, curves: pa.Table, drawn: pa.Table, demand: pa.Table, night: Night
) -> dict[str, Any]:
    names = [r["line_id"] for r in lines]
    known = dict(zip(*(curves.column(name).to_pylist() for name in ("line_id", "dispersion")), strict=True))
    fitted = curves_of(curves, names)
    dispersion = np.array([known[name] for name in names])
    ahead = Ahead(np.array([float(r["budget"]) for r in lines]), factors(demand, names, night.decided_day, HORIZON),
                  dispersion, draws.from_table(drawn).of(names))
    learnt = learn_from(past, fitted, dispersion, night.unit.objective)
    return simulate(past, ahead, learnt, night.unit.objective, scenarios.chosen(night.unit.scenarios))


def _past(rows: Rows, plans: Rows, platform: dict[str, str], share: dict[str, Shares], night: Night) -> Past:
    """The days up to the night of the lines that have a budget."""
    since = night.date - timedelta(days=LEARNT_DAYS - 1)
    rows = [r for r in rows if r["line_id"] in platform and since <= r["business_date"] <= night.date]
    first = min((r["business_date"] for r in rows), default=night.date)
    at = {line: i for i, line in enumerate(platform)}
    shape = ((night.date - first).days + 1, len(at))
    spend, planned = np.zeros(shape), np.full(shape, np.nan)
    outcome = {m: np.full(shape, np.nan) for m in OBJECTIVES}
    known = {m: np.ones(shape) for m in OBJECTIVES}
    reported = {(r["platform"], r["business_date"]) for r in rows}
    for r in rows:
        where = (r["business_date"] - first).days, at[r["line_id"]]
        spend[where] = r["spend"]
        for m in OBJECTIVES:
            known[m][where] = _share(share, m, r, night)
            if r[m] is not None:
                outcome[m][where] = float(r[m]) / known[m][where]
    for r in plans:
        day = (r["business_date"] - first).days
        told = r["line_id"] in at and (platform[r["line_id"]], r["business_date"]) in reported
        if told and 0 <= day < shape[0] and r["planned_budget"] is not None:
            planned[day, at[r["line_id"]]] = r["planned_budget"]
    names = tuple(sorted(set(platform.values())))
    index = np.array([names.index(name) for name in platform.values()], dtype=np.int64)
    return Past(names, index, (first.weekday() + np.arange(shape[0])) % 7, spend, planned, outcome, known)


def _known(rows: Rows, share: dict[str, Shares], night: Night) -> tuple[Known, date]:
    """What happened on the days whose outcome is reported, by scope and metric, and the newest of them."""
    found: dict[tuple[str, str], dict[date, float]] = {}
    open_days: set[tuple[str, date]] = set()
    reports = {(r["platform"], m) for r in rows for m in METRICS if r[m] is not None}
    for r in rows:
        for m in METRICS:
            if (r["platform"], m) not in reports:  # a platform that never tells it adds nothing
                continue
            mature = (night.date - r["business_date"]).days >= SETTLED_DAYS
            if m != "spend":
                mature = mature and r[m] is not None and _share(share, m, r, night) >= MATURE
            if not mature:
                open_days.add((m, r["business_date"]))
                continue
            amount = float(r[m]) / (1.0 if m == "spend" else _share(share, m, r, night))
            for scope in (ALL, r["platform"]):
                by_day = found.setdefault((scope, m), {})
                by_day[r["business_date"]] = by_day.get(r["business_date"], 0.0) + amount
    closed = {key: {d: v for d, v in by_day.items() if (key[1], d) not in open_days} for key, by_day in found.items()}
    return closed, max((d for (_, m), by in closed.items() if m != "spend" for d in by), default=night.date)


def _share(share: dict[str, Shares], metric: str, row: dict[str, Any], night: Night) -> float:
    age = (night.date - row["business_date"]).days
    return max(share[metric].get((row["platform"], age), 1.0), LEAST_KNOWN)
