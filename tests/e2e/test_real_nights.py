"""The real company, whole nights: 2020-06-01 to 2020-06-15, from its export to releases and pages."""

import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from moe import publish, release, runner, tables
from moe.errors import MoeError, PublishError
from moe.jobs import NIGHT, find
from moe.settings import settings
from moe.train import train
from moe.units import load_unit
from tests.e2e.visit import Visit, parsed

FIRST, LAST = date(2020, 6, 1), date(2020, 6, 15)
NIGHTS = [FIRST + timedelta(days=d) for d in range((LAST - FIRST).days + 1)]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A store in which the fifteen nights have run, on the model trained in the night before them."""
    home = tmp_path_factory.mktemp("company")
    before = {name: os.environ.get(name) for name in ("MOE_HOME", "MOE_PSEUDONYM_KEY")}
    os.environ |= {"MOE_HOME": str(home), "MOE_PSEUDONYM_KEY": "test"}
    settings.cache_clear()
    unit = load_unit("online_ads")
    runner.with_history([job for job in NIGHT if job.history], unit, FIRST - timedelta(days=1))
    train(unit, FIRST - timedelta(days=1))
    runner.run(NIGHT, unit, NIGHTS)
    yield unit
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value
    settings.cache_clear()


def rows(table: str, night: date) -> list[dict[str, Any]]:
    return tables.read(table, "online_ads", night).to_pylist()


def test_every_night_releases_the_configured_total_to_the_cent(company: Any) -> None:
    for night in NIGHTS:
        budgets = rows("out.budget__line", night)
        (row,) = rows("out.release__night", night)
        assert sum(r["budget"] for r in budgets) == Decimal("1000.00") == row["total"]
        assert not row["held"], row["hold_reason"]
        assert row["expected_value"] >= row["status_quo_value"]
        assert all(r["currency"] == "USD" and r["business_date"] == night + timedelta(days=1) for r in budgets)
        assert "unplaced" not in {r["line_id"] for r in budgets}


def test_budgets_keep_their_bounds_and_steps_from_night_to_night(company: Any) -> None:
    """The unit allows 20 % or 5.00, and at most 600.00; a step is wider only where the night's note says so."""
    for night in NIGHTS[1:]:
        had = {r["line_id"]: r["budget"] for r in rows("out.budget__line", night - timedelta(days=1))}
        (whole,) = rows("out.allocation__night", night)
        assert whole["built_on"] == "candidate"
        assert not whole["notes"]
        for r in rows("out.budget__line", night):
            assert r["previous_budget"] == had.get(r["line_id"], Decimal("0.00"))
            step = max(r["previous_budget"] * Decimal("0.2"), Decimal("5.00")) + Decimal("0.01")
            assert abs(r["budget"] - r["previous_budget"]) <= step, r
            assert 0 <= r["budget"] <= 600


def test_bids_keep_their_cap_and_are_not_expected_to_overspend(company: Any) -> None:
    for night in NIGHTS:
        budget = {r["line_id"]: r["budget"] for r in rows("out.budget__line", night)}
        spend: dict[str, Decimal] = defaultdict(Decimal)
        bids = rows("out.bid__line_segment", night)
        assert {r["segment"] for r in bids} == {"High", "Medium", "Low"}
        for r in bids:
            assert 0 <= r["bid"] <= Decimal("1.0000")
            spend[r["line_id"]] += r["expected_spend"]
        assert all(amount <= budget[line] for line, amount in spend.items())
        assert any(r["bid"] > 0 for r in bids)
        assert {r["value_source"] for r in bids} == {"model"}


def test_steps_without_their_inputs_are_skipped_and_named(company: Any) -> None:
    from moe import ledger

    done = ledger.newest("online_ads", LAST)
    assert {job: done[job]["status"] for job in ("sessions", "traffic", "customers")} == dict.fromkeys(
        ("sessions", "traffic", "customers"), "skipped")
    page = (settings().report("online_ads", LAST) / "index.html").read_text(encoding="utf-8")
    assert "no rows in core.web_event__event" in page


