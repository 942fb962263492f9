"""The job `explain`: why each line's budget changed since yesterday, and what each limit costs a day."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa

from decisions.amounts import cents
from decisions.explain import CAUSES, Yesterday, waterfall
from decisions.jobs.ask import ask, said
from decisions.jobs.curves import from_table
from decisions.jobs.question import Asked
from decisions.jobs.responses import curves_of, factors, response
from decisions.limit_costs import limit_costs
from decisions.plan import Infeasible, Problem, solve
from decisions.plan.problem import FloatArray
from decisions.requests import is_of_request
from decisions.response import Response
from decisions.rows import table_of
from moe.jobs import Night

CHANGES, COSTS = "out.budget_change__line_cause", "out.limit_cost__limit"
HELD = ("locked", "override_floor", "override_cap")
"Reasons of a budget that rests on what a person said."


def explain(
    night: Night, budgets: pa.Table, history: pa.Table, curves: pa.Table, before: pa.Table, curves_before: pa.Table,
    overrides: pa.Table, demand: pa.Table, demand_before: pa.Table, past: pa.Table,
    drawn: pa.Table | None = None,
) -> dict[str, pa.Table]:  # fmt: skip
    """Rows of out.budget_change__line_cause and out.limit_cost__limit.

    Reads what `allocate` read, what it decided (`budgets`), and the curves and the demand of the night before (empty on
    a store's first night: then all that the curves move is new data).
    """
    asked = ask(night, history, curves, before, overrides, demand, past, drawn)
    decided = dict(zip(*(budgets.column(name).to_pylist() for name in ("line_id", "budget")), strict=True))
    cents_now = np.array([cents(decided[line]) for line in asked.lines], dtype=np.int64)
    tonight = asked.tomorrow(int(cents_now.sum()))
    today = factors(demand, asked.lines, night.decided_day, 1)
    yesterday = Yesterday(
        asked.previous,
        _responses(curves_before, curves, asked.lines, factors(demand_before, asked.lines, night.date, 1)),
        _responses(curves_before, curves, asked.lines, today),
        _ended(before, budgets),
    )
    requests = {o.override_id for o in said(overrides) if o.kind == "request"}
    requests |= {group.name for group in tonight.groups if is_of_request(group)}
    untested = _untested(curves)
    moved = waterfall(tonight, cents_now, yesterday, _responses(untested, curves, asked.lines, today), requests,
                      ahead=asked.problem.days > 1)  # fmt: skip
    return {
        CHANGES: _changes(moved, asked, night),
        COSTS: _costs(tonight, night),
    }


def _changes(moved: dict[str, np.ndarray], asked: Asked, night: Night) -> pa.Table:
    return table_of(CHANGES, (
        {"line_id": line, "cause": cause, "position": CAUSES.index(cause), "business_date": night.decided_day,
         "amount": Decimal(int(amount)).scaleb(-2), "currency": night.unit.currency}
        for cause, amounts in moved.items() for line, amount in zip(asked.lines, amounts, strict=True) if amount))


def _costs(tonight: Problem, night: Night) -> pa.Table:
    try:
        found = limit_costs(tonight, solve(tonight))
    except Infeasible:  # the total of a plan of more days that tomorrow alone cannot have
        found = []
    return table_of(COSTS, (
        {"subject_kind": cost.kind, "subject": cost.subject, "limit": cost.limit, "business_date": night.decided_day,
         "cost": cost.cost} for cost in found))


def _responses(
    table: pa.Table | None, curves: pa.Table, lines: list[str], factor: FloatArray
) -> list[Response] | None:
    """The response of one day by the curves in `table`; a line that it lacks keeps tonight's. None: no such curves."""
    if table is None or not table.num_rows:
        return None
    now, other = curves_of(curves, lines), from_table(table)
    at = {line: i for i, line in enumerate(table.column("line_id").to_pylist())}
    rows = np.array([at.get(line, -1) for line in lines])
    a, k = np.where(rows < 0, now.a, other.a[rows]), np.where(rows < 0, now.k, other.k[rows])
    return [response(replace(now, a=a, k=k), factor)]


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
