"""The job `explain`: tables in, causes and costs out; and what a limit costs, against solving without it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from decisions.curves import Curves
from decisions.jobs.allocate import allocate
from decisions.jobs.explain import explain
from decisions.limit_costs import limit_costs
from decisions.plan import Group, Override, Problem, Steps, Total, solve
from moe.contracts import contract
from moe.jobs import Night
from moe.units import Group as UnitGroup
from tests.code.test_decision_jobs import D, empty, fitted_curves, history, override, unit

CHANGE, COST = "out.budget_change__line_cause", "out.limit_cost__limit"


def told(
    night: Night, before: pa.Table | None = None, curves_before: pa.Table | None = None,
    overrides: list[dict[str, Any]] = [], curves: pa.Table | None = None,  # noqa: B006
) -> tuple[dict[str, dict[str, Decimal]], pa.Table, pa.Table]:  # fmt: skip
    """Amounts by cause and line, the budgets that they explain, and the costs."""
    past = history()
    fitted = fitted_curves(night, past)
    curves = curves if curves is not None else fitted["out.curve__line"]
    said = pa.Table.from_pylist(
        [{"unit": "advertiser", "night": D} | o for o in overrides], schema=contract("core.override__override").schema
    )
    before = before if before is not None else empty("out.budget__line")
    demand = fitted["out.demand__line_day"]
    budgets = allocate(night, past, curves, before, said, demand, empty("out.budget__line"))["out.budget__line"]
    found = explain(
        night, budgets, past, curves, before, curves_before if curves_before is not None else empty("out.curve__line"),
        said, demand, demand.set_column(1, "business_date", pa.array(
            [day - timedelta(days=1) for day in demand.column("business_date").to_pylist()], pa.date32())),
        empty("out.budget__line"),
    )  # fmt: skip
    causes: dict[str, dict[str, Decimal]] = {}
    for row in found[CHANGE].to_pylist():
        causes.setdefault(row["cause"], {})[row["line_id"]] = row["amount"]
    for row in budgets.to_pylist():
        change = sum((amounts.get(row["line_id"], Decimal(0)) for amounts in causes.values()), Decimal(0))
        assert change == row["budget"] - row["previous_budget"], "to the cent"
    return causes, budgets, found[COST]


FREE = {"least_step": "900.00"}
"A step that holds nothing back."


@pytest.fixture(scope="module")
def settled() -> tuple[pa.Table, pa.Table]:
    """A night before from which the same data want nothing else: its budgets and curves."""
    night = Night(unit(**FREE), D)
    return told(night)[1], fitted_curves(night, history())["out.curve__line"]


def test_a_first_night_explains_its_budgets_by_its_data_and_its_step() -> None:
    causes, budgets, _ = told(Night(unit(), D))
    assert "new_data" in causes and "on_its_way" not in causes
    assert set(causes) <= {"new_data", "total", "step", "spare"}
    rows = contract(CHANGE).schema
    assert {"line_id", "cause", "amount"} <= set(rows.names)
    assert budgets.num_rows == 3


@pytest.mark.parametrize(("cause", "terms", "people"), [
    ("total", {"total": "930.00"}, []),
    ("person", {}, [override(amount=Decimal("300.00"))]),
    ("limit", {"groups": [UnitGroup(name="North", lines=["alpha", "beta"], floor="600.00")]}, []),
    ("total", {}, [override(kind="monthly_total", line_id=None, amount=Decimal("28830.00"),
                            until=D + timedelta(days=31))]),
])  # fmt: skip
def test_on_a_settled_night_the_one_change_is_the_cause(
    settled: tuple[pa.Table, pa.Table], cause: str, terms: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    assert told(Night(unit(**FREE), D), *settled)[0] == {}
    assert list(told(Night(unit(**FREE, **terms), D), *settled, people)[0]) == [cause]


def test_an_experiment_in_the_curves_is_the_cause(settled: tuple[pa.Table, pa.Table]) -> None:
    before, curves = settled
    rows = curves.to_pylist()
    rows[0] |= {"evidence": "calibrated", "ceiling_before": rows[0]["ceiling"],
                "half_saturation_before": rows[0]["half_saturation"], "ceiling": rows[0]["ceiling"] * 0.8}
    tested = pa.Table.from_pylist(rows, schema=curves.schema)
    causes, _, _ = told(Night(unit(**FREE), D), before, curves, curves=tested)
    assert causes["experiment"]["alpha"] < 0
    assert "new_data" not in causes


def test_the_same_night_gives_the_same_rows() -> None:
    first, second = (told(Night(unit(), D)) for _ in range(2))
    assert first[0] == second[0]
    assert first[2].equals(second[2])


def night_of(**terms: Any) -> Problem:
    a, k, zero = np.array([900.0, 2_000, 600, 3_000]), np.array([200.0, 900, 150, 800]), np.zeros(4)
    curves = Curves(a, k, np.zeros((4, 2, 2)), zero.astype(np.int64), zero, zero, zero)
    return Problem(["a", "b", "c", "d"], [curves.response()], **({
        "lower_cents": 0, "upper_cents": 200_000, "total": Total.daily(150_000)} | terms))  # fmt: skip


def test_a_limit_s_cost_is_what_the_best_plan_without_it_brings_more() -> None:
    free = solve(night_of())
    groups = [Group("north", ["a", "b"], floor_cents=int(free.cents[0, :2].sum()) + 30_000)]
    held = night_of(groups=groups)
    found = {(c.kind, c.limit): c.cost for c in limit_costs(held, solve(held))}
    assert found["group", "floor of north"] == pytest.approx(free.value - solve(held).value, rel=1e-6)
    cap = night_of(upper_cents=np.array([200_000, 200_000, 200_000, 40_000]),
                   overrides=[Override("o1", "c", floor_cents=60_000)])  # fmt: skip
    plan = solve(cap)
    costs = limit_costs(cap, plan)
    by = {(c.kind, c.subject, c.limit): c.cost for c in costs}
    only_cap = night_of(upper_cents=np.array([200_000, 200_000, 200_000, 40_000]))
    assert by["line", "c", "override o1"] == pytest.approx(solve(only_cap).value - plan.value, rel=1e-6)
    without = night_of(overrides=cap.overrides, upper_cents=10**9)
    assert by["line", "d", "cap"] == pytest.approx(solve(without).value - plan.value, rel=1e-6)
    order = [c.cost for c in costs[:-1]]
    assert order == sorted(order, reverse=True)


def test_a_limit_that_holds_nothing_back_has_no_cost_and_the_total_s_last_hundred_has_its_worth() -> None:
    loose = night_of(groups=[Group("north", ["a", "b"], floor_cents=100, cap_cents=10**9)])
    plan = solve(loose)
    (only,) = limit_costs(loose, plan)
    more = solve(replace(loose, total=Total.daily(160_000))).value - plan.value
    assert (only.kind, only.cost) == ("total", pytest.approx(more))


def test_what_the_step_costs_is_told_for_all_lines_together() -> None:
    had = np.full(4, 37_500)
    slow = night_of(steps=Steps(had, 0.1, 100))
    plan = solve(slow)
    step = next(c for c in limit_costs(slow, plan) if c.kind == "steps")
    assert step.cost == pytest.approx(solve(night_of()).value - plan.value, rel=1e-6)
