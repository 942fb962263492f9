"""The tables of yesterday's plan against what happened, and of tomorrow's bids."""

from decimal import Decimal
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import (
    MOST_ROWS,
    Cell,
    Column,
    Row,
    TableView,
    amount,
    guess,
    left_out,
    ratio,
    share,
)

PLAN_WITHOUT_OUTCOMES = 5  # columns of the plan's table while the day's outcomes are open
HELD_BY = {"none": "", "cap": "at cap", "floor": "at floor", "budget": "budget", "no_budget": "no budget"}
ZERO = Decimal(0)


def plan(data: ReportData) -> TableView | None:
    """The newest day for which there was a plan, the largest difference first; None before there was one."""
    table = data.plan_vs_actual
    rows = [] if table is None else table.to_pylist()
    day = max((r["business_date"] for r in rows if r["planned_budget"] is not None), default=None)
    if day is None:
        return None
    missing = {"spend": ZERO, "planned_budget": ZERO}  # counts as nothing, as it does in the mart
    rows = [
        {**r, **{k: v for k, v in missing.items() if r[k] is None}} for r in rows if r["business_date"] == day
    ]
    rows.sort(key=lambda r: (-abs(r["spend"] - r["planned_budget"]), r["line_id"]))
    total: dict[str, Any] = {
        key: None if any(r[key] is None for r in rows) else sum(r[key] for r in rows)
        for key in ("planned_budget", "spend", "conversions", "conversion_value")
    }
    shown = rows[:MOST_ROWS]
    outcomes = any(r["conversions"] is not None or r["conversion_value"] is not None for r in rows)
    columns = [
        Column("line", "Line"),
        Column("planned", "Planned", numeric=True),
        Column("spent", "Spent", numeric=True),
        Column("difference", "Difference", numeric=True),
        Column("percent", "of plan", numeric=True),
        Column("conversions", "Conversions", numeric=True),
        Column("value", "Value", numeric=True),
    ]
    width = len(columns) if outcomes else PLAN_WITHOUT_OUTCOMES
    return TableView(
        id="plan-table",
        caption=f"Plan and spend of {formats.long_day(day)} in {data.currency}, largest difference first",
        columns=columns[:width],
        rows=[Row(_plan_cells(r["line_name"], r)[:width]) for r in shown],
        foot=[Row(_plan_cells("Total", total)[:width])],
        fold=12,
        note=" ".join(
            filter(
                None,
                [
                    "" if outcomes else "Conversions and value of that day are not known yet.",
                    left_out(len(shown), len(rows), "lines", "plan_vs_actual.csv"),
                ],
            )
        ),
    )


def _plan_cells(label: str, r: dict[str, Any]) -> list[Cell]:
    miss = r["spend"] - r["planned_budget"]
    off = ratio(miss, r["planned_budget"])
    tone = "off" if off is not None and abs(off) > 0.25 else ""
    unknown = Cell("not yet known", tone="quiet")
    return [
        Cell(label),
        amount(r["planned_budget"]),
        amount(r["spend"]),
        amount(miss, signed=True),
        Cell(formats.percent(off, 1, signed=True), None if off is None else repr(off), tone=tone),
        unknown if r["conversions"] is None else amount(r["conversions"], 1),
        unknown if r["conversion_value"] is None else amount(r["conversion_value"]),
    ]


def bids(data: ReportData) -> TableView:
    """Bids by expected spend, the largest first."""
    rows = data.bids.to_pylist()
    rows.sort(key=lambda r: (-r["expected_spend"], r["line_id"], r["segment"]))
    shown = rows[:MOST_ROWS]
    return TableView(
        id="bids-table",
        caption=f"Largest bid a click in {data.currency}, largest expected spend first",
        columns=[
            Column("line", "Line"),
            Column("segment", "Segment", choose=True),
            Column("bid", "Bid", numeric=True),
            Column("cap", "Cap", numeric=True),
            Column("clicks", "Clicks", numeric=True, hint="Expected clicks at the bid"),
            Column("spend", "Spend", numeric=True, hint="Expected spend at the bid"),
            Column("rate", "Click rate", numeric=True, hint="Expected clicks an impression"),
            Column("conversion", "Conv. rate", numeric=True, hint="Expected conversions a click"),
            Column("worth", "Value", numeric=True, hint="Expected value of a conversion"),
            Column("held", "Limit", choose=True, hint="What holds the bid"),
            Column("why", "Why"),
        ],
        rows=[
            Row(
                [
                    Cell(r["line_name"]),
                    Cell(r["segment"]),
                    amount(r["bid"], 4),
                    amount(r["bid_cap"], 4),
                    guess(r["expected_clicks"]),
                    amount(r["expected_spend"]),
                    share(r["click_rate"], 2),
                    share(r["conversion_rate"], 2),
                    guess(r["value_per_conversion"]),
                    _held_by(r["binding"]),
                    Cell(r["reason"]),
                ]
            )
            for r in shown
        ],
        fold=15,
        note=left_out(len(shown), len(rows), "bids", "bids.csv"),
    )


def _held_by(binding: str) -> Cell:
    words = HELD_BY.get(binding, binding)
    return Cell("", value=words, badge=words, tone=binding)
