"""The job `multipliers`, its checks before release, its upload file and its part of the page: rows in, rows out."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from decisions.auctions.checks import Platform, multiplier_problems
from decisions.jobs.multipliers import MOST_LEVELS, TAKEN_BACK, multipliers
from decisions.report import multipliers as section
from decisions.report.page import html
from decisions.report.uploads import IDENTITY, uploads
from moe.contracts import contract
from moe.jobs import ADS, Night
from moe.units import Unit, load_unit
from tests.code import test_decision_jobs as jobs
from tests.code.report_example import example
from tests.code.test_decision_jobs import decided, empty

D = date(2026, 6, 30)
TABLE, HOURS = "out.bid_multiplier__line_dimension", "features.hour_traffic__line_block"
INVENTORY = "core.inventory__level_day"
BLOCKS = ("00-04", "04-08", "08-12", "12-16", "16-20", "20-24")
SHARE, SHAPE = (0.05, 0.1, 0.2, 0.25, 0.25, 0.15), (0.4, 0.6, 1.0, 1.1, 1.4, 0.9)
PLATFORM = Platform(Decimal("0.05"), Decimal(6))


def unit(**bids: Any) -> Unit:
    shipped = load_unit("advertiser")
    return shipped.model_copy(update={"bids": shipped.bids.model_copy(update=bids)})


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"unit": "advertiser", "night": D} | r for r in rows], schema=contract(name).schema)


def bids(**amounts: str) -> pa.Table:
    """A bid a line, at half of the cap where none is said."""
    return pa.table({"line_id": [*"abc"], "line_name": [*"ABC"], "segment": ["all"] * 3,
                     "bid": [Decimal(amounts.get(line, "1.0000")) for line in "abc"],
                     "expected_spend": [Decimal(1)] * 3, "bid_cap": [Decimal(6)] * 3})


def budgets(**platforms: str) -> pa.Table:
    return pa.table({"line_id": [*"abc"], "platform": [platforms.get(line, "google_ads") for line in "abc"]})


def hours(shapes: dict[str, tuple[float, ...]], seed: int = 0, days: int = 42, clicks: int = 1500) -> pa.Table:
    """Visits of the lines a, b, c; conversions at 5 %, times the line's shape by block."""
    random, rows = np.random.default_rng(seed), []
    for line in "abc":
        for ago in range(days):
            n = random.poisson(clicks * np.array(SHARE))
            y = random.binomial(n, 0.05 * np.array(shapes.get(line, (1.0,) * 6)))
            rows += [{"line_id": line, "hour_block": block, "business_date": D - timedelta(days=9 + ago),
                      "sessions": int(a), "converting_sessions": int(b)}
                     for block, a, b in zip(BLOCKS, n, y, strict=True)]
    return table(HOURS, rows)


def made(seen: pa.Table, of: pa.Table | None = None, on: pa.Table | None = None, by: Unit | None = None,
         before: list[dict[str, Any]] = [], ads: pa.Table | None = None,  # noqa: B006
         inventory: pa.Table | None = None) -> list[dict[str, Any]]:
    out = multipliers(Night(by or unit(), D), bids() if of is None else of, budgets() if on is None else on, seen,
                      empty(ADS) if ads is None else ads, empty(INVENTORY) if inventory is None else inventory,
                      table(TABLE, before))[TABLE]
    assert set(out.column_names) == {c.name for c in contract(TABLE).columns}
    return out.to_pylist()


def percent(rows: list[dict[str, Any]], line: str) -> dict[str, int]:
    return {r["level"]: r["multiplier_percent"] for r in rows if r["line_id"] == line}


def test_a_line_whose_hours_differ_gets_percentages_that_keep_its_spend_and_the_others_none() -> None:
    rows = made(hours({"a": SHAPE}))
    assert {r["line_id"] for r in rows} == {"a"} and len(rows) == 6
    got = percent(rows, "a")
    assert got["00-04"] < -40 and got["16-20"] > 15
    assert sum(r["click_share"] * (1 + r["multiplier_percent"] / 100) ** 2 for r in rows) <= 1 + 1e-9
    assert {r["evidence"] for r in rows} == {"line"} and min(r["held_out_gain"] for r in rows) > 3
    best = next(r for r in rows if r["level"] == "16-20")
    assert "more often than the line's mean; the line's later dates show it" in best["reason"]
    assert best["conversion_rate"] == pytest.approx(0.07, rel=0.1)
    assert multiplier_problems(rows, bids().to_pylist(), PLATFORM) == []


