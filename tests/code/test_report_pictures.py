"""The page's pictures of the days ahead and of product lines that compete: exact, and in words too."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from decisions.report import ReportData, render
from decisions.report.ahead import MOST_PARTS, NO_GROUP, OTHERS, Ahead, ahead
from decisions.report.data import Period
from decisions.report.drawing import ticks
from decisions.report.front import FrontView, view
from moe.contracts import contract
from tests.code.report_example import example, first_night, front
from tests.code.test_report import with_column

THREE = ("Equipment", "Travel", "Clothing")


def plan(data: ReportData) -> Ahead:
    found = ahead(data)
    assert found is not None
    return found


def picture(data: ReportData) -> FrontView:
    found = view(data)
    assert found is not None
    return found


def test_the_example_has_the_columns_of_the_contracts() -> None:
    data = example(3, days=3)
    for name, table in (("out.plan__line_day", data.ahead), ("out.front__point", data.front)):
        assert table is not None
        assert set(table.column_names) == set(contract(name).schema.names) - {"unit", "night"}


def test_bars_and_tables_of_the_days_ahead_add_up_to_the_plan_to_the_cent() -> None:
    data = example()
    assert data.ahead is not None
    rows = data.ahead.to_pylist()
    found = plan(data)
    assert [split.title for split in found.splits] == ["By platform", "By group"]
    for split, of in zip(found.splits, ("platform", None), strict=True):
        days = sorted({r["business_date"] for r in rows})
        assert len(split.bars) == len(split.table.rows) == len(days) == 7
        for day, bar, told in zip(days, split.bars, split.table.rows, strict=True):
            mine = [r for r in rows if r["business_date"] == day]
            cells = [Decimal(cell.value or "") for cell in told.cells[1:]]
            assert cells[-1] == sum(r["most_delivered"] for r in mine)
            assert sum(cells[:-2]) == cells[-2] == sum(r["budget"] for r in mine)
            for part, value in zip(split.parts, cells, strict=False):
                named = [r[of] if of else data.groups.get(r["line_id"], NO_GROUP) for r in mine]
                assert value == sum(r["budget"] for r, name in zip(mine, named, strict=True) if name == part)
                assert f"{part} {value:,.2f}" in bar.label
            assert bar.total == f"{cells[-2]:,.2f}"
            assert bar.widths == pytest.approx([float(100 * value / cells[-2]) for value in cells[:-2]])
    assert NO_GROUP in found.splits[1].parts


def test_the_days_ahead_in_words() -> None:
    data = example()
    text = " ".join(plan(data).words).replace("\u00a0", " ")
    total = data.release["total"]
    assert text.startswith(f"7 days are planned, to Thursday 18 June 2026: {7 * total:,.2f} USD in all, {total:,.2f} "
                           "USD each day. The first is tomorrow and is decided")
    assert "From the first to the last of them Google Ads goes from" in text and "and Meta goes from" in text
    assert "evenly" not in text and plan(data).even is None, "nobody set a total"
    assert data.ahead is not None
    first = data.ahead.filter(pa.compute.equal(data.ahead["business_date"], date(2026, 6, 12)))
    assert plan(replace(data, ahead=first)).words[0].startswith("Only Friday 12 June 2026 is planned, with")


def test_even_pace_is_what_is_left_of_the_total_a_day() -> None:
    data = example()
    june = replace(data, period=Period("monthly_total", Decimal("240000.00"), "Ben", "Plan"))
    spent = sum(r["spend"] for r in data.history.to_pylist() if r["business_date"] >= date(2026, 6, 1))
    even = ((Decimal(240000) - spent) / 19).quantize(Decimal("0.01"))
    found = plan(june)
    assert found.even == 100, "it is wider than any day of the plan"
    assert sum(found.splits[0].bars[0].widths) == pytest.approx(float(100 * data.release["total"] / even))
    said, below = found.words[-1].replace("\u00a0", " "), f"{even - data.release['total']:,.2f}"
    assert f"is {even:,.2f} USD a day (the mark in the bars): tomorrow lies {below} USD below it." in said
    gone = plan(replace(june, period=replace(june.period, total=Decimal(1)) if june.period else None))
    assert gone.even == 0 and "above it" in gone.words[-1]


def test_many_platforms_are_drawn_as_the_largest_and_the_rest() -> None:
    data = example(12, days=3)
    assert data.ahead is not None
    names = [f"Platform {int(line[-2:])}" for line in data.ahead["line_id"].to_pylist()]
    found = plan(replace(data, ahead=with_column(data.ahead, "platform", names), groups={}))
    (split,) = found.splits
    assert len(split.parts) == MOST_PARTS + 1 and split.parts[-1] == OTHERS
    assert sum(split.bars[0].widths) == pytest.approx(100)


def test_the_front_marks_the_plan_that_was_taken_and_prices_both_directions() -> None:
    found = picture(example())
    curve = found.curve
    assert curve is not None and not found.strips
    assert len(curve.dots) == 9 and curve.chosen in curve.dots
    across, up = zip(*((float(x), float(y)) for x, y in curve.dots), strict=True)
    assert list(across) == sorted(across) and list(up) == sorted(up), "more of one is less of the other"
    taken = next(row for row in found.table.rows if row.cells[-1].text == "taken")
    values = [[float(c.value or "") for c in row.cells[1:3]] for row in found.table.rows]
    at = found.table.rows.index(taken)
    (a, b), (more_a, less_b), (less_a, more_b) = values[at], values[at - 1], values[at + 1]
    text = [sentence.replace("\u00a0", " ") for sentence in found.words]
    assert f"bring {a:,.0f} USD to Equipment and {b:,.0f} USD to Travel a day" in text[0]
    assert text[1] == (f"Each of the next {more_a - a:.1f} USD a day for Equipment would cost Travel "
                       f"{(b - less_b) / (more_a - a):.2f} USD.")
    assert text[2] == (f"Each of the next {more_b - b:.0f} USD a day for Travel would cost Equipment "
                       f"{(a - less_a) / (more_b - b):.2f} USD.")
    assert "No plan between these is better by more than 0.4\u00a0%" in found.table.note


def test_at_an_end_of_the_front_nothing_more_is_to_be_had() -> None:
    data = example()
    assert data.front is not None
    first = with_column(data.front, "chosen", [point == 0 for point in data.front["point"].to_pylist()])
    assert "Equipment already has the most that the money can bring it." in picture(replace(data, front=first)).words
    alone = picture(replace(data, front=first.slice(0, 2)))
    assert len(alone.words) == 1 and "one plan is the best for all of them" in alone.words[0]


def test_a_plan_that_is_worse_by_rounding_is_in_the_table_and_not_in_the_picture() -> None:
    data = example()
    assert data.front is not None
    worse = with_column(data.front, "dominated", [point == 5 for point in data.front["point"].to_pylist()])
    found = picture(replace(data, front=worse))
    assert found.curve is not None and len(found.curve.dots) == 8 and len(found.table.rows) == 9


def test_more_than_two_product_lines_are_drawn_as_strips() -> None:
    found = picture(replace(example(), front=front(1.0, THREE)))
    assert found.curve is None
    assert [strip.name for strip in found.strips] == sorted(THREE)
    for strip in found.strips:
        assert (min(strip.dots), max(strip.dots)) == (0, 100) and strip.chosen in strip.dots
    assert "for Travel would cost Equipment" in found.words[3] and "and give Clothing" in found.words[3]
    assert "not known" in found.table.note


def test_pictures_have_words_and_tables_on_the_page_and_names_cannot_become_markup(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    data = replace(example(), front=front(1.0, (evil, "Travel")), groups={"line-0000": evil})
    text = render(data, tmp_path).read_text()
    for section in ("ahead", "front"):
        html = re.search(rf'<section id="{section}".*?</section>', text, re.S)
        assert html is not None
        assert evil not in html[0] and "<script" not in html[0]
        assert html[0].count('role="img"') == len(re.findall(r'role="img" aria-label="[^"]+"', html[0])) > 0
        assert "The same as a table" in html[0]
    assert (tmp_path / "plan_ahead.csv").exists() and (tmp_path / "product_lines.csv").exists()


@pytest.mark.parametrize("night", [
    replace(example(3, days=3), ahead=None, front=None, groups={}),
    replace(first_night(), ahead=None, front=front(1.0).slice(0, 0)),
])
def test_a_night_from_before_the_tables_or_without_product_lines_has_a_page(night: ReportData, tmp_path: Path) -> None:
    text = render(night, tmp_path).read_text()
    assert 'id="ahead"' not in text and 'href="#ahead"' not in text
    assert 'id="front"' not in text and 'href="#front"' not in text
    assert not (tmp_path / "plan_ahead.csv").exists() and not (tmp_path / "product_lines.csv").exists()


@pytest.mark.parametrize(("highest", "lowest", "expected"), [
    (100.0, 0.0, [0, 25, 50, 75, 100]), (0.0, 0.0, [0]), (4850.0, 4150.0, [4200, 4400, 4600, 4800]), (-1.0, 3.0, [3]),
])
def test_ticks_are_round_and_within(highest: float, lowest: float, expected: list[float]) -> None:
    assert ticks(highest, lowest) == expected
