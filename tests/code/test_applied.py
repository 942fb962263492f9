"""What is set on the platforms beside what was released: states from readings, cents by line, words on the page."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.applied import Day, compare
from decisions.applied_state import judge, slip, split
from decisions.report import ReportData, render
from decisions.report.actions import actions
from decisions.report.applied import NOBODY_TOLD, differences, words
from decisions.report.uploads import Ads
from moe.contracts import contract
from tests.code.report_example import NIGHT, example

ON = date(2026, 7, 5)
READ_AT = datetime(2026, 7, 5, 23, 45, tzinfo=UTC)


def back(n: int) -> date:
    return ON - timedelta(days=n)


def days(*amounts: float | None) -> dict[date, Decimal]:
    """Amounts by day, the last one's being ON; None where nothing is known."""
    return {back(len(amounts) - 1 - at): Decimal(str(a)) for at, a in enumerate(amounts) if a is not None}


STATES: dict[str, tuple[tuple[float | None, ...], tuple[float, ...], str, int]] = {
    # what was read, what was released, the state, and for how many days it is set so
    "set on the day": ((100, 100, 120), (100, 100, 120), "as_released", 0),
    "set and never changed": ((100, 100, 100), (100, 100, 100), "as_released", 2),
    "the first reading is right": ((None, None, 120), (100, 100, 120), "as_released", 0),
    "set before it was released": ((100, 120, 120), (100, 100, 120), "as_released", 1),
    "a day late under a held release": ((100, 100, 120), (100, 120, 120), "applied_late", 0),
    "late stays late": ((100, 120, 120), (120, 120, 120), "applied_late", 1),
    "yesterday's release": ((90, 90, 100), (90, 100, 120), "applied_late", 0),
    "never set": ((100, 100, 100), (100, 110, 120), "not_applied", 2),
    "never set, with a day unread": ((100, None, 100), (100, 110, 120), "not_applied", 2),
    "wrong since yesterday, untouched today": ((100, 107, 107), (100, 110, 120), "not_applied", 1),
    "set to something else": ((100, 100, 111.5), (100, 100, 120), "changed_by_hand", 0),
    "changed after it was right": ((120, 120, 90), (100, 120, 120), "changed_by_hand", 0),
    "the first reading is of another amount": ((None, None, 77), (100, 100, 120), "not_applied", 0),
    "the first reading is mistyped": ((None, None, 210), (100, 100, 120), "changed_by_hand", 0),
    "mistyped from the first reading on": ((None, 210, 210), (100, 120, 120), "changed_by_hand", 1),
}


@pytest.mark.parametrize("case", STATES)
def test_a_state_is_told_from_readings_and_releases(case: str) -> None:
    read, released, state, held = STATES[case]
    readings = {d: [a] for d, a in days(*read).items()}
    released_by_day = days(*released)
    found = judge(ON, readings, released_by_day)
    assert (found.state, found.since) == (state, back(held))
    later = {ON + timedelta(days=1): Decimal(999)}
    assert judge(ON, readings | {d: [a] for d, a in later.items()}, released_by_day | later) == found, "later days"


def test_some_of_several_campaigns_changed_is_in_part() -> None:
    found = judge(ON, {back(1): [Decimal(50), Decimal(50)], ON: [Decimal(60), Decimal(50)]}, days(100, 120))
    assert found.state == "partly_applied" and "1 of its 2" in found.note
    all_of_them = judge(ON, {back(1): [Decimal(50), Decimal(50)], ON: [Decimal(70), Decimal(60)]}, days(100, 120))
    assert all_of_them.state == "changed_by_hand"


@pytest.mark.parametrize(("typed", "meant", "why"), [
    ("420.00", "240.00", "swapped"), ("241.10", "214.10", "swapped"), ("2400.00", "240.00", "digit"),
    ("24.00", "240.00", "digit"), ("241.00", "240.60", "a whole amount"), ("240.00", "238.20", "multiple of 5"),
    ("230.00", "226.00", "multiple of 10"), ("300.00", "240.00", ""), ("240.00", "240.00", ""), ("0.00", "240.00", ""),
])  # fmt: skip
def test_typing_errors_are_recognised(typed: str, meant: str, why: str) -> None:
    said = slip(Decimal(typed), Decimal(meant))
    assert why in said if why else said == ""


