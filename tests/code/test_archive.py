"""The archive of nights without a browser: states from releases, log and ledger; months; what is written when."""

import json
import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decisions.jobs.archive import archive
from decisions.report.archive import COMPARE, PastNight, comparable, months, render
from decisions.report.formats import long_day
from moe import ledger, publish, tables
from moe.contracts import contract
from moe.jobs import Night
from moe.units import Unit, load_unit
from tests.code.report_example import NIGHT, example, held

DATA = example(6, days=5)
DAYS = [NIGHT + timedelta(days=n) for n in range(-6, 1)]


@pytest.fixture
def unit(home: Path) -> Unit:
    return load_unit("advertiser").model_copy(update={"unit": "shop", "name": "Shop"})


def stored(night: date, **changes: Any) -> None:
    """The release and budgets of a night, as the store keeps them."""
    row = {**DATA.release, "unit": "shop", "night": night, "business_date": night + timedelta(days=1), **changes}
    budgets = [{**r, "unit": "shop", "night": night} for r in DATA.budgets.to_pylist()]
    for table, rows in (("out.release__night", [row]), ("out.budget__line", budgets)):
        path = tables.partition(table, "shop", night)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=contract(table).schema), path)


def page(home: Path, night: date) -> Path:
    path = home / "reports" / "shop" / night.isoformat() / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a page")
    return path


def live(night: date) -> None:
    now = publish.live("release", "shop")
    publish.move("release", "shop", night.isoformat(), expected=now.moved_to if now else None, effective=night,
                 who="ann", reason="night", facts={})


def test_every_night_has_its_state(unit: Unit, home: Path) -> None:
    was, candidate, stopped, failed, _missing, _page_only, now = DAYS
    for night in (was, candidate, stopped, now):
        stored(night, **({"held": True, "hold_reason": "Spend is missing."} if night == stopped else {}))
        page(home, night)
    page(home, _page_only)
    live(was)
    live(now)
    ledger.append({"unit": "shop", "date": failed.isoformat(), "job": "land", "status": "failed",
                   "reason": "FileFault: ad_stats.csv has no column clicks\n  What to do: ask", "seconds": 1.0})
    text = archive(Night(unit, candidate)).read_text()  # a night of the past: the nights after it are there too
    cells = {night: text.split(f"Night of {long_day(night)}: ")[1].split('"')[0] for night in DAYS}
    assert cells[was].startswith("was live. ") and cells[now].startswith("live. ")
    assert cells[candidate].startswith("candidate. ")
    assert cells[stopped].startswith("held. ") and "Spend is missing." in cells[stopped]
    assert cells[failed] == "failed. land: FileFault: ad_stats.csv has no column clicks. no page."
    assert cells[_missing] == "not run. no page." and cells[_page_only] == "not run."
    choices = json.loads(text.split('id="choices">')[1].split("</script>")[0])
    assert [night for night, _ in choices] == [n.isoformat() for n in (now, stopped, candidate, was)]
    assert f'href="{now}/index.html"' in text and f'href="{failed}/index.html"' not in text


def test_what_is_compared_follows_the_budgets(unit: Unit, home: Path) -> None:
    stored(DAYS[0])
    archive(Night(unit, DAYS[0]))
    kept = home / "reports" / "shop" / DAYS[0].isoformat() / COMPARE
    first, written = kept.read_bytes(), kept.stat().st_mtime_ns
    archive(Night(unit, DAYS[0]))
    assert kept.stat().st_mtime_ns == written, "an unchanged night is not written again"
    stored(DAYS[0], total=Decimal("1.00"))
    later = kept.stat().st_mtime + 5
    os.utime(tables.partition("out.budget__line", "shop", DAYS[0]), (later, later))
    archive(Night(unit, DAYS[0]))
    assert kept.read_bytes() == first.replace(b'"total":%d' % int(DATA.release["total"] * 100), b'"total":100')


def test_amounts_are_whole_cents_and_names_cannot_end_the_script() -> None:
    rows = DATA.budgets.to_pylist()
    rows[0]["line_name"] = "</script><script>alert(1)</script>\u2028"
    budgets = pa.Table.from_pylist(rows, schema=DATA.budgets.schema)
    text = comparable(NIGHT, held(lines=6).release | {"total": DATA.release["total"]}, budgets).decode()
    assert "</script>" not in text and "\u2028" not in text
    found = json.loads(text.removeprefix("compareNight(").removesuffix(");\n"))
    assert [Decimal(line[3]).scaleb(-2) for line in found["lines"]] == [r["budget"] for r in rows]
    assert found["total"] == DATA.release["total"] * 100
    assert [found["reasons"][line[4]] for line in found["lines"]] == [r["reason"] for r in rows]
    assert found["held"] == "Spend of Google Ads for 11 June is missing."


def test_months_hold_every_day_once() -> None:
    nights = [PastNight(date(2025, 11, 30) + timedelta(days=n), "missing") for n in range(100)]
    found = months(nights)
    assert [m.name for m in found] == ["March 2026", "February 2026", "January 2026", "December 2025", "November 2025"]
    cells = [cell for month in found for week in month.weeks for cell in week if cell is not None]
    assert sorted(n.night for _, n in cells if n) == [n.night for n in nights]
    assert all(len(week) == 7 for month in found for week in month.weeks)
    assert len(cells) == 31 + 28 + 31 + 31 + 30
    assert months([]) == []


def test_a_year_of_a_thousand_lines_stays_small(tmp_path: Path) -> None:
    nights = [PastNight(NIGHT - timedelta(days=n), "was_live", Decimal("12000.00"), 900, page=True, budgets=True)
              for n in range(365)]
    assert render("shop", "Shop", "EUR", nights, tmp_path).stat().st_size < 250_000
    data = example(1000, days=5)
    assert len(comparable(NIGHT, data.release, data.budgets)) < 150_000


def test_an_empty_archive_says_so(tmp_path: Path) -> None:
    text = render("shop", "Shop", "EUR", [], tmp_path).read_text()
    assert "No night has run yet." in text and "Nothing is live." in text


def test_the_list_of_units_leads_to_the_calendar(unit: Unit, home: Path) -> None:
    from moe.archive import index

    for n in range(20):
        page(home, NIGHT - timedelta(days=n))
    assert index().count("<li>") == 20, "without a calendar every night is listed"
    stored(NIGHT)
    archive(Night(unit, NIGHT))
    text = index()
    assert '<a href="/shop/index.html">All 20 nights: calendar and comparison</a>' in text
    assert text.count("<li>") == 14 and f"/shop/{NIGHT}/index.html" in text

