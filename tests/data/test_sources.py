"""Mappings: a header of columns, SQL over several files, amounts, persons, and what the platforms export."""

import csv
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from _stores import ADS, D1, D2, D3, FINDINGS, MAPPING, QUARANTINE, UNIT, changed, deliver, known, land, read, row, shop

from moe.errors import FileFault, MoeError
from moe.jobs import find
from moe.runner import run
from moe.settings import settings
from moe.units import Unit, load_unit
from simulator.deliveries import deliver as simulate
from simulator.world import World
from sources.mapping import load

ORDERS, EVENTS, OVERRIDES = "core.order__order", "core.web_event__event", "core.override__override"
LANDSCAPE = "core.bid_landscape__bid"
NIGHT = date(2026, 6, 3)
pytestmark = pytest.mark.usefixtures("home")


def columns(**changes: Any) -> dict[str, Any]:
    return {"columns": MAPPING["columns"] | changes}


# --- columns -----------------------------------------------------------------------------------------------


def test_columns_constants_composed_dates_scales_and_empty_texts(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", {"line": ["campaign_id", "placement"]}, columns(
        business_date={"compose": "{year} {day}", "format": "%Y %B %d"},
        placement={"column": "device", "empty": ["#N/A", "-"]}, segment={"constant": "it's all"},
        spend={"column": "cost", "scale": "0.000001"}, impressions={"column": "impressions", "scale": "1000"},
        conversions={"column": "conversions", "empty": ["--"]},
    ))
    names = ("year", "day", "account", "campaign", "device", "impressions", "clicks", "cost", "currency",
             "conversions", "value")
    usual = row(D1) | {"year": "2026", "day": "March 1", "cost": "1234567", "impressions": "2"}
    deliver(unit, D1, [usual, usual | {"campaign": "b", "device": "#N/A", "conversions": "--"},
                       usual | {"campaign": "c", "device": " - ", "cost": "0.4999995"}], columns=names)
    land(unit, D1)
    found = {r["campaign_id"]: r for r in known(unit, D1)}
    assert {r["business_date"] for r in found.values()} == {D1}
    assert (found["brand"]["spend"], found["brand"]["impressions"]) == (Decimal("1.234567"), 2000)
    assert found["c"]["spend"] == Decimal("0.000000") and found["brand"]["segment"] == "it's all"
    assert [found[c]["placement"] for c in ("brand", "b", "c")] == ["mobile", "", ""]
    assert [found[c]["line_id"] for c in ("brand", "b")] == ["brand / mobile", "unplaced"]
    assert [found[c]["conversions"] for c in ("brand", "b")] == [Decimal("0.5"), None]


@pytest.mark.parametrize(("values", "column", "value", "remedy"), [
    ({"day": "Smarch 1"}, "business_date", "2026 Smarch 1", "a date or instant like %Y %B %d"),
    ({"cost": "12k"}, "spend", "12k", "an exact number"),
    ({"conversions": "n/a"}, "conversions", "n/a", "an exact number"),
])
def test_texts_that_a_mapping_cannot_read_are_quarantined(
    tmp_path: Path, values: dict[str, str], column: str, value: str, remedy: str
) -> None:
    unit = shop(tmp_path / "shop", mapping=columns(
        business_date={"compose": "2026 {day}", "format": "%Y %B %d"},
        spend={"column": "cost", "scale": "0.01"}, conversions={"column": "conversions", "empty": ["--"]}))
    deliver(unit, D1, [row(D1) | {"day": "March 1"}, row(D1, "bad") | {"day": "March 1"} | values])
    land(unit, D1)
    found = [q for q in read(QUARANTINE, unit, D1) if q["rule"] == "not readable"]
    assert [(q["row"], q["column"], q["value"]) for q in found] == [(3, column, value)] and remedy in found[0]["remedy"]
    assert [r["campaign_id"] for r in known(unit, D1)] == ["brand"]


