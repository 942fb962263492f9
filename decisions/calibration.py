"""Which experiments calibrate a night's curves, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from decisions.fitting import Experiment
from decisions.fitting.experiments import from_rows
from decisions.rows import table_of

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ground:
    """What tonight's curves are fitted on; an experiment must stand on it."""

    night: date
    objective: str
    lines: Collection[str]
    first: date
    last: date
    is_funded: Callable[[str], bool]


def chosen(rows: Iterable[Row], ground: Ground) -> tuple[tuple[Experiment, ...], pa.Table]:
    """The experiments to fit with, and the rows of out.experiment__test: each experiment, used or why not.

    `rows` are of core.experiment__test as of the night. What is over, of another objective, older than the data, or on
    a line that gets no budget is left out with a note. Raises ValueError, with every problem in one message, for a bad
    row and for a line that is unknown on the days of its test: a test is paid for, and is not dropped in silence.
    """
    used: list[Experiment] = []
    told, problems = [], []
    for row in sorted(rows, key=lambda r: r["experiment_id"]):
        note = _left_out(row, ground)
        if not note and row["line_id"] not in ground.lines:
            problems.append(f"experiment {row['experiment_id']}: it is on an unknown line {row['line_id']!r}")
        elif not note:
            try:
                used += from_rows([row], ground.objective)
            except ValueError as error:
                problems.append(str(error))
        told.append({name: row[name] for name in ("experiment_id", "line_id", "start_date", "end_date")}
                    | {"used": not note, "note": note})
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(used), table_of("out.experiment__test", told)


def _left_out(row: Row, ground: Ground) -> str:
    """Why an experiment says nothing tonight; empty where it does."""
    if row["until"] is not None and row["until"] < ground.night + timedelta(days=1):
        return f"Withdrawn: it counted until {row['until']}."
    if row["objective"] != ground.objective:
        return f"It counted {row['objective']}, and the budgets go by {ground.objective}."
    if row["end_date"] >= row["start_date"] and not ground.first <= row["start_date"] <= row["end_date"] <= ground.last:
        return (f"Its days, {row['start_date']} to {row['end_date']}, are not all among those that the curves are "
                f"fitted on, {ground.first} to {ground.last}.")
    if not ground.is_funded(row["line_id"]):
        return "Its line gets no budget in this unit."
    return ""
