"""The tables about trust: rows that were kept out, what the gate noticed, and the steps of the night."""

from collections import Counter, defaultdict
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.views import MOST_ROWS, Cell, Column, Row, TableView, left_out

EXAMPLES = 3
LONGEST = 60  # characters of an example: a broken file can put a megabyte into one cell


def quarantine(data: ReportData) -> TableView | None:
    """Quarantined rows by file, rule and column, the most rows first; None where there are none."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in data.quarantine.to_pylist():
        groups[row["source"], row["file"], row["rule"], row["column"], row["remedy"]].append(row)
    if not groups:
        return None
    ranked = sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    shown = ranked[:MOST_ROWS]
    return TableView(
        id="quarantine-table",
        caption="Rows kept out of the night’s numbers",
        columns=[
            Column("file", "File"),
            Column("rule", "Rule"),
            Column("column", "Column"),
            Column("rows", "Rows", numeric=True),
            Column("remedy", "What to do"),
            Column("examples", "For example"),
        ],
        rows=[
            Row(
                [
                    Cell(file, sub=source),
                    Cell(rule),
                    Cell(column),
                    Cell(formats.number(len(rows)), str(len(rows))),
                    Cell(remedy),
                    Cell(_examples(rows), tone="quiet"),
                ]
            )
            for (source, file, rule, column, remedy), rows in shown
        ],
        fold=12,
        note=left_out(len(shown), len(ranked), "problems", "quarantine.csv"),
    )


def _examples(rows: list[dict[str, Any]]) -> str:
    first = sorted(rows, key=lambda r: r["row"])[:EXAMPLES]
    return "; ".join(f"row {r['row']:,}: {_short(r['value'])}" for r in first)


def _short(value: str | None) -> str:
    if value is None:
        return "empty"
    return f"“{value}”" if len(value) <= LONGEST else f"“{value[:LONGEST]}…”"


def warnings(data: ReportData) -> TableView | None:
    """What the gate noticed and let pass; None where it noticed nothing."""
    rows = sorted(data.warnings.to_pylist(), key=lambda r: (-r["rows"], r["source"], r["file"], r["finding"]))
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    return TableView(
        id="warnings-table",
        caption="Noticed and let pass",
        columns=[
            Column("file", "File"),
            Column("finding", "Finding"),
            Column("column", "Column"),
            Column("rows", "Rows", numeric=True),
            Column("message", "In words"),
        ],
        rows=[
            Row(
                [
                    Cell(r["file"] or r["source"], sub=r["source"] if r["file"] else ""),
                    Cell(r["finding"].replace("_", " ")),
                    Cell(r["column"] or "whole file"),
                    Cell(formats.number(r["rows"]), str(r["rows"])),
                    Cell(r["message"]),
                ]
            )
            for r in shown
        ],
        fold=12,
        note=left_out(len(shown), len(rows), "findings", "warnings.csv"),
    )


def steps(data: ReportData) -> TableView:
    """The night's steps in the order in which they ran."""
    return TableView(
        id="steps-table",
        caption="Steps of the night, in their order",
        columns=[
            Column("step", "Step"),
            Column("status", "Status"),
            Column("seconds", "Seconds", numeric=True),
            Column("reason", "Why"),
        ],
        rows=[
            Row(
                [
                    Cell(step["job"]),
                    Cell("", value=step["status"], badge=step["status"], tone=step["status"]),
                    Cell(formats.number(step["seconds"], 1), str(step["seconds"] or 0)),
                    Cell(step["reason"] or ""),
                ]
            )
            for step in data.steps
        ],
        fold=40,
    )


def steps_words(data: ReportData) -> str:
    """One sentence: how many steps went which way, and how long they took."""
    went = Counter(step["status"] for step in data.steps)
    parts = [f"{went[status]} {status}" for status in sorted(went)]
    seconds = sum(step["seconds"] or 0 for step in data.steps)
    ran = formats.count(len(data.steps), "step")
    return f"{ran}: {', '.join(parts)}, in {formats.number(seconds)} seconds."