def test_an_export_made_once_is_handed_over_as_it_became_known(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", {"sources": [{"name": "ads", "mapping": "ads.yml", "path": "all.csv"}]}, {
        "delivery": "once", "date_column": "business_date", "files": {"report": {}},
        **columns(conversions={"column": "conversions", "known_after": 1},
                  conversion_value={"column": "value", "known_after": 2})})
    deliver(unit, D1, [row(D1 - timedelta(days=9)), row(D1), row(D2), row(D1, "undated") | {"day": "someday"}]).rename(
        unit.folder / "all.csv")
    land(unit, D1, D2, D3)

    def outcome(night: date) -> dict[date, tuple[bool, bool]]:
        return {r["business_date"]: (r["conversions"] is not None, r["conversion_value"] is not None)
                for r in known(unit, night)}

    old = D1 - timedelta(days=9)
    assert outcome(D1) == {old: (True, True), D1: (False, False)}
    assert outcome(D2) == {old: (True, True), D1: (True, False), D2: (False, False)}
    assert outcome(D3) == {old: (True, True), D1: (True, True), D2: (True, False)}
    assert [len(read(QUARANTINE, unit, n)) for n in (D1, D2, D3)] == [1, 0, 0]


def test_an_export_that_changed_is_read_again(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", {"sources": [{"name": "ads", "mapping": "ads.yml", "path": "all.csv"}]}, {
        "delivery": "once", "date_column": "business_date", "files": {"report": {}}})
    path = deliver(unit, D1, [row(D1), row(D2, clicks=1)]).rename(unit.folder / "all.csv")
    land(unit, D1)
    changed(path, lambda data: data.replace(b",1,1.25", b",2,1.25"))
    land(unit, D2)
    assert [r["clicks"] for r in read(ADS, unit, D2)] == [2]


def test_an_override_entered_late_is_known_from_the_next_night_on(tmp_path: Path) -> None:
    header = "override_id,kind,line_id,amount,reason,who,entered_on,until\n"
    unit = shop(tmp_path / "shop", {"sources": [{"name": "notes", "mapping": "overrides", "path": "notes.csv"}]})
    path = unit.folder / "notes.csv"
    path.write_text(header)
    land(unit, D1)
    assert known(unit, D1, OVERRIDES) == []
    path.write_text(f"{header}o1,lock,brand,,Sale,ann,{D1},{D3}\no2,cap,brand,5,Later,ann,{D3},{D3}\n"
                    f"o3,cap,brand,5,No date,ann,tomorrow,{D3}\n")
    land(unit, D2)
    assert [r["override_id"] for r in known(unit, D2, OVERRIDES)] == ["o1"]
    assert [(q["row"], q["column"]) for q in read(QUARANTINE, unit, D2)] == [(4, "entered_on")]
    land(unit, D3)
    assert [r["override_id"] for r in known(unit, D3, OVERRIDES)] == ["o1", "o2"]


# --- amounts, persons --------------------------------------------------------------------------------------


