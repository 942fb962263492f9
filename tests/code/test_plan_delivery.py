"""What platforms may spend of daily budgets, against every way in which they could."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.plan.delivery import EXACT, GOOGLE, META, Delivery, most_a_day, worst_day, worst_period

rules = st.sampled_from([GOOGLE, META, EXACT])


def test_a_day_and_a_whole_period() -> None:
    assert worst_day(GOOGLE, [100, 333]).tolist() == [200, 666]
    assert worst_day(META, [100, 333]).tolist() == [175, 582]
    # A month of 30 days at 10.00: 30.4 budgets at most; a week: seven.
    assert worst_period(GOOGLE, [1_000] * 30, days=30) == 30_400
    assert worst_period(META, [1_000] * 7, days=7) == 7_000
    # Nothing was spent so far: the last day alone cannot catch up.
    assert worst_period(GOOGLE, [1_000], days=30, past_budget_cents=[1_000] * 29) == 2_000
    assert worst_period(GOOGLE, [1_000], days=30, past_budget_cents=[1_000] * 29, spent_cents=30_000) == 30_400
    assert worst_period(META, [1_000, 2_000], days=7, past_budget_cents=[1_000] * 5, spent_cents=9_000) == 9_000


@given(rules, st.lists(st.integers(0, 10**6), min_size=1, max_size=7), st.lists(st.integers(0, 10**6), max_size=7),
       st.floats(0, 1), st.integers(0, 2**32 - 1))  # fmt: skip
def test_no_way_to_spend_goes_over_the_worst(
    rule: Delivery, planned: list[int], past: list[int], used: float, seed: int
) -> None:
    days = max(len(planned) + len(past), 7)
    spent = int(used * sum(past))
    worst = worst_period(rule, planned, days=days, past_budget_cents=past, spent_cents=spent)
    random, total = np.random.default_rng(seed), spent
    limit = rule.period_factor / days * (sum(planned) + sum(past))
    for most in worst_day(rule, planned):
        total += int(min(most * random.choice([random.random(), 1]), max(limit - total, 0)))
    assert spent <= total <= worst


@given(rules, st.integers(0, 10**8), st.integers(1, 31), st.integers(0, 30), st.integers(0, 10**6), st.floats(0, 1.2))
def test_the_most_a_day_keeps_the_total_and_a_cent_more_would_not(
    rule: Delivery, total: int, left: int, gone: int, before: int, used: float
) -> None:
    days = max(left + gone, 28)
    past, spent = [before] * gone, int(used * before * gone)
    daily = most_a_day(rule, total, days=days, days_left=left, past_budget_cents=past, spent_cents=spent)

    def worst(cents: int) -> int:
        return worst_period(rule, [cents] * left, days=days, past_budget_cents=past, spent_cents=spent)

    if spent > total:
        assert daily == 0
    else:
        assert worst(daily) <= total
        assert worst(daily + 2) >= total - 2


def test_days_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="5 past days and 3 to come do not fit a period of 7 days"):
        worst_period(META, [1] * 3, days=7, past_budget_cents=[1] * 5)
    with pytest.raises(ValueError, match="cannot be negative"):
        most_a_day(META, 5, days=7, days_left=3, spent_cents=-1)
