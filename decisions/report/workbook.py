"""The night as one workbook (XLSX): budgets, bids, and the limits with their reasons, ready to sort and to add up.

Every text is written as a text cell and every number as a number: nothing in the file is a formula or a link,
whatever name a campaign has. The same night gives the same bytes.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import xlsxwriter  # type: ignore[import-untyped]  # ships no types

from decisions.reconciliation import CLASSES
from decisions.report.data import ReportData

LONGEST = 32_767  # signs in a cell
SUMMED = ("budget", "previous_budget", "expected_value", "status_quo_value", "expected_clicks", "expected_spend")
AMOUNT, BID, RATE, VALUE, WHOLE, DATE = "#,##0.00", "#,##0.0000", "0.00%", "#,##0.00", "#,##0", "yyyy-mm-dd"


@dataclass(frozen=True)
class Field:
    """A column of a sheet: the table's column, its heading, its number format and its width in signs."""

    name: str
    heading: str
    format: str = ""
    width: int = 14


LINE = (Field("line_name", "Line", width=36), Field("line_id", "Line ID", width=28))
BUDGETS = (
    *LINE,
    Field("platform", "Platform"),
    Field("business_date", "Day", DATE, 12),
    Field("previous_budget", "Yesterday's budget", AMOUNT, 18),
    Field("budget", "Tomorrow's budget", AMOUNT, 18),
    Field("change", "Change", AMOUNT),
    Field("currency", "Currency", width=9),
    Field("expected_value", "Expected a day", VALUE, 16),
    Field("expected_value_se", "Its standard error", VALUE, 16),
    Field("status_quo_value", "Expected at today's split", VALUE, 22),
    Field("marginal_value", "Return of the next unit", "0.0000", 21),
    Field("reason", "Why", width=70),
)
BIDS = (
    *LINE,
    Field("segment", "Segment", width=20),
    Field("business_date", "Day", DATE, 12),
    Field("bid", "Bid a click", BID),
    Field("bid_cap", "Cap", BID),
    Field("currency", "Currency", width=9),
    Field("click_rate", "Click rate", RATE),
    Field("conversion_rate", "Conversion rate", RATE, 16),
    Field("value_per_conversion", "Value of a conversion", VALUE, 20),
    Field("expected_clicks", "Expected clicks", "#,##0.0", 16),
    Field("expected_spend", "Expected spend", AMOUNT, 16),
    Field("binding", "What holds it", width=14),
    Field("reason", "Why", width=70),
)
LIMITS = (
    *LINE,
    Field("platform", "Platform"),
    Field("budget", "Tomorrow's budget", AMOUNT, 18),
    Field("floor", "Least allowed", AMOUNT),
    Field("cap", "Most allowed", AMOUNT),
    Field("currency", "Currency", width=9),
    Field("binding", "What holds it", width=14),
    Field("marginal_value", "Return of the next unit", "0.0000", 21),
    Field("override_id", "Override", width=16),
    Field("reason_code", "Reason code", width=16),
    Field("reason", "Why", width=70),
)
COUNTS = (
    *LINE,
    Field("platform", "Platform"),
    Field("business_date", "Day", DATE, 12),
    Field("currency", "Currency", width=9),
    Field("spend", "Spent", AMOUNT),
    Field("expected_so_far", "Model, as far as reported", VALUE, 22),
    Field("platform_value", "Platform, value", AMOUNT, 16),
    Field("shop_value", "Shop, value", AMOUNT, 16),
    Field("difference_value", "Platform less shop", AMOUNT, 18),
    *(Field(f"{name}_value", name.replace("_", " ").capitalize(), AMOUNT, 16) for name in CLASSES),
    Field("platform_conversions", "Platform, conversions", "#,##0.0", 20),
    Field("shop_orders", "Shop, orders", "#,##0", 14),
    Field("difference_orders", "Platform less shop, orders", "#,##0.0", 24),
    *(Field(f"{name}_orders", f"{name.replace('_', ' ').capitalize()}, orders", "#,##0.0", 20) for name in CLASSES),
)


