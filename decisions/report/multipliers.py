"""The part of the bids that goes by hour and by place: a strip of percentages for each line that has any.

A place is a placement, a domain or an ad position: a line's bids go by one of them.
"""

from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, left_out, share

HOURS = "hour_block"
SHADES = (5, 15, 40)  # percent from which a cell is darker
SHOWN_BY = {"line": "its own dates", "unit": "all lines together", "none": "taken back"}
PLACES = {"placement": "placement", "domain": "domain", "ad_position": "ad position"}
NEEDED = ("One by placement, domain or ad position needs a platform that reports conversions by it and takes a "
          "percentage for it.")  # fmt: skip
FILE = "bid_multipliers.csv"


def words(data: ReportData) -> str:
    """How many lines have a percentage, and why the others have none."""
    if data.multipliers is None:
        return ""
    rows = [r for r in data.multipliers.to_pylist() if r["evidence"] != "none"]
    if not rows:
        return f"No line changes its bids by hour or place: later dates show no gain from it. {NEEDED}"
    by = {name: {r["line_id"] for r in rows if r["dimension"] == dimension}
          for dimension, name in {HOURS: "hour", **PLACES}.items()}  # fmt: skip
    made = " and ".join(f"{formats.count(len(lines), 'line')} by {name}" for name, lines in by.items() if lines)
    return (f"Bids change for {made}, where conversions of later dates show that it gains; all other lines bid the "
            f"same all day. The percentages leave each line's expected spend where it is. {NEEDED}")


def by_hour(data: ReportData) -> TableView | None:
    """A row a line, a column an hour block; None where there is none."""
    rows = _rows(data, hours=True)
    if not rows:
        return None
    blocks = sorted({r["level"] for r in rows})
    lines: dict[str, list[dict[str, Any]]] = {}
    for r in rows:
        lines.setdefault(r["line_id"], []).append(r)
    widest = sorted(lines.values(), key=lambda mine: (-max(abs(r["multiplier_percent"]) for r in mine),
                                                      mine[0]["line_id"]))
    shown = widest[:MOST_ROWS]
    return TableView(
        id="hours-table",
        caption="Percentages on the line's bids by hour, in the time zone of the ad accounts, widest first; below each "
                "the conversion rate",
        columns=[Column("line", "Line"), *(Column("block", f"{block} h", numeric=True) for block in blocks),
                 Column("shown", "Shown by", choose=True)],
        rows=[Row([Cell(mine[0]["line_name"]), *_strip(mine, blocks), Cell(SHOWN_BY[mine[0]["evidence"]])])
              for mine in shown],
        fold=12,
        note=left_out(len(shown), len(widest), "lines", FILE),
    )  # fmt: skip


def by_place(data: ReportData) -> TableView | None:
    """A row a line and placement, domain or ad position; None where there is none."""
    def name(r: dict[str, Any]) -> tuple[str, ...]:
        return r["line_name"], r["line_id"], r["dimension"], r["level"]

    rows = _rows(data, hours=False)
    if not rows:
        return None
    shown = sorted(sorted(rows, key=lambda r: (-abs(r["multiplier_percent"]), name(r)))[:MOST_ROWS], key=name)
    return TableView(
        id="places-table",
        caption="Percentages on the line's bids by placement, domain or ad position",
        columns=[Column("line", "Line"), Column("by", "By", choose=True), Column("place", "Place"),
                 Column("percent", "Bids", numeric=True), Column("rate", "Conv. rate", numeric=True),
                 Column("share", "of clicks", numeric=True), Column("why", "Why")],
        rows=[Row([Cell(r["line_name"]), Cell(PLACES[r["dimension"]]), Cell(r["level"]), _percent(r, sub=""),
                   share(r["conversion_rate"], 2), share(r["click_share"], 0), Cell(r["reason"])]) for r in shown],
        fold=12,
        note=left_out(len(shown), len(rows), "rows", FILE),
    )  # fmt: skip


def _rows(data: ReportData, hours: bool) -> list[dict[str, Any]]:
    rows = data.multipliers.to_pylist() if data.multipliers is not None else []
    return [r for r in rows if (r["dimension"] == HOURS) == hours]


def _strip(mine: list[dict[str, Any]], blocks: list[str]) -> list[Cell]:
    found = {r["level"]: r for r in mine}
    return [_percent(found[b], formats.percent(found[b]["conversion_rate"], 2)) if b in found else Cell("no clicks",
            tone="quiet") for b in blocks]  # fmt: skip


def _percent(r: dict[str, Any], sub: str) -> Cell:
    percent = r["multiplier_percent"]
    shade = sum(abs(percent) >= least for least in SHADES)
    tone = f"{'up' if percent > 0 else 'down'}{shade}" if shade else ""
    return Cell(formats.percent(percent / 100, 0, signed=True), str(percent), sub, tone=tone)
