"""The night as one workbook (XLSX): its state, and a sheet for each of its tables, ready to sort and to add up.

Every text is written as a text cell and every number as a number: nothing in the file is a formula or a link,
whatever name a campaign has. The same night gives the same bytes.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]  # ships no types

from decisions.report.data import ReportData
from decisions.report.sheet_columns import AMOUNT, DATE, RATE, VALUE, WHOLE
from decisions.report.sheets import Sheet, sheets

LONGEST = 32_767  # signs in a cell


def workbook(data: ReportData) -> bytes:
    """The whole workbook of a night."""
    sink = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(sink, options)
    day = datetime.combine(data.night, datetime.min.time(), UTC).replace(tzinfo=None)
    book.set_properties({"title": f"{data.unit_name}: night of {data.night}", "created": day})
    _night(book, data)
    for sheet in sheets(data):
        _write_sheet(book, sheet)
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
        (f"Expected a day ({data.worth_unit})", release["expected_value"], VALUE),
        ("Expected at today's split", release["status_quo_value"], VALUE),
        ("No split brings more than", release["upper_bound"], VALUE),
        ("Gain, 5 in 100 are below", release.get("gain_low"), VALUE),
        ("Gain, 95 in 100 are below", release.get("gain_high"), VALUE),
        ("Chance of a gain", release.get("beats_status_quo"), RATE),
        ("Loss a day to be expected", release.get("expected_regret"), VALUE),
        ("Notes", release["notes"] or "", ""),
    ]
    for at, (name, value, pattern) in enumerate(facts):
        sheet.write_string(at, 0, name, bold)
        style = book.add_format({"num_format": pattern, "align": "left"}) if pattern else plain
        _write(sheet, at, 1, value, style)


def _write_sheet(book: xlsxwriter.Workbook, of: Sheet) -> None:
    """A table with a frozen, filtered head; its total stands below an empty row, out of the filter's reach."""
    sheet = book.add_worksheet(of.name)
    head = book.add_format({"bold": True, "bottom": 1, "valign": "top"})
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(of.rows), 1), len(of.fields) - 1)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    total = len(of.rows) + 2 if of.rows and any(field.summed for field in of.fields) else None
    for column, field in enumerate(of.fields):
        style = book.add_format({"num_format": field.format or "General"})
        sheet.set_column(column, column, field.width)
        sheet.write_string(0, column, field.heading, head)
        for at, row in enumerate(of.rows, start=1):
            _write(sheet, at, column, row[field.name], style)
        if total is not None and (field.summed or not column):
            bold = book.add_format({"num_format": field.format or "General", "bold": True, "top": 1})
            _write(sheet, total, column, sum(row[field.name] for row in of.rows) if field.summed else "Total", bold)


def _write(
    sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, value: Any, style: xlsxwriter.format.Format
) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_string(row, column, "yes" if value else "no", style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, datetime.combine(value, datetime.min.time()), style)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, float(value), style)
    else:
        sheet.write_string(row, column, value[:LONGEST], style)
