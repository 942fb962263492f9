"""The table of tomorrow's budget by line."""

from decimal import Decimal
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.gain import lines_of
from decisions.report.views import Cell, Column, Row, TableView, amount, guess, left_out, ratio

MOST_BUDGETS = 1000  # about 0.8 kB a row: the page stays under 2 MB
BINDING = {"floor": "at floor", "cap": "at cap", "lock": "locked", "group": "group's limit"}
STEPS = {"step_up": "largest step", "step_down": "largest step"}  # the limit is that of one night's move
IN_WORTH = ("Expected worth, “Next {}” and the reasons count {} times the line’s margin and lifetime; budgets.csv has "
            "them as platforms count.")
ZERO = Decimal(0)


def budgets(data: ReportData) -> TableView:
    """Lines by money moved, the largest first; the foot equals the sum of all lines to the cent."""
    rows = sorted(
        lines_of(data),
        key=lambda r: (-abs(r["budget"] - r["previous_budget"]), -r["budget"], r["line_id"]),
    )
    widest = max((abs(r["budget"] - r["previous_budget"]) for r in rows), default=ZERO)
    digits = 2 if data.objective == "conversion_value" else 3
    day = formats.long_day(data.release["business_date"])
    shown, rest = rows[:MOST_BUDGETS], rows[MOST_BUDGETS:]
    foot = [_budget_sum(f"{len(rest):,} other lines", rest)] if rest else []
    return TableView(
        id="budgets-table",
        caption=f"Budget by line in {data.currency} a day, largest change first",
        columns=[
            Column("line", "Line"),
            Column("platform", "Platform", choose=True),
            Column("before", "Yesterday’s", numeric=True, hint="Budget of the night before"),
            Column("new", "Tomorrow’s", numeric=True, hint=f"Budget for {day}"),
            Column("change", "Change", numeric=True),
            Column("value", f"Expected {data.expects}", numeric=True, hint="A day, with its standard error"),
            Column("next", f"Next {data.currency}", numeric=True, hint=f"{data.worth_unit} that one more would bring"),
            Column("why", "Why"),
        ],
        rows=[_budget_row(r, widest, digits) for r in shown],
        foot=[*foot, _budget_sum("Total", rows)],
        note=" ".join(filter(None, [left_out(len(shown), len(rows), "lines", "budgets.csv"),
                                    IN_WORTH.format(data.currency, data.counted) if data.weights else ""])),
        cards=True,
    )


def _budget_row(r: dict[str, Any], widest: Decimal, digits: int) -> Row:
    change = r["budget"] - r["previous_budget"]
    relative = ratio(change, r["previous_budget"])
    return Row(
        [
            Cell(r["line_name"]),
            Cell(r["platform"]),
            amount(r["previous_budget"]),
            amount(r["budget"]),
            Cell(
                formats.number(change, 2, signed=True),
                str(change),
                sub="" if relative is None or not change else formats.percent(relative, 1, signed=True),
                bar=float(change / widest) if widest else 0.0,
            ),
            guess(r["expected_value"], sub=f"± {formats.estimate(r['expected_value_se'])}"),
            Cell(formats.number(r["marginal_value"], digits), repr(r["marginal_value"])),
            Cell(
                r["reason"],
                badge=STEPS.get(r["reason_code"]) or BINDING.get(r["binding"], ""),
                tone=r["binding"],
            ),
        ],
        {"line": r["line_id"], "budget": str(r["budget"])},
    )


def _budget_sum(label: str, rows: list[dict[str, Any]]) -> Row:
    before = sum((r["previous_budget"] for r in rows), ZERO)
    after = sum((r["budget"] for r in rows), ZERO)
    cells = [Cell(label), Cell(""), amount(before), amount(after), amount(after - before, signed=True)]
    cells += [guess(sum(r["expected_value"] for r in rows)), Cell(""), Cell("")]
    return Row(cells, {"total" if label == "Total" else "rest": str(after)})