def workbook(data: ReportData) -> bytes:
    """The whole workbook of a night."""
    sink = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(sink, options)
    day = datetime.combine(data.night, datetime.min.time(), UTC).replace(tzinfo=None)
    book.set_properties({"title": f"{data.unit_name}: night of {data.night}", "created": day})
    _night(book, data)
    budgets = sorted(data.budgets.to_pylist(), key=lambda r: (-abs(_change(r)), r["line_id"]))
    _sheet(book, "Budgets", BUDGETS, [{**r, "change": _change(r)} for r in budgets], total=True)
    _sheet(book, "Bids", BIDS, _rows(data.bids, "line_id", "segment"), total=True)
    _sheet(book, "Limits and reasons", LIMITS, _rows(data.budgets, "line_id"))
    if data.counts is not None:
        _sheet(book, "Three counts", COUNTS, _rows(data.counts, "line_id", "business_date"))
    book.close()
    return sink.getvalue()


def _night(book: xlsxwriter.Workbook, data: ReportData) -> None:
    """The first sheet: what the other sheets are about, and whether to apply them."""
    release = data.release
    sheet = book.add_worksheet("Night")
    bold, plain = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 30, bold)
    sheet.set_column(1, 1, 80)
    facts: list[tuple[str, Any, str]] = [
        ("Advertiser", data.unit_name, ""),
        ("Night (data up to)", data.night, DATE),
        ("Budgets for", release["business_date"], DATE),
        ("State", {"live": "LIVE: apply", "held": "HELD: do not apply",
                   "candidate": "CANDIDATE: not live, do not apply"}[data.status], ""),
        ("Why it is held", release["hold_reason"] if release["held"] else "", ""),
        ("Currency of all amounts", data.currency, ""),
        ("Total budget", release["total"], AMOUNT),
        ("Total to place", release["total_configured"], AMOUNT),
        ("Lines", release["lines"], WHOLE),
        ("Lines that change", release["lines_changed"], WHOLE),
        ("Objective", data.objective, ""),
        ("Expected a day", release["expected_value"], VALUE),
        ("Expected at today's split", release["status_quo_value"], VALUE),
        ("Notes", release["notes"] or "", ""),
    ]
    for at, (name, value, pattern) in enumerate(facts):
        sheet.write_string(at, 0, name, bold)
        style = book.add_format({"num_format": pattern, "align": "left"}) if pattern else plain
        _write(sheet, at, 1, value, style)


def _sheet(
    book: xlsxwriter.Workbook, name: str, fields: tuple[Field, ...], rows: list[dict[str, Any]], total: bool = False
) -> None:
    """A table with a frozen, filtered head; its total stands below an empty row, out of the filter's reach."""
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bottom": 1, "valign": "top"})
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(rows), 1), len(fields) - 1)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    styles = [book.add_format({"num_format": f.format or "General"}) for f in fields]
    bold = [book.add_format({"num_format": f.format or "General", "bold": True, "top": 1}) for f in fields]
    for column, field in enumerate(fields):
        sheet.set_column(column, column, field.width)
        sheet.write_string(0, column, field.heading, head)
        for at, row in enumerate(rows, start=1):
            _write(sheet, at, column, row[field.name], styles[column])
        if total and rows and (field.name in (*SUMMED, "change") or not column):
            value = "Total" if not column else sum(row[field.name] for row in rows)
            _write(sheet, len(rows) + 2, column, value, bold[column])


def _write(
    sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, value: Any, style: xlsxwriter.format.Format
) -> None:
    if value is None:
        return
    if isinstance(value, date):
        sheet.write_datetime(row, column, datetime.combine(value, datetime.min.time()), style)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, float(value), style)
    else:
        sheet.write_string(row, column, value[:LONGEST], style)


def _rows(table: pa.Table, *order: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.sort_by([(name, "ascending") for name in order]).to_pylist()
    return found


def _change(row: dict[str, Any]) -> Decimal:
    change: Decimal = row["budget"] - row["previous_budget"]
    return change
