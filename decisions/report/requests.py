"""Requests to move money between lines or groups: what waits for a decision, what counts, what was refused."""

from datetime import timedelta

import pyarrow as pa

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import Cell, Column, Row, TableView, amount
from moe import tables
from moe.contracts import contract
from moe.jobs import Night
from moe.runner import as_of

OVERRIDES = "core.override__override"
DAYS = 3650
STATE = {"requested": "waits", "approved": "approved", "refused": "refused"}


def requests_of(night: Night) -> pa.Table | None:
    """Requests that the night knows and that are not over by its day; None where there are none."""
    unit, since = night.unit.unit, night.date - timedelta(days=DAYS - 1)
    if not tables.files(OVERRIDES, unit, since, night.date):
        return None
    known = as_of(contract(OVERRIDES), unit, night.date, since)
    rows = [r for r in known.to_pylist() if r["kind"] == "request" and r["until"] >= night.decided_day]
    return pa.Table.from_pylist(rows, schema=known.schema) if rows else None


def requests(data: ReportData) -> TableView | None:
    """Each request with its state, those that wait first; None where there are none."""
    if data.requests is None:
        return None
    names = {r["line_id"]: r["line_name"] for r in data.budgets.to_pylist()}
    order = list(STATE)
    rows = sorted(data.requests.to_pylist(), key=lambda r: (order.index(r["state"]), r["until"], r["override_id"]))
    waiting = sum(r["state"] == "requested" for r in rows)
    return TableView(
        id="requests-table",
        caption=f"Requests to move money: {formats.count(waiting, 'request')} to approve or refuse. Only approved ones "
                "count.",
        columns=[
            Column("state", "State"), Column("giver", "From"), Column("receiver", "To"),
            Column("amount", f"{data.currency} a day", numeric=True), Column("until", "Until"),
            Column("who", "Who and why"), Column("id", "Request"),
        ],
        rows=[Row([
            Cell(STATE[r["state"]], str(order.index(r["state"])), tone="" if r["state"] == "requested" else "quiet"),
            Cell(names.get(r["line_id"], r["line_id"])),
            Cell(names.get(r["to_id"], r["to_id"])),
            amount(r["amount"]),
            Cell(formats.short_day(r["until"]), r["until"].isoformat()),
            Cell(f"{r['who']}: {r['reason']}"),
            Cell(r["override_id"]),
        ]) for r in rows],
        fold=8,
        note="Decide with `moe plan approve ID` or `moe plan refuse ID`." if waiting else "",
    )  # fmt: skip