def test_a_level_that_is_lowered_though_it_converts_no_worse_says_why() -> None:
    rows = made(hours({"a": (0.3, 0.5, 1.1, 1.1, 1.1, 1.6)}))
    mean = sum(r["conversion_rate"] * r["click_share"] for r in rows)
    lowered = {r["level"] for r in rows if r["multiplier_percent"] < 0 and r["conversion_rate"] >= mean}
    assert lowered and lowered == {r["level"] for r in rows if "because better ones are raised" in r["reason"]}


def test_without_an_hour_effect_there_is_no_percentage() -> None:
    assert not any(made(hours({}, seed)) for seed in range(20))


def test_percentages_stay_within_floor_and_cap_of_the_unit() -> None:
    tight = unit(floor=Decimal("0.90"), cap=Decimal("1.05"))
    rows = made(hours({"a": SHAPE}), by=tight)
    got = percent(rows, "a")
    assert min(got.values()) == -10 and max(got.values()) <= 5
    assert any("held at the end" in r["reason"] for r in rows)
    assert multiplier_problems(rows, bids().to_pylist(), Platform(Decimal("0.90"), Decimal("1.05"))) == []
    # All hours are worth the cap, as far as the bid tells: spend would only fall.
    assert made(hours({"a": SHAPE}), bids(a="6.0000")) == []


def test_a_platform_that_takes_none_and_a_line_without_a_bid_get_none() -> None:
    assert made(hours({"a": SHAPE}), on=budgets(a="meta_ads")) == []
    assert made(hours({"a": SHAPE}), bids(a="0.0000")) == []
    assert made(hours({"a": SHAPE}, days=7)) == []  # one week says nothing of later dates
    assert made(empty(HOURS)) == []


def test_a_percentage_of_the_night_before_is_taken_back_once() -> None:
    first = made(hours({"a": SHAPE}))
    second = made(hours({}), before=first)
    assert set(percent(second, "a").values()) == {0} and len(second) == 6
    assert {(r["reason"], r["evidence"]) for r in second} == {(TAKEN_BACK, "none")}
    assert made(hours({}), before=second) == []


def test_placements_count_where_the_platform_reports_them_and_the_line_has_none() -> None:
    random, rows = np.random.default_rng(1), []
    for line in "abc":
        for ago in range(42):
            for place, factor in (("news", 0.5), ("video", 1.5), ("", 3.0)):
                clicks = int(random.poisson(400))
                rows.append({"line_id": line, "business_date": D - timedelta(days=ago), "placement": place,
                             "clicks": clicks, "conversions": Decimal(int(random.binomial(clicks, 0.04 * factor)))
                             if ago > 1 else None})
    filler = {f.name: (Decimal(0) if pa.types.is_decimal(f.type) else 0 if pa.types.is_integer(f.type) else "x")
              for f in contract(ADS).schema if not f.nullable}
    ads = table(ADS, [filler | {"business_date": D, "night": D} | r for r in rows])
    dsp = budgets(a="dsp", b="google_ads", c="dsp")
    got = made(empty(HOURS), on=dsp, ads=ads)
    assert {(r["line_id"], r["dimension"]) for r in got} == {("a", "placement"), ("c", "placement")}
    assert percent(got, "a")["video"] > 0 > percent(got, "a")["news"] and "" not in percent(got, "a")
    own = unit().model_copy(update={"line": ("campaign_id", "placement")})
    assert made(empty(HOURS), on=dsp, ads=ads, by=own) == []


