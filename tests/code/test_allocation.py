"""The night's money: exact to the cent, within bounds, optimal by two independent proofs, and explained."""

from datetime import date
from decimal import Decimal

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.allocation import allocate, scaled_status_quo
from decisions.curves import Curves
from decisions.limits import Infeasible, bounds
from decisions.overrides import Override, active, line_limits
from decisions.periods import period_tonight
from decisions.reasons import REASON_CODES, reason

NIGHT = date(2026, 6, 30)


def known(a, k):
    """Curves that are given instead of fitted."""
    a, k = np.asarray(a, dtype=float), np.asarray(k, dtype=float)
    n, zeros = a.size, np.zeros(a.size)
    cov = np.tile(np.eye(2), (n, 1, 1))
    return Curves(a, k, cov, np.ones(n, dtype=np.int64), zeros, k, k)


@st.composite
def problems(draw, min_lines=1, max_lines=40):
    """Curves, a total and bounds that hold it; with lines that return nothing, are locked, or all alike."""
    n = draw(st.integers(min_lines, max_lines))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a, k = np.exp(random.normal(5, 1.5, n)), np.exp(random.normal(4, 1.5, n))
    if draw(st.booleans()):
        a[random.random(n) < 0.2] = 0
    if draw(st.booleans()):
        a[:], k[:] = a[0], k[0]
    lower = np.floor(random.random(n) * random.choice([0, 1, 5_000], n)).astype(np.int64)
    upper = lower + np.floor(random.random(n) * random.choice([0, 100, 50_000, 10**9], n)).astype(np.int64)
    room = int(np.minimum(upper - lower, 10**6).sum())
    return known(a, k), int(lower.sum()) + int(draw(st.floats(0, 1)) * room), lower, upper


@given(problems())
@settings(max_examples=300)
def test_total_bounds_and_proof(problem):
    curves, total, lower, upper = problem
    result = allocate(curves, total, lower, upper)
    assert result.budget_cents.dtype == np.int64
    assert result.budget_cents.sum() == total
    assert (lower <= result.budget_cents).all() and (result.budget_cents <= upper).all()
    assert result.expected_value == pytest.approx(float(curves.value(result.budget_cents / 100).sum()))
    # A cent more than the optimum needs is the most that rounding may cost a line.
    rounding = lower.size * 0.01 * float(curves.marginal(0).max())
    assert 0 <= result.upper_bound - result.expected_value <= min(rounding, 1e-3 * result.upper_bound + 1e-9)
    again = allocate(curves, total, lower, upper)
    assert again.budget_cents.tobytes() == result.budget_cents.tobytes()


@given(problems())
@settings(max_examples=200)
def test_no_pair_of_lines_would_swap_money(problem):
    """The optimality condition itself, without the code's dual: moving a unit must not help."""
    curves, total, lower, upper = problem
    budget = allocate(curves, total, lower, upper).budget_cents
    gives, takes = budget > lower, budget < upper
    cent = 0.01
    loses = (curves.value(budget / 100) - curves.value(budget / 100 - cent))[gives]
    gains = (curves.value(budget / 100 + cent) - curves.value(budget / 100))[takes]
    if loses.size and gains.size:
        most = float(curves.marginal(lower / 100).max())
        assert gains.max() - loses.min() <= 0.02 * cent * most + 1e-9


@given(problems(min_lines=2), st.data())
@settings(max_examples=150)
def test_never_worse_than_the_scaled_status_quo(problem, data):
    curves, total, lower, upper = problem
    previous = np.array(data.draw(st.lists(st.integers(0, 10**6), min_size=lower.size, max_size=lower.size)))
    status_quo = scaled_status_quo(previous, total, lower, upper)
    assert status_quo.sum() == total
    assert (lower <= status_quo).all() and (status_quo <= upper).all()
    result = allocate(curves, total, lower, upper, status_quo)
    assert result.expected_value >= float(curves.value(status_quo / 100).sum())
    assert result.budget_cents.sum() == total
    # Starting from the optimum, rounding can only lose: whichever of the two is better is kept.
    best = allocate(curves, total, lower, upper)
    assert result.expected_value >= best.expected_value


def test_a_handful_of_cents_against_every_split():
    """Curves that bend within cents, where rounding matters most, and where it loses to the status quo."""
    kept = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        curves = known(np.exp(random.normal(0, 1, 3)), np.exp(random.normal(-3, 1, 3)))
        upper, total = random.integers(4, 12, 3), 12
        splits = [(i, j, total - i - j) for i in range(total + 1) for j in range(total + 1 - i)]
        values = {s: float(curves.value(np.array(s) / 100).sum()) for s in splits if (s <= upper).all()}
        best = max(values, key=values.__getitem__)
        result = allocate(curves, total, np.zeros(3), upper)
        assert result.expected_value == pytest.approx(values[best], rel=1e-3)
        guarded = allocate(curves, total, np.zeros(3), upper, best)
        assert guarded.expected_value >= values[best]
        kept += result.expected_value < values[best]
    assert kept > 0


