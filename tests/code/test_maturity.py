"""The share of an outcome that is known at each age."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from moe.maturity import shares_known

TRUE = [0.25, 0.5, 0.8, 1.0]


def deliveries(rows: list[tuple[str, int, int, float | None]], platform: str = "google_ads") -> pa.Table:
    """Rows of (account, business day, age of the delivery, conversions)."""
    first = date(2026, 6, 1)
    return pa.Table.from_pylist([
        {"platform": platform, "source": "g", "account_id": account, "business_date": first + timedelta(days=day),
         "night": first + timedelta(days=day + age), "conversions": None if value is None else Decimal(str(value))}
        for account, day, age, value in rows
    ])


def shares(rows: pa.Table) -> dict[str, dict[int, float]]:
    """By platform and age."""
    found: dict[str, dict[int, float]] = {}
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        for r in shares_known(connection, "rows", "conversions").to_pylist():
            found.setdefault(r["platform"], {})[r["age"]] = r["known"]
    return found


def known(rows: list[tuple[str, int, int, float | None]]) -> dict[int, float]:
    return shares(deliveries(rows)).get("google_ads", {})


def test_the_shares_of_a_steady_growth_are_found() -> None:
    grown = [("a", day, age, 100 * (1 + day % 3) * TRUE[age]) for day in range(20) for age in range(4)]
    assert known(grown) == pytest.approx({0: 0.25, 1: 0.5, 2: 0.8})


def test_an_account_that_misses_a_night_does_not_bend_the_growth() -> None:
    grown = [("a", day, age, 100 * TRUE[age]) for day in range(9) for age in range(4)]
    missing = [("b", day, age, 1000 * TRUE[age]) for day in range(9) for age in (0, 2)]
    assert known(grown + missing) == pytest.approx({0: 0.25, 1: 0.5, 2: 0.8})


def test_an_export_known_all_at_once_counts_as_final() -> None:
    assert known([("a", day, age, None if age == 0 else 5.0) for day in range(5) for age in (0, 30)]) == {}


@pytest.mark.parametrize("late", [1, 2])
def test_ages_at_which_nothing_is_reported_yet_have_no_share(late: int) -> None:
    """A platform that reports days late, as 0 and not null."""
    grown = [("a", day, age, 100 * TRUE[age - late] if age >= late else 0.0)
             for day in range(20) for age in range(4 + late)]
    assert known(grown) == pytest.approx(dict(enumerate([0.0] * late + [0.25, 0.5, 0.8])))


def test_an_age_without_any_report_is_final_where_nothing_ever_came() -> None:
    assert known([("a", day, age, 0.0) for day in range(5) for age in range(3)]) == {0: 1.0, 1: 1.0}


def test_one_late_click_of_one_date_does_not_void_what_younger_dates_report() -> None:
    """In a store's second night each age is one date's."""
    second = [("a", 10 - age, age + n, 2.0 if age < 5 else float(n)) for age in range(6) for n in range(2)]
    assert known(second) == dict.fromkeys(range(6), 1.0)


def test_a_line_that_spans_platforms_grows_as_all_of_them_together() -> None:
    slow = [("a", day, age, 300 * TRUE[age]) for day in range(20) for age in range(4)]
    fast = [("a", day, age, 100.0) for day in range(20) for age in range(4)]
    found = shares(pa.concat_tables([deliveries(slow), deliveries(fast, "meta_ads")]))
    assert found["google_ads"] == pytest.approx({0: 0.25, 1: 0.5, 2: 0.8})
    assert found["meta_ads"] == {0: 1.0, 1: 1.0, 2: 1.0}
    assert found["several"] == pytest.approx({0: (75 + 100) / 400, 1: (150 + 100) / 400, 2: (240 + 100) / 400})


def test_the_order_of_the_rows_does_not_change_a_bit() -> None:
    grown = [("a" + str(day % 7), day, age, 0.1 * (1 + day) * TRUE[age]) for day in range(60) for age in range(4)]
    assert known(grown) == known(grown[::-1]) == known(sorted(grown, key=lambda r: r[3]))
