"""Files for the platforms' bulk tools: the release to the cent, or a reason in words for each line left out."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.jobs.covered import ads_of_lines
from decisions.report import ReportData, render
from decisions.report.uploads import IDENTITY, uploads
from moe import tables
from moe.contracts import contract
from moe.jobs import ADS, Night
from moe.units import load_unit
from tests.code.report_example import DAY, NIGHT, example, held

BASE = replace(example(6, days=5), multipliers=None)
LINES = BASE.budgets["line_id"].to_pylist()


def ad(line: str, platform: str = "google_ads", campaign: str = "", **more: str) -> dict[str, str]:
    campaign = campaign or f"c-{line}"
    return {"line_id": line, "platform": platform, "account_id": "123-456-7890", "campaign_id": campaign,
            "campaign_name": f"Name of {campaign}", "ad_group_id": f"g-{line}", "segment": "new visitors",
            "currency_original": "USD"} | more  # fmt: skip


def night(ads: list[dict[str, str]], platform: str = "google_ads", **columns: list[Any]) -> ReportData:
    """A live night of six lines on one platform, with `columns` of the budgets changed."""
    budgets = BASE.budgets
    for name, values in {"platform": [platform] * 6, **columns}.items():
        at = budgets.schema.get_field_index(name)
        budgets = budgets.set_column(at, name, pa.array(values, budgets.schema.field(at).type))
    total = sum(budgets["budget"].to_pylist(), Decimal(0))
    schema = pa.schema([(name, pa.string()) for name in IDENTITY])
    return replace(BASE, budgets=budgets, ads=pa.Table.from_pylist(ads, schema=schema),
                   release={**BASE.release, "total": total, "total_configured": total})


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode())))


def budget(data: ReportData) -> dict[str, Decimal]:
    return {r["line_id"]: r["budget"] for r in data.budgets.to_pylist()}


def test_google_campaigns_get_the_release_to_the_cent() -> None:
    data = night([ad(line, segment=s) for line in LINES for s in ("MOBILE", "DESKTOP")])
    found = uploads(data)
    assert [f.name for f in found.files] == [f"google_ads_budgets_{DAY}.csv"] and found.gaps == []
    told = rows(found.files[0].content())
    assert {r["Campaign"]: (r["Account"], Decimal(r["Campaign daily budget"])) for r in told} == {
        f"Name of c-{line}": ("123-456-7890", amount) for line, amount in budget(data).items()}
    assert found.files[0].total == data.release["total"]


def test_meta_budgets_stand_at_the_campaign_or_at_the_ad_set_that_is_the_line() -> None:
    campaigns = uploads(night([ad(line, "meta_ads") for line in LINES], "meta_ads")).files[0]
    assert all(r["Ad Set ID"] == r["Ad Set Daily Budget"] == "" for r in rows(campaigns.content()))
    finer = night([ad(line, "meta_ads", "one") for line in LINES], "meta_ads")
    told = rows(uploads(finer).files[0].content())
    assert {(r["Campaign ID"], r["Ad Set ID"]): Decimal(r["Ad Set Daily Budget"]) for r in told} == {
        ("one", f"g-{line}"): amount for line, amount in budget(finer).items()}
    assert all(r["Campaign Daily Budget"] == "" for r in told)


def test_meta_bids_are_never_above_the_release_and_one_an_ad_set() -> None:
    at = BASE.bids.schema.get_field_index("bid")
    bid = [Decimal("0.8199")] * BASE.bids.num_rows
    data = night([ad(LINES[0], "meta_ads"), ad(LINES[1], "meta_ads", segment="returning"),
                  ad(LINES[2], "meta_ads", ad_group_id="two"),
                  ad(LINES[2], "meta_ads", ad_group_id="two", segment="unknown")], "meta_ads")  # fmt: skip
    data = replace(data, bids=BASE.bids.set_column(at, "bid", pa.array(bid, BASE.bids.schema.field(at).type)))
    bids = next(f for f in uploads(data).files if "bids" in f.name)
    assert {r["Ad Set ID"]: r["Bid Amount"] for r in rows(bids.content())} == {
        f"g-{LINES[0]}": "0.81", f"g-{LINES[1]}": "0.81"}
    assert bids.lines == frozenset(), "bids count in no sum of budgets"


CASES: dict[str, tuple[Callable[[], ReportData], str]] = {
    "another platform": (lambda: night([ad(line) for line in LINES], "tiktok"), "No upload file is made for tiktok"),
    "no ad": (lambda: night([]), "No ad of this line was delivered lately"),
    "several campaigns": (lambda: night([ad(line, campaign=c + line) for line in LINES for c in "ab"]),
                          "It covers 2 campaigns, and Google Ads Editor sets budgets by campaign"),
    "finer than a campaign": (lambda: night([ad(line, campaign="one") for line in LINES]),
                              "6 lines share its campaign"),
    "finer than an ad set": (lambda: night([ad(i, "meta_ads", "one", ad_group_id="g") for i in LINES], "meta_ads"),
                             "6 lines share its campaign"),
    "another currency": (lambda: night([ad(line, currency_original="EUR") for line in LINES]),
                         "Its account is in EUR, the budgets are in USD"),
    "no budget": (lambda: night([ad(line) for line in LINES], budget=[Decimal("0.00")] * 6), "pause the campaign"),
    "one name twice": (lambda: night([ad(line, campaign_name="Brand") for line in LINES]),
                       "Several campaigns of its account are named “Brand”"),
    "a formula": (lambda: night([ad(line, campaign_name=f"=cmd{line}") for line in LINES]), "would run as a formula"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_line_that_no_file_can_set_is_told_why(case: str, tmp_path: Path) -> None:
    data, why = CASES[case][0](), CASES[case][1]
    found = uploads(data)
    assert [f for f in found.files if f.lines] == []
    assert {g.line_id: g.budget for g in found.gaps} == budget(data)
    assert all(why in gap.why for gap in found.gaps), found.gaps[0].why
    text = render(data, tmp_path).read_text()
    assert why in text and "No line can be put into an upload file; 6 lines" in " ".join(text.split())
    assert len((tmp_path / "not_in_upload_files.csv").read_text().splitlines()) == 7


@given(st.lists(st.tuples(st.sampled_from(["google_ads", "meta_ads", "tiktok"]), st.sampled_from("abcd"),
                          st.sampled_from(["USD", "EUR"]), st.integers(0, 99_999)), min_size=6, max_size=6))
def test_files_and_gaps_are_the_release_each_line_once(drawn: list[tuple[str, str, str, int]]) -> None:
    ads = [ad(line, platform, campaign, currency_original=money)
           for line, (platform, campaign, money, _) in zip(LINES, drawn, strict=True)]
    data = night(ads, budget=[Decimal(c).scaleb(-2) for *_, c in drawn])
    at = data.budgets.schema.get_field_index("platform")
    data = replace(data, budgets=data.budgets.set_column(at, "platform", pa.array([p for p, *_ in drawn])))
    found = uploads(data)
    in_files = [line for file in found.files for line in file.lines]
    assert sorted([*in_files, *(g.line_id for g in found.gaps)]) == LINES
    written = sum(Decimal(cell) for file in found.files if file.lines for row in rows(file.content())
                  for name, cell in row.items() if "udget" in name and cell)
    assert written == sum(f.total for f in found.files)
    assert written + sum(g.budget for g in found.gaps) == data.release["total"]
    keys = [tuple(v for k, v in r.items() if "udget" not in k) for file in found.files for r in rows(file.content())]
    assert len(keys) == len(set(keys)), "no campaign is set twice"


def test_only_live_budgets_can_be_applied(tmp_path: Path) -> None:
    live = night([ad(line) for line in LINES])
    render(live, tmp_path)
    assert len(list(tmp_path.glob("google_ads_*"))) == 1
    text = render(replace(live, live=held().live), tmp_path).read_text()
    assert list(tmp_path.glob("google_ads_*")) == [], "the file of the earlier rendering is gone"
    assert "Upload files are written once these budgets are live" in text


def test_the_page_links_the_files_and_sums_them(tmp_path: Path) -> None:
    data = night([ad(line) for line in LINES])
    text = " ".join(render(data, tmp_path).read_text().split())
    assert f'<a href="google_ads_budgets_{DAY}.csv" download>Google Ads Editor: budgets for {DAY}</a>' in text
    assert f"The files set {data.release['total']:,.2f} USD for 6 lines." in text
    assert "That is the whole release." in text


def delivered(home: Path, on: date, found: list[dict[str, str]]) -> None:
    schema = contract(ADS).schema
    path = tables.partition(ADS, "shop", on)
    path.parent.mkdir(parents=True, exist_ok=True)
    filled = [{f.name: None for f in schema} | {"unit": "shop", "night": on} | row for row in found]
    pq.write_table(pa.Table.from_pylist(filled, schema=pa.schema([f.with_nullable(True) for f in schema])), path)


def test_the_job_names_campaigns_by_the_newest_delivery_that_has_them(home: Path) -> None:
    delivered(home, NIGHT, [ad("a", campaign_name="new"), ad("unfunded", campaign_name="new")] * 2)
    delivered(home, NIGHT - timedelta(days=1), [ad("a", campaign_name="old"), ad("b")])
    delivered(home, NIGHT - timedelta(days=2), [ad("b", campaign_name="older")])
    unit = load_unit("advertiser").model_copy(update={"unit": "shop"})
    found = ads_of_lines(Night(unit, NIGHT), ["a", "b"]).to_pylist()
    assert sorted((r["line_id"], r["campaign_name"]) for r in found) == [
        ("a", "new"), ("b", "Name of c-b"), ("unfunded", "new")]
    assert ads_of_lines(Night(unit, NIGHT - timedelta(days=40)), ["a"]).num_rows == 0