def test_status_quo_keeps_proportions():
    free = np.zeros(3, dtype=np.int64), np.full(3, 10**9)
    assert scaled_status_quo([100, 200, 300], 1_200, *free).tolist() == [200, 400, 600]
    assert scaled_status_quo([100, 200, 300], 1_000, *free).tolist() == [167, 333, 500]
    assert scaled_status_quo([100, 200, 300], 1_200, [0, 0, 0], [150, 10**9, 10**9]).tolist() == [
        150,
        420,
        630,
    ]
    assert scaled_status_quo([0, 0, 300], 1_200, [0, 0, 0], [500, 500, 600]).tolist() == [300, 300, 600]
    assert scaled_status_quo([0, 0, 0], 900, *free).tolist() == [300, 300, 300]


@given(problems(min_lines=2))
@settings(max_examples=150)
def test_the_order_of_lines_does_not_matter(problem):
    curves, total, lower, upper = problem
    random = np.random.default_rng(0)
    spread = np.exp(random.normal(0, 0.1, lower.size))  # no two lines alike: ties go by index
    curves = known((curves.a + 1) * spread, curves.k * spread[::-1])
    order = random.permutation(lower.size)
    straight = allocate(curves, total, lower, upper)
    shuffled = allocate(known(curves.a[order], curves.k[order]), total, lower[order], upper[order])
    assert (shuffled.budget_cents == straight.budget_cents[order]).all()


@given(problems(), st.integers(0, 39), st.integers(1, 10**6))
@settings(max_examples=200)
def test_a_higher_cap_never_costs(problem, line, more):
    curves, total, lower, upper = problem
    raised = upper.copy()
    raised[line % upper.size] += more
    before, after = allocate(curves, total, lower, upper), allocate(curves, total, lower, raised)
    rounding = lower.size * 0.01 * 1e-3 * before.shadow_price
    assert after.expected_value >= before.expected_value * (1 - 1e-9) - rounding
    assert after.upper_bound >= before.upper_bound * (1 - 1e-6) - rounding


