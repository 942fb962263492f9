"""The page over all nights in a real headless Chromium: calendar by mouse and keyboard, and two nights compared."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Browser

from decisions.report import render
from decisions.report.archive import COMPARE, PastNight, comparable
from decisions.report.archive import render as render_archive
from tests.code.report_example import NIGHT, example
from tests.e2e.visit import Visit, parsed

pytestmark = pytest.mark.chromium

BEFORE = NIGHT - timedelta(days=1)
EVIL = "<img src=x onerror=alert(1)>"


def told(folder: Path, night: date, change: Callable[[list[dict[str, object]]], None] = lambda rows: None) -> PastNight:
    """A night's page and what the comparison loads of it, its lines changed by `change`."""
    data = example(60, days=5)
    rows = data.budgets.to_pylist()
    change(rows)
    budgets = pa.Table.from_pylist(rows, schema=data.budgets.schema)
    total = sum(budgets["budget"].to_pylist(), Decimal(0))
    release = {**data.release, "business_date": night + timedelta(days=1), "total": total}
    render(replace(data, night=night), folder / night.isoformat())
    (folder / night.isoformat() / COMPARE).write_bytes(comparable(night, release, budgets))
    return PastNight(night, "candidate", total, release["lines_changed"], page=True, budgets=True)


def earlier(rows: list[dict[str, object]]) -> None:
    for i, row in enumerate(rows):
        row["budget"] += Decimal(i * i % 97).scaleb(-2) - Decimal("0.31")  # type: ignore[operator]
    rows[7]["line_name"] = rows[7]["reason"] = EVIL
    del rows[3]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    nights = [told(tmp_path, BEFORE, earlier), replace(told(tmp_path, NIGHT), state="live"),
              PastNight(NIGHT - timedelta(days=4), "held", Decimal("5.00"), 1, EVIL, page=True, budgets=False),
              PastNight(NIGHT - timedelta(days=3), "failed", why="land: no file"),
              PastNight(NIGHT - timedelta(days=2), "missing")]
    return render_archive("advertiser", "Nordlicht Outdoor", "USD", nights, tmp_path)


def budgets_of(folder: Path, night: date) -> dict[str, Decimal]:
    import json

    text = (folder / night.isoformat() / COMPARE).read_text()
    found = json.loads(text[len("compareNight("):-3])
    return {line[0]: Decimal(line[3]).scaleb(-2) for line in found["lines"]}


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_fits_and_loads_nothing_from_elsewhere(
    archive: Path, width: int, scheme: str, browser: Browser
) -> None:
    visit = Visit(browser, archive, width, scheme)
    visit.page.locator("#compare-table tbody tr").first.wait_for()
    assert visit.trouble == [] and visit.overflow() == 0
    folder = archive.parent.as_uri()
    assert all(url.startswith((folder, "data:")) for url in visit.requests)
    visit.page.close()


def test_the_comparison_reconciles_to_the_cent_largest_change_first(archive: Path, browser: Browser) -> None:
    visit = Visit(browser, archive)
    visit.page.locator("#compare-more").click()
    was, now = budgets_of(archive.parent, BEFORE), budgets_of(archive.parent, NIGHT)
    shown = {}
    for row in visit.page.locator("#compare-table tbody tr").all():
        cells = row.locator("th, td").all_inner_texts()
        shown[row.get_attribute("data-line")] = tuple(parsed(text) for text in cells[2:5])
    zero = Decimal(0)
    assert shown == {line: (was.get(line, zero), now.get(line, zero), now.get(line, zero) - was.get(line, zero))
                     for line in was | now}
    sizes = [abs(change) for _, _, change in shown.values()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    foot = visit.page.locator("#compare-table tfoot td.n").all_inner_texts()
    assert [parsed(text) for text in foot] == [sum(was.values()), sum(now.values()),
                                               sum(now.values()) - sum(was.values())]
    assert "Do not rely" not in visit.page.locator("#compare-said").inner_text()
    assert "Not in the earlier night." in visit.page.locator("#compare-table").inner_text()
    assert EVIL in visit.page.locator("#compare-table").inner_text() and visit.trouble == []
    visit.page.close()


def test_a_night_whose_lines_do_not_make_its_total_is_told(archive: Path, browser: Browser) -> None:
    file = archive.parent / NIGHT.isoformat() / COMPARE
    total = sum(budgets_of(archive.parent, NIGHT).values())
    file.write_text(file.read_text().replace(f'"total":{int(total * 100)}', '"total":1'))
    visit = Visit(browser, archive)
    assert "Do not rely on it: the lines of 2026-06-11" in visit.page.locator("#compare-said").inner_text()
    visit.page.close()


def test_a_choice_is_an_address_that_opens_the_same_comparison(archive: Path, browser: Browser) -> None:
    visit = Visit(browser, archive)
    visit.page.locator("#compare-from").select_option(NIGHT.isoformat())
    visit.page.locator("#compare-to").select_option(BEFORE.isoformat())
    visit.page.wait_for_function("document.getElementById('head-after').textContent.endsWith('2026-06-10')")
    foot = visit.page.locator("#compare-table tfoot").inner_text()
    assert visit.page.url.endswith("#compare=2026-06-11..2026-06-10")
    visit.page.reload()
    visit.page.wait_for_function("document.getElementById('head-after').textContent.endsWith('2026-06-10')")
    assert visit.page.locator("#compare-table tfoot").inner_text() == foot
    visit.page.locator("#compare-find").fill(EVIL)
    assert visit.page.locator("#compare-table tbody tr").count() == 1
    visit.page.close()


def test_the_calendar_is_walked_by_keyboard_and_opens_the_night(archive: Path, browser: Browser) -> None:
    visit = Visit(browser, archive)
    focused = "document.activeElement.dataset.night"
    visit.page.locator(f'a[data-night="{NIGHT}"]').focus()
    visit.page.keyboard.press("ArrowLeft")
    assert visit.page.evaluate(focused) == "2026-06-10"
    visit.page.keyboard.press("ArrowLeft")  # the 9th and 8th have no page
    assert visit.page.evaluate(focused) == "2026-06-07"
    assert "held" in (visit.page.locator(":focus").get_attribute("aria-label") or "")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate(focused) == "2026-06-10"
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/2026-06-10/index.html")
    assert visit.page.locator("h1").inner_text().startswith("Budget for")
    visit.page.close()


def test_text_has_contrast_in_the_calendar(archive: Path, browser: Browser) -> None:
    from tests.e2e.test_report_page import CONTRAST

    for scheme in ("light", "dark"):
        visit = Visit(browser, archive, scheme=scheme)
        assert visit.page.evaluate(CONTRAST) == []
        visit.page.close()