def test_currencies_are_converted_with_the_rate_of_the_day(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop")  # USD is worth 0.9 from D1 on, 0.8 from D3 on
    days = {D1: "0.9", D2: "0.9", D3: "0.8"}
    deliver(unit, D3, [row(day, currency="USD", cost="10.00") for day in days] + [row(D2, "home", cost="10.00")])
    land(unit, D3)
    found = {(r["business_date"], r["campaign_id"]): r for r in known(unit, D3)}
    for day, rate in days.items():
        assert found[day, "brand"]["spend"] == 10 * Decimal(rate)
        assert found[day, "brand"]["conversion_value"] == Decimal("12.5") * Decimal(rate)
        assert (found[day, "brand"]["spend_original"], found[day, "brand"]["currency_original"]) == (10, "USD")
    assert found[D2, "home"]["spend"] == 10 and {r["currency"] for r in found.values()} == {"EUR"}


SHOP = {"sources": [{"name": "web", "mapping": "web.yml", "path": "web/{night}"},
                    {"name": "till", "mapping": "till.yml", "path": "till/{night}"}]}


def persons(folder: Path) -> Unit:
    """Events by SQL with a contract beside the unit, orders by columns."""
    unit = shop(folder, SHOP)
    root = settings().root
    web = yaml.safe_load((settings().mappings / "web_events.yml").read_text())
    web["files"] = {"web_events": {"path": "events.csv", "contract": "events"}}
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    shutil.copy(root / "contracts" / "landing" / "web__web_events.yml", folder / "events.yml")
    names = ("order_id", "ordered_at", "updated_at", "status", "order_value", "currency")
    (folder / "till.yml").write_text(yaml.safe_dump({
        "description": "Till.", "fills": ORDERS, "files": {"orders": {"path": "orders.csv"}},
        "columns": {n: n for n in names} | {"customer_id": "mail"}}))
    return unit


def hand_over(unit: Unit, source: str, name: str, text: str, night: date = D1) -> None:
    path = unit.folder / source / night.isoformat() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


EVENT_HEADER = ("event_id,occurred_at,visitor_id,customer_email,event_name,page_path,referrer,utm_source,utm_medium,"
                "utm_campaign,utm_content,order_id\n")


def test_a_person_has_one_pseudonym_everywhere_and_raw_values_stay_in_landing(tmp_path: Path) -> None:
    unit = persons(tmp_path / "shop")
    events = "".join(f"e{n},2026-03-01 10:00:00,browser-{n},{mail},page_view,/,,,,,,\n"
                     for n, mail in enumerate(["Ann@Example.org ", "", "bob@example.org"]))
    bad = "e8,noon,browser-8,carl@example.org,page_view,/,,,,,,\ne9,x,y,dora@example.org\n"
    filler = "".join(f"f{n},2026-03-01 10:00:00,browser-0,,page_view,/,,,,,,\n" for n in range(300))
    hand_over(unit, "web", "events.csv", EVENT_HEADER + events + bad + filler)
    orders = "order_id,ordered_at,updated_at,status,order_value,currency,mail\n"
    times = "2026-03-01 09:00:00,2026-03-01 09:00:00"
    hand_over(unit, "till", "orders.csv", f"{orders}o1,{times},placed,5,EUR,ANN@example.org\n"
              f"o2,{times},lost,5,EUR,erin@example.org\n")
    land(unit, D1)
    by_id = {r["event_id"]: r for r in read(EVENTS, unit, D1)}
    (order,) = read(ORDERS, unit, D1)
    assert by_id["e0"]["customer_id"] == order["customer_id"] != by_id["e2"]["customer_id"]
    assert by_id["e1"]["customer_id"] is None and len(order["customer_id"]) == 32
    assert by_id["f0"]["visitor_id"] == by_id["e0"]["visitor_id"] != by_id["e1"]["visitor_id"]
    assert {q["rule"] for q in read(QUARANTINE, unit, D1)} == {
        "not readable", "wrong number of columns", "not an allowed value"}
    raw = ("ample.org", "browser-")
    run(find(["docs"]), unit, [D1])
    written = [p for part in (settings().store, settings().ledger, settings().data_docs) for p in part.rglob("*.*")]
    for path in written:
        text = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()
        assert "landing" in path.parts or not any(r in text.lower() for r in raw), path
    assert "Ann@Example.org" in str(read("landing.web__web_events", unit, D1))


def test_faults_of_personal_columns_show_no_value(tmp_path: Path) -> None:
    unit = persons(tmp_path / "shop")
    till = yaml.safe_load((unit.folder / "till.yml").read_text())
    till["columns"]["customer_id"] = {"compose": "{first}.{last}@x"}
    (unit.folder / "till.yml").write_text(yaml.safe_dump(till))
    hand_over(unit, "web", "events.csv", EVENT_HEADER + "e1,2026-03-01 10:00:00,v,,page_view,/,,,,,,\n")
    hand_over(unit, "till", "orders.csv", "order_id,ordered_at,updated_at,status,order_value,currency,first,last\n"
              "o1,2026-03-01 09:00:00,2026-03-01 09:00:00,placed,5,EUR,Ann,Lee\no2,Secret,Name\n")
    land(unit, D1)
    assert [q["value"] for q in read(QUARANTINE, unit, D1)] == ["(personal)"]


def test_rows_without_a_key_are_missing_it_and_duplicate_nothing(tmp_path: Path) -> None:
    unit = persons(tmp_path / "shop")
    hand_over(unit, "web", "events.csv", EVENT_HEADER + "e1,2026-03-01 10:00:00,v,,page_view,/,,,,,,\n")
    ids = ["", "", "same", "same", *(f"o{n}" for n in range(500))]
    hand_over(unit, "till", "orders.csv", "order_id,ordered_at,updated_at,status,order_value,currency,mail\n" + "".join(
        f"{name},2026-03-01 09:00:00,2026-03-01 09:00:00,placed,5,EUR,\n" for name in ids))
    land(unit, D1)
    assert [(q["row"], q["rule"]) for q in read(QUARANTINE, unit, D1)] == [
        (2, "missing"), (3, "missing"), (4, "duplicated key"), (5, "duplicated key")]


def test_equal_events_count_once_and_different_ones_under_one_id_are_kept_out(tmp_path: Path) -> None:
    unit = persons(tmp_path / "shop")
    line = "{id},2026-03-01 10:00:00,v{v},,page_view,/,,,,,,\n"
    text = "".join(line.format(id=i, v=v) for i, v in [("a", 1), ("a", 1), ("b", 1), ("b", 2)])
    text += "".join(line.format(id=f"f{n}", v=1) for n in range(200))
    hand_over(unit, "web", "events.csv", EVENT_HEADER + text)
    hand_over(unit, "till", "orders.csv", "order_id,ordered_at,updated_at,status,order_value,currency,mail\n"
              "o1,2026-03-01 09:00:00,2026-03-01 09:00:00,placed,5,EUR,\n")
    land(unit, D1)
    ids = [r["event_id"] for r in read(EVENTS, unit, D1)]
    assert len(ids) == 201 and "a" in ids and "b" not in ids
    assert [(q["row"], q["rule"]) for q in read(QUARANTINE, unit, D1)] == [
        (4, "duplicated key"), (5, "duplicated key")]
    assert [(f["finding"], f["rows"]) for f in read(FINDINGS, unit, D1)] == [("duplicate_event", 1)]


# --- what is wrong in a mapping ----------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "said"), [
    ({"window_days": 0}, "window_days"),
    ({"mood": "good"}, "mood"),
    ({"fills": "core.orders__order"}, "core.orders__order"),
    ({"fills": "out.budget__line"}, "fills: mappings do not fill out.budget__line"),
    ({"select": "select 1"}, "either columns or select"),
    ({"columns": None}, "either columns or select"),
    ({"files": {}}, "files: name at least one"),
    ({"delivery": "once"}, "date_column"),
    ({"delivery": "once", "date_column": "ordered_at"}, "date_column ordered_at"),
    (columns(clics="clicks"), "columns: core.ad_performance__ad_day has no column clics"),
    (columns(clicks={"column": "clicks", "constant": "1"}), "exactly one of column, constant, compose"),
    (columns(spend={"column": "cost", "scale": "a lot"}), "columns.spend.scale"),
])
def test_a_wrong_mapping_is_refused_by_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    unit = shop(tmp_path / "shop", mapping=change)
    with pytest.raises(MoeError) as caught:
        load(unit.sources[0], unit)
    assert said in str(caught.value)
    assert str(unit.folder / "ads.yml") in str(caught.value)