amounts = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))


@given(amounts, st.lists(amounts, min_size=1, max_size=9))
def test_a_split_adds_up_and_no_part_is_a_cent_off(total: Decimal, weights: list[Decimal]) -> None:
    parts, whole = split(total, weights), sum(weights, Decimal(0))
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - (total * weight / whole if whole else total / len(weights))) < Decimal("0.011")


# --- lines and campaigns ------------------------------------------------------------------------------------


def ad(line: str, campaign: str = "", **more: str) -> dict[str, str]:
    campaign = campaign or f"c-{line}"
    return {"line_id": line, "platform": "meta_ads", "account_id": "1", "campaign_id": campaign,
            "campaign_name": f"Name of {campaign}", "ad_group_id": f"g-{line}", "segment": "all",
            "currency_original": "USD"} | more  # fmt: skip


def setting(campaign: str, budget: str | None, ad_set: str = "", on: date = ON, **more: Any) -> dict[str, Any]:
    return {"platform": "meta_ads", "account_id": "1", "campaign_id": campaign, "campaign_name": "",
            "ad_group_id": ad_set, "business_date": on, "daily_budget": None if budget is None else Decimal(budget),
            "bid_limit": None, "paused": False, "read_at": READ_AT} | more  # fmt: skip


def compared(
    ads: list[dict[str, str]], settings: list[dict[str, Any]], bids: dict[tuple[str, str], Decimal] | None = None,
    spend: dict[str, Decimal | None] | None = None, **budgets: str,
) -> dict[str, dict[str, Any]]:
    lines = [{"line_id": i, "line_name": i.title(), "platform": "meta_ads", "budget": Decimal(b)}
             for i, b in budgets.items()]
    released = {r["line_id"]: r["budget"] for r in lines}
    day = Day(ON, "USD", lines, {ON: released}, Ads(ads, set(budgets)), bids or {}, spend or {})
    rows = compare(day, settings)
    assert rows == compare(replace(day, lines=lines[::-1]), settings[::-1]), "the order of rows changes nothing"
    return {r["line_id"]: r for r in rows}


def test_a_campaign_of_several_lines_is_compared_with_their_sum() -> None:
    found = compared([ad("a", "one"), ad("b", "one"), ad("c")], [setting("one", "100.01"), setting("c-c", "5.00")],
                     a="50.00", b="49.00", c="5.00")
    assert found["a"]["set_budget"] + found["b"]["set_budget"] == Decimal("100.01")
    assert found["a"]["difference"] + found["b"]["difference"] == Decimal("1.01")
    assert "2 lines share" in found["a"]["note"] and found["c"]["state"] == "as_released"


def test_a_line_of_several_campaigns_has_their_sum_and_ad_sets_stand_in_for_a_campaign() -> None:
    found = compared([ad("a", "one"), ad("a", "two", ad_group_id="g2"), ad("a", "two", ad_group_id="g3"), ad("b")],
                     [setting("one", "10.00"), setting("two", None), setting("two", "20.00", "g2"),
                      setting("two", "30.00", "g3"), setting("c-b", "7.00"), setting("c-b", "9.99", "g-b")],
                     a="60.00", b="7.00")
    assert (found["a"]["set_budget"], found["a"]["settings"], found["a"]["state"]) == (60, 3, "as_released")
    assert found["b"]["set_budget"] == Decimal("7.00"), "the campaign's budget counts, not its ad set's"


def test_paused_absent_and_unread_are_told_apart() -> None:
    settings = [setting("c-a", "40.00", paused=True), setting("c-d", "9.00", account_id="3")]
    found = compared([ad("a"), ad("b"), ad("c", account_id="2")], settings, a="40.00", b="30.00", c="20.00", d="10.00")
    assert (found["a"]["set_budget"], found["a"]["difference"]) == (0, Decimal("-40.00"))
    assert "paused" in found["a"]["note"]
    assert (found["b"]["state"], found["b"]["difference"]) == ("unknown_to_platform", Decimal("-30.00"))
    assert (found["c"]["state"], found["c"]["difference"], found["c"]["since"]) == ("not_read", None, None)
    assert found["d"]["state"] == "unknown_to_platform" and "cannot be named" in found["d"]["note"]