def inventory(factors: dict[str, dict[str, float]], days: int = 42, seed: int = 2) -> pa.Table:
    """What the lines got by dimension and level, the newest two dates without conversions as yet."""
    random, rows = np.random.default_rng(seed), []
    for line in "abc":
        for ago in range(days):
            for dimension, levels in factors.items():
                for level, factor in levels.items():
                    clicks = int(random.poisson(400))
                    rows.append({"source": "dsp", "account_id": "1", "business_date": D - timedelta(days=ago),
                                 "platform": "dsp", "campaign_id": line, "line_id": line, "dimension": dimension,
                                 "level": level, "campaign_name": line, "line_name": line, "impressions": 9 * clicks,
                                 "clicks": clicks, "conversions": Decimal(int(random.binomial(clicks, 0.04 * factor)))
                                 if ago > 1 else None})
    return table(INVENTORY, rows)


DOMAINS = {"news.example": 0.5, "video.example": 1.5, "games.example": 1.0}


def test_domains_get_percentages_on_the_platforms_that_take_them() -> None:
    platforms = budgets(a="dsp", b="google_ads", c="meta_ads")
    got = made(empty(HOURS), on=platforms, inventory=inventory({"domain": DOMAINS}))
    assert {(r["line_id"], r["dimension"]) for r in got} == {("a", "domain"), ("b", "domain")}
    assert percent(got, "a")["news.example"] < -30 and percent(got, "a")["video.example"] > 20
    assert got[0]["conversion_rate"] == pytest.approx(0.04, rel=0.1)  # games.example, the first by name
    assert got[0]["reason"].startswith("A click here converts as often as the line's mean;")
    assert multiplier_problems(got, bids().to_pylist(), PLATFORM) == []
    assert made(empty(HOURS), on=budgets(a="dsp"), inventory=inventory({"domain": dict.fromkeys(DOMAINS, 1.0)})) == []


def test_of_domain_and_position_only_the_stronger_changes_a_line_s_bids_beside_the_hours() -> None:
    dsp = budgets(a="dsp", b="google_ads", c="meta_ads")
    both = {"domain": {"x": 0.9, "y": 1.1}, "ad_position": {"above the fold": 1.6, "below the fold": 0.4}}
    got = made(hours({"a": SHAPE, "b": SHAPE}), on=dsp, inventory=inventory(both))
    dims = {line: {r["dimension"] for r in got if r["line_id"] == line} for line in "abc"}
    assert dims["a"] == {"hour_block", "ad_position"}
    assert dims["b"] <= {"hour_block", "domain"} and dims["c"] == set()  # Google takes no percentage by position
    position = {r["level"]: r["multiplier_percent"] for r in got if r["dimension"] == "ad_position"}
    assert position["above the fold"] > 10 and position["below the fold"] < -50
    assert multiplier_problems(got, bids().to_pylist(), PLATFORM) == []


def test_the_many_small_domains_keep_their_bids() -> None:
    many = {f"d{n:03d}.example": 1.0 for n in range(MOST_LEVELS + 20)} | DOMAINS
    got = made(empty(HOURS), on=budgets(a="dsp", b="dsp", c="dsp"), inventory=inventory({"domain": many}, days=14))
    assert 0 < len({r["level"] for r in got}) <= MOST_LEVELS


def good(**change: Any) -> list[dict[str, Any]]:
    rows = [{"line_id": "a", "line_name": "A", "dimension": "hour_block", "level": block, "click_share": 0.5,
             "multiplier_percent": percent} for block, percent in (("00-12", -50), ("12-24", 30))]
    return [rows[0] | change, rows[1]]


@pytest.mark.parametrize(("change", "bid", "message"), [
    ({"multiplier_percent": -91}, "1.0000", "not from -90 to 900: A / 00-12."),
    ({"multiplier_percent": -96}, "1.0000", "below the floor"),
    ({}, "5.0000", "above the cap: A."),
    ({"multiplier_percent": -10}, "1.0000", "make a line overspend: A."),
    ({"line_id": "z", "line_name": "Z"}, "1.0000", "lines that bid nothing: Z."),
])
def test_each_problem_of_percentages_holds_a_release(change: dict[str, Any], bid: str, message: str) -> None:
    of = bids(a=bid).to_pylist()
    assert multiplier_problems(good(), bids().to_pylist(), PLATFORM) == []
    assert any(message in p.message for p in multiplier_problems(good(**change), of, PLATFORM))


