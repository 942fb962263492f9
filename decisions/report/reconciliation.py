"""Three counts of the same sales, and what the platforms' and the shop's difference is made of, for a manager."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from decisions.reconciliation import CLASSES, NO_LINE
from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, left_out

ZERO = Decimal(0)
SAID = {
    "cancelled": "cancelled or returned since",
    "other_day": "clicked before these days",
    "late_click": "clicked too long before",
    "view_through": "views without a click",
    "duplicate": "orders of another line, clicked here too",
    "missing_tag": "orders without a tag",
    "other_origin": "orders from elsewhere, such as a newsletter",
}
MAY_BE = {"view_through": "views", "duplicate": "counted by two", "missing_tag": "without a tag"}
NO_SHOP = ("The shop’s orders are missing: nobody but the platforms counts these sales. A source of orders (and one of "
           "web events, for their clicks) would show what became of each.")
NO_SITE = ("The site’s events are missing: orders are given to lines by their own tags alone, so that days, late "
           "clicks and orders counted by two platforms cannot be told apart.")
NOT_YET = "the platforms have not reported any outcome yet. The model’s count is what they should come to."


@dataclass(frozen=True)
class View:
    """What the section shows."""

    words: str
    missing: str
    believe: list[tuple[str, str]]
    table: TableView


def view(data: ReportData) -> View | None:
    """The section of the night; None where the counts were not put side by side."""
    if data.counts is None or not data.counts.num_rows:
        return None
    days = data.counts.to_pylist()
    measure, unit = ("value", data.currency) if data.objective == "conversion_value" else ("orders", "conversions")
    lines = sorted((_summed(rows, measure) for rows in _by_line(days)), key=_first)
    total = _summed([{**row, "line_id": "", "line_name": "Total"} for row in days], measure)
    return View(_words(total, lines, days, unit), _missing(total, data), _believe(total),
                _table(lines, total, days, unit))


def _by_line(days: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in days:
        found.setdefault(row["line_id"], []).append(row)
    return found.values()


def _summed(rows: list[dict[str, Any]], measure: str) -> dict[str, Any]:
    """One line's counts over the days; a sum over days of which none is known is not known."""
    platform = "platform_value" if measure == "value" else "platform_conversions"
    exact = {name: _sum(row[f"{name}_{measure}"] for row in rows) for name in ("shop", "difference", *CLASSES)}
    most = {name: _sum(row[f"{name}_at_most_{measure}"] for row in rows) for name in MAY_BE}
    reported = any(row[platform] is not None for row in rows)
    expected = [row["expected_so_far" if reported else "expected"] for row in rows]
    expected = [value for value in expected if value is not None]
    return {"line_id": rows[0]["line_id"], "line_name": rows[0]["line_name"], "most": most,
            "platform": _sum(row[platform] for row in rows), "model": sum(expected) if expected else None, **exact}


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, ZERO) if known else None


def _first(line: dict[str, Any]) -> tuple[Any, ...]:
    """What nobody can explain first; orders of no line last."""
    unexplained, reported = abs(line["not_told_apart"] or ZERO), line["platform"] or ZERO
    return line["line_id"] == NO_LINE, -unexplained, -reported, line["line_id"]


def _words(
    total: dict[str, Any], lines: list[dict[str, Any]], days: list[dict[str, Any]], unit: str
) -> str:
    """What the platforms and the shop say of the same days, in one sentence or two."""
    count = len({row["business_date"] for row in days})
    since = f"Over the last {formats.count(count, 'day')}"

    def said(value: Decimal | None) -> str:
        return formats.outcome(value, unit)

    if total["platform"] is None:
        return f"{since} {NOT_YET}"
    if total["shop"] is None:
        return f"{since} the platforms report {said(total['platform'])}."
    own = _sum(line["shop"] for line in lines if line["line_id"] != NO_LINE) or ZERO
    open_ = sum((abs(line["not_told_apart"] or ZERO) for line in lines), ZERO)
    return (f"{since} the platforms report {said(total['platform'])}. The shop kept {said(total['shop'])} of sales, of "
            f"which {said(own)} came by a line. All of the difference but {said(open_)} is explained below.")


def _missing(total: dict[str, Any], data: ReportData) -> str:
    if total["shop"] is None:
        return NO_SHOP
    site = next((step for step in data.steps if step["job"] == "sessions"), None)
    return NO_SITE if site is not None and site["status"] == "skipped" else ""


def _believe(total: dict[str, Any]) -> list[tuple[str, str]]:
    """Which count answers which question."""
    shop = [("What was earned: the shop.", "It counts every order once, and takes cancelled and returned ones back.")]
    return [
        *(shop if total["shop"] is not None else []),
        ("How a line does beside its own past: its platform.",
         "It sees clicks and views that the shop does not. Do not add platforms up: two may count one order."),
        ("What more or less money would bring: the model.",
         "It learns from the platforms’ counts, and stands here for what was really spent, as far as reported by now. "
         "Whether an ad caused the sale, only an experiment tells."),
    ]


def _table(lines: list[dict[str, Any]], total: dict[str, Any], days: list[dict[str, Any]], unit: str) -> TableView:
    first, last = (bound(row["business_date"] for row in days) for bound in (min, max))
    digits = 0 if unit != "conversions" else 1
    shown = lines[:MOST_ROWS]
    return TableView(
        id="counts-table",
        caption=f"{formats.short_day(first)} to {formats.short_day(last)} in {unit}, the least explained first",
        columns=[
            Column("line", "Line"),
            Column("model", "Model", numeric=True, hint="What the curve expects of the spend, so far reported"),
            Column("platform", "Platform", numeric=True, hint="What the platform reports"),
            Column("shop", "Shop", numeric=True, hint="Orders that are the line’s by their own evidence, kept"),
            Column("difference", "Platform less shop", numeric=True),
            Column("why", "What explains it"),
            Column("open", "Not told apart", numeric=True, hint="What is left: the data do not say why"),
        ],
        rows=[Row(_cells(line, digits)) for line in shown],
        foot=[Row(_cells(total, digits))],
        fold=12,
        note=" ".join(filter(None, [left_out(len(shown), len(lines), "lines", "three_counts.csv"),
                                    "Every day of every line is in three_counts.csv."])),
    )


def _cells(line: dict[str, Any], digits: int) -> list[Cell]:
    def cell(name: str, signed: bool = False, sub: str = "") -> Cell:
        value = line[name]
        return Cell(formats.number(value, digits, signed), None if value is None else str(value), sub)

    explained = sorted(((name, line[name]) for name in SAID if line[name]), key=lambda part: -abs(part[1]))
    said = [f"{formats.number(value, digits, signed=True)} {SAID[name]}" for name, value in explained]
    # the orders of no line are nobody's to explain by a click
    may_be = [f"{formats.number(line['most'][name] - max(line[name], ZERO), digits)} {words}"
              for name, words in MAY_BE.items()
              if (line["not_told_apart"] or ZERO) > 0 and line["most"][name] > max(line[name], ZERO)]
    return [
        Cell(line["line_name"]), cell("model"), cell("platform"), cell("shop"), cell("difference", signed=True),
        Cell(", ".join(said), tone="quiet"),
        cell("not_told_apart", signed=True, sub=f"at most {', '.join(may_be)}" if may_be else ""),
    ]
