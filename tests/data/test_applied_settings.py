"""Settings read back: what simulated people did is recovered by the job to the cent, and bad exports are told apart."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from _stores import ADS, FINDINGS, QUARANTINE, land, read

from moe import ledger, publish, runner, tables
from moe.asof import COVERAGE
from moe.contracts import contract
from moe.errors import FileFault
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, load_unit
from simulator.applied import CAPPED, SOURCE, deliver_settings
from simulator.catalog import GOOGLE_ACCOUNT, META_ACCOUNT, campaign_versions, cells
from simulator.world import World

pytestmark = pytest.mark.usefixtures("home")
WORLD = World(events_per_day=500)
FIRST = WORLD.first_day
SETTINGS, APPLIED = "core.applied_setting__entity_day", "out.applied__line"
NIGHTS = 7
GOOGLE = "Account,Campaign,Campaign daily budget,Campaign status,Currency,Read at"
META = ("Account ID,Campaign ID,Campaign Status,Campaign Daily Budget,Ad Set ID,Ad Set Run Status,Ad Set Daily Budget,"
        "Bid Amount,Currency,Read At")  # fmt: skip


def unit(*sources: str) -> Unit:
    shipped = load_unit("advertiser")
    chosen = sources or ("applied_google_ads", "applied_meta_ads")
    kept = tuple(s.model_copy(update={"late": "go_on"}) for s in shipped.sources if s.name in chosen)
    return shipped.model_copy(update={"sources": kept})


def put(table: str, night: date, rows: list[dict[str, Any]]) -> None:
    """A partition written by hand; what the rows leave out is null."""
    schema = pa.schema([f.with_nullable(True) for f in contract(table).schema])
    filled = [{f.name: None for f in schema} | {"unit": "advertiser", "night": night} | r for r in rows]
    path = tables.partition(table, "advertiser", night)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(filled, schema=schema), path)


def line_of(platform: str, campaign: object) -> str:
    return f"{platform} / {GOOGLE_ACCOUNT if platform == 'google_ads' else META_ACCOUNT} / {campaign}"


def decided(night: date) -> None:
    """A night's ads, budgets and bids: a candidate."""
    rng, c, day = np.random.default_rng(night.toordinal()), cells(WORLD), (night - FIRST).days
    names = {line.campaign_id: name for platform in ("google_ads", "meta_ads")
             for _, line, name in campaign_versions(WORLD, platform, day)}
    ads = [{"line_id": line_of(platform, campaign), "platform": str(platform), "campaign_id": str(campaign),
            "account_id": str(GOOGLE_ACCOUNT if platform == "google_ads" else META_ACCOUNT),
            "campaign_name": names[campaign], "ad_group_id": str(group), "segment": str(device or name),
            "currency_original": "USD"}
           for platform, campaign, group, device, name
           in sorted(set(zip(c.platform, c.campaign_id, c.group_id, c.device, c.group_name, strict=True)))]  # fmt: skip
    put(ADS, night, ads)
    lines = {ad["line_id"]: ad for ad in ads}
    put("out.budget__line", night, [
        {"line_id": line, "line_name": ad["campaign_name"], "platform": ad["platform"],
         "budget": Decimal(int(rng.integers(10_000, 200_000))).scaleb(-2),
         "previous_budget": Decimal(int(rng.integers(10_000, 200_000))).scaleb(-2)} for line, ad in lines.items()])
    put("out.bid__line_segment", night, [
        {"line_id": line, "segment": segment, "bid": Decimal(int(rng.integers(2_000, 20_000))).scaleb(-4)}
        for line, segment in sorted({(ad["line_id"], ad["segment"]) for ad in ads})])


def live(night: date, back: bool = False) -> None:
    """Make a candidate live."""
    now = publish.live("release", "advertiser")
    publish.move("release", "advertiser", night.isoformat(), expected=now.moved_to if now else None, effective=night,
                 who="test", reason="test", facts={}, forward_only=not back)


def first_release() -> date:
    """The unit's first night is live; gives the night after it."""
    decided(FIRST)
    live(FIRST)
    return FIRST + timedelta(days=1)