def test_a_mapping_that_is_not_there_names_those_there_are(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", {"sources": [UNIT["sources"][0] | {"mapping": "gogle_ads"}]})
    with pytest.raises(MoeError, match=r"source ads: no mapping (?s:.*)inventory, market_signals, meta_ads"):
        land(unit, D1)


@pytest.mark.parametrize(("select", "said"), [
    ("select _row, nothing from report", "its mapping does not run"),
    ("select _row, date as business_date, 1 as clics from report", "has no column clics"),
])
def test_a_select_that_does_not_fit_is_refused(tmp_path: Path, select: str, said: str) -> None:
    unit = shop(tmp_path / "shop", mapping={"columns": None, "select": select, "files": {
        "report": {"path": "report.csv", "contract": "landing.meta_ads__basic_ad"}}})
    names = ("ad_id", "date", "account_id", "impressions", "inline_link_clicks", "spend", "day")
    deliver(unit, D1, [dict(zip(names, ("a", str(D1), "b", "1", "1", "1", "x"), strict=True))], columns=names)
    with pytest.raises(MoeError, match=said):
        land(unit, D1)


# --- the platforms -----------------------------------------------------------------------------------------


def seeds(source: str, mapping: str, night: date, folder: Path, prefix: str) -> Unit:
    """A unit whose delivery of `night` is the public example of a platform's export."""
    examples = settings().test_data / "ad_platform_exports"
    assert examples.is_dir(), f"no {examples}: set MOE_TEST_DATA to the folder of the real exports"
    unit = shop(folder, {"currency": "USD", "rates": [], "first_night": night, "sources": [
        {"name": source, "mapping": mapping, "path": "in/{night}"}]})
    place = folder / "in" / night.isoformat()
    place.mkdir(parents=True)
    for path in examples.glob(f"{prefix}_*_data.csv"):
        shutil.copy(path, place / f"{path.name.removeprefix(prefix + '_').removesuffix('_data.csv')}.csv")
    return unit


def lines_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(text.splitlines()))


