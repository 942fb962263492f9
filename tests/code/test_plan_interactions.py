"""Halo and cannibalisation inside the optimiser."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from decisions.plan import Interactions, Problem, Risk, Steps, Total, solve
from decisions.plan.effects import effects
from decisions.response import HILL, POWER, Response
from tests.code.plan_example import broken, net, problem, uncertain
from tests.code.plan_peer import general

seeds = st.integers(0, 2**32 - 1)


def shares(seed: int, n: int, low: float, high: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    matrix = np.where(random.random((n, n)) < 0.4, random.uniform(low, high, (n, n)), 0.0)
    np.fill_diagonal(matrix, 0)
    return matrix


@given(seeds, st.sampled_from([(0.0, 0.6), (-0.2, 0.4)]), st.booleans())
@settings(max_examples=25, derandomize=True)
def test_limits_hold_and_no_plan_is_above_the_bound(seed: int, ends: tuple[float, float], careful: bool) -> None:
    asked = problem(seed, most_lines=6, most_days=2)
    n, random = len(asked.names), np.random.default_rng(seed)
    usual = asked.status_quo_cents[0] * (random.random() < 0.3)
    asked = replace(asked, interactions=Interactions(shares(seed, n, *ends), usual))
    if careful:
        asked = replace(uncertain(asked, seed, 8), risk=Risk("cvar", 0.3))
    plan = solve(asked, most_nodes=10)
    assert broken(asked, plan.cents) == []
    spent = asked.total.price * plan.cents.sum() / 100
    assert plan.value == pytest.approx(net(asked, plan.cents) + spent, abs=1e-6)
    ceiling = plan.upper_bound - spent + 1e-6
    assert net(asked, asked.status_quo_cents) <= net(asked, plan.cents) <= ceiling
    assert net(asked, solve(replace(asked, interactions=None)).cents) <= ceiling
    if ends[0] == 0 and not usual.any():  # nothing falls below nothing: concave
        steepest = max(float(r.gradient(np.maximum(plan.cents, 100) / 100).max()) for r in asked.responses)
        more = 0.05 * plan.cents.size * max(steepest * 4, asked.total.price)
        assert plan.upper_bound - plan.value <= 1e-3 * plan.upper_bound + more


@given(seeds, st.sampled_from(["mean", "cvar"]))
@settings(max_examples=5, derandomize=True)
def test_agrees_with_a_general_solver(seed: int, measure: str) -> None:
    asked = uncertain(problem(seed, most_lines=6, most_days=2), seed, 1 if measure == "mean" else 6)
    family = np.where(asked.responses[0].family == POWER, POWER, HILL)
    made = [replace(r, family=family, n=np.where(family == HILL, 1.0, np.round(r.n, 1))) for r in asked.responses]
    total = Total.daily(asked.status_quo_cents.sum(axis=1))
    asked = replace(asked, responses=made, total=total, risk=Risk(measure, 0.4),
                    upper_cents=np.asarray(asked.upper_cents).clip(0, 10**6),
                    interactions=Interactions(shares(seed, len(asked.names), 0, 0.5)))  # fmt: skip
    assert solve(asked).value == pytest.approx(general(asked), rel=1e-3, abs=0.05)


@given(seeds)
@settings(max_examples=10, derandomize=True)
def test_cannibalisation_within_steps_is_concave_and_agrees(seed: int) -> None:
    """Where steps keep every line well above what others take, nothing is at its floor and the gap closes."""
    random = np.random.default_rng(seed)
    n = 8
    stay = np.rint(100 * np.exp(random.normal(4, 0.4, n))).astype(np.int64)
    made = Response(np.full(n, HILL), stay[None] / 30 * np.exp(random.normal(0, 0.5, (1, n))), stay / 80, np.ones(n),
                    np.ones((1, n)), np.zeros((1, n)))  # fmt: skip
    matrix = shares(seed, n, -0.08, 0.1)
    asked = Problem([f"l{i}" for i in range(n)], [made], 0, 10**8, Total.daily(int(stay.sum())),
                    steps=Steps(stay, 0.2, 100), interactions=Interactions(matrix))  # fmt: skip
    plan = solve(asked)
    assert plan.gap < 1e-4
    assert plan.value == pytest.approx(general(asked), rel=1e-4, abs=0.05)


@given(seeds)
@settings(max_examples=8, derandomize=True)
def test_no_interaction_is_the_plain_plan_and_the_order_does_not_matter(seed: int) -> None:
    asked = replace(problem(seed, 7, 2), steps=None)
    n, order = len(asked.names), np.random.default_rng(seed).permutation(len(asked.names))
    assert (solve(replace(asked, interactions=Interactions(np.zeros((n, n))))).cents == solve(asked).cents).all()
    matrix = shares(seed, n, 0, 0.5)
    asked = replace(asked, interactions=Interactions(matrix, asked.status_quo_cents[0]))
    r = asked.responses[0]
    moved = Response(r.family[order], r.scale[:, order], r.k[order], r.n[order], r.kernel[:, order], r.offset[:, order])
    shuffled = replace(asked, names=[asked.names[i] for i in order], responses=[moved], groups=asked.groups[::-1],
                       lower_cents=asked.lower_cents[order], upper_cents=asked.upper_cents[order],
                       status_quo_cents=asked.status_quo_cents[:, order],
                       interactions=Interactions(sparse.csr_array(matrix[np.ix_(order, order)]),
                                                 asked.status_quo_cents[0, order]))  # fmt: skip
    assert (solve(shuffled, most_nodes=5).cents == solve(asked, most_nodes=5).cents[:, order]).all()


def test_a_giver_gets_what_it_returns_elsewhere() -> None:
    made = Response(np.full(3, HILL), np.full((1, 3), 100.0), np.full(3, 50.0), np.ones(3), np.ones((1, 3)),
                    np.zeros((1, 3)))  # fmt: skip
    asked = Problem(list("abc"), [made], 0, 10**6, Total.daily(15_000))
    halo = np.zeros((3, 3))
    halo[2, 0] = 0.5  # half of what a gets works for c too
    plan = solve(replace(asked, interactions=Interactions(halo)))
    assert plan.cents[0, 0] > plan.cents[0, 1] > plan.cents[0, 2]
    eaten = np.zeros((3, 3))
    eaten[2, 0] = -0.5
    plan = solve(replace(asked, interactions=Interactions(eaten)))
    assert plan.cents[0, 0] < plan.cents[0, 1] < plan.cents[0, 2] and plan.gap < 0.01
    # Curves that hold the usual spend of a already: at that spend nothing changes.
    usual = solve(replace(asked, interactions=Interactions(halo, [5_000, 0, 0])))
    spend = np.array([[50.0, 50.0, 50.0]])
    assert net(replace(asked, interactions=Interactions(halo, np.array([5_000, 0, 0]))), spend * 100) == pytest.approx(
        float(made.value(spend))
    )
    assert usual.cents[0, 0] > 5_000


def test_the_bound_holds_where_lines_are_eaten_up() -> None:
    """Every plan on a grid, with shares so large that lines fall below nothing within the limits."""
    asked = Problem(list("abc"), [Response(np.full(3, HILL), np.array([[100.0, 80.0, 60.0]]), np.array([30.0, 50, 20]),
                                           np.ones(3), np.ones((1, 3)), np.zeros((1, 3)))],
                    0, 10**6, Total.daily(9_000))  # fmt: skip
    for seed in range(6):
        asked = replace(asked, interactions=Interactions(shares(seed, 3, -1.5, -0.5)))
        plan = solve(asked)
        grid = [np.array([[i, j, 30 - i - j]]) * 300 for i in range(31) for j in range(31 - i)]
        best = max(net(asked, cents) for cents in grid)
        assert plan.upper_bound >= best and plan.value >= best * 0.98


def test_a_line_that_others_eat_up_returns_nothing_and_not_less() -> None:
    made = Response(np.full(2, HILL), np.array([[100.0, 10.0]]), np.full(2, 50.0), np.ones(2), np.ones((1, 2)),
                    np.zeros((1, 2)))  # fmt: skip
    eaten = np.array([[0.0, 0.0], [-0.9, 0.0]])
    plan = solve(Problem(list("ab"), [made], 0, 10**6, Total.daily(10_000), interactions=Interactions(eaten)))
    assert plan.cents.tolist() == [[10_000, 0]]
    assert plan.value == pytest.approx(100 * 100 / 150) and plan.upper_bound >= plan.value


@given(seeds, st.integers(1, 6))
@settings(max_examples=30)
def test_what_reaches_a_line_stays_within_its_ends(seed: int, n: int) -> None:
    random, matrix = np.random.default_rng(seed), shares(seed, n, -0.5, 0.5)
    made = effects(Interactions(matrix, random.integers(0, 1_000, n)), np.arange(n), 2)
    if made is None:
        assert not matrix.any()
        return
    lower = random.uniform(0, 50, (2, n))
    upper = lower + random.uniform(0, 80, (2, n))
    for _ in range(20):
        spend = lower + random.random((2, n)) * (upper - lower)
        low, high = made.ends(lower, upper, spend.sum(axis=1))
        assert (made.reached(spend) >= low - 1e-9).all() and (made.reached(spend) <= high + 1e-9).all()
        usual = made.shift
        assert made.reached(spend) == pytest.approx(spend + spend @ matrix.T - usual)
        assert made.back(spend) == pytest.approx(spend + spend @ matrix)


@pytest.mark.parametrize(
    ("matrix", "usual", "told"),
    [
        (np.zeros((2, 2)), 0, r"interactions are of \(2, 2\), the lines 3"),
        (np.eye(3), 0, "a line acts on itself"),
        (np.full((3, 3), np.nan), 0, "missing"),
        (np.zeros((3, 3)), -1, "must be 0 or more"),
    ],
)
def test_interactions_that_cannot_be_are_told(matrix: np.ndarray, usual: int, told: str) -> None:
    made = Response(np.full(3, HILL), np.ones((1, 3)), np.ones(3), np.ones(3), np.ones((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=told):
        solve(Problem(list("abc"), [made], 0, 10, Total.daily(5), interactions=Interactions(matrix, usual)))