def told(night: date, made: Unit | None = None) -> list[dict[str, Any]]:
    """The night's settings delivered and landed, its candidate decided, and the job's rows."""
    made = made or unit()
    deliver_settings(WORLD, "advertiser", night, settings().deliveries, settings().truth)
    land(made, night)
    decided(night)
    runner.run(find(["applied"]), made, [night])
    return read(APPLIED, made, night)


def truth(night: date) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(settings().truth / SOURCE / f"{night}.parquet").to_pylist()
    return {line_of(r["platform"], r["campaign_id"]): r for r in rows}


def expected(did: dict[str, Any], caps: dict[str, Decimal]) -> str:
    """The state of what a person did, where no two deeds come to the same amount."""
    state = {"applied": "as_released", "late": "not_applied", "forgotten": "not_applied", "caught_up": "applied_late",
             "mistyped": "changed_by_hand", "rounded": "changed_by_hand", "missing": "unknown_to_platform"}[did["did"]]
    set_caps = {b["ad_set"]: b["bid"] for b in did["bids"]}
    return "partly_applied" if state == "as_released" and set_caps != caps else state


def released_caps(night: date) -> dict[str, dict[str, Decimal]]:
    """Bids of the ad sets with a cap, in cents, by line and ad set."""
    bids = {(r["line_id"], r["segment"]): r["bid"] for r in read("out.bid__line_segment", unit(), night)}
    caps: dict[str, dict[str, Decimal]] = {}
    for ad in read(ADS, unit(), night):
        if ad["platform"] == "meta_ads" and ad["segment"] == CAPPED:
            cut = Decimal(int(bids[ad["line_id"], CAPPED] * 100)).scaleb(-2)
            caps.setdefault(ad["line_id"], {})[ad["ad_group_id"]] = cut
    return caps


def test_what_people_did_is_recovered_to_the_cent_in_every_state() -> None:
    seen: set[str] = set()
    first = first_release()
    for n in range(NIGHTS):
        night = first + timedelta(days=n)
        rows, did = told(night), truth(night)
        caps = released_caps(night - timedelta(days=1))
        assert {r["line_id"] for r in rows} == set(did) and len(rows) == 14
        for r in rows:
            known = did[r["line_id"]]
            assert r["state"] == expected(known, caps.get(r["line_id"], {})), (night, r, known)
            is_set = Decimal(0) if known["did"] == "missing" else known["budget"]
            assert (r["released_budget"], r["set_budget"]) == (known["target"], is_set), (night, known)
            assert r["difference"] == is_set - known["target"]
            assert (r["release_night"], r["basis"]) == (night - timedelta(days=1), "live")
            seen.add(r["state"])
        live(night)
    assert seen == {"as_released", "not_applied", "applied_late", "changed_by_hand", "partly_applied",
                    "unknown_to_platform"}


def test_a_night_run_again_gives_the_same_rows_and_later_deliveries_are_not_seen() -> None:
    second = first_release()
    third = second + timedelta(days=1)
    told(second)
    once = ledger.newest("advertiser", second)["applied"]["digests"]
    live(second)
    told(third)
    runner.run(find(["applied"]), unit(), [second])
    assert ledger.newest("advertiser", second)["applied"]["digests"] == once
    bytes_of = {p.name: p.read_bytes() for p in (settings().deliveries / SOURCE / str(third)).iterdir()}
    assert deliver_settings(WORLD, "advertiser", third, settings().deliveries, settings().truth) == []
    again = settings().home / "again"
    for night in (second, third):
        deliver_settings(WORLD, "advertiser", night, again, again / "truth")
    assert {p.name: p.read_bytes() for p in (again / SOURCE / str(third)).iterdir()} == bytes_of


