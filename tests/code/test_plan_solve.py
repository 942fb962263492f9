"""Plans of days and lines: all limits to the cent, a bound that holds, and the answers of other solvers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decisions.plan import Group, Plan, Problem, Steps, Total, solve, solve_to_target
from decisions.plan.boxes import priced
from decisions.plan.dual import Multipliers, upper_bound
from decisions.plan.inner import Objective
from decisions.plan.model import build
from decisions.plan.tree import narrow
from decisions.response import HILL, LOGISTIC, POWER, Response
from tests.code.plan_example import broken, net, problem, response
from tests.code.plan_peer import general

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@example(740876405)  # nothing is spent, on power curves that start with an endless slope
@example(841804460)  # whole Newton steps go round in circles
@example(382)  # what is spent returns nothing
@example(2559)  # the same: the bound is reached before the plan
@settings(max_examples=100)
def test_limits_are_kept_to_the_cent_and_the_gap_is_small(seed: int) -> None:
    asked = problem(seed)
    plan = solve(asked)
    assert plan.cents.dtype == np.int64 and plan.cents.shape == (asked.days, len(asked.names))
    assert broken(asked, plan.cents) == []
    assert plan.value == pytest.approx(float(asked.responses[0].value(plan.cents / 100)))
    assert plan.value <= plan.upper_bound
    # Whole cents cost a cent a line-day or so, more where a small share ties a large total to them; a cent costs what
    # it returns, and where money has a price at least that.
    steepest = max(float(asked.responses[0].gradient(np.maximum(plan.cents, 100) / 100).max()), asked.total.price)
    assert plan.upper_bound - plan.value <= 1e-3 * plan.upper_bound + 0.05 * plan.cents.size * steepest + 1e-9
    assert net(asked, plan.cents) >= net(asked, asked.status_quo_cents)


def test_nearly_all_gaps_are_a_ten_thousandth_and_less() -> None:
    gaps = [solve(problem(seed)).gap for seed in range(40)]
    assert np.mean(np.array(gaps) < 1e-4) >= 0.9, gaps


@given(seeds)
@settings(max_examples=40)
def test_the_same_problem_in_another_order_gives_the_same_cents(seed: int) -> None:
    asked = problem(seed)
    order = np.random.default_rng(seed).permutation(len(asked.names))
    made = asked.responses[0]
    moved = Response(made.family[order], made.scale[:, order], made.k[order], made.n[order], made.kernel[:, order],
                     made.offset[:, order])  # fmt: skip
    steps = asked.steps and replace(asked.steps, previous_cents=asked.steps.previous_cents[order])
    groups = [replace(group, lines=group.lines[::-1]) for group in asked.groups[::-1]]
    shuffled = replace(asked, names=[asked.names[i] for i in order], responses=[moved], groups=groups, steps=steps,
                       lower_cents=asked.lower_cents[order], upper_cents=asked.upper_cents[order],
                       status_quo_cents=asked.status_quo_cents[:, order])  # fmt: skip
    straight, other = solve(asked), solve(shuffled)
    assert (other.cents == straight.cents[:, order]).all()
    assert solve(asked).cents.tobytes() == straight.cents.tobytes()


def test_lines_alike_get_their_odd_cents_by_name() -> None:
    """Nothing but names tells the lines apart, so only they may decide who gets the cent that is left."""
    made = Response(np.full(3, HILL), np.full((1, 3), 50.0), np.full(3, 20.0), np.ones(3), np.ones((1, 3)),
                    np.zeros((1, 3)))  # fmt: skip
    got = []
    for names in itertools.permutations("abc"):
        plan = solve(Problem(names, [made], 0, 10_000, Total.daily(10_000)))
        got.append(dict(zip(names, plan.cents[0].tolist(), strict=True)))
    assert sorted(got[0].values()) == [3_333, 3_333, 3_334]
    assert all(one == got[0] for one in got)


@given(seeds, st.integers(1, 10**6))
@settings(max_examples=40)
def test_more_money_never_returns_less(seed: int, more: int) -> None:
    asked = replace(problem(seed), total=Total.daily(problem(seed).status_quo_cents.sum(axis=1)), groups=[], steps=None)
    asked = replace(asked, upper_cents=10**9)
    before = solve(asked)
    after = solve(replace(asked, total=Total.daily(asked.total.low_cents + more), status_quo_cents=None))
    assert after.upper_bound >= before.upper_bound * (1 - 1e-5)
    assert after.value >= before.value * (1 - 1e-4) - 0.05


@given(seeds, seeds)
@settings(max_examples=60)
def test_the_bound_holds_at_any_point_and_any_prices(seed: int, other: int) -> None:
    """Weak duality asks nothing of point and prices: a plan that keeps the limits is never above it."""
    asked, random = problem(seed), np.random.default_rng(other)
    model = build(asked)
    box = narrow(model, model.lower, model.upper)
    assert box is not None
    point = (box.lower + random.random(model.shape) * (np.minimum(box.upper, 10**6) - box.lower).clip(0)) / 100 + 1e-3
    days, n = model.shape
    some = lambda *shape: random.exponential(1, shape) * (random.random(shape) < 0.5)  # noqa: E731
    rows = np.array([random.normal() if row.equal else random.exponential() for row in model.rows])
    size = len(model.groups)
    high = np.where(model.node_high < 10**13, some(days, size), 0)
    prices = Multipliers(some(days, size), high, rows, some(days - 1, n) * model.stepped,
                         some(days - 1, n) * model.stepped)  # fmt: skip
    objective = Objective(model)
    bound = upper_bound(model, objective.slopes(point), box, point, prices)
    assert bound >= max(net(asked, asked.status_quo_cents), net(asked, solve(asked).cents)) - 1e-6


@given(seeds)
@settings(max_examples=15)
def test_agrees_with_a_general_solver(seed: int) -> None:
    asked = problem(seed, most_lines=7, most_days=3)
    made = asked.responses[0]
    family = np.where(made.family == POWER, POWER, HILL)
    made = replace(made, family=family, n=np.where(family == HILL, 1.0, np.round(made.n, 1)))
    total = Total.daily(asked.status_quo_cents.sum(axis=1))
    asked = replace(asked, responses=[made], total=total, upper_cents=np.asarray(asked.upper_cents).clip(0, 10**6))
    plan = solve(asked)
    assert plan.value == pytest.approx(general(asked), rel=3e-4, abs=0.05)


# Returns that bend upwards, and lines that may be off


@pytest.mark.parametrize("seed", range(12))
def test_s_shapes_against_every_split(seed: int) -> None:
    random = np.random.default_rng(seed)
    days, n, unit, units = int(random.integers(1, 3)), 3, 500, 12
    made = response(random, days, n, concave=False)
    made = replace(made, k=random.uniform(10, 60, n), offset=made.offset * 0.05)
    asked = Problem(list("abc"), [made], 0, unit * units, Total.daily(unit * units), days)
    splits = [(i, j, units - i - j) for i in range(units + 1) for j in range(units + 1 - i)]
    best = max(float(made.value(np.array(plan) * unit / 100)) for plan in itertools.product(splits, repeat=days))
    plan = solve(asked, most_nodes=200)
    assert broken(asked, plan.cents) == []
    assert plan.upper_bound >= best * (1 - 1e-9)
    assert plan.value >= best * (1 - 1e-3)
    assert plan.gap <= (1e-3 if days == 1 else 0.02)


@pytest.mark.parametrize("seed", range(12))
def test_lines_that_may_be_off_against_every_choice(seed: int) -> None:
    """Every set of lines that are on is a concave problem of its own."""
    random = np.random.default_rng(seed)
    n = 6
    made = response(random, 1, n)
    minimum = random.integers(1_000, 6_000, n)
    asked = Problem(list("abcdef"), [made], 0, 10_000, Total.daily(9_000), minimum_cents=minimum)
    best = 0.0
    for on in itertools.product([0, 1], repeat=n):
        lower, upper = minimum * on, 10_000 * np.array(on)
        if lower.sum() <= 9_000 <= upper.sum():
            best = max(best, solve(replace(asked, lower_cents=lower, upper_cents=upper, minimum_cents=0)).value)
    plan = solve(asked, most_nodes=200)
    assert broken(asked, plan.cents) == []
    assert plan.value == pytest.approx(best, rel=2e-4)
    assert plan.gap < 1e-3


@given(seeds, st.floats(0, 3))
@example(seed=349, price=2.0)  # a power curve that is off
@settings(max_examples=40)
def test_the_bound_of_lines_that_may_be_off_holds_at_any_price(seed: int, price: float) -> None:
    random = np.random.default_rng(seed)
    made, minimum = response(random, 1, 5), random.integers(1_000, 6_000, 5)
    asked = Problem(list("abcde"), [made], 0, 10_000, Total.daily(9_000), minimum_cents=minimum)
    model = build(asked)
    box = narrow(model, model.lower, model.upper)
    assert box is not None
    zero = np.zeros((1, 1))
    prices = Multipliers(zero, zero + price, np.zeros(0), np.zeros((0, 5)), np.zeros((0, 5)))
    bound, _ = priced(model, Objective(model), box, prices)
    for _ in range(50):
        on = random.random(5) < 0.5
        left = 9_000 - (minimum * on).sum()
        if on.any() and left >= 0:
            cents = minimum * on + np.where(on, random.multinomial(left, on / on.sum()), 0)
            if (cents <= 10_000).all():
                assert net(asked, cents[None]) <= bound + 1e-6
    best = 90.0 * price
    for line in range(5):
        tried = np.r_[0, np.linspace(minimum[line], box.upper[0, line], 2_000)] / 100
        spend = np.zeros((tried.size, 1, 5))
        spend[:, 0, line] = tried
        best += float((made.daily(spend)[:, :, line].sum(axis=1) - price * tried).max())
    assert best - 1e-9 <= bound <= best * (1 + 1e-4) + 1e-3


# Money that is not fixed


@given(seeds)
@example(10287)  # an early step has nearly the best bound, far from the plan
@example(10938)  # a flat end: spend is off by more than what it returns
@settings(max_examples=30)
def test_flexible_money_stops_where_it_returns_its_price(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = response(random, 2, 5)
    made = replace(made, family=np.full(5, HILL), n=np.ones(5), scale=made.scale + 1)
    price = float(np.quantile(made.gradient(np.full((2, 5), 40.0)), 0.5))
    plan = solve(Problem(list("abcde"), [made], 0, 10**8, Total.flexible(price), 2))
    last = made.gradient(plan.cents / 100)
    assert np.allclose(last[plan.cents > 500], price, rtol=5e-3)
    assert (last[plan.cents <= 1] <= price * 1.005).all()


@pytest.mark.parametrize("times", [1.3, 2, 4])
def test_a_target_cost_is_met_with_the_most_outcome(times: float) -> None:
    made = response(np.random.default_rng(5), 1, 4)
    made = replace(made, family=np.full(4, HILL), n=np.ones(4), offset=made.offset * 0, scale=made.scale + 10)
    cheapest = 1 / float(made.gradient(np.full((1, 4), 1e-6)).max())
    asked = Problem(list("abcd"), [made], 0, 10**8, Total.flexible(0.0, high_cents=10**8))
    target = cheapest * times
    plan = solve_to_target(asked, cost_per_outcome=target)
    cost = plan.cents.sum() / 100 / plan.value
    assert target * 0.999 <= cost <= target
    more = solve(replace(asked, total=Total.daily(int(plan.cents.sum() * 1.01))))
    assert more.cents.sum() / 100 / more.value > target


# Prices


def moved(asked: Problem, name: str, subject: str, day: int | None, by: int) -> Problem | None:
    """The problem with one limit given `by` cents more room."""
    total = asked.total
    if name == "the total" and day is not None:
        cents = np.broadcast_to(np.asarray(total.low_cents), asked.days).copy()
        cents[day] += by
        return replace(asked, total=Total.daily(cents))
    groups = []
    for group in asked.groups:
        if group.name == subject and name.startswith("cap of") and day is not None:
            cap = np.broadcast_to(np.asarray(group.cap_cents), asked.days).copy()
            cap[day] += by
            group = replace(group, cap_cents=cap)
        elif group.name == subject and name.startswith("floor of"):
            floor = np.broadcast_to(np.asarray(group.floor_cents), asked.days).copy()
            floor[day] -= by
            group = replace(group, floor_cents=floor)
        elif group.name == subject and name.startswith("cap of"):
            group = replace(group, horizon_cap_cents=group.horizon_cap_cents + by)
        groups.append(group)
    if subject in asked.names and name in ("floor", "cap"):
        line, shape = list(asked.names).index(subject), (asked.days, len(asked.names))
        low, high = (np.broadcast_to(np.asarray(x), shape).copy() for x in (asked.lower_cents, asked.upper_cents))
        if name == "floor" and low[day, line] >= by:
            low[day, line] -= by
        elif name == "cap":
            high[day, line] += by
        else:
            return None
        return replace(asked, lower_cents=low, upper_cents=high)
    return replace(asked, groups=groups)


def test_prices_are_what_more_room_returns() -> None:
    """Each limit moved a little and solved again: the change of the bound lies on either side of its price."""
    checked: dict[str, int] = {}
    for seed in range(8):
        random = np.random.default_rng(seed)
        days, n = 2, 8
        made = response(random, days, n)
        stay = np.rint(100 * made.k).astype(np.int64)
        names = [f"line {i}" for i in range(n)]
        groups = [Group("north", names[:3], floor_cents=int(stay[:3].sum() * 1.1)),
                  Group("south", names[3:6], cap_cents=int(stay[3:6].sum() * 0.9)),
                  Group("web", names[6:], horizon_cap_cents=int(stay[6:].sum() * 1.9))]  # fmt: skip
        asked = Problem(names, [made], stay // 2, stay * 2, Total.daily(int(stay.sum())), days, groups)
        plan = solve(asked)
        by = 200
        worth = float(np.median([p.price for p in plan.prices if p.name == "the total"]))
        for price in plan.prices:
            more, less = (moved(asked, price.name, price.subject, price.day, x) for x in (by, -by))
            if more is None or less is None or price.price < 0.01 * worth:
                continue
            up = (solve(more).upper_bound - plan.upper_bound) / (by / 100)
            down = (plan.upper_bound - solve(less).upper_bound) / (by / 100)
            assert up - 0.02 * worth <= price.price <= down + 0.02 * worth, (seed, price, up, down)
            kind = price.name.split(" of ")[0] if price.subject != "web" else "horizon cap"
            checked[kind] = checked.get(kind, 0) + 1
    assert min(checked[kind] for kind in ("the total", "floor", "cap", "horizon cap")) >= 4, checked


def test_a_steps_price_is_what_a_longer_step_returns() -> None:
    random = np.random.default_rng(3)
    n, days = 6, 3
    made = response(random, days, n)
    stay = np.full(n, 4_000)
    asked = Problem(
        [f"l{i}" for i in range(n)], [made], 0, 10**7, Total.daily(24_000), days, steps=Steps(stay, 0.01, 900)
    )
    plan = solve(asked)
    by = 20
    longer = solve(replace(asked, steps=replace(asked.steps, least_cents=900 + by)))
    # All steps grow at once; the first day's are bounds, which the later ones add to.
    told = sum(price.price for price in plan.prices if price.name == "step") * by / 100
    assert longer.upper_bound - plan.upper_bound == pytest.approx(told, rel=0.1)


def test_what_holds_a_line_is_named() -> None:
    made = Response(np.full(3, HILL), np.array([[900.0, 300.0, 10.0]]), np.full(3, 50.0), np.ones(3), np.ones((1, 3)),
                    np.zeros((1, 3)))  # fmt: skip
    asked = Problem(list("abc"), [made], [0, 0, 500], [4_000, 10_000, 10_000], Total.daily(6_000))
    plan: Plan = solve(asked)
    assert plan.binding.tolist() == [["cap", "", "floor"]]
    assert plan.cents.tolist() == [[4_000, 1_500, 500]]
    assert {(p.name, p.subject) for p in plan.prices} == {("the total", "the total"), ("cap", "a"), ("floor", "c")}
    capped = solve(replace(asked, groups=[Group("north", ["a", "b"], cap_cents=5_000)]))
    assert capped.cents.tolist() == [[4_000, 1_000, 1_000]]
    assert capped.binding.tolist() == [["cap", "cap of north", ""]]


def test_several_draws_count_as_their_mean_and_weights_as_weights() -> None:
    random = np.random.default_rng(1)
    draws = [response(random, 1, 4) for _ in range(3)]
    draws = [replace(d, family=np.full(4, LOGISTIC), n=np.ones(4)) for d in draws]
    weights = np.array([1.0, 2.0, 0.5, 1.0])
    asked = Problem(list("abcd"), draws, 0, 10**6, Total.daily(20_000), weights=weights)
    plan = solve(asked)
    assert plan.gap < 1e-4

    def outcome(cents: np.ndarray) -> float:
        return float(np.mean([(d.daily(cents / 100) * weights).sum() for d in draws]))

    assert plan.value == pytest.approx(outcome(plan.cents))
    for _ in range(200):
        other = random.multinomial(20_000, random.dirichlet(np.ones(4)))[None]
        assert outcome(other) <= plan.upper_bound


def test_a_plan_that_is_given_comes_back() -> None:
    """All limits equal to one plan: nothing is free, and the plan comes back."""
    asked = problem(7)
    stay = asked.status_quo_cents
    fixed = replace(
        asked, lower_cents=stay, upper_cents=stay, total=Total.daily(stay.sum(axis=1)), groups=[], steps=None
    )
    assert (solve(fixed).cents == stay).all()
