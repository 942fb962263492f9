"""Why platform and shop differ: planted differences are found again, and what cannot be known is not guessed."""

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.reconciliation import errors, store, told
from benchmarks.reconciliation_world import CLASSES, NO_LINE, Plan, Planted, planted
from moe import jobs, runner, tables
from moe.contracts import contract
from moe.errors import MoeError
from moe.settings import settings
from moe.units import Unit, load_unit
from simulator.deliveries import deliver
from simulator.world import World
from tests.data.test_marts import ADS, COVERAGE, ORDERS, ad, put

EVENTS, MART = "core.web_event__event", "marts.reconciliation__line_day"
D = date(2020, 6, 30)
SMALL = World(google_campaigns=3, meta_campaigns=2, daily_budget=3_000, events_per_day=8_000)
DAYS, RECONCILED = 45, 28


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MOE_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("MOE_CONFIG", str(tmp_path / "none.toml"))
    settings.cache_clear()
    yield
    settings.cache_clear()


def shop(**window: int) -> Unit:
    """Two accounts, in New York's time."""
    sources = [{"name": name, "mapping": "m", "path": "p", "click_window_days": window.get(name, 7)}
               for name in ("ads", "social")]
    return Unit(unit="shop", name="Shop", currency="USD", time_zone="America/New_York", first_night=D, folder=Path(),
                line=("campaign_id",), budget={"total": 100}, bids={"cap": 1}, sources=sources)  # type: ignore[arg-type]


def reported(line: str, conversions: str, day: date = D, source: str = "ads", **more: Any) -> dict[str, Any]:
    return ad(line, day, "5", 9, conversions, source=source, **more)


def order(name: str, at: str, tag: str | None, status: str = "placed", value: str = "10") -> dict[str, Any]:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return {"order_id": name, "ordered_at": instant, "updated_at": instant, "status": status, "currency": "USD",
            "order_value": Decimal(value), "customer_id": f"c-{name}", "utm_campaign": tag}


def event(name: str, at: str, visitor: str, tag: str | None = None, order_id: str | None = None) -> dict[str, Any]:
    return {"event_id": name, "occurred_at": datetime.fromisoformat(at).replace(tzinfo=UTC), "visitor_id": visitor,
            "event_name": "page_view", "utm_campaign": tag, "order_id": order_id}


def marts(ads: list[dict[str, Any]], orders: list[dict[str, Any]], events: list[dict[str, Any]],
          unit: Unit | None = None) -> dict[tuple[str, date], dict[str, Any]]:
    """The mart of one night by line and day."""
    days = [D - timedelta(days=n) for n in range(RECONCILED)]
    put(COVERAGE, D, [{"source": s, "account_id": "a", "business_date": d} for d in days for s in ("ads", "social")])
    put(ADS, D, ads)
    put(ORDERS, D, orders)
    put(EVENTS, D, events)
    runner.run([jobs.BY_NAME["marts"]], unit or shop(), [D])
    return {(r["line_id"], r["business_date"]): r for r in tables.read(MART, "shop", D).to_pylist()}


def parts(row: dict[str, Any], measure: str = "orders") -> dict[str, Decimal]:
    """The classes of a row that are not 0; they add up to its difference, to the last decimal."""
    found = {name: row[f"{name}_{measure}"] for name in CLASSES}
    assert sum(found.values()) == row[f"difference_{measure}"]
    return {name: value for name, value in found.items() if value}


@pytest.fixture(scope="module")
def world() -> Planted:
    return planted(SMALL, DAYS, RECONCILED, Plan())


def test_the_planted_truth_adds_up_to_the_difference(world: Planted) -> None:
    """Else the comparison below would prove nothing."""
    platform = world.ads.groupby("campaign")[["conversions", "value"]].sum()
    kept = world.orders[world.orders.status == "placed"].assign(campaign=lambda f: f.campaign.fillna(NO_LINE), n=1)
    sold = kept.groupby("campaign")[["n", "value"]].sum()
    truth = world.truth.groupby("line")[["orders", "value"]].sum()
    for line in truth.index:
        assert truth.orders[line] == platform.conversions.get(line, 0) - sold.n.get(line, 0)
        assert truth.value[line] == platform.value.get(line, 0) - sold.value.get(line, 0)


def test_planted_differences_are_found_again(world: Planted) -> None:
    night = store(SMALL, world, DAYS)
    found = told(night)
    both = errors(found, world.truth)
    assert (both.groupby("class").orders_true.sum().drop("other_origin") != 0).all(), "every class is planted"
    lines = both[both["where"] == "lines"].set_index("class")

    def off(name: str, column: str = "orders") -> float:
        return abs(float(lines[f"{column}_told"][name] - lines[f"{column}_true"][name]))

    for name in ("cancelled", "view_through"):  # known order by order, or by the platform's own word
        assert off(name) <= 1 and off(name, "value") <= 200, name
    for name, share in (("duplicate", 0.15), ("missing_tag", 0.3)):  # the site does not see every click
        assert off(name) < share * abs(lines.orders_true[name]), name
        assert lines.orders_told[name] <= lines.orders_true[name], "never more than is true"
    # clicks that nobody saw: some orders stay on their own day, or look late
    assert lines.by_line_day["other_day"] < 1
    assert off("late_click") < 0.5 * abs(lines.orders_true["late_click"])
    apart = both[both["where"] == "no line"].set_index("class")
    assert apart.orders_told.to_dict() == apart.orders_true.to_dict()
    every_day_adds_up_to_the_cent(world, night)


