"""Checks before release: each problem is found, named, and said to a person; a good table has none."""

from decimal import Decimal
from typing import Any

import pytest

from decisions.auctions.checks import Platform, problems

PLATFORM = Platform(floor=Decimal("0.05"), cap=Decimal("2"))
BUDGET = {"a": Decimal("10.00"), "b": Decimal("20.00")}


def row(line: str, segment: str, **change: Any) -> dict[str, Any]:
    good = {"line_id": line, "line_name": line.upper(), "segment": segment, "bid": Decimal("1.0000"),
            "bid_cap": Decimal("2.0000"), "expected_spend": Decimal("5.00")}
    return good | change


def table(**change: Any) -> list[dict[str, Any]]:
    """Two lines with two segments; the change is of the first row."""
    return [row("a", "mobile") | change, row("a", "desktop"), row("b", "mobile"), row("b", "desktop")]


def test_a_table_within_every_limit_has_no_problem() -> None:
    assert problems(table(), BUDGET, PLATFORM) == []
    at_the_limits = table(bid=Decimal("2.0000"), percent={"placement": 900, "hour": -90})
    assert problems(at_the_limits, BUDGET, PLATFORM) == []
    assert problems(table(bid=Decimal(0)), BUDGET, PLATFORM, [("a", "mobile")]) == []
    assert problems([], {}, PLATFORM) == []


@pytest.mark.parametrize(("change", "kind", "message"), [
    ({"bid": Decimal("2.0001")}, "cap", "Bids above their cap: A / mobile. Lower them"),
    ({"bid_cap": Decimal("0.9")}, "cap", "Bids above their cap: A / mobile."),
    ({"bid": Decimal("0.0499")}, "floor", "Bids below the floor of 0.05, which the platform refuses: A / mobile."),
    ({"percent": {"hour": 901}}, "range", "whole percent from -90 to 900: A / mobile."),
    ({"percent": {"hour": -91}}, "range", "Move the line's base bid"),
    ({"percent": {"hour": 10.5}}, "range", "not whole percent"),
    ({"expected_spend": Decimal("5.01")}, "overspend", "expected to overspend: A (10.01 of 10.00)."),
    ({"line_id": "c", "line_name": "C"}, "no_line", "Bids for lines without a budget row: C."),
    ({"segment": "desktop"}, "twice", "More than one bid for: A / desktop."),
    ({"bid": Decimal("NaN")}, "not_a_bid", "not a number: A / mobile."),
    ({"bid": None}, "not_a_bid", "missing"),
    ({"expected_spend": Decimal(-1)}, "not_a_bid", "negative"),
])
def test_each_problem_is_named_alone(change: dict[str, Any], kind: str, message: str) -> None:
    found = problems(table(**change), BUDGET, PLATFORM)
    assert [p.kind for p in found] == [kind]
    assert message in found[0].message
    assert len(found[0].rows) == 1


def test_a_forbidden_segment_is_forbidden_for_one_line_or_for_all() -> None:
    one = problems(table(), BUDGET, PLATFORM, [("a", "mobile")])
    assert [(p.kind, p.rows) for p in one] == [("forbidden", ("A / mobile",))]
    every = problems(table(), BUDGET, PLATFORM, [(None, "mobile")])
    assert every[0].rows == ("A / mobile", "B / mobile")
    assert every[0].message == "Policy forbids bids for: A / mobile, B / mobile. Set them to 0."


def test_a_message_names_five_rows_and_counts_the_rest() -> None:
    many = [row("a", f"s{i}", bid=Decimal(3), expected_spend=Decimal(0)) for i in range(9)]
    found = problems(many, BUDGET, PLATFORM)[0]
    assert found.message.startswith("Bids above their cap: A / s0, A / s1, A / s2, A / s3, A / s4 and 4 more.")
    assert len(found.rows) == 9
    assert problems(many[::-1], BUDGET, PLATFORM)[0] == found
