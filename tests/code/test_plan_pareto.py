"""The front of product lines that want the same money."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.plan import Front, Problem, Risk, Total, front, solve
from decisions.response import HILL, Response
from tests.code.plan_example import broken, problem

seeds = st.integers(0, 2**32 - 1)


def two(n: int = 6, seed: int = 0) -> tuple[Problem, dict[str, list[str]]]:
    random = np.random.default_rng(seed)
    k = np.exp(random.normal(4, 0.5, n))
    made = Response(np.full(n, HILL), (k * np.exp(random.normal(1, 0.5, n)))[None], k, np.ones(n), np.ones((1, n)),
                    np.zeros((1, n)))  # fmt: skip
    names = [f"l{i}" for i in range(n)]
    asked = Problem(names, [made], 0, 10**8, Total.daily(int(k.sum() * 100)))
    return asked, {"shoes": names[: n // 2], "bags": names[n // 2 :]}


def values(made: Front) -> np.ndarray:
    return np.array([list(point.values.values()) for point in made.points])


@given(seeds)
@settings(max_examples=10, derandomize=True)
def test_no_plan_lies_beyond_the_front(seed: int) -> None:
    """Any plan is below every point's bound, and no point is better for all than another."""
    asked = replace(problem(seed, 6, 2), steps=None, groups=[])
    asked = replace(asked, total=Total.daily(asked.status_quo_cents.sum(axis=1)))
    names = sorted(asked.names)
    if len(names) < 2:
        return
    of = {"shoes": names[: len(names) // 2], "bags": names[len(names) // 2 :]}
    made = front(asked, of, points=6)
    assert all(broken(asked, point.plan.cents) == [] for point in made.points)
    random = np.random.default_rng(seed)
    inside = {name: [list(asked.names).index(line) for line in lines] for name, lines in of.items()}
    others = [solve(replace(asked, weights=random.random(len(names)))).cents for _ in range(4)]
    for cents in [*others, asked.status_quo_cents]:
        lines = asked.responses[0].daily(cents / 100).sum(axis=0)
        reached = {name: float(lines[at].sum()) for name, at in inside.items()}
        for point in made.points:
            beyond = sum(point.weights[name] * reached[name] for name in of)
            assert beyond <= point.plan.upper_bound * (1 + 1e-9) + 1e-9


def test_the_front_is_known_to_the_distance_that_it_tells() -> None:
    asked, of = two()
    few, many = front(asked, of, points=5), front(asked, of, points=40)
    assert few.distance is not None and many.distance is not None
    assert many.distance <= 1e-3 < few.distance
    ranges = np.array([few.best[name] - few.worst[name] for name in sorted(of)])
    coarse, fine = values(few) / ranges, values(many) / ranges
    for point in fine:  # how far it lies beyond the chords of the few points
        beyond = min(
            float(np.array([b[1] - a[1], a[0] - b[0]]) @ (point - a) / abs(np.array([b[1] - a[1], a[0] - b[0]]).sum()))
            for a, b in itertools.pairwise(coarse)
        )
        assert beyond <= few.distance + 1e-6
    assert (np.diff(values(many)[:, 0]) < 0).all() and (np.diff(values(many)[:, 1]) > 0).all()
    assert not any(point.dominated for point in many.points)
    for point in many.points:
        assert all(few.worst[name] - 1e-6 <= point.values[name] <= few.best[name] * (1 + 1e-6) for name in of)


def test_the_chosen_point_is_configured() -> None:
    asked, of = two()
    chosen = front(asked, of, weights={"shoes": 3.0, "bags": 1.0}, points=4).chosen
    direct = solve(replace(asked, weights=np.array([3.0] * 3 + [1.0] * 3)))
    assert (chosen.plan.cents == direct.cents).all()
    knee = front(asked, of, points=4)
    spans = {name: knee.best[name] - knee.worst[name] for name in of}
    together = [sum(point.values[name] / spans[name] for name in of) for point in front(asked, of, points=30).points]
    assert sum(knee.chosen.values[name] / spans[name] for name in of) >= max(together) - 1e-6


def test_three_objectives_and_lines_that_count_for_two() -> None:
    asked, _ = two(9)
    names = list(asked.names)
    of = {"shoes": names[:4], "bags": names[3:7], "hats": names[7:]}
    made = front(asked, of, points=12)
    assert made.distance is None and len(made.points) >= 9
    assert not any(point.dominated for point in made.points)
    assert max(point.plan.gap for point in made.points) < 1e-4
    again = front(asked, {name: lines[::-1] for name, lines in reversed(of.items())}, points=12)
    assert [p.plan.cents.tobytes() for p in again.points] == [p.plan.cents.tobytes() for p in made.points]


@pytest.mark.parametrize(
    ("objectives", "more", "told"),
    [
        ({"shoes": ["l0"]}, {}, "two objectives or more"),
        ({"shoes": ["l0"], "bags": ["l9"]}, {}, "'bags' lists the unknown line 'l9'"),
        ({"shoes": ["l0"], "bags": []}, {}, "'bags' has no lines"),
        ({"shoes": ["l0"], "bags": ["l1"]}, {"weights": {"shoes": 1}}, "needs a weight of 0 or more"),
    ],
)
def test_objectives_that_cannot_be_are_told(objectives: dict, more: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        front(two()[0], objectives, **more)
    with pytest.raises(ValueError, match="of expected outcomes"):
        front(replace(two()[0], risk=Risk("cvar")), two()[1])
