"""Limits that cannot all hold: which ones, in words, and the cheapest way out; and input that is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.plan import Group, Infeasible, Override, Problem, Steps, Total, solve
from decisions.plan.conflict import feasible, irreducible, repair, rows
from decisions.plan.model import build
from decisions.response import HILL, Response
from tests.code.plan_example import broken, problem


def hill(n: int, days: int = 1) -> Response:
    return Response(np.full(n, HILL), np.full((days, n), 100.0), np.full(n, 50.0), np.ones(n), np.ones((1, n)),
                    np.zeros((days, n)))  # fmt: skip


def asked(**more: object) -> Problem:
    made = Problem(list("abcd"), [hill(4)], [0, 0, 0, 0], [10_000] * 4, Total.daily(20_000))
    return replace(made, **more)  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_without_any_member_of_a_conflict_the_others_can_hold(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = problem(seed, most_lines=6, most_days=3)
    total = np.asarray(made.status_quo_cents).sum(axis=1)
    made = replace(made, total=Total.daily((total * random.choice([0.3, 3])).astype(np.int64) + 1_000),
                   upper_cents=np.maximum(made.lower_cents * 3 // 2 + 5_000, made.status_quo_cents[0]))  # fmt: skip
    every = rows(build(made))
    if feasible(every.a, every.b):
        assert broken(made, solve(made).cents) == []
        return
    at = irreducible(every.a, every.b)
    assert at.size >= 1 and not feasible(every.a[at], every.b[at])
    for one in at:
        rest = at[at != one]
        assert rest.size == 0 or feasible(every.a[rest], every.b[rest])
    give = repair(every.a, every.b)
    assert feasible(every.a, every.b + give + 1e-6)
    assert not feasible(every.a, every.b + give * 0.99)
    with pytest.raises(Infeasible) as told:
        solve(made)
    assert len(told.value.conflict) == at.size and told.value.repair


def test_floors_above_the_total() -> None:
    with pytest.raises(Infeasible) as told:
        solve(asked(lower_cents=[9_000, 8_000, 7_000, 100]))
    assert {(x.name, x.subject, x.cents) for x in told.value.conflict} == {
        ("the total at most", "the total", 20_000), ("floor", "a", 9_000), ("floor", "b", 8_000), ("floor", "c", 7_000),
    }  # fmt: skip
    assert sum(x.cents for x in told.value.repair) == 4_100
    assert "the total at most 200.00 on day 1, floor of a 90.00 on day 1" in str(told.value)
    assert "The cheapest repair, 41.00 in all" in str(told.value)


def test_a_groups_floor_and_its_lines_caps() -> None:
    groups = [Group("north", ["a", "b"], floor_cents=12_000), Group("south", ["c", "d"])]
    with pytest.raises(
        Infeasible, match=r"floor of north 120.00 on day 1, cap of a 50.00 on day 1, cap of b 40.00"
    ) as told:
        solve(asked(groups=groups, upper_cents=[5_000, 4_000, 9_000, 9_000]))
    assert {x.name for x in told.value.conflict} == {"floor of north", "cap"}
    assert sum(x.cents for x in told.value.repair) == 3_000


def test_a_cap_under_a_floor_and_whose_they_are() -> None:
    with pytest.raises(Infeasible, match=r"override o7 of a 120.00 .*cap of a 100.00") as told:
        solve(asked(overrides=[Override("o7", "a", floor_cents=12_000)]))
    assert len(told.value.conflict) == 2
    with pytest.raises(Infeasible, match=r"floor of north 80.00 on day 1, cap of north 60.00 on day 1"):
        solve(asked(groups=[Group("north", ["a", "b"], floor_cents=8_000, cap_cents=6_000)]))


def test_steps_that_do_not_reach_a_horizons_total() -> None:
    steps = Steps(np.full(4, 1_000), 0.1, 500)
    with pytest.raises(Infeasible) as told:
        solve(asked(days=3, responses=[hill(4, 3)], steps=steps, total=Total.horizon(60_000)))
    assert {x.name for x in told.value.conflict} == {"the total of all days", "step"}
    assert "step" in str(told.value)


def test_a_minimum_that_no_choice_of_lines_reaches() -> None:
    with pytest.raises(Infeasible, match="off or at their minimum"):
        solve(asked(minimum_cents=np.full(4, 9_000), total=Total.daily(5_000)))


def test_overrides_win_over_steps_and_the_minimum() -> None:
    steps = Steps(np.full(4, 5_000), 0.1, 100)
    said = [Override("lock", "a", 9_000, 9_000), Override("cap", "b", cap_cents=1_000), Override("later", "c", 1, 1, 5)]
    made = asked(steps=steps, lower_cents=[2_000] * 4, overrides=said)
    plan = solve(replace(made, total=Total.flexible(0.01, 0, 10**6)))
    assert plan.cents[0, :2].tolist() == [9_000, 1_000] and 4_500 <= plan.cents[0, 2] <= 5_500
    assert plan.binding[0, :2].tolist() == ["override lock", "override cap"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"names": [], "responses": []}, "there are no lines"),
        ({"names": list("abca")}, "line 'a' is listed twice"),
        ({"groups": [Group("x", ["a"]), Group("y", ["a"])]}, "line 'a' is in two groups, 'x' and 'y'"),
        ({"groups": [Group("x", ["z"])]}, "group 'x' lists the unknown line 'z'"),
        ({"groups": [Group("x", parent="y")]}, "group 'x' has the unknown parent 'y'"),
        ({"groups": [Group("x", parent="y"), Group("y", parent="x")]}, "lies within itself"),
        ({"groups": [Group("x", ["a"], share_low=1.5)]}, "a share of group 'x' is 1.5"),
        (
            {"overrides": [Override("o1", "gone", 5, 5)]},
            "'o1' is of line 'gone', which does not exist: end it",
        ),
        ({"lower_cents": [-1, 0, 0, 0]}, "the minimum of line 'a' is negative"),
        ({"lower_cents": [np.nan, 0, 0, 0]}, "must be whole cents"),
        ({"responses": []}, "needs a response"),
        ({"responses": [hill(3)]}, r"the response is of \(1, 3\)"),
        ({"responses": [replace(hill(4), k=np.array([1, 1, np.nan, 1]))]}, "the response of line 'c' has a number"),
        ({"steps": Steps(np.zeros(4), 0.0, 1)}, "lock a line instead"),
        ({"steps": Steps(np.array([1, 2, -3, 4]), 0.1, 1)}, "yesterday's budgets must be"),
        ({"days": 0}, "one day or more"),
        ({"weights": np.array([1, 1, -1, 1])}, "weights of lines"),
        ({"total": Total.flexible(-1.0)}, "the price of money"),
    ],
)
def test_wrong_input_is_told_in_words(more: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(asked(**more))