def test_a_campaign_that_spends_and_is_not_in_the_export_is_not_taken_for_gone() -> None:
    found = compared([ad("a"), ad("b")], [setting("c-a", "40.00")], None, {"b": Decimal("12.5")}, a="40.00", b="30.00")
    assert found["b"]["state"] == "unknown_to_platform"
    assert found["b"]["set_budget"] is None and found["b"]["difference"] is None
    assert "It spent all the same" in found["b"]["note"]
    said = words(told(line_0002=("unknown_to_platform", None)))
    assert said[0].startswith("5 of 6 lines") and said[1].startswith("1 line with 100.00\u00a0USD spent money")


def test_a_campaign_goes_by_its_name_where_the_tool_does_and_two_of_a_name_by_none() -> None:
    named = {"campaign_id": "", "platform": "google_ads"}
    ads = [ad("a", platform="google_ads", campaign_name="Brand"), ad("b", platform="google_ads", campaign_name="Twin"),
           ad("x", platform="google_ads", campaign_name="Twin")]  # fmt: skip
    settings = [setting("", "40.00", campaign_name="Brand", **{**named}),
                setting("", "30.00", campaign_name="Twin", **{**named})]
    found = compared(ads, settings, a="40.00", b="30.00")
    assert found["a"]["state"] == "as_released"
    assert found["b"]["state"] == "unknown_to_platform" and "Several campaigns" in found["b"]["note"]


def test_bids_of_ad_sets_count_where_a_cap_is_set() -> None:
    settings = [setting("c-a", "40.00"), setting("c-a", None, "g-a", bid_limit=Decimal("0.80")),
                setting("c-b", "30.00"), setting("c-b", None, "g-b", bid_limit=Decimal("0.9000")),
                setting("c-c", "20.00"), setting("c-c", None, "g-c")]  # fmt: skip
    bids = {(f"c-{i}", f"g-{i}"): Decimal("0.90") for i in "abc"}
    found = compared([ad(i) for i in "abc"], settings, bids, a="40.00", b="30.00", c="20.00")
    assert [found[i]["state"] for i in "abc"] == ["partly_applied", "as_released", "as_released"]
    assert [found[i]["bids_compared"] for i in "abc"] == [1, 1, 0]
    assert found["a"]["bids_differ"] == 1 and found["a"]["difference"] == 0


def test_spend_is_laid_beside_both_amounts() -> None:
    spend = {"a": Decimal("52.5"), "b": Decimal("98"), "c": None}
    found = compared([ad(i) for i in "abc"], [setting(f"c-{i}", "50.00") for i in "abc"], None, spend,
                     a="100.00", b="100.00", c="100.00")
    assert [found[i]["spend_follows_setting"] for i in "abc"] == [True, False, None]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**7)), min_size=1, max_size=6),
       st.lists(st.integers(0, 10**7), min_size=4, max_size=4))
def test_every_cent_that_is_set_stands_on_one_line(drawn: list[tuple[int, int]], campaigns: list[int]) -> None:
    lines = {f"l{n}": str(Decimal(cents).scaleb(-2)) for n, (_, cents) in enumerate(drawn)}
    ads = [ad(f"l{n}", f"c{campaign}") for n, (campaign, _) in enumerate(drawn)]
    settings = [setting(f"c{n}", str(Decimal(cents).scaleb(-2))) for n, cents in enumerate(campaigns)]
    found = compared(ads, settings, **lines)
    used = {campaign for campaign, _ in drawn}
    assert sum(r["set_budget"] for r in found.values()) == Decimal(sum(campaigns[n] for n in used)).scaleb(-2)
    for line, r in found.items():
        assert r["difference"] == r["set_budget"] - Decimal(lines[line])


# --- the page -----------------------------------------------------------------------------------------------

BASE = replace(example(6, days=5), applied=None)


