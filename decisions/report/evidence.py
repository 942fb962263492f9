"""How the curves are known: from observed spend only, or checked by an experiment; in words for a manager."""

from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, left_out

OBSERVED = "From observed spend only: no experiment has checked it."


def by_line(data: ReportData) -> dict[str, str]:
    """What stands under each line's curve."""
    used: dict[str, list[str]] = {}
    for row in _experiments(data):
        if row["used"]:
            used.setdefault(row["line_id"], []).append(row["experiment_id"])
    return {r["line_id"]: _checked_by(used.get(r["line_id"], [])) if r["evidence"] == "calibrated" else OBSERVED
            for r in data.curves.to_pylist()}


def _checked_by(experiment_ids: list[str]) -> str:
    return f"Checked by an experiment: {', '.join(experiment_ids)}."


def words(data: ReportData) -> str:
    """How many curves an experiment has checked, what that means, and which line to test next."""
    curves = data.curves.to_pylist()
    observed = {r["line_id"] for r in curves if r["evidence"] == "observational"}
    checked = len(curves) - len(observed)
    how_many, verb = f"{checked:,}" if checked else "None", "is" if checked <= 1 else "are"
    said = f"{how_many} of {formats.count(len(curves), 'curve')} {verb} checked by an experiment."
    if not observed:
        return said
    said += (f" {'The others' if checked else 'They'} are from observed spend only: where budgets followed demand, "
             "they credit the spend with sales that would have come anyway.")
    widest = max((r for r in data.budgets.to_pylist() if r["line_id"] in observed),
                 key=lambda r: (r["expected_value_se"], r["line_id"]), default=None)
    return said if widest is None else f"{said} A test teaches most on {widest['line_name']}: its range is the widest."


def experiments(data: ReportData) -> TableView | None:
    """Every experiment, used tonight or why not, the used ones first; None where there is none."""
    rows = sorted(_experiments(data), key=lambda r: (not r["used"], r["experiment_id"]))
    if not rows:
        return None
    names = {r["line_id"]: r["line_name"] for r in data.curves.to_pylist()}
    shown = rows[:MOST_ROWS]
    return TableView(
        id="experiments-table",
        caption="Experiments, and what became of each tonight",
        columns=[Column("experiment", "Experiment"), Column("line", "Line"), Column("days", "Days"),
                 Column("used", "Tonight"), Column("why", "Why")],
        rows=[
            Row([
                Cell(r["experiment_id"]),
                Cell(names.get(r["line_id"], r["line_id"])),
                Cell(f"{r['start_date']} to {r['end_date']}", value=r["start_date"].isoformat()),
                Cell("in the curve" if r["used"] else "left out"),
                Cell(r["note"] or "Its result and its error are in the line’s curve.", tone="quiet"),
            ])
            for r in shown
        ],
        fold=12,
        note=left_out(len(shown), len(rows), "experiments", "experiments.csv"),
    )


def _experiments(data: ReportData) -> list[dict[str, Any]]:
    return [] if data.experiments is None else data.experiments.to_pylist()