@given(st.integers(2, 25), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
@settings(max_examples=60)
def test_agrees_with_a_general_solver(n, seed, fill):
    """In units of each line's k and with room in every bound, as Clarabel 0.11 may give up otherwise."""
    random = np.random.default_rng(seed)
    curves = known(np.exp(random.normal(5, 1, n)), np.exp(random.normal(4, 1, n)))
    lower = random.integers(0, 5_000, n)
    upper = lower + random.integers(1_000, 50_000, n)
    total = int(lower.sum() + fill * (upper - lower).sum())
    share = cvxpy.Variable(n)
    spend = cvxpy.multiply(curves.k, share)
    returned = cvxpy.sum(curves.a - cvxpy.multiply(curves.a, cvxpy.inv_pos(share + 1)))
    limits = [cvxpy.sum(spend) == total / 100, spend >= lower / 100, spend <= upper / 100]
    general = cvxpy.Problem(cvxpy.Maximize(returned), limits)
    general.solve(solver=cvxpy.CLARABEL)
    result = allocate(curves, total, lower, upper)
    assert result.expected_value == pytest.approx(general.value, rel=1e-4)
    assert result.gap < 1e-3


@pytest.mark.parametrize("total", [0, 1, 29_999, 30_000])
def test_shadow_price_is_what_one_more_unit_returns(total):
    curves = known([500, 800, 300], [100, 400, 50])
    result = allocate(curves, total, [0, 0, 0], [10**7] * 3)
    more = allocate(curves, total + 100, [0, 0, 0], [10**7] * 3)
    assert more.expected_value - result.expected_value == pytest.approx(result.shadow_price, rel=0.02)


@pytest.mark.filterwarnings("error")
def test_sums_of_huge_caps_do_not_overflow():
    n = 100
    result = allocate(known(np.ones(n), np.ones(n)), 10**6, np.zeros(n), np.full(n, np.iinfo(np.int64).max))
    assert limits(np.full(n, 10**4), 10**6, high=np.iinfo(np.int64).max).widened_step is None
    assert (result.budget_cents == 10**4).all()
    assert (result.binding == "").all()
    worthless = allocate(known(np.zeros(n), np.ones(n)), 10**6, np.zeros(n), np.full(n, np.iinfo(np.int64).max))
    assert worthless.budget_cents.sum() == 10**6 and worthless.gap == 0


# Bounds


def limits(previous, total, low=0, high=10**7, step=0.25, least=2_000, **more):
    return bounds(previous, low, high, total, max_step=step, least_step_cents=least, **more)


def override(kind, line="A", amount="50", who="Ana", until=date(2026, 7, 3), reason="launch week", name="o1"):
    amount = None if amount is None else Decimal(amount)
    return Override(name, kind, line, amount, reason, who, date(2026, 6, 29), until)


def test_steps_unit_bounds_and_starting_from_zero():
    at = limits([10_000, 40_000, 0, 90_000], 140_000, low=[0, 0, 0, 80_000], high=[10**7, 45_000, 10**7, 10**7])
    assert at.lower_cents.tolist() == [7_500, 30_000, 0, 80_000]
    assert at.upper_cents.tolist() == [12_500, 45_000, 2_000, 112_500]
    assert at.lower_from.tolist() == ["step", "step", "floor", "floor"]
    assert at.upper_from.tolist() == ["step", "cap", "step", "step"]
    assert at.widened_step is None


def test_a_unit_bound_moved_by_more_than_a_step_wins():
    at = limits([10_000, 10_000, 10_000], 34_000, low=[0, 20_000, 0], high=[4_000, 10**7, 10**7])
    assert at.lower_cents.tolist() == [4_000, 20_000, 7_500]
    assert at.upper_cents.tolist() == [4_000, 20_000, 12_500]
    assert at.upper_from.tolist() == ["cap", "floor", "step"]


def test_overrides_win_over_steps_and_the_minimum():
    previous = np.array([10_000, 10_000, 10_000, 10_000])
    said = line_limits(
        [
            override("lock", "A", "300"),
            override("cap", "B", "20"),
            override("floor", "C", "200"),
            override("lock", "D", None),
        ],
        "ABCD",
        previous,
    )
    at = limits(previous, 62_000, low=5_000, overrides=said)
    assert at.lower_cents.tolist() == [30_000, 2_000, 20_000, 10_000]
    assert at.upper_cents.tolist() == [30_000, 2_000, 20_000, 10_000]
    assert set(at.lower_from) == set(at.upper_from) == {"override"}


@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
@settings(max_examples=150)
def test_steps_widen_by_the_smallest_factor(seed, scale):
    random = np.random.default_rng(seed)
    previous = random.integers(0, 10**6, 12) * (random.random(12) < 0.8)
    total = int(previous.sum() * scale)
    at = limits(previous, total, high=10**8)
    assert at.lower_cents.sum() <= total <= at.upper_cents.sum()
    assert (at.widened_step is None) == (at.step == 0.25)
    if at.widened_step is not None:
        narrower = at.widened_step * (1 - 1e-4) / 0.25
        reach = np.maximum(0.25 * previous, 2_000) * narrower
        assert not np.maximum(previous - reach, 0).sum() + 6 <= total <= (previous + reach).sum() - 6


def test_infeasible_names_lines_amounts_and_repair():
    with pytest.raises(Infeasible, match=r"floors add up to 1,200.00 but the total is 1,000.00: lower a floor or ra"):
        limits([50_000, 50_000], 100_000, low=60_000)
    with pytest.raises(Infeasible, match=r"caps add up to 800.00, less than .* 1,000.00: .* by 200.00; .*'B' at 300"):
        limits([50_000, 50_000], 100_000, high=[50_000, 30_000], names=["A", "B"])
    said = line_limits([override("floor", "B", "600")], "AB", np.array([0, 0]))
    with pytest.raises(Infeasible, match=r"line 'B': the override asks for 600.00 but the line's maximum is 500.00"):
        limits([0, 0], 50_000, high=50_000, overrides=said, names="AB")
    with pytest.raises(Infeasible, match=r"line 0: the minimum 2.00 is above the maximum 1.00"):
        limits([0], 100, low=200, high=100)
    with pytest.raises(ValueError, match="lock a line to hold it"):
        limits([1], 1, step=0)


# Overrides


def test_active_from_the_night_it_is_entered_to_the_last_day_it_decides():
    row = override("lock", until=date(2026, 7, 3))
    assert [bool(active([row], date(2026, m, d))) for m, d in ((6, 28), (6, 29), (7, 2), (7, 3))] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "pause"}, "unknown kind 'pause'"),
        ({"kind": "cap", "amount": "-1"}, "not negative"),
        ({"kind": "cap", "amount": "NaN"}, "must be a number"),
        ({"kind": "cap", "amount": "1.005"}, "more than two decimals"),
        ({"kind": "floor", "amount": None}, "needs an amount"),
        ({"kind": "floor", "line": None}, "needs a line"),
        ({"kind": "monthly_total"}, "takes no line"),
        ({"kind": "lock", "until": date(2026, 6, 1)}, "before it was entered"),
    ],
)
def test_bad_override_rows(row, message):
    with pytest.raises(ValueError, match=f"override o1: .*{message}"):
        override(**row)