def every_day_adds_up_to_the_cent(world: Planted, night: date) -> None:
    rows = tables.read(MART, "advertiser", night).to_pylist()
    assert len(rows) > 5 * RECONCILED
    kept = world.orders[world.orders.status == "placed"]
    assert sum(r["shop_value"] for r in rows) == Decimal(int(kept.value.sum())) / 100
    assert sum(r["platform_value"] for r in rows) == Decimal(int(world.ads.value.sum())) / 100
    for day in {r["business_date"] for r in rows}:
        today = [r for r in rows if r["business_date"] == day]
        for measure in ("orders", "value"):
            difference = sum(r[f"difference_{measure}"] for r in today)
            assert sum(r[f"{name}_{measure}"] for r in today for name in CLASSES) == difference
    assert isinstance(rows[0]["shop_value"], Decimal)


def test_each_class_by_hand() -> None:
    """One order for each, on two lines of two accounts."""
    earlier, long_ago = D - timedelta(days=3), "2020-06-10 12:00:00"
    found = marts(
        ads=[reported("brand", "3", earlier), reported("brand", "1"), reported("group", "2", source="social",
             view_conversions=Decimal(1), view_conversion_value=Decimal(10))],
        orders=[
            order("plain", "2020-06-30 12:00:00", "brand"),
            order("waited", "2020-06-30 13:00:00", "brand", status="returned"),
            order("twice", "2020-06-30 14:00:00", "brand"),
            order("late", "2020-06-30 15:00:00", "brand"),
            order("letter", "2020-06-30 16:00:00", "june-letter"),
            order("bare", "2020-06-30 17:00:00", None),
        ],
        events=[
            event("1", "2020-06-30 11:00:00", "v1", "brand"), event("2", "2020-06-30 12:00:00", "v1", None, "plain"),
            event("3", "2020-06-27 12:00:00", "v2", "brand"), event("4", "2020-06-30 13:00:00", "v2", None, "waited"),
            event("5", "2020-06-30 10:00:00", "v3", "group"), event("6", "2020-06-27 12:00:00", "v3", "brand"),
            event("7", "2020-06-30 14:00:00", "v3", None, "twice"),
            event("8", long_ago, "v4", "brand"), event("9", "2020-06-30 15:00:00", "v4", None, "late"),
            event("10", "2020-06-27 12:00:00", "v5", "brand"), event("11", "2020-06-30 17:00:00", "v5", None, "bare"),
        ],
    )  # fmt: skip
    assert parts(found["brand", D]) == {"other_day": -2, "cancelled": 1, "late_click": -1}
    assert parts(found["brand", earlier]) == {"other_day": 2, "missing_tag": 1}
    assert parts(found["group", D]) == {"view_through": 1, "duplicate": 1}
    assert parts(found[NO_LINE, D]) == {"other_origin": -1, "missing_tag": -1}
    assert parts(found["brand", D], "value")["cancelled"] == Decimal(10)


def test_without_an_outcome_nothing_is_made_up_and_a_click_after_its_order_is_none_of_it() -> None:
    found = marts(
        [reported("brand", "1"), ad("silent", D, "5", 9)],
        [order("o", "2020-06-30 12:00:00", None), order("p", "2020-06-30 12:00:00", "silent")],
        [event("1", "2020-06-30 12:00:01", "v", "brand"), event("2", "2020-06-30 12:00:00", "v", None, "o")])
    assert parts(found["brand", D]) == {"not_told_apart": 1}
    assert found["brand", D]["missing_tag_at_most_orders"] == 0
    silent = found["silent", D]
    assert (silent["platform_value"], silent["shop_value"], silent["difference_value"]) == (None, Decimal(10), None)


def test_what_two_causes_explain_is_not_told_apart() -> None:
    """Two orders that a line may count: a second count, or one without a tag. Of `one` it counts one, of `both` two."""
    orders, events = [], []
    for n, line in enumerate(("one", "both")):
        orders.append(order(f"tagged-{line}", "2020-06-30 12:00:00", "brand"))
        orders.append(order(f"bare-{line}", "2020-06-30 12:00:00", None))
        events += [
            event(f"{n}1", "2020-06-30 11:00:00", f"{n}a", "brand"),
            event(f"{n}2", "2020-06-30 10:00:00", f"{n}a", line),
            event(f"{n}3", "2020-06-30 12:00:00", f"{n}a", None, f"tagged-{line}"),
            event(f"{n}4", "2020-06-30 11:00:00", f"{n}b", line),
            event(f"{n}5", "2020-06-30 12:00:00", f"{n}b", None, f"bare-{line}"),
        ]  # fmt: skip
    social = [reported("one", "1", source="social"), reported("both", "2", source="social")]
    found = marts([reported("brand", "2"), *social], orders, events)
    one = found["one", D]
    assert parts(one) == {"not_told_apart": 1}
    assert (one["duplicate_at_most_orders"], one["missing_tag_at_most_orders"]) == (1, 1)
    assert parts(found["both", D]) == {"duplicate": 1, "missing_tag": 1}


