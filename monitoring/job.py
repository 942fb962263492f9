"""The job `monitor`: a night's comparisons, the maintenance check, and the pages."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from moe import tables
from moe.contracts import ADDED, contract
from moe.jobs import Night
from monitoring import availability, drift, outcomes, seen
from monitoring.maintenance import Row, maintenance_check
from monitoring.model import CURRENT_NIGHTS, Model, Window, model_of
from monitoring.page import write_pages
from monitoring.thresholds import ADS, SCORES, TRAFFIC, Limit, Thresholds, for_size, thresholds

COLUMNS, OUTCOMES, REQUEST = "out.monitor__column", "out.monitor__outcome", "out.retrain_request__night"


def monitor(night: Night, scores: pa.Table, before: pa.Table, request_before: pa.Table) -> dict[str, pa.Table]:
    """Compare the newest week with the model's training nights, and judge its outcomes as known in the night.

    `scores` are the night's; `before` and `request_before` this job's rows of the night before, for how long
    an alert has lasted. Writes the night's pages. Raises MoeError where the model's bundle is missing,
    Skip where no line was scored.
    """
    unit, limits, model = night.unit.unit, thresholds(), model_of(scores)
    current = Window.ending(night.date, CURRENT_NIGHTS)
    with tables.connect() as connection:
        seen.register(connection, unit, model.reference, model.first_scores, current)
        compared = compare(connection, model, current, limits)
        there = _available(connection, night, model, current, limits)
        snapshot = drift.report([c for _, c in compared]) if compared else None
    with tables.connect() as connection:
        days = outcomes.by_day(connection, unit, night.date, model)
    lasted = _lasted(before, model)
    columns = [*_drift_rows(compared, snapshot), *(_availability_row(a, limits) for a in there)]
    columns = [row | {"model_version": model.version, "nights_alert": lasted(row)} for row in columns]
    judged = outcomes.judged(days, limits.outcomes)
    request = maintenance_check(night.date, model, columns, judged,
                                next(iter(request_before.to_pylist()), None), limits)
    write_pages(night, model, current, columns, judged, request, snapshot)
    return {COLUMNS: _table(COLUMNS, columns), OUTCOMES: _table(OUTCOMES, [
        row | {"model_version": model.version} for row in judged]), REQUEST: _table(REQUEST, [request])}


def compare(connection: Any, model: Model, current: Window, limits: Thresholds) -> list[tuple[str, drift.Compared]]:
    """Each column with a check, by table: its values that are not null in both windows.

    Scores are compared with the model's own first ones, once two weeks of them are there.
    """
    now, then = seen.sample(connection, current).df(), seen.sample(connection, model.reference).df()
    pairs = {ADS: (now, then), TRAFFIC: (now, then)}
    if current.until >= model.first_scores.until:
        pairs[SCORES] = (seen.sample(connection, current, model.version).df(),
                         seen.sample(connection, model.first_scores, model.version).df())
    found = []
    for table, (current_rows, reference_rows) in pairs.items():
        for name, column in limits.columns[table].items():
            if column.unchecked:
                continue
            sizes = current_rows[name].count(), reference_rows[name].count()
            checks = {check: for_size(limit, check, *sizes, limits.measured, column.parts)
                      for check in drift.CHECKS if (limit := getattr(column, check))}
            one = drift.Compared.of(name, current_rows[name], reference_rows[name], checks, column.parts)
            if one.enough:
                found.append((table, one))
    return found


def _available(connection: Any, night: Night, model: Model, current: Window,
               limits: Thresholds) -> list[availability.Availability]:
    columns = {t: tuple(limits.columns[t]) for t in (ADS, TRAFFIC)}
    tonight = Window(current.until, current.until)
    return [*availability.missing(connection, columns, model.reference, tonight),
            *availability.absent_nights(night.unit.unit, (ADS, TRAFFIC), model.reference, current),
            *availability.lateness(night.unit.unit, night.date, model.reference)]


def _drift_rows(compared: list[tuple[str, drift.Compared]], snapshot: Any) -> list[Row]:
    if snapshot is None:
        return []
    by_name = {column.name: (table, column) for table, column in compared}
    rows = []
    for found in drift.found([c for _, c in compared], snapshot):
        table, column = by_name[found.column]
        sizes = len(column.current), len(column.reference)
        row = _row(table, found.column, found.check, found.statistic, column.limits[found.check], *sizes)
        rows.append(row | {"p_value": found.p_value})
    return rows


def _availability_row(found: availability.Availability, limits: Thresholds) -> Row:
    limit: Limit = getattr(limits, found.check)
    return _row(found.table, found.column, found.check, found.statistic, limit, found.current_rows,
                found.reference_rows)


def _row(table: str, column: str, check: str, statistic: float, limit: Limit, current: int, reference: int) -> Row:
    return {"table_name": table, "column_name": column, "check_name": check, "statistic": statistic, "p_value": None,
            "warn_above": limit.warn, "alert_above": limit.alert, "status": limit.status(statistic),
            "current_rows": current, "reference_rows": reference}


def _lasted(before: pa.Table, model: Model) -> Callable[[Row], int]:
    """How many nights in a row a row is in alert; another model begins anew."""
    counts = {(r["table_name"], r["column_name"], r["check_name"]): r["nights_alert"] for r in before.to_pylist()
              if r["model_version"] == model.version}

    def nights(row: Row) -> int:
        key = row["table_name"], row["column_name"], row["check_name"]
        return int(counts.get(key, 0)) + 1 if row["status"] == "alert" else 0

    return nights


def _table(name: str, rows: list[Row]) -> pa.Table:
    """Rows as a table of the contract's columns; `unit` and `night` are the runner's."""
    schema = pa.schema([field for field in contract(name).schema if field.name not in ADDED])
    return pa.Table.from_pylist(rows, schema=schema)
