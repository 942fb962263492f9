"""What platforms may spend of daily budgets, against every way in which they could."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.plan.delivery import EXACT, GOOGLE, META, Account, Delivery, most_a_day, worst_day, worst_period

rules = st.sampled_from([GOOGLE, META, EXACT])
starts = st.dates(date(2026, 1, 1), date(2027, 12, 31))
JUNE, SUNDAY = date(2026, 6, 1), date(2026, 6, 7)


def account(rule: Delivery, budget: list[int] = [], spent: list[int] = []) -> Account:  # noqa: B006
    return Account(rule, np.array(budget, dtype=np.int64), np.array(spent, dtype=np.int64))


def test_a_day_and_a_whole_period() -> None:
    assert worst_day(GOOGLE, [100, 333]).tolist() == [200, 666]
    assert worst_day(META, [100, 333]).tolist() == [175, 582]
    # A month of 30 days at 10.00: 30.4 budgets at most; a week: seven; a week of which the period has 3 days: 5.25.
    assert worst_period(account(GOOGLE), [1_000] * 30, JUNE) == 30_400
    assert worst_period(account(META), [1_000] * 7, SUNDAY) == 7_000
    assert worst_period(account(META), [1_000] * 10, SUNDAY) == 12_250
    assert worst_period(account(META), [1_000] * 7, SUNDAY + timedelta(days=1)) == 8_750, "six days and one"
    # Nothing was spent so far: the last day alone cannot catch up.
    assert worst_period(account(GOOGLE, [1_000] * 29, [0] * 29), [1_000], JUNE) == 2_000
    assert worst_period(account(GOOGLE, [1_000] * 29, [0] * 28 + [30_000]), [1_000], JUNE) == 30_400
    assert worst_period(account(META, [1_000] * 5, [1_800] * 5), [1_000, 2_000], SUNDAY) == 9_000
    # Google's limit is of each month: three of them in a quarter.
    assert worst_period(account(GOOGLE), [10_000] * 92, date(2026, 7, 1)) == 3 * 304_000
    assert worst_period(account(GOOGLE, [10_000] * 46, [10_000] * 46), [10_000] * 46, date(2026, 7, 1)) == (
        310_000 + 2 * 304_000), "what July had is spent"


@given(rules, starts, st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(0, 39),
       st.integers(0, 2**32 - 1))  # fmt: skip
def test_no_way_to_spend_goes_over_the_worst(
    rule: Delivery, first: date, budgets: list[int], gone: int, seed: int
) -> None:
    """Day by day within the day's and the span's limit, counted by calendar weeks and months of their own."""
    random, gone, spent = np.random.default_rng(seed), min(gone, len(budgets) - 1), []
    days = [first + timedelta(days=t) for t in range(len(budgets))]
    sunday = [str(day - timedelta(days=day.isoweekday() % 7)) for day in days]
    spans = sunday if rule is META else [f"{day:%Y-%m}" for day in days]
    inside: dict[str, list[int]] = defaultdict(list)
    for span, budget in zip(spans, budgets, strict=True):
        inside[span].append(budget)
    used: dict[str, float] = defaultdict(float)
    for span, budget in zip(spans, budgets, strict=True):
        k = len(inside[span])
        limit = min(rule.span_factor, rule.day_factor * k) / k * sum(inside[span])
        spent.append(int(min(budget * rule.day_factor * random.choice([random.random(), 1]),
                             max(limit - used[span], 0))))  # fmt: skip
        used[span] += spent[-1]
    worst = worst_period(account(rule, budgets[:gone], spent[:gone]), budgets[gone:], first)
    assert sum(spent) <= worst


@given(st.lists(rules, min_size=1, max_size=3), starts, st.integers(1, 31), st.integers(0, 30), st.integers(0, 10**8),
       st.integers(0, 2**32 - 1))  # fmt: skip
def test_the_most_a_day_keeps_the_total_however_it_is_shared_and_a_little_more_would_not(
    chosen: list[Delivery], first: date, left: int, gone: int, total: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    accounts = [account(rule, b := random.integers(0, 10**6, gone).tolist(),
                        [int(x * random.uniform(0, rule.day_factor)) for x in b]) for rule in chosen]  # fmt: skip
    daily = most_a_day(accounts, total, first, left)

    def worst(cents: float, shares: list[float]) -> int:
        return sum(worst_period(a, [int(cents * share)] * left, first) for a, share in zip(accounts, shares,
                                                                                           strict=True))

    ways = [list(random.dirichlet(np.full(len(chosen), 0.3))) for _ in range(30)]
    ways += [[float(i == j) for j in range(len(chosen))] for i in range(len(chosen))]
    if sum(int(a.spent_cents.sum()) for a in accounts) > total:
        assert daily == 0
        return
    assert max(worst(daily, way) for way in ways) <= total + len(chosen)
    if len(chosen) == 1:
        assert worst(daily + 2, [1.0]) >= total - 2, "no more than is needed is held back"


@pytest.mark.parametrize("month", range(1, 13))
def test_a_platform_that_delivers_all_it_may_keeps_each_month_of_a_year(month: int) -> None:
    """Night after night, with the budget that the most allows; weeks are counted here by themselves."""
    first = date(2026, month, 1)
    days = ((first + timedelta(days=31)).replace(day=1) - first).days
    for rule in (META, GOOGLE):
        total, budget, spent = 3_000_000, [], []
        for day in range(days):
            even = (total - sum(spent)) // (days - day)
            most = most_a_day([account(rule, budget, spent)], total, first, days - day)
            budget.append(min(even, most))
            at = first + timedelta(days=day)
            start, stop = 0, days
            if rule is META:
                start, stop = max(day - at.isoweekday() % 7, 0), min(day + 7 - at.isoweekday() % 7, days)
            k, planned = stop - start, sum(budget[start:]) + (stop - day - 1) * budget[-1]
            allowed = min(rule.span_factor, rule.day_factor * k) / k * planned
            spent.append(int(min(rule.day_factor * budget[-1], max(allowed - sum(spent[start:]), 0))))
        assert 0.9 * total < sum(spent) <= total + days


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="5 days of budgets and 4 of spend"):
        account(META, [1] * 5, [1] * 4)
    with pytest.raises(ValueError, match="cannot be negative"):
        account(META, [1], [-1])
    with pytest.raises(ValueError, match="needs a platform and a day"):
        most_a_day([], 5, JUNE, 3)