def page_of(night: date) -> str:
    return (settings().report("online_ads", night) / "index.html").read_text(encoding="utf-8")


def test_a_night_run_again_gives_the_same_rows(company: Any) -> None:
    night = NIGHTS[7]
    first = runner.ledger.newest("online_ads", night)
    again = {r.job: r.digests for r in runner.run([j for j in NIGHT if j.writes], company, [night])}
    for job, digests in again.items():
        assert digests == first[job]["digests"], job


def test_nights_write_candidates_and_move_nothing_until_a_person_publishes(company: Any) -> None:
    assert publish.live("release", "online_ads") is None
    with pytest.raises(PublishError, match="never live"):
        release.make_live("online_ads", FIRST, who="Ana", reason="back", back=True)
    assert "would move" in release.make_live("online_ads", FIRST, who="Ana", reason="start", dry_run=True)
    assert publish.live("release", "online_ads") is None
    release.make_live("online_ads", FIRST, who="Ana", reason="start")
    release.make_live("online_ads", LAST, who="Ana", reason="two weeks on")
    with pytest.raises(PublishError, match="older than the live one"):
        release.make_live("online_ads", NIGHTS[3], who="Ana", reason="by mistake")
    release.make_live("online_ads", FIRST, who="Ben", reason="sales fell", back=True)
    log = publish.log("release", "online_ads")
    assert [(e.moved_from, e.moved_to, e.who) for e in log] == [
        (None, "2020-06-01", "Ana"), ("2020-06-01", "2020-06-15", "Ana"), ("2020-06-15", "2020-06-01", "Ben")]
    assert log[0].facts["total"] == "1000.00"
    assert "LIVE" not in page_of(LAST)
    assert len(release.pages_anew(company, [FIRST, LAST, date(2021, 1, 1)])) == 2, "a night without a page gets none"
    assert "Ben: sales fell" in page_of(FIRST)
    assert "not live" in page_of(LAST)
    changed = release.diff("online_ads", LAST)
    assert sum(d.candidate for d in changed) == sum(d.live for d in changed) == Decimal("1000.00")


def test_a_night_before_the_model_s_effective_night_is_refused_by_name(company: Any) -> None:
    with pytest.raises(MoeError, match="moe train --unit online_ads --date 2020-05-30"):
        runner.run(find(["score"]), company, [date(2020, 5, 30)])


def test_the_report_shows_the_released_total_and_its_csv_adds_up(company: Any) -> None:
    import csv

    folder: Path = settings().report("online_ads", LAST)
    assert "1,000.00" in (folder / "index.html").read_text(encoding="utf-8")
    with (folder / "budgets.csv").open(encoding="utf-8", newline="") as file:
        assert sum(Decimal(r["budget"]) for r in csv.DictReader(file)) == Decimal("1000.00")


@pytest.mark.chromium
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_in_a_browser_says_what_was_released(company: Any, browser: Browser, width: int) -> None:
    visit = Visit(browser, settings().report("online_ads", LAST) / "index.html", width)
    assert visit.trouble == []
    assert visit.overflow() == 0
    released = {r["line_id"]: r for r in rows("out.budget__line", LAST)}
    shown = visit.page.locator("#budgets-table tbody tr")
    assert shown.count() == len(released)
    for row in shown.all():
        line = released[row.get_attribute("data-line") or ""]
        assert parsed(row.locator(".c-new").inner_text()) == line["budget"]
    assert parsed(visit.page.locator("#budgets-table tfoot tr[data-total] .c-new").inner_text()) == Decimal("1000.00")
    bids = visit.page.locator("#bids-table tbody tr")
    assert bids.count() == len(rows("out.bid__line_segment", LAST))
    visit.page.close()