def test_the_public_example_of_google_ads(tmp_path: Path) -> None:
    """Dates before the window are faults, so the night of the newest date stops with their share: hence 60 days."""
    unit = seeds("google", "sixty.yml", date(2021, 5, 31), tmp_path / "u", "google_ads")
    mapping = yaml.safe_load((settings().mappings / "google_ads.yml").read_text())
    (unit.folder / "sixty.yml").write_text(yaml.safe_dump(mapping | {"window_days": 60}, sort_keys=False))
    place = unit.folder / "in" / "2021-05-31"
    expected: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 5)
    for r in lines_of(place / "ad_stats.csv"):
        key = (date.fromisoformat(r["date"]), r["device"], r["ad_id"], r["ad_network_type"])
        values = [Decimal(r[n]) for n in ("impressions", "clicks", "cost_micros", "conversions", "conversions_value")]
        values[2] /= 1_000_000
        expected[key] = [a + b for a, b in zip(expected[key], values, strict=True)]
    land(unit, date(2021, 5, 31))
    found = {(r["business_date"], r["segment"], r["ad_id"], r["placement"]):
             [r[n] for n in ("impressions", "clicks", "spend", "conversions", "conversion_value")]
             for r in known(unit, date(2021, 5, 31))}
    assert len(found) > 5 and found == expected
    assert {(r["currency_original"], r["ad_group_id"]) for r in known(unit, date(2021, 5, 31))} == {
        ("USD", "100031227574")}