def told(basis: str = "live", **states: tuple[str, str | None]) -> ReportData:
    """A night of six lines with 100.00 released each; `states` by line: the state and what is set."""
    rows = []
    for line in BASE.budgets.select(["line_id", "line_name", "platform"]).to_pylist():
        state, is_set = states.get(line["line_id"].replace("-", "_"), ("as_released", "100.00"))
        difference = None if is_set is None else Decimal(is_set) - 100
        rows.append(line | {
            "business_date": NIGHT, "release_night": NIGHT - timedelta(days=1), "basis": basis, "currency": "USD",
            "released_budget": Decimal(100), "set_budget": None if is_set is None else Decimal(is_set),
            "difference": difference, "difference_share": None if difference is None else float(difference / 100),
            "state": state, "since": None if is_set is None else NIGHT, "settings": 1, "bids_compared": 0,
            "bids_differ": 0, "spend": Decimal(400), "spend_follows_setting": bool(difference) or None,
            "read_at": None, "note": "",
        })  # fmt: skip
    schema = pa.schema([f for f in contract("out.applied__line").schema if f.name not in ("unit", "night")])
    return replace(BASE, applied=pa.Table.from_pylist(rows, schema=schema))


OFF: dict[str, Any] = {"line_0001": ("not_applied", "60.00"), "line_0003": ("changed_by_hand", "400.00")}


def test_the_page_says_how_many_lines_are_set_as_released_and_what_to_do(tmp_path: Path) -> None:
    data = told(**OFF)
    assert words(data)[0].startswith("4 of 6 lines were set at the end of Thursday 11 June 2026 as released; 2 differ "
                                     "by 340.00\u00a0USD a day. That is the release of the night of Wednesday 10 June")
    view = differences(data)
    assert view is not None and [r.data["state"] for r in view.rows] == ["changed_by_hand", "not_applied"]
    assert view.foot[0].cells[5].value == "260.00"
    text = render(data, tmp_path).read_text()
    assert '<section id="settings"' in text and "Ask who set it." in text
    assert len((tmp_path / "applied.csv").read_text().splitlines()) == 7


def test_all_as_released_needs_no_table() -> None:
    assert differences(told()) is None
    assert "6 of 6 lines were set" in words(told())[0]


def test_nothing_told_is_a_sentence_and_an_empty_release_another(tmp_path: Path) -> None:
    assert words(BASE) == [NOBODY_TOLD] and NOBODY_TOLD in render(BASE, tmp_path).read_text()
    assert not (tmp_path / "applied.csv").exists()
    empty = replace(BASE, applied=told().applied.slice(0, 0))  # type: ignore[union-attr]
    assert "Nothing was released for" in words(empty)[0] and differences(empty) is None


def test_unread_lines_are_counted_apart_and_a_candidate_is_called_one() -> None:
    said = words(told(basis="candidate", line_0002=("not_read", None)))
    assert "5 of 5 lines" in said[0] and "a candidate that never went live" in said[0]
    assert said[1] == "Of 1 line with 100.00\u00a0USD no settings were delivered."


def test_only_money_that_matters_is_a_thing_to_do() -> None:
    def titles(data: ReportData) -> list[str]:
        return [a.title for a in actions(data) if a.section == "settings"]

    assert titles(told(**OFF)) == ["2 lines are not set as released"]
    assert titles(told(line_0001=("changed_by_hand", "99.99"))) == []
    assert titles(told(basis="candidate", **OFF)) == []
    (action,) = [a for a in actions(told(**OFF)) if a.section == "settings"]
    assert action.gain == pytest.approx(340 * float(BASE.release["shadow_price"]))
    assert "400.00\u00a0USD instead of 100.00\u00a0USD (changed by hand)" in action.detail


def test_spend_off_plan_is_laid_to_the_setting_that_was_never_applied() -> None:
    plan = BASE.plan_vs_actual
    assert plan is not None
    planned = pa.array([Decimal(100)] * plan.num_rows, plan.schema.field("planned_budget").type)
    spent = pa.array([Decimal(400)] * plan.num_rows, plan.schema.field("spend").type)
    for name, values in (("planned_budget", planned), ("spend", spent)):
        plan = plan.set_column(plan.schema.get_field_index(name), name, values)
    details = [a.detail for a in actions(replace(told(**OFF), plan_vs_actual=plan)) if a.section == "plan"]
    because = [d for d in details if "USD set, not the 100.00\u00a0USD released" in d]
    assert len(because) == 2, "the two lines whose setting is another one; spend of both is nearer to it"
    assert len([d for d in details if "the released budget was set at the end" in d]) == len(details) - 2 > 1
