"""Why budgets changed: the amounts add up to the cent, and a change that was planted is the one that is told."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.curves import Curves
from decisions.explain import CAUSES, Yesterday, waterfall
from decisions.plan import Group, Infeasible, Override, Problem, Steps, Total, solve
from decisions.response import Response
from tests.code.plan_example import problem as any_problem

N = 8
NAMES = [f"line {i}" for i in range(N)]


def response(seed: int = 1, **lines: float) -> Response:
    """Curves of N lines; `lines` multiplies the ceiling of `l0`, `l1`, …"""
    random = np.random.default_rng(seed)
    k = random.uniform(300, 900, N)
    a = k * random.uniform(1.5, 5, N)
    for name, factor in lines.items():
        a[int(name[1:])] *= factor
    zero = np.zeros(N)
    return Curves(a, k, np.zeros((N, 2, 2)), zero.astype(np.int64), zero, zero, zero).response()


def asked(**terms: Any) -> Problem:
    given = {"names": NAMES, "responses": [response()], "lower_cents": 1_000, "upper_cents": 300_000,
             "total": Total.daily(400_000)} | terms
    return Problem(**given)


BEST = solve(asked()).cents[0]
"What yesterday's problem gave: nothing was held back."


def told(tonight: Problem, yesterday: Yesterday | None = None, **more: Any) -> dict[str, np.ndarray]:
    budget = solve(tonight).cents[0]
    yesterday = yesterday or Yesterday(BEST, [response()])
    found = waterfall(tonight, budget, yesterday, **more)
    assert list(found) == [cause for cause in CAUSES if cause in found], "the order is stated"
    assert (sum(found.values(), np.zeros(N, np.int64)) == budget - yesterday.cents).all()
    return found


def test_a_night_like_the_one_before_tells_nothing() -> None:
    assert told(asked()) == {}
    assert told(asked(steps=Steps(BEST, 0.2, 2_000))) == {}


@pytest.mark.parametrize(("cause", "change"), [
    ("total", {"total": Total.daily(440_000)}),
    ("new_data", {"responses": [response(l3=1.4)]}),
    ("limit", {"upper_cents": np.where(np.arange(N) == int(BEST.argmax()), BEST.max() - 5_000, 300_000)}),
    ("limit", {"lower_cents": np.where(np.arange(N) == 1, BEST[1] + 9_000, 1_000)}),
    ("limit", {"groups": [Group("north", NAMES[:3], floor_cents=int(BEST[:3].sum()) + 9_000)]}),
    ("limit", {"groups": [Group("north", NAMES[:3], share_high=BEST[:3].sum() / 400_000 - 0.05)]}),
    ("person", {"overrides": [Override("o1", NAMES[2], 12_345, 12_345)]}),
    ("person", {"overrides": [Override("o1", NAMES[2], floor_cents=int(BEST[2]) + 7_000)]}),
])  # fmt: skip
def test_the_one_thing_that_changed_is_the_one_that_is_told(cause: str, change: dict[str, Any]) -> None:
    found = told(asked(**change))
    assert list(found) == [cause]
    assert (found[cause] != 0).sum() > 1, "what one line gets others give" if cause != "total" else ""


def test_a_request_is_told_apart_from_an_override() -> None:
    both = asked(overrides=[Override("o1", NAMES[2], 12_345, 12_345), Override("r1", NAMES[5], 70_000)])
    found = told(both, requests=["r1"])
    assert list(found) == ["person", "request"]
    assert found["person"][2] == 12_345 - BEST[2]
    assert found["request"][5] > 0
    assert list(told(replace(both, overrides=both.overrides[1:]), requests=["r1"])) == ["request"]


def test_a_request_between_groups_is_told_apart_from_a_new_limit() -> None:
    north = Group("north", NAMES[:3])
    asked_for = Group("request r1 of north", NAMES[:3], "north", floor_cents=int(BEST[:3].sum()) + 9_000)
    both = asked(groups=[replace(north, lines=()), asked_for])
    assert list(told(both, requests=["request r1 of north"])) == ["request"]
    assert list(told(both)) == ["limit"]
    had = solve(both).cents[0]
    assert told(both, Yesterday(had, [response()]), requests=["request r1 of north"]) == {}, "it held yesterday too"


def test_another_day_of_the_week_is_the_calendar() -> None:
    monday = response(l3=1.3)
    assert list(told(asked(responses=[monday]), Yesterday(BEST, [response()], [monday]))) == ["calendar"]
    assert list(told(asked(responses=[monday]), Yesterday(BEST, [response()], [response()]))) == ["new_data"]


def test_what_later_days_change_is_told_last() -> None:
    planned = BEST + np.array([900, -900, 0, 0, 0, 0, 0, 0])
    found = waterfall(asked(), planned, Yesterday(BEST, [response()]), ahead=True)
    assert list(found) == ["days_ahead"]
    assert (found["days_ahead"] == planned - BEST).all()


def test_an_experiment_is_told_apart_from_other_data() -> None:
    found = told(asked(responses=[response(l3=0.6)]), untested=[response()])
    assert list(found) == ["experiment"]
    assert found["experiment"][3] < 0
    both = told(asked(responses=[response(l3=0.6, l5=1.3)]), untested=[response(l5=1.3)])
    assert list(both) == ["new_data", "experiment"]


def test_what_a_step_held_back_is_on_its_way_and_what_it_holds_back_is_taken_off() -> None:
    had = np.full(N, 50_000)
    found = told(asked(steps=Steps(had, 0.1, 100)), Yesterday(had, [response()]))
    assert list(found) == ["on_its_way", "step", "spare"]
    assert (found["on_its_way"] == BEST - had).all()
    assert (np.sign(found["step"]) == -np.sign(BEST - had))[np.abs(BEST - had) > 5_000].all(), "a step only takes back"
    moved = sum(found.values(), np.zeros(N, np.int64))
    assert np.abs(moved - found["spare"]).max() <= 5_000, "without the others' steps no line moves more than its own"


@pytest.mark.parametrize("standing", [
    {"lower_cents": np.where(np.arange(N) == 1, int(BEST[1]) + 9_000, 1_000)},
    {"groups": [Group("north", NAMES[:3], cap_cents=int(BEST[:3].sum()) - 20_000)]},
    {"groups": [Group("north", NAMES[:3], share_high=BEST[:3].sum() / 400_000 - 0.05)]},
    {"overrides": [Override("o1", NAMES[2], 12_345, 12_345)]},
])  # fmt: skip
def test_a_rule_that_already_held_yesterday_is_no_cause(standing: dict[str, Any]) -> None:
    tonight = asked(**standing)
    had = solve(tonight).cents[0]
    assert told(tonight, Yesterday(had, [response()])) == {}
    assert list(told(replace(tonight, total=Total.daily(410_000)), Yesterday(had, [response()]))) == ["total"]
    assert list(told(replace(tonight, responses=[response(l3=1.2)]), Yesterday(had, [response()]))) == ["new_data"]


def test_an_override_that_ended_is_a_person_s_doing() -> None:
    had = solve(asked(overrides=[Override("o1", NAMES[2], 12_345, 12_345)])).cents[0]
    found = told(asked(), Yesterday(had, [response()], ended=[NAMES[2]]))
    assert list(found) == ["person"]
    assert found["person"][2] == BEST[2] - 12_345


def test_without_yesterday_s_curves_all_of_it_is_data() -> None:
    assert list(told(asked(), Yesterday(np.full(N, 50_000), None))) == ["new_data"]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), change=st.integers(0, 10_000))
def test_amounts_add_up_to_the_cent_whatever_the_night_is_like(seed: int, change: int) -> None:
    tonight, random = any_problem(seed), np.random.default_rng(change)
    n = len(tonight.names)
    had = np.rint(100 * np.exp(random.normal(4, 1, n)) * (random.random(n) < 0.9)).astype(np.int64)
    other = replace(tonight.responses[0], scale=tonight.responses[0].scale * np.exp(random.normal(0, 0.3, n)))
    line = tonight.names[0]
    tonight = replace(tonight, overrides=[Override("o1", line, int(had[0])), Override("r1", line, cap_cents=10**9)])
    try:
        budget = solve(tonight).cents[0]
    except Infeasible:
        return
    yesterday = Yesterday(had, [other], ended=tonight.names[1:2])
    found = waterfall(tonight, budget, yesterday, untested=[other], requests=["r1"])
    assert (sum(found.values(), np.zeros(n, np.int64)) == budget - had).all()
    assert all(amounts.dtype == np.int64 and (amounts != 0).any() for amounts in found.values())


def test_the_order_of_lines_does_not_change_an_amount() -> None:
    order = np.random.default_rng(3).permutation(N)
    had, new = np.full(N, 50_000), response(seed=1, l2=1.5)
    steps, person = Steps(had, 0.1, 100), [Override("o1", NAMES[2], 61_000, 61_000)]
    straight = told(asked(responses=[new], steps=steps, overrides=person), Yesterday(had, [response()]))

    def shuffled(r: Response) -> Response:
        return replace(r, family=r.family[order], scale=r.scale[:, order], k=r.k[order], n=r.n[order],
                       kernel=r.kernel[:, order], offset=r.offset[:, order])

    tonight = asked(names=[NAMES[i] for i in order], responses=[shuffled(new)], steps=steps, overrides=person)
    mixed = told(tonight, Yesterday(had, [shuffled(response())]))
    assert list(mixed) == list(straight) == ["on_its_way", "new_data", "step", "spare", "person"]
    assert all((mixed[cause] == straight[cause][order]).all() for cause in mixed)
