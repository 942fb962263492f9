"""Model, platform and shop side by side: rows in and rows out, and what a campaign manager reads."""

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv

from decisions.jobs.reconcile import COUNTS, reconcile
from decisions.reconciliation import CLASSES, NO_LINE
from decisions.report import ReportData, render
from moe.contracts import contract
from moe.jobs import Night
from moe.units import load_unit
from tests.code import test_workbook
from tests.code.report_example import NIGHT, example

D = date(2026, 6, 30)
MEASURES = ("orders", "value")
MART, CURVES, HISTORY, DEMAND = (
    "marts.reconciliation__line_day", "out.curve__line", "marts.ad_performance__line_day", "out.demand__line_day")


def filled(table: str, **row: Any) -> dict[str, Any]:
    """A row of a table; columns left out are zero or empty where they must have a value."""
    empty = {"VARCHAR": "", "BIGINT": 0, "DOUBLE": 0.0, "BOOLEAN": True, "DATE": D}
    blank = {c.name: (empty.get(c.type, Decimal(0)) if c.required else None) for c in contract(table).columns}
    return {"unit": "advertiser", "night": D} | blank | row


def rows(table: str, *found: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([filled(table, **row) for row in found], contract(table).schema)


def counted(line: str, day: date = D, platform: str = "100", shop: str | None = "80", **classes: str) -> dict[str, Any]:
    """A row of the mart whose classes add up to its difference; what is not given is not told apart."""
    row: dict[str, Any] = {"line_id": line, "line_name": line.title(), "platform": "google_ads", "business_date": day,
                           "currency": "USD"}
    for measure in MEASURES:
        row[f"platform_{'conversions' if measure == 'orders' else 'value'}"] = Decimal(platform)
        if shop is not None:
            told = {name: Decimal(classes.get(name, "0")) for name in CLASSES}
            difference = Decimal(platform) - Decimal(shop)
            told["not_told_apart"] = difference - sum(told.values())
            row |= {f"shop_{measure}": Decimal(shop), f"difference_{measure}": difference}
            row |= {f"{name}_{measure}": value for name, value in told.items()}
            row |= {f"{name}_at_most_{measure}": Decimal(classes.get(f"{name}_at_most", "0"))
                    for name in ("view_through", "duplicate", "missing_tag")}
    return row


def night(demand: list[dict[str, Any]], *counts: dict[str, Any]) -> dict[tuple[str, date], dict[str, Any]]:
    found = reconcile(
        Night(load_unit("advertiser"), D),
        rows(MART, *counts),
        rows(HISTORY, *({"line_id": "brand", "business_date": D - timedelta(days=n), "spend": Decimal(50 * (n + 1))}
                        for n in range(2))),
        rows(CURVES, {"line_id": "brand", "ceiling": 300.0, "half_saturation": 100.0}),
        rows(DEMAND, *demand),
        rows("core.ad_performance__ad_day", *(
            {"night": D - timedelta(days=1 - age), "platform": "google_ads", "source": "g", "account_id": "a",
             "business_date": D - timedelta(days=1), "conversion_value": Decimal(60 + 40 * age)} for age in range(2))),
    )[COUNTS]
    return {(r["line_id"], r["business_date"]): r for r in found.to_pylist()}


def test_the_model_expects_what_the_curve_gives_for_the_spend_of_the_day() -> None:
    found = night([], counted("brand"), counted("brand", D - timedelta(days=1)), counted(NO_LINE))
    today, before = found["brand", D], found["brand", D - timedelta(days=1)]
    assert (today["spend"], before["spend"]) == (50, 100)
    assert (today["expected"], before["expected"]) == (pytest.approx(100), pytest.approx(150))
    assert today["demand_factor"] is None
    assert (found[NO_LINE, D]["expected"], found[NO_LINE, D]["spend"]) == (None, None)


def test_a_young_day_is_expected_only_as_far_as_it_is_reported() -> None:
    """By its own deliveries a platform knows 60 of 100 on the first night."""
    found = night([], counted("brand"), counted("brand", D - timedelta(days=1)))
    assert found["brand", D]["share_known"] == pytest.approx(0.6)
    assert found["brand", D]["expected_so_far"] == pytest.approx(60)
    assert found["brand", D - timedelta(days=1)]["expected_so_far"] == pytest.approx(150)


def test_a_line_that_spans_platforms_is_expected_as_far_as_all_of_them_report() -> None:
    found = night([], counted("brand") | {"platform": "several"})["brand", D]
    assert (found["share_known"], found["expected_so_far"]) == (pytest.approx(0.6), pytest.approx(60))


def test_demand_is_what_the_night_before_foresaw_and_no_later_night() -> None:
    yesterday = {"night": D - timedelta(days=1), "line_id": "brand"}
    foreseen = [yesterday | {"business_date": D, "factor": 1.2},
                {"night": D - timedelta(days=5), "line_id": "brand", "business_date": D, "factor": 9.0},
                {"night": D, "line_id": "brand", "business_date": D, "factor": 7.0}]
    assert night(foreseen, counted("brand"))["brand", D]["expected"] == pytest.approx(120)


def test_a_day_without_an_outcome_has_no_share_of_it() -> None:
    row = counted("brand", shop=None) | {"platform_value": None, "platform_conversions": None}
    found = night([], row)["brand", D]
    assert (found["share_known"], found["expected_so_far"], found["expected"]) == (None, None, pytest.approx(100))


def test_the_marts_counts_stay_as_they_are() -> None:
    row = counted("brand", cancelled="12.340000")
    found = night([], row)["brand", D]
    assert {name: found[name] for name in row} == row


def page(data: ReportData, folder: Path) -> str:
    """The text of the section, without marks."""
    html = re.search(r'<section id="counts".*?</section>', render(data, folder).read_text(), re.DOTALL)
    assert html is not None
    return " ".join(re.sub(r"<[^>]+>", " ", html[0]).split())


def data(*counts: dict[str, Any]) -> ReportData:
    extra = {"spend": Decimal(10), "objective": "conversion_value", "expected": 90.0, "expected_so_far": 88.0,
             "share_known": 1.0}
    return replace(example(3), counts=rows(COUNTS, *(row | extra for row in counts)))


def test_the_section_says_what_explains_the_difference_and_what_does_not(tmp_path: Path) -> None:
    said = page(data(
        counted("calm", platform="100", shop="95", cancelled="7", other_day="-2"),
        counted("open", NIGHT, platform="100", shop="60", cancelled="5", duplicate="3", duplicate_at_most="9",
                missing_tag_at_most="4"),
        counted("open", NIGHT - timedelta(days=1), platform="50", shop="40", late_click="-1"),
        counted(NO_LINE, platform="0", shop="30", missing_tag="-30"),
    ), tmp_path)
    assert "the platforms report 250 USD" in said and "kept 225 USD of sales, of which 195 USD came by a line" in said
    assert said.index("Open") < said.index("Calm") < said.index("No_Line")
    assert "+5 cancelled or returned since, +3 orders of another line, clicked here too, −1 clicked too long" in said
    assert "+43 at most 6 counted by two, 4 without a tag" in said
    assert "−30 orders without a tag" in said
    assert "What was earned: the shop." in said and "only an experiment tells" in said


def test_what_is_missing_is_said_in_one_sentence(tmp_path: Path) -> None:
    alone = data(counted("brand", shop=None))
    said = page(alone, tmp_path)
    assert "the platforms report 100 USD." in said and "The shop’s orders are missing" in said
    assert "What was earned" not in said
    skipped = {"job": "sessions", "status": "skipped", "seconds": 0.0, "reason": "unit shop has no web events"}
    unseen = replace(data(counted("brand")), steps=[skipped])
    assert "The site’s events are missing" in page(unseen, tmp_path)
    assert "are missing" not in page(data(counted("brand")), tmp_path)
    nothing = counted("brand", shop=None) | {"platform_value": None, "platform_conversions": None}
    assert "have not reported any outcome yet" in page(data(nothing), tmp_path)


def test_an_older_night_has_no_such_table(tmp_path: Path) -> None:
    assert "were not put side by side in this night" in page(replace(example(3), counts=None), tmp_path)
    assert not (tmp_path / "three_counts.csv").exists()


def test_day_by_day_as_csv_and_sheet(tmp_path: Path) -> None:
    found = data(counted("brand", D, duplicate="3"), counted("brand", D - timedelta(days=1)))
    render(found, tmp_path)
    assert csv.read_csv(tmp_path / "three_counts.csv").column("duplicate_value").to_pylist() == [3, 0]
    days = test_workbook.table((tmp_path / "night.xlsx").read_bytes(), "Three counts")
    shown = [[row[name] for name in ("Platform, value", "Shop, value", "Duplicate", "Not told apart")] for row in days]
    assert shown == [[100, 80, 0, 20], [100, 80, 3, 17]]