def test_the_public_example_of_meta_ads(tmp_path: Path) -> None:
    night = date(2020, 12, 14)
    unit = seeds("meta", "meta_ads", night, tmp_path / "u", "facebook_ads")
    place = unit.folder / "in" / str(night)
    ads = {r["id"]: r["campaign_id"] for r in lines_of(place / "ad_history.csv")}
    expected = {(r["ad_id"], date.fromisoformat(r["date"])):
                (ads[r["ad_id"]], int(r["impressions"]), int(r["inline_link_clicks"]), Decimal(r["spend"]))
                for r in lines_of(place / "basic_ad.csv")}
    land(unit, night)
    found = {(r["ad_id"], r["business_date"]): (r["campaign_id"], r["impressions"], r["clicks"], r["spend"])
             for r in known(unit, night)}
    assert len(found) == 10 and found == expected
    assert {f["finding"] for f in read(FINDINGS, unit, night)} <= {"no_line_end", "extra_column"}
    assert sum(r["conversions"] for r in known(unit, night)) == 0  # its actions belong to other ads


def rename(history: Path, at: str) -> None:
    """A newer version of the first campaign, which stands before the older ones."""
    first, *others = lines_of(history)
    newer = first | {at: "2026-06-03T23:00:00", "name": f"Renamed {first['name']}"}
    with history.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows([newer, first, *others])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Unit, Path]]:
    """Three simulated nights, landed."""
    home = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(home))
        settings.cache_clear()
        simulate(World(events_per_day=600, google_campaigns=3, meta_campaigns=3, restatement_days=3),
                 date(2026, 6, 3), settings().deliveries, settings().truth)
        rename(settings().deliveries / "google_ads" / str(NIGHT) / "campaign_history.csv", "updated_at")
        rename(settings().deliveries / "meta_ads" / str(NIGHT) / "campaign_history.csv", "updated_time")
        unit = load_unit("advertiser")
        land(unit, *(date(2026, 6, n) for n in (1, 2, 3)))
    settings.cache_clear()
    yield unit, home


@pytest.fixture
def advertiser(world: tuple[Unit, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Unit, Path]]:
    unit, home = world
    monkeypatch.setenv("MOE_HOME", str(home))
    settings.cache_clear()
    yield unit, home / "deliveries"
    settings.cache_clear()


def newest(path: Path, at: str, value: str) -> dict[str, str]:
    """The newest value of each id in a history."""
    return {r["id"]: r[value] for r in sorted(lines_of(path), key=lambda r: datetime.fromisoformat(r[at]))}


def test_simulated_google_ads(advertiser: tuple[Unit, Path]) -> None:
    unit, deliveries = advertiser
    place = deliveries / "google_ads" / str(NIGHT)
    names = newest(place / "campaign_history.csv", "updated_at", "name")
    found = {(r["business_date"], r["ad_id"], r["segment"]): r
             for r in known(unit, NIGHT) if r["platform"] == "google_ads"}
    delivered = lines_of(place / "ad_stats.csv")
    assert len(found) == len(delivered) > 20
    for r in delivered:
        core = found[date.fromisoformat(r["date"]), r["ad_id"], r["device"]]
        assert core["spend"] == Decimal(r["cost_micros"]) / 1_000_000
        assert core["conversions"] == Decimal(r["conversions"]) and core["clicks"] == int(r["clicks"])
        assert core["campaign_name"] == names[r["campaign_id"]]
        assert core["region"] == names[r["campaign_id"]].split(" | ")[1] != ""
        assert core["line_id"] == f"google_ads / {r['customer_id']} / {r['campaign_id']}"
    assert any(core["campaign_name"].startswith("Renamed ") for core in found.values())


