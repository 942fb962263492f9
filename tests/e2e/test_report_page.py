"""The nightly report in a real headless Chromium: the page as an operator opens it, from a file."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from decisions.report import ReportData, render
from tests.code.report_example import example, first_night, held
from tests.e2e.visit import Visit, parsed

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportData, Path]:
    data = example()
    return data, render(data, tmp_path_factory.mktemp("night"))


CASES: dict[str, Callable[[], ReportData]] = {
    "live": example,
    "held": held,
    "first night": first_night,
    "1000 lines": lambda: example(1000, days=30),
    "conversions": lambda: example(objective="conversions"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [360, 1280])
def test_opens_without_errors_or_requests_and_fits(
    case: str, width: int, browser: Browser, tmp_path: Path
) -> None:
    visit = Visit(browser, render(CASES[case](), tmp_path), width, "dark")
    charts = visit.page.locator("#series canvas")
    assert charts.count() > 0, "the charts are drawn under the page's own script policy"
    assert visit.trouble == []
    assert [url for url in visit.requests if url != visit.home and not url.startswith("data:")] == []
    assert visit.overflow() == 0
    visit.page.close()


def test_budgets_read_back_from_the_page_are_the_input(
    night: tuple[ReportData, Path], browser: Browser
) -> None:
    data, page_file = night
    visit = Visit(browser, page_file)
    rows = visit.page.locator("#budgets-table tbody tr")
    told = {row["line_id"]: row for row in data.budgets.to_pylist()}
    assert rows.count() == len(told)
    for row in rows.all():
        line = told[row.get_attribute("data-line") or ""]
        assert Decimal(row.get_attribute("data-budget") or "") == line["budget"]
        assert row.locator(".c-line").inner_text() == line["line_name"]
        assert parsed(row.locator(".c-new").inner_text()) == line["budget"]
        assert parsed(row.locator(".c-before").inner_text()) == line["previous_budget"]
    total = visit.page.locator("#budgets-table tfoot tr[data-total] .c-new").inner_text()
    headline = visit.page.locator("#total").inner_text()
    assert parsed(total) == parsed(re.sub(r"\s*USD", "", headline)) == data.release["total"]
    visit.page.close()


def test_a_header_sorts_by_mouse_and_keyboard(night: tuple[ReportData, Path], browser: Browser) -> None:
    data, page_file = night
    visit = Visit(browser, page_file)
    head = visit.page.locator("#budgets-table thead th.c-new")
    budgets = sorted(data.budgets["budget"].to_pylist())
    assert [parsed(t) for t in visit.column(".c-new")] != budgets[::-1], "the page starts by largest change"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [parsed(t) for t in visit.column(".c-new")] == budgets[::-1]
    head.locator("button").focus()
    visit.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [parsed(t) for t in visit.column(".c-new")] == budgets
    visit.page.locator("#budgets-table thead th.c-line button").click()
    names = visit.column(".c-line")
    assert names == sorted(names)
    assert head.get_attribute("aria-sort") is None
    visit.page.close()


def test_search_and_choice_filter_the_rows(night: tuple[ReportData, Path], browser: Browser) -> None:
    data, page_file = night
    visit = Visit(browser, page_file)
    name = data.budgets["line_name"][3].as_py()
    visit.page.get_by_label("Find in Budget by line").fill(name.upper())
    assert visit.column(".c-line") == [name]
    visit.page.get_by_label("Find in Budget by line").fill("")
    visit.page.locator("#budgets select").first.select_option("Meta")
    assert set(visit.column(".c-platform")) == {"Meta"}
    visit.page.locator("#bids select").first.select_option("returning")
    shown = visit.page.locator("#bids-table tbody tr:not([hidden]) .c-segment").all_text_contents()
    assert shown
    assert set(shown) == {"returning"}
    visit.page.close()


def test_a_long_table_unfolds(browser: Browser, tmp_path: Path) -> None:
    visit = Visit(browser, render(example(200, days=5), tmp_path))
    assert len(visit.column(".c-line")) == 30
    visit.page.locator("#budgets .more-rows").click()
    assert len(visit.column(".c-line")) == 200
    visit.page.close()


def test_a_line_can_be_picked_in_the_charts(night: tuple[ReportData, Path], browser: Browser) -> None:
    data, page_file = night
    visit = Visit(browser, page_file)
    read = visit.page.locator("#series figcaption span").first
    before = read.inner_text()
    visit.page.locator("#series-pick").select_option(label=data.budgets["line_name"][0].as_py())
    assert read.inner_text() != before
    visit.page.locator("#series-numbers summary").click()
    newest = visit.page.locator("#series-numbers tbody tr").first.inner_text()
    assert newest.startswith("Thu 11 Jun")
    assert newest.count("not yet known") == 2
    visit.page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_a_row_opens_its_waterfall(night: tuple[ReportData, Path], width: int, browser: Browser) -> None:
    data, page_file = night
    visit = Visit(browser, page_file, width)
    row = visit.page.locator("#budgets-table tbody tr").first
    told = next(r for r in data.budgets.to_pylist() if r["line_id"] == row.get_attribute("data-line"))
    row.locator(".waterfall summary").focus()
    visit.page.keyboard.press("Enter")
    drawn = row.locator(".waterfall svg")
    said = drawn.get_attribute("aria-label") or ""
    amounts = [parsed(a) for a in re.findall(r"[+\u2212]?[\d,]+\.\d\d", said)]
    assert (amounts[0], amounts[-1]) == (told["previous_budget"], told["budget"])
    assert sum(amounts[:-1]) == amounts[-1], "the bars lead from one to the other"
    assert drawn.locator("rect").count() == len(amounts)
    box, column = drawn.bounding_box(), row.locator(".c-why").bounding_box()
    assert box is not None and column is not None
    assert box["width"] <= column["width"] + 1
    assert visit.overflow() == 0
    assert visit.trouble == []
    visit.page.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_days_ahead_and_product_lines_are_seen_and_have_their_tables(
    night: tuple[ReportData, Path], width: int, scheme: str, browser: Browser
) -> None:
    visit = Visit(browser, night[1], width, scheme)
    stacks = visit.page.locator("#ahead .stacks")
    for stack in stacks.first.locator(".stack").all():
        box, parts = stack.bounding_box(), [part.bounding_box() for part in stack.locator("i").all()]
        assert box is not None and box["height"] > 10
        assert sum(part["width"] for part in parts if part) == pytest.approx(box["width"], abs=2), "no total was set"
    colours = [part.evaluate("e => getComputedStyle(e).backgroundColor") for part in stacks.first.locator(
        "li:first-child i").all()]
    assert len(set(colours)) == len(colours) == 4, "each platform has its colour"
    front = visit.page.locator("#front svg[role=img]")
    taken, drop = front.locator(".k-after").bounding_box(), front.locator(".k-drop")
    assert taken is not None and taken["x"] + taken["width"] < width
    assert drop.evaluate("e => getComputedStyle(e).fill") == "none"
    for section in ("#ahead", "#front"):
        visit.page.locator(f"{section} summary").first.click()
        assert visit.page.locator(f"{section} table").first.is_visible()
    assert visit.overflow() == 0
    assert visit.trouble == []
    visit.page.close()


def test_a_scenario_can_be_picked_in_the_forecast(night: tuple[ReportData, Path], browser: Browser) -> None:
    visit = Visit(browser, night[1])
    read = visit.page.locator("#forecast-charts figcaption span").nth(2)
    assert visit.page.locator("#forecast-charts canvas").count() == 3
    assert "about 18,000 USD, in 9 of 10 cases 14,400 to 22,500 USD" in read.inner_text()
    visit.page.locator("#forecast-scenario").select_option(label="Clicks cost 15 % more")
    assert "about 16,200 USD" in read.inner_text()
    assert visit.trouble == []
    visit.page.close()


def test_an_advice_opens_its_entry_of_the_playbook(night: tuple[ReportData, Path], browser: Browser) -> None:
    visit = Visit(browser, night[1])
    link = visit.page.locator("#todo .how a").first
    entry = visit.page.locator(link.get_attribute("href") or "")
    assert entry.get_attribute("open") is None
    link.click()
    assert entry.get_attribute("open") is not None
    assert entry.locator("text=Check before").is_visible()
    visit.page.close()


def test_prints_on_white_with_everything_unfolded(night: tuple[ReportData, Path], browser: Browser) -> None:
    visit = Visit(browser, night[1], width=720, scheme="dark")
    visit.page.emulate_media(media="print", color_scheme="dark")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not visit.page.locator("nav").is_visible()
    assert not visit.page.locator("#budgets .bar-tools").first.is_visible()
    assert visit.overflow() == 0
    assert visit.page.pdf(format="A4").startswith(b"%PDF")
    assert visit.page.locator("details:not([open], .waterfall, .entry)").count() == 0
    assert visit.trouble == []
    visit.page.close()


def test_structure_that_a_screen_reader_needs(night: tuple[ReportData, Path], browser: Browser) -> None:
    visit = Visit(browser, night[1])
    page = visit.page
    assert page.locator("h1").count() == 1
    links = page.locator("nav a[href^='#']").count()
    assert page.locator("section").count() == page.locator("section > h2").count() == links
    assert page.locator("table").count() == page.locator("table > caption").count()
    unnamed = page.locator("button, a, select, input, svg[role=img], [role=region]").evaluate_all(
        "all => all.filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length"
        " || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML.slice(0, 80))"
    )
    assert unnamed == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str, browser: Browser, tmp_path: Path) -> None:
    visit = Visit(browser, render(held(), tmp_path), scheme=scheme)
    low = visit.page.evaluate(CONTRAST)
    assert low == []
    visit.page.close()


CONTRAST = """() => {
  const light = (c) => c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const lum = (c) => { const [r, g, b] = light(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const read = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = read(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } };
  return [...document.querySelectorAll("main *, footer *, nav *")].filter((e) => e.offsetParent &&
      [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
    const [a, b] = [lum(read(getComputedStyle(e).color)), lum(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.className, e.textContent.slice(0, 30)];
  }).filter(([ratio]) => ratio < 4.5);
}"""