def test_a_skipped_night_is_delivered_later_under_the_release_that_stayed_live() -> None:
    second = first_release()
    later = second + timedelta(days=2)
    places = deliver_settings(WORLD, "advertiser", later, settings().deliveries, settings().truth)
    assert [p.name for p in places] == [str(second + timedelta(days=n)) for n in range(3)]
    for n in range(2):
        land(unit(), second + timedelta(days=n))
    rows, did = told(later), truth(later)
    assert {r["release_night"] for r in rows} == {FIRST}
    first = truth(second)
    held = [r for r in rows if did[r["line_id"]]["did"] == first[r["line_id"]]["did"] == "applied"]
    assert held and all(r["difference"] == 0 for r in held)
    late = [r for r in rows if first[r["line_id"]]["did"] in ("late", "forgotten") and r["difference"] == 0]
    assert late and {r["state"] for r in late} <= {"applied_late", "partly_applied"}


def test_nothing_is_delivered_or_missed_before_a_release_was_live() -> None:
    decided(FIRST)
    night = FIRST + timedelta(days=1)
    assert deliver_settings(WORLD, "advertiser", night, settings().deliveries, settings().truth) == []
    land(unit(), night)
    assert read(FINDINGS, unit(), night) == []
    (record,) = runner.run(find(["applied"]), unit(), [night])
    assert record.status == "skipped" and SETTINGS in record.reason


def test_a_platform_that_delivers_nothing_is_not_read_and_late() -> None:
    night = first_release()
    deliver_settings(WORLD, "advertiser", night, settings().deliveries, settings().truth)
    (settings().deliveries / SOURCE / str(night) / "meta_ads.csv").unlink()
    rows = told(night)
    assert {r["state"] for r in rows if r["platform"] == "meta_ads"} == {"not_read"}
    assert "not_read" not in {r["state"] for r in rows if r["platform"] == "google_ads"}
    assert [f["finding"] for f in read(FINDINGS, unit(), night) if f["source"] == "applied_meta_ads"] == ["late"]


def test_a_roll_back_counts_from_the_next_reading_and_no_later_release_does() -> None:
    second = first_release()
    third, fourth = (second + timedelta(days=n) for n in (1, 2))
    decided(second)
    live(second)
    live(FIRST, back=True)
    assert {r["release_night"] for r in told(third)} == {FIRST}
    live(third)
    assert {r["release_night"] for r in told(third)} == {FIRST}, "what goes live later counts later"
    assert {r["release_night"] for r in told(fourth)} == {third}


def test_a_backfill_judges_by_the_candidate_and_says_so() -> None:
    decided(FIRST)
    night = FIRST + timedelta(days=1)
    hand(night, google=[row(night, "Anything", "10.00")])
    rows = told(night)
    assert {(r["basis"], r["release_night"]) for r in rows} == {("candidate", FIRST)}


# --- bad input ----------------------------------------------------------------------------------------------


def row(night: date, name: str, budget: str, account: object = GOOGLE_ACCOUNT, currency: str = "USD",
        at: str = "23:45:00") -> str:
    return f"{account},{name},{budget},Enabled,{currency},{night} {at}+00:00"