def test_the_window_is_the_accounts_own() -> None:
    """A click ten days before its order is late for one account, and in time for the other."""
    orders = [order("narrow", "2020-06-30 12:00:00", "brand"), order("wide", "2020-06-30 12:00:00", "group")]
    events = [event("1", "2020-06-20 12:00:00", "v", "brand"), event("2", "2020-06-30 12:00:00", "v", None, "narrow"),
              event("3", "2020-06-20 12:00:00", "w", "group"), event("4", "2020-06-30 12:00:00", "w", None, "wide")]
    found = marts([reported("brand", "0"), reported("group", "0", source="social")], orders, events, shop(social=10))
    assert parts(found["brand", D]) == {"late_click": -1}
    assert parts(found["group", D]) == {"other_day": -1}
    assert parts(found["group", D - timedelta(days=10)]) == {"other_day": 1, "not_told_apart": -1}


def test_a_shop_that_writes_no_tags_is_read_by_its_clicks() -> None:
    events = [event("1", "2020-06-30 11:00:00", "v", "brand"), event("2", "2020-06-30 12:00:00", "v", None, "o")]
    found = marts([reported("brand", "1")], [order("o", "2020-06-30 12:00:00", None)], events)
    assert found["brand", D]["shop_orders"] == 1 and parts(found["brand", D]) == {}


def test_without_a_shop_nothing_is_made_up() -> None:
    row = marts([reported("brand", "1")], [], [])["brand", D]
    assert row["platform_conversions"] == 1
    assert {row[f"{name}_orders"] for name in (*CLASSES, "shop", "difference")} == {None}


def test_an_order_in_another_currency_stops_the_mart() -> None:
    """Landing converts or refuses; a row that came past it does not reach a total."""
    with pytest.raises(MoeError, match=r"one_value_stg_order__order_currency"):
        marts([reported("brand", "1")], [order("o", "2020-06-30 12:00:00", "brand"),
                                         order("p", "2020-06-30 12:00:00", "brand") | {"currency": "EUR"}], [])


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    shipped = settings().shipped_units / "advertiser" / "unit.yml"
    path = tmp_path / "unit.yml"
    path.write_text(shipped.read_text().replace("America/New_York", "Mars/Olympus"))
    with pytest.raises(MoeError, match="time_zone: Mars/Olympus is none"):
        load_unit(str(path))


def test_an_older_partition_may_lack_a_newer_column() -> None:
    """Deliveries of nights from before a column came stand beside those from after."""
    put(ADS, D - timedelta(days=1), [reported("brand", "1")])
    path = tables.partition(ADS, "shop", D - timedelta(days=1))
    old = tables.read_file(path).drop_columns(["view_conversions", "view_conversion_value"])
    pq.write_table(old, path)
    put(ADS, D, [reported("brand", "1", view_conversions=Decimal(1))])
    read = runner._concat([path, tables.partition(ADS, "shop", D)], contract(ADS))
    assert read.column("view_conversions").to_pylist() == [None, Decimal(1)]


def test_bad_counts_and_currencies_stop_at_the_gate() -> None:
    """A negative number of views is kept out and named; an order in a currency without a rate stops the night."""
    night, unit = date(2026, 6, 1), load_unit("advertiser")
    deliver(World(events_per_day=400), night, settings().deliveries, settings().truth)
    actions = settings().deliveries / "meta_ads" / str(night) / "basic_ad_actions.csv"
    text = actions.read_text().splitlines()
    at = next(n for n, row in enumerate(text) if "offsite_conversion.fb_pixel_purchase" in row)
    fields = text[at].split(",")
    fields[text[0].split(",").index("_1_d_view")] = "-1"
    actions.write_text("\n".join([*text[:at], ",".join(fields), *text[at + 1:]]) + "\n")
    land = [jobs.BY_NAME["land"]]
    runner.run(land, unit, [night])
    kept_out = tables.read("core.quarantine__row", "advertiser", night).to_pylist()
    assert [(r["file"], r["row"], r["column"], r["value"]) for r in kept_out] == [
        ("basic_ad_actions.csv", at + 1, "_1_d_view", "-1.000000")]
    views = pc.sum(tables.read(ADS, "advertiser", night).column("view_conversions")).as_py()
    assert views == sum(Decimal(row.split(",")[4] or 0) for n, row in enumerate(text)
                        if n != at and "fb_pixel_purchase" in row)

    shop_file = settings().deliveries / "shop" / str(night) / "orders.csv.gz"
    shop_file.write_bytes(gzip.compress(gzip.decompress(shop_file.read_bytes()).replace(b",USD,", b",EUR,", 1)))
    with pytest.raises(MoeError, match="source shop, column currency: no rate to USD for EUR"):
        runner.run(land, unit, [night], replace=True)