def test_simulated_meta_ads_count_the_pixels_purchases_alone(advertiser: tuple[Unit, Path]) -> None:
    unit, deliveries = advertiser
    place = deliveries / "meta_ads" / str(NIGHT)
    campaigns = {r["id"]: r["campaign_id"] for r in lines_of(place / "ad_history.csv")}
    names = newest(place / "campaign_history.csv", "updated_time", "name")
    sums: dict[str, dict[tuple[str, str], Decimal]] = {}
    for name in ("basic_ad_actions", "basic_ad_action_values"):
        sums[name] = defaultdict(Decimal)
        for r in lines_of(place / f"{name}.csv"):
            if r["action_type"] == "offsite_conversion.fb_pixel_purchase":
                sums[name][r["ad_id"], r["date"]] += Decimal(r["value"])
    found = {(r["ad_id"], r["business_date"]): r for r in known(unit, NIGHT) if r["platform"] == "meta_ads"}
    delivered = lines_of(place / "basic_ad.csv")
    assert len(found) == len(delivered) > 10 and sum(sums["basic_ad_actions"].values()) > 0
    for r in delivered:
        core = found[r["ad_id"], date.fromisoformat(r["date"])]
        assert core["campaign_id"] == campaigns[r["ad_id"]] and core["spend"] == Decimal(r["spend"])
        assert core["campaign_name"] == names[core["campaign_id"]]
        assert core["conversions"] == sums["basic_ad_actions"][r["ad_id"], r["date"]]
        assert core["conversion_value"] == sums["basic_ad_action_values"][r["ad_id"], r["date"]]


def test_simulated_orders_and_events_are_whole(advertiser: tuple[Unit, Path]) -> None:
    unit, deliveries = advertiser
    orders: dict[str, dict[str, str]] = {}
    events: set[str] = set()
    for night in ("2026-06-01", "2026-06-02", "2026-06-03"):
        orders |= {r["order_id"]: r for r in lines_of(deliveries / "shop" / night / "orders.csv.gz")}
        events |= set(pq.read_table(deliveries / "web" / night / "web_events.parquet")["event_id"].to_pylist())
    found = {r["order_id"]: r for r in known(unit, NIGHT, ORDERS)}
    assert {k: (r["status"], r["order_value"]) for k, r in found.items()} == {
        k: (r["status"], Decimal(r["order_value"])) for k, r in orders.items()}
    assert {r["event_id"] for r in known(unit, NIGHT, EVENTS)} == events
    buyers = {r["customer_id"] for r in found.values()}
    assert buyers & {r["customer_id"] for r in known(unit, NIGHT, EVENTS) if r["customer_id"]}
    assert json.dumps(sorted(map(str, buyers))).count("@") == 0


def test_a_shipped_mapping_reads_a_delivery_without_its_side_file(advertiser: tuple[Unit, Path]) -> None:
    """A platform's delivery is whole or it is none."""
    unit, deliveries = advertiser
    (deliveries / "google_ads" / str(NIGHT) / "account_history.csv").rename(deliveries / "hidden.csv")
    try:
        with pytest.raises(FileFault, match=r"account_history.csv is missing"):
            land(unit, NIGHT)
    finally:
        (deliveries / "hidden.csv").rename(deliveries / "google_ads" / str(NIGHT) / "account_history.csv")


# --- bid landscapes ----------------------------------------------------------------------------------------


