"""The nightly allocation report: one page that shows a marketing operator what changed, why and what to do.

`render` writes `index.html`, which opens without a network, and beside it every table as CSV and the night as XLSX.
"""

from pathlib import Path

import pyarrow as pa

from decisions.report.data import ReportData
from decisions.report.files import csv_bytes, write
from decisions.report.page import html
from decisions.report.workbook import workbook

__all__ = ["ReportData", "render"]

WORKBOOK = "night.xlsx"


def render(data: ReportData, folder: Path) -> Path:
    """Write the night's report into `folder` and return the page; the page goes last.

    A table that the night does not have leaves no file, not even one of an earlier rendering.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {name: table for name, table in tables(data).items() if table is not None}
    for name in tables(data):
        if name in written:
            write(folder / name, csv_bytes(written[name]))
        else:
            (folder / name).unlink(missing_ok=True)
    write(folder / WORKBOOK, workbook(data))
    page = folder / "index.html"
    write(page, html(data, [WORKBOOK, *written]).encode())
    return page


def tables(data: ReportData) -> dict[str, pa.Table | None]:
    """File name -> table of every CSV beside the page; None where the night has no such table."""
    return {
        "budgets.csv": data.budgets,
        "bids.csv": data.bids,
        "plan_vs_actual.csv": data.plan_vs_actual,
        "curves.csv": data.curves,
        "history.csv": data.history,
        "orders.csv": data.orders,
        "quarantine.csv": data.quarantine,
        "warnings.csv": data.warnings,
        "steps.csv": pa.Table.from_pylist(data.steps) if data.steps else None,
    }
