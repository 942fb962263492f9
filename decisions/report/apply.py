"""The section that says how to bring a live release to the platforms."""

from decimal import Decimal

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.uploads import NOT_LIVE, Uploads
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, amount, left_out

GAPS_FILE = "not_in_upload_files.csv"


def words(applied: Uploads, data: ReportData) -> str:
    """How much of the release the files set."""
    if data.status != "live":
        return NOT_LIVE
    total = sum((file.total for file in applied.files), Decimal(0))
    lines = sum(len(file.lines) for file in applied.files)
    rest = data.release["total"] - total
    told = (f"The files set {formats.money(total, data.currency)} for {formats.count(lines, 'line')}. Import a file, "
            "look at the changes that the tool shows, then post them.")
    if not applied.gaps:
        return f"{told} That is the whole release."
    by_hand = f"{formats.count(len(applied.gaps), 'line')} with {formats.money(rest, data.currency)}"
    if not lines:
        return f"No line can be put into an upload file; {by_hand} must be set by hand."
    return f"{told} {by_hand} must be set by hand."


def gaps(applied: Uploads, data: ReportData) -> TableView | None:
    """The lines that no file sets, the largest budget first; None where there are none."""
    rows = sorted(applied.gaps, key=lambda g: (-g.budget, g.line_id))
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    return TableView(
        id="gaps-table",
        caption=f"To set by hand, in {data.currency} a day, largest first",
        columns=[
            Column("line", "Line"),
            Column("platform", "Platform", choose=True),
            Column("budget", "Budget", numeric=True),
            Column("why", "Why no file sets it, and what to do"),
        ],
        rows=[Row([Cell(g.line_name), Cell(g.platform), amount(g.budget), Cell(g.why)]) for g in shown],
        foot=[Row([Cell("Total"), Cell(""), amount(sum((g.budget for g in rows), Decimal(0))), Cell("")])],
        fold=8,
        note=left_out(len(shown), len(rows), "lines", GAPS_FILE),
    )