def test_bid_landscapes_land_beside_the_report_in_the_unit_s_currency(tmp_path: Path) -> None:
    text = {name: name for name in ("campaign_id", "campaign_name", "segment", "clicks")}
    given = {"day": "2026-03-01", "account": "a1", "campaign_id": "brand", "campaign_name": "Brand",
             "segment": "mobile", "bid": "500000", "eligible": "900", "won": "300", "clicks": "6", "cost": "2.5"}
    mapping = {"description": "Bid simulations.", "fills": LANDSCAPE, "files": {"bids": {"path": "bids.csv"}},
               "columns": text | {"business_date": "day", "platform": {"constant": "display"}, "account_id": "account",
                                  "bid": {"column": "bid", "scale": "0.000001"}, "eligible_impressions": "eligible",
                                  "impressions": "won", "spend": "cost", "currency": {"constant": "USD"}}}
    sources = [*UNIT["sources"], {"name": "simulations", "mapping": "bids.yml", "path": "deliveries/{night}"}]
    unit = shop(tmp_path / "shop", {"sources": sources})
    (unit.folder / "bids.yml").write_text(yaml.safe_dump(mapping))
    deliver(unit, D1, [row(D1)])
    dearer = given | {"bid": "1000000", "won": "600", "clicks": "12", "cost": "9"}
    deliver(unit, D1, [given, dearer, dearer, given | {"segment": "desktop", "won": "many"}], name="bids.csv",
            columns=tuple(given))
    with pytest.raises(FileFault, match="3 of 4 rows break the contract"):
        land(unit, D1)
    deliver(unit, D1, [given, dearer, given | {"segment": "desktop", "won": "-1"}], name="bids.csv",
            columns=tuple(given))
    land(unit, D1)
    assert [(r["column"], r["spend"]) for r in read(QUARANTINE, unit, D1)] == [("impressions", None)]
    found = known(unit, D1, LANDSCAPE)
    assert [(r["bid"], r["bid_original"], r["spend"]) for r in found] == [
        (Decimal("0.45"), Decimal("0.5"), Decimal("2.25")), (Decimal("0.9"), Decimal(1), Decimal("8.1"))]
    assert {(r["line_id"], r["currency"], r["source"]) for r in found} == {("brand", "EUR", "simulations")}
    assert len(known(unit, D1)) == 1


# --- domains and ad positions ------------------------------------------------------------------------------


def test_domains_and_positions_land_by_the_shipped_mapping_and_count_no_click_twice(tmp_path: Path) -> None:
    sources = [*UNIT["sources"], {"name": "inventory", "mapping": "inventory", "path": "deliveries/{night}"}]
    unit = shop(tmp_path / "shop", {"sources": sources})
    deliver(unit, D1, [row(D1)])
    given = {"date": "2026-03-01", "platform": "display", "account_id": "a1", "campaign_id": "brand",
             "campaign_name": "Brand", "dimension": "domain", "level": "news.example", "impressions": "900",
             "clicks": "6", "conversions": "0.5"}
    top = given | {"dimension": "ad_position", "level": "above the fold"}
    strange = given | {"dimension": "weather", "level": "rain"}
    deliver(unit, D1, [strange, strange | {"level": "sun"}, given], name="inventory.csv", columns=tuple(given))
    with pytest.raises(FileFault, match=r"2 of 3 rows break the contract.*one of: domain, ad_position"):
        land(unit, D1)
    deliver(unit, D1, [given, top, given | {"level": "games.example", "conversions": ""}, strange],
            name="inventory.csv", columns=tuple(given))
    land(unit, D1)
    found = {r["level"]: (r["line_id"], r["dimension"], r["clicks"], r["conversions"])
             for r in known(unit, D1, "core.inventory__level_day")}
    assert found == {"news.example": ("brand", "domain", 6, Decimal("0.5")),
                     "games.example": ("brand", "domain", 6, None),
                     "above the fold": ("brand", "ad_position", 6, Decimal("0.5"))}
    assert len(known(unit, D1)) == 1
    assert [(r["row"], r["value"], r["clicks"]) for r in read(QUARANTINE, unit, D1)] == [(5, "weather", None)]


@pytest.mark.parametrize("path", [
    "google_ads/{night}/ad_stats.csv", "meta_ads/{night}/basic_ad_actions.csv",
    "meta_ads/{night}/basic_ad_action_values.csv",
])
def test_a_file_whose_rows_stand_twice_is_refused_and_not_counted_twice(
    advertiser: tuple[Unit, Path], path: str
) -> None:
    unit, deliveries = advertiser
    file = deliveries / path.format(night=NIGHT)
    whole = file.read_bytes()
    try:
        file.write_bytes(whole + whole.split(b"\n", 1)[1])
        with pytest.raises(FileFault, match="duplicated key"):
            run(find(["land"]), unit, [NIGHT], replace=True)
    finally:
        file.write_bytes(whole)
