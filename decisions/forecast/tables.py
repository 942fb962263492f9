"""Rows of out.forecast__day, and of out.forecast_score__day, which scores them once their days are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.forecast.past import METRICS, Past
from decisions.forecast.peers import RULES, samples
from decisions.forecast.score import LEVELS, covered, crps_of_quantiles
from moe.units import Scenario

FloatArray = NDArray[np.float64]

ALL = "all"
HORIZON = 28
TOTALS = (14, 28)
COLUMNS = tuple(f"quantile_{round(100 * level):02d}" for level in LEVELS)
SO_FAR = ("so_far", "So far, with what is still to be reported")
PEERS = {"naive": "The last seven days' mean", "seasonal_naive": "The same weekday of last week"}
SPANS = ((1, 7, "days 1-7"), (8, 14, "days 8-14"), (15, 28, "days 15-28"))
SCORED_DAYS = 28
Known = Mapping[tuple[str, str], Mapping[date, float]]
"""What happened by (scope, metric) and day; a day that is not known for good is missing."""


def spans(first: date) -> list[tuple[int, date, range]]:
    """Days summed, last day, and the days ahead, of all that one night forecasts from `first` on."""
    single = [(1, first + timedelta(days=h - 1), range(h, h + 1)) for h in range(1, HORIZON + 1)]
    return single + [(days, first + timedelta(days=days - 1), range(1, days + 1)) for days in TOTALS]


def forecast_rows(
    paths: Mapping[str, FloatArray], scenarios: Sequence[Scenario], past: Past, first: date
) -> list[dict[str, Any]]:
    """Rows of the scenarios' paths (paths, H, P, metrics)."""
    rows = []
    for scenario in scenarios:
        drawn, name = paths[scenario.name], (scenario.name, scenario.title)
        for scope, of in _scopes(past):
            for m, metric in enumerate(METRICS):
                series = drawn[:, :, of, m].sum(axis=2)
                rows += [_row(name, scope, metric, days, last, series[:, ahead[0] - 1: ahead[-1]].sum(axis=1))
                         for days, last, ahead in spans(first)]
    return rows


def peer_rows(past: Past, first: date) -> list[dict[str, Any]]:
    """Rows of the forecasts that anyone could make."""
    rows = []
    for scope, of in _scopes(past):
        for metric in METRICS:
            series = past.known(metric)[:, of].sum(axis=1)
            share = np.ones(past.days) if metric == "spend" else past.share[metric].mean(axis=1)
            for name, rule in RULES.items():
                for days, last, ahead in spans(first):
                    if len(drawn := samples(rule, series, share, ahead)):
                        rows.append(_row((name, PEERS[name]), scope, metric, days, last, drawn))
    return rows


def past_rows(past: Past, first: date) -> list[dict[str, Any]]:
    """Rows of the last days as they are projected to be reported in the end, where anything of them is known."""
    rows, count = [], min(HORIZON, past.days)
    for scope, of in _scopes(past):
        for metric in METRICS:
            series = past.known(metric)[-count:, of].sum(axis=1)
            rows += [_row(SO_FAR, scope, metric, 1, first - timedelta(days=count - n), series[n : n + 1])
                     for n in range(count) if np.isfinite(series[n])]
    return rows


def score_rows(published: list[dict[str, Any]], known: Known, newest: date) -> list[dict[str, Any]]:
    """Scores of forecasts that earlier nights published, on the last days up to `newest` that are known."""
    cells: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in published:
        if row["scenario"] not in ("expected", *RULES):
            continue
        if newest - timedelta(days=SCORED_DAYS) < row["business_date"] <= newest:
            key = (row["scope"], row["metric"], _span(row), row["business_date"], row["days"])
            cells[key][row["scenario"]].append(row)
    out = []
    for (scope, metric, span, last, days), found in sorted(cells.items()):
        happened = known.get((scope, metric), {})
        wanted = [last - timedelta(days=n) for n in range(days)]
        ours = found.get("expected", [])
        if not ours or any(day not in happened for day in wanted):
            continue
        y = sum(happened[day] for day in wanted)
        half, ninety = covered(_quantiles(ours), np.full(len(ours), y))
        nights = {row["night"] for row in ours}
        out.append({
            "scope": scope, "metric": metric, "span": span, "business_date": last, "observed": y,
            "forecasts": len(ours), "covered_50": float(half.mean()), "covered_90": float(ninety.mean()),
            "crps": _mean_crps(ours, y),
            **{f"crps_{peer}": _mean_crps(theirs, y) if {r["night"] for r in theirs} == nights else None
               for peer in RULES for theirs in [found.get(peer, [])]},
        })  # fmt: skip
    return out


def _scopes(past: Past) -> Iterator[tuple[str, list[int]]]:
    yield ALL, list(range(len(past.platforms)))
    if len(past.platforms) > 1:
        yield from ((name, [p]) for p, name in enumerate(past.platforms))


def _row(named: tuple[str, str], scope: str, metric: str, days: int, last: date, drawn: FloatArray) -> dict[str, Any]:
    found = np.quantile(drawn, LEVELS)
    return {"scenario": named[0], "title": named[1], "scope": scope, "metric": metric, "days": days,
            "business_date": last, "mean": float(drawn.mean()),
            **{name: float(q) for name, q in zip(COLUMNS, found, strict=True)}}


def _span(row: dict[str, Any]) -> str:
    if row["days"] > 1:
        return f"{row['days']} days"
    ahead = (row["business_date"] - row["night"]).days
    return next(name for low, high, name in SPANS if low <= ahead <= high)


def _quantiles(rows: list[dict[str, Any]]) -> FloatArray:
    return np.array([[row[name] for name in COLUMNS] for row in rows])


def _mean_crps(rows: list[dict[str, Any]], observed: float) -> float:
    return float(crps_of_quantiles(_quantiles(rows), np.full(len(rows), observed)).mean())