def test_a_release_with_percentages_out_of_bounds_is_held() -> None:
    night = Night(jobs.unit(), D)
    outputs = decided(night)
    lines = outputs["out.budget__line"]
    line = lines.to_pylist()[0]["line_id"]
    bid = pa.table({"line_id": [line], "line_name": ["A"], "segment": ["s"], "bid": [Decimal("1.0000")],
                    "bid_cap": [Decimal(6)], "expected_spend": [Decimal(0)]})
    scores = pa.table({"model_version": ["abc"]})
    for change, held in (({}, False), ({"multiplier_percent": 20}, True)):
        rows = pa.Table.from_pylist([r | {"line_id": line} for r in good(**change)])
        found = jobs.released(night, lines, outputs["out.allocation__night"], bid, scores,
                              empty("core.warning__finding"), multipliers=rows)["out.release__night"].to_pylist()[0]
        assert found["held"] == held
        assert ("overspend" in found["hold_reason"]) == held


def shown(rows: list[dict[str, Any]]) -> Any:
    """A live night with three Google lines of one campaign each, and percentages."""
    data = example(6, days=5)
    names = dict(zip("abc", data.budgets["line_id"].to_pylist(), strict=False))
    ads = [{"line_id": line, "platform": "google_ads", "account_id": "1-2", "campaign_id": f"c-{line}",
            "campaign_name": f"Name of {line}", "ad_group_id": "g", "segment": "s", "currency_original": "USD"}
           for line in names.values()]
    return replace(
        data, multipliers=table(TABLE, [r | {"line_id": names[r["line_id"]]} for r in rows]),
        ads=pa.Table.from_pylist(ads, schema=pa.schema([(name, pa.string()) for name in IDENTITY])))


def test_the_schedule_file_names_the_whole_week_in_the_form_of_ads_editor() -> None:
    data = shown(made(hours({"a": SHAPE})))
    (file,) = [f for f in uploads(data).files if "schedules" in f.name]
    ((account, campaign, schedule),) = file.rows
    assert (account, campaign) == ("1-2", f"Name of {data.budgets['line_id'][0]}")
    entries = schedule.split(";")
    assert len(entries) == 42 and len(set(entries)) == 42
    wanted = {r["level"]: r["multiplier_percent"] for r in data.multipliers.to_pylist()}
    assert entries[0] == f"(Monday@{100 + wanted['00-04']}%[00:00-04:00])"
    assert entries[-1] == f"(Sunday@{100 + wanted['20-24']}%[20:00-24:00])"
    shared = replace(data, ads=data.ads.set_column(3, "campaign_id", pa.array(["c"] * 3)))
    assert not [f for f in uploads(shared).files if "schedules" in f.name]
    assert not uploads(replace(data, live=None)).files


def test_the_page_shows_a_strip_a_line_and_says_why_there_is_none() -> None:
    data = shown(made(hours({"a": SHAPE})))
    view = section.by_hour(data)
    assert view is not None and len(view.rows) == 1
    cells = view.rows[0].cells
    assert [c.label for c in view.columns[1:7]] == [f"{b} h" for b in BLOCKS]
    assert cells[1].text.startswith("−") and cells[1].tone == "down3" and cells[5].tone.startswith("up")
    page = html(data, [], uploads(data))
    assert "Bids by hour and place: 1 line by hour" in page and "domain or ad position" in page
    nothing = replace(data, multipliers=empty(TABLE))
    assert section.by_hour(nothing) is None and "later dates show no gain" in section.words(nothing)
    old = html(replace(data, multipliers=None), [], uploads(replace(data, multipliers=None)))
    assert "Bids by hour" not in old


def test_the_page_lists_domains_with_their_percentage() -> None:
    rows = made(empty(HOURS), on=budgets(a="dsp"), inventory=inventory({"domain": DOMAINS}))
    data = shown([r for r in rows if r["line_id"] == "a"])
    view = section.by_place(data)
    assert view is not None and [c.text for c in view.rows[0].cells[1:3]] == ["domain", "games.example"]
    assert "Bids change for 1 line by domain, where" in section.words(data)
    assert "video.example" in html(data, [], uploads(data))
