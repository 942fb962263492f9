"""The job `explain`: why each line's budget changed since yesterday, and what each limit costs a day."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from decisions.amounts import cents, money
from decisions.explain import CAUSES, Yesterday, waterfall
from decisions.jobs.ask import Asked, ask, solved
from decisions.jobs.curves import from_table
from decisions.limit_costs import limit_costs
from decisions.response import Response
from moe.jobs import Night

HELD = ("locked", "override_floor", "override_cap")
"Reasons of a budget that rests on what a person said."


def explain(
    night: Night, budgets: pa.Table, history: pa.Table, curves: pa.Table, before: pa.Table, curves_before: pa.Table,
    overrides: pa.Table,
) -> dict[str, pa.Table]:
    """Rows of out.budget_change__line_cause and out.limit_cost__limit.

    Reads what `allocate` read, what it decided (`budgets`), and the curves of the night before (empty on a store's
    first night: then all that the curves move is new data).
    """
    asked = ask(night, history, curves, before, overrides)
    yesterday = Yesterday(asked.previous, _of(curves_before, asked), _ended(before, budgets))
    decided = np.array([cents(amount) for amount in budgets.column("budget").to_pylist()], dtype=np.int64)
    order = np.array([budgets.column("line_id").to_pylist().index(line) for line in asked.lines])
    moved = waterfall(asked.problem, decided[order], yesterday, _of(_untested(curves), asked))
    return {"out.budget_change__line_cause": _changes(moved, asked, night), "out.limit_cost__limit": _costs(asked, night)}


def _changes(moved: dict[str, np.ndarray], asked: Asked, night: Night) -> pa.Table:
    rows = [(line, cause, CAUSES.index(cause), int(amount))
            for cause, amounts in moved.items() for line, amount in zip(asked.lines, amounts, strict=True) if amount]
    return pa.table({
        "line_id": pa.array([row[0] for row in rows], pa.string()),
        "cause": pa.array([row[1] for row in rows], pa.string()),
        "position": pa.array([row[2] for row in rows], pa.int64()),
        "business_date": pa.array([night.decided_day] * len(rows), pa.date32()),
        "amount": money([row[3] for row in rows]),
        "currency": pa.array([night.unit.currency] * len(rows), pa.string()),
    })


def _costs(asked: Asked, night: Night) -> pa.Table:
    found = limit_costs(asked.problem, solved(asked))
    return pa.table({
        "subject_kind": [cost.kind for cost in found],
        "subject": [cost.subject for cost in found],
        "limit": [cost.limit for cost in found],
        "business_date": [night.decided_day] * len(found),
        "cost": [cost.cost / asked.problem.days for cost in found],
    })


def _of(table: pa.Table | None, asked: Asked) -> Sequence[Response] | None:
    """Tonight's responses with the curves of `table` in the place of tonight's; a line that it lacks keeps its own."""
    if table is None or not table.num_rows:
        return None
    other, now = from_table(table), asked.curves
    at = {line: i for i, line in enumerate(table.column("line_id").to_pylist())}
    rows = np.array([at.get(line, -1) for line in asked.lines])
    return [_scaled(response, _ratio(other.a, now.a, rows), _ratio(other.k, now.k, rows))
            for response in asked.problem.responses]


def _ratio(other: np.ndarray, now: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where((rows >= 0) & (now > 0), other[rows] / np.where(now > 0, now, 1.0), 1.0)


def _scaled(response: Response, ceiling: np.ndarray, half: np.ndarray) -> Response:
    return replace(response, scale=response.scale * ceiling, k=response.k * half)


def _untested(curves: pa.Table) -> pa.Table | None:
    """The night's curves as they would be without experiments; None where no experiment is in one."""
    before = {name: curves.column(f"{name}_before").to_pylist() for name in ("ceiling", "half_saturation")}
    if all(value is None for value in before["ceiling"]):
        return None
    for name, values in before.items():
        own = curves.column(name).to_pylist()
        mixed = pa.array([o if v is None else v for v, o in zip(values, own, strict=True)], pa.float64())
        curves = curves.set_column(curves.schema.get_field_index(name), name, mixed)
    return curves


def _ended(before: pa.Table, budgets: pa.Table) -> list[str]:
    """Lines that rested on an override yesterday which is over tonight."""
    now = dict(zip(*(budgets.column(name).to_pylist() for name in ("line_id", "override_id")), strict=True))
    return [r["line_id"] for r in before.to_pylist()
            if r["reason_code"] in HELD and r["line_id"] in now and now[r["line_id"]] != r["override_id"]]