def test_overrides_that_cannot_both_hold():
    previous = np.array([100, 100])
    with pytest.raises(ValueError, match=r"floor o1 of 60.00 .Ana. is above the cap o2 of 50.00 .Ben.: end one"):
        line_limits([override("floor", "A", "60"), override("cap", "A", who="Ben", name="o2")], "AB", previous)
    with pytest.raises(ValueError, match="is above the lock"):
        line_limits([override("lock", "A", "60"), override("lock", "A", "50", name="o2")], "AB", previous)
    with pytest.raises(ValueError, match="unknown line 'Z'"):
        line_limits([override("lock", "Z")], "AB", previous)
    both = line_limits([override("cap", "A", "60"), override("cap", "A", "50", name="o2")], "AB", previous)
    assert both.cap_cents.tolist() == [5_000, -1] and both.floor_cents.tolist() == [-1, -1]


def test_a_months_total_is_spent_to_the_cent():
    month = override("monthly_total", None, "1000.00", until=date(2026, 7, 31))
    spent: dict[date, int] = {}
    for day in range(31):
        night = date.fromordinal(date(2026, 6, 30).toordinal() + day)
        tomorrow = date.fromordinal(night.toordinal() + 1)
        period = period_tonight(active([month], night), night, spent)
        assert period.override is month
        tonight = int(period.even(tomorrow, 1)[0])
        assert abs(tonight - 100_000 / 31) <= 31
        assert period.even(tomorrow, period.days_left(tomorrow)).sum() == period.left_cents
        spent[tomorrow] = tonight
    assert sum(spent.values()) == 100_000
    overspent = period_tonight([month], date(2026, 7, 10), {date(2026, 7, 3): 100_001})
    assert overspent.even(date(2026, 7, 11), 3).tolist() == [0, 0, 0] and overspent.left_cents == -1
    assert period_tonight([], NIGHT, {}) is None
    with pytest.raises(ValueError, match="several monthly totals"):
        period_tonight([month, month], NIGHT, {})


# Reasons


def test_reasons_say_why():
    previous = np.array([10_000, 10_000, 10_000, 10_000, 0, 10_000, 10_000])
    curves = known([900, 100, 500, 300, 5, 900, 10], [300, 100, 200, 100, 100, 300, 100])
    ids = "ABCDEFG"
    said = line_limits([override("lock", "C"), override("cap", "F", "110", reason="low stock")], ids, previous)
    at = limits(previous, 57_000, high=[10**7, 10**7, 10**7, 10_500, 10**7, 10**7, 10**7], overrides=said)
    result = allocate(curves, 57_000, at.lower_cents, at.upper_cents)
    told = dict(zip(ids, reason(previous, result, at, curves, said), strict=True))
    assert told["A"][:2] == ("step_up", "Raised by the largest step allowed (25 %)")
    assert told["C"][:2] == ("locked", "Locked by Ana until 2026-07-03: launch week") and told["C"].override_id
    assert told["D"][:2] == ("cap", "Raised to its cap of 105.00")
    assert told["F"].text == "Raised to the cap of 110.00 set by Ana until 2026-07-03: low stock"
    assert told["G"][:2] == ("step_down", "Lowered by the largest step allowed (25 %)")
    price = f"{result.shadow_price:.2f}"
    assert told["B"].code == "raised" if result.budget_cents[1] > 10_000 else "lowered"
    assert told["B"].text.endswith(f"against {price} across the lines")
    assert told["E"].text == f"Not funded: the first dollar here would return 0.05, against {price} across the lines"
    assert {r.code for r in told.values()} <= set(REASON_CODES)


@given(problems(min_lines=2), st.floats(0.5, 2))
@settings(max_examples=100)
def test_every_reason_agrees_with_the_move(problem, scale):
    curves, total, lower, upper = problem
    previous = scaled_status_quo(lower + 1, total, lower, upper)
    total = min(int(total * scale), 10**9)
    at = limits(previous, total, high=10**9)
    result = allocate(curves, total, at.lower_cents, at.upper_cents)
    told = reason(previous, result, at, curves)
    for old, new, (code, text, _) in zip(previous, result.budget_cents, told, strict=True):
        assert not text.startswith("Raised") or new > old
        assert not text.startswith("Lowered") or new < old
        assert code not in ("raised", "step_up") or new > old
        assert code not in ("lowered", "step_down", "stopped") or new < old