def hand(night: date, google: list[str] = [], meta: list[str] = []) -> None:  # noqa: B006
    folder = settings().deliveries / SOURCE / str(night)
    folder.mkdir(parents=True, exist_ok=True)
    for name, head, rows in (("google_ads", GOOGLE, google), ("meta_ads", META, meta)):
        if rows:
            (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")


def landed(night: date, made: Unit) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    land(made, night)
    return read(SETTINGS, made, night), read(QUARANTINE, made, night)


def known_night() -> tuple[date, Unit, list[str]]:
    """A night after one whose ads are known: its unit, and the names of its Google campaigns."""
    night = first_release()
    accounts = [{"source": "google_ads", "account_id": str(GOOGLE_ACCOUNT), "business_date": FIRST}]
    put(COVERAGE, FIRST, accounts)
    names = sorted({r["campaign_name"] for r in read(ADS, unit(), FIRST) if r["platform"] == "google_ads"})
    return night, unit("google_ads", "applied_google_ads"), names


BAD: dict[str, tuple[str, str, str, str]] = {
    # the row's change, and what is told: column, rule, remedy
    "a budget that is text": ("budget=about 40", "Campaign daily budget", "not readable", "write an exact number"),
    "a budget below zero": ("budget=-40.00", "Campaign daily budget", "out of range", "at least 0"),
    "no budget": ("budget=", "Campaign daily budget", "missing", "must have a value"),
    "another currency": ("currency=EUR", "currency", "another currency", "the release is in USD"),
    "another account": ("account=999", "account_id", "account of no ads", f"export the accounts {GOOGLE_ACCOUNT}"),
    "yesterday's export": ("at=2026-06-01", "business_date", "date outside the delivery", "2026-06-02 to 2026-06-02"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_kept_out_and_told(case: str) -> None:
    change, column, rule, remedy = BAD[case]
    night, made, names = known_night()
    name, _, value = change.partition("=")
    good = [row(night, n, "40.00") for n in names[1:]]
    bad = row(date.fromisoformat(value), names[0], "40.00") if name == "at" else (
        row(night, names[0], **({"budget": "40.00"} | {name: value})))  # type: ignore[arg-type]
    hand(night, google=[bad, *good])
    rows, faults = landed(night, made)
    assert {r["campaign_name"] for r in rows} == set(names[1:])
    (fault,) = faults
    assert (fault["source"], fault["file"], fault["row"]) == ("applied_google_ads", "google_ads.csv", 2)
    assert (fault["column"], fault["rule"]) == (column, rule) and remedy in fault["remedy"]
    decided(night)
    runner.run(find(["applied"]), made, [night])
    states = {r["line_name"]: r["state"] for r in read(APPLIED, made, night)}
    assert states[names[0]] == "unknown_to_platform", "what is kept out is not taken for set"


def test_a_campaign_set_twice_with_different_budgets_is_kept_out_and_with_one_is_one() -> None:
    night, made, names = known_night()
    hand(night, google=[row(night, names[0], "40.00"), row(night, names[0], "41.00"), row(night, names[1], "9.00"),
                        row(night, names[1], "9.00")])
    rows, faults = landed(night, made)
    assert [(r["campaign_name"], r["daily_budget"]) for r in rows] == [(names[1], Decimal("9.00"))]
    assert sorted(f["row"] for f in faults) == [2, 3] and {f["rule"] for f in faults} == {"duplicated key"}


def test_a_meta_campaign_set_twice_in_its_ad_sets_rows_is_kept_out() -> None:
    night = first_release()

    def ad_set(campaign: str, budget: str, group: str) -> str:
        return f"{META_ACCOUNT},{campaign},ACTIVE,{budget},{group},ACTIVE,,0.40,USD,{night} 23:45:00+00:00"

    hand(night, meta=[ad_set("1", "40.00", "11"), ad_set("1", "41.00", "12"), ad_set("2", "9.00", "21"),
                      ad_set("2", "9.00", "22")])
    rows, faults = landed(night, unit("applied_meta_ads"))
    assert {(r["campaign_id"], r["ad_group_id"], r["daily_budget"]) for r in rows} == {
        ("2", "", Decimal("9.00")), ("2", "21", None), ("2", "22", None)}
    assert {f["rule"] for f in faults} == {"duplicated key"} and {f["row"] for f in faults} == {2, 3}


def test_an_unknown_campaign_is_kept_and_named() -> None:
    night, made, names = known_night()
    hand(night, google=[row(night, names[0], "40.00"), row(night, "Made today", "25.50")])
    rows, faults = landed(night, made)
    assert len(rows) == 2 and faults == []
    (found,) = [f for f in read(FINDINGS, made, night) if f["finding"] == "unknown_campaign"]
    assert "1 campaign" in found["message"] and "25.50 USD a day: Made today" in found["message"]


def test_a_changed_file_stops_the_night_and_names_the_column() -> None:
    night, made, names = known_night()
    hand(night, google=[row(night, name, "forty") for name in names])
    with pytest.raises(FileFault, match="column Campaign daily budget: the type changed"):
        land(made, night)
    path: Path = settings().deliveries / SOURCE / str(night) / "google_ads.csv"
    path.write_text(f"Account,Campaign\n{GOOGLE_ACCOUNT},{names[0]}\n")
    with pytest.raises(FileFault, match="has no column Campaign daily budget, Campaign status, Currency, Read at"):
        land(made, night)
