"""The nightly allocation report: one page that shows a marketing operator what changed, why and what to do.

`render` writes `index.html`, which opens without a network, and beside it every table as CSV and the night as XLSX.
"""

from pathlib import Path

import pyarrow as pa

from decisions.report.apply import GAPS_FILE
from decisions.report.data import ReportData
from decisions.report.files import csv_bytes, write
from decisions.report.page import html
from decisions.report.uploads import uploads
from decisions.report.workbook import workbook

__all__ = ["ReportData", "render"]

WORKBOOK = "night.xlsx"
UPLOADED = "*_ads_*_????-??-??.csv"
"Names of the files for the platforms: those of an earlier rendering may not stay."


def render(data: ReportData, folder: Path) -> Path:
    """Write the night's report into `folder` and return the page; the page goes last.

    A table that the night does not have leaves no file, not even one of an earlier rendering.
    """
    folder.mkdir(parents=True, exist_ok=True)
    applied = uploads(data)
    for old in folder.glob(UPLOADED):
        old.unlink()
    for file in applied.files:
        write(folder / file.name, file.content())
    held = tables(data) | {GAPS_FILE: applied.gap_table()}
    written = {name: table for name, table in held.items() if table is not None}
    for name in held:
        if name in written:
            write(folder / name, csv_bytes(written[name]))
        else:
            (folder / name).unlink(missing_ok=True)
    write(folder / WORKBOOK, workbook(data))
    page = folder / "index.html"
    write(page, html(data, [WORKBOOK, *written], applied).encode())
    return page


def tables(data: ReportData) -> dict[str, pa.Table | None]:
    """File name -> table of every CSV beside the page; None where the night has no such table."""
    return {
        "budgets.csv": data.budgets,
        "changes.csv": data.changes,
        "limit_costs.csv": data.limit_costs,
        "bids.csv": data.bids,
        "bid_multipliers.csv": data.multipliers if data.multipliers is not None and data.multipliers.num_rows else None,
        "plan_ahead.csv": data.ahead,
        "product_lines.csv": data.front if data.front is not None and data.front.num_rows else None,
        "plan_vs_actual.csv": data.plan_vs_actual,
        "applied.csv": data.applied,
        "three_counts.csv": data.counts,
        "curves.csv": data.curves,
        "experiments.csv": data.experiments,
        "forecast.csv": data.forecast,
        "criteria.csv": data.criteria,
        "kpi_suitability.csv": data.kpis,
        "history.csv": data.history,
        "orders.csv": data.orders,
        "quarantine.csv": data.quarantine,
        "warnings.csv": data.warnings,
        "steps.csv": pa.Table.from_pylist(data.steps) if data.steps else None,
    }
