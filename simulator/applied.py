"""What simulated people set on the platforms: most apply the live release, some late, in part, wrongly or not at all.

A delivery of its own, made in the night from the release that was live on the day; the other deliveries know nothing
of it. What each person did stands in the truth.
"""

import shutil
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moe import publish, tables
from moe.jobs import ADS
from simulator import world as w
from simulator.catalog import GOOGLE_ACCOUNT, META_ACCOUNT, campaign_versions
from simulator.files import write_csv, write_parquet
from simulator.world import World, stream

SOURCE = "applied_settings"
CENT, TEN = Decimal("0.01"), Decimal(10)
HABITS = {"applied": 0.70, "late": 0.08, "forgotten": 0.08, "mistyped": 0.05, "rounded": 0.05, "missing": 0.04}
"What people do with a campaign on a day; `late` sets today's budget tomorrow, `missing` is not in the export."
BIDS_LEFT = 0.12  # of Meta's campaigns whose budget is set: the file of bids was not imported
CAPPED = "Retargeting"  # ad sets of this name bid with a cap
BID_BEFORE = Decimal("0.50")


@dataclass(frozen=True)
class Setting:
    """A campaign at the end of a day, and what its person did on it."""

    platform: str
    campaign_id: str
    name: str
    target: Decimal
    "Its budget in the release of the day."
    budget: Decimal
    did: str
    "A habit, or `caught_up` where yesterday's release was set today."
    bids: dict[str, Decimal] = field(default_factory=dict)
    "Bid cap by ad set."
    bids_did: str = "applied"


def deliver_settings(world: World, unit: str, through: date, deliveries: Path, truth: Path) -> list[Path]:
    """Write what is set on the platforms at the end of each day up to `through`, where it is not there; gives the
    new folders.

    Nothing is written for a day on which no release was live. The bytes depend on the world, the release and what
    was set before; what people did goes to `truth/applied_settings/<night>.parquet`.
    """
    new = []
    for day in range((through - world.first_day).days + 1):
        night = world.first_day + timedelta(days=day)
        live = publish.stood("release", unit, night - timedelta(days=1))
        if live is not None and not (deliveries / SOURCE / night.isoformat()).exists():
            released = date.fromisoformat(live.moved_to)
            new.append(_deliver_night(world, unit, released, night, deliveries, truth))
    return new


def _deliver_night(world: World, unit: str, released: date, night: date, deliveries: Path, truth: Path) -> Path:
    settings = _days_work(world, unit, released, night, _newest(truth / SOURCE, night))
    place, beside = deliveries / SOURCE / night.isoformat(), deliveries / ".beside" / f"{SOURCE}-{night}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    _write(settings, night, beside)
    (truth / SOURCE).mkdir(parents=True, exist_ok=True)
    rows = [asdict(s) | {"bids": [{"ad_set": a, "bid": b} for a, b in s.bids.items()]} for s in settings]
    write_parquet(truth / SOURCE / f"{night}.parquet", pa.Table.from_pylist(rows))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(place)
    if not any(beside.parent.iterdir()):
        beside.parent.rmdir()
    return place


def _newest(folder: Path, night: date) -> dict[str, dict[str, Any]]:
    """What was set in the newest night before, by campaign."""
    nights = sorted(path for path in folder.glob("????-??-??.parquet") if path.stem < night.isoformat())
    return {r["campaign_id"]: r for r in pq.read_table(nights[-1]).to_pylist()} if nights else {}


def _days_work(
    world: World, unit: str, released: date, night: date, before: dict[str, dict[str, Any]]
) -> list[Setting]:
    targets, quo = _by_campaign(unit, released)
    bids = _bids_by_ad_set(unit, released)
    day = (night - world.first_day).days
    rng, done = stream(world, "applied settings", day), []
    names = {str(line.campaign_id): (platform, name) for platform in ("google_ads", "meta_ads")
             for _, line, name in campaign_versions(world, platform, day)}
    for campaign, (platform, name) in sorted(names.items()):
        habit, left = str(rng.choice(list(HABITS), p=list(HABITS.values()))), rng.random() < BIDS_LEFT
        if campaign not in targets:
            continue
        target, was = targets[campaign], before.get(campaign, {"budget": quo[campaign], "did": "", "target": None})
        if was["did"] == "late":
            did, budget = "caught_up", was["target"]
        else:
            did, budget = habit, _typed(habit, target, was["budget"])
        caps, bids_did = bids.get(campaign, {}), "applied"
        if did not in ("applied", "mistyped", "rounded") or left:
            earlier = {b["ad_set"]: b["bid"] for b in was.get("bids", [])}
            caps, bids_did = {ad_set: earlier.get(ad_set, BID_BEFORE) for ad_set in caps}, "left"
        done.append(Setting(platform, campaign, name, target, budget, did, caps, bids_did))
    return done


def _typed(habit: str, target: Decimal, was: Decimal) -> Decimal:
    """The budget after a person's work; `was` where nobody touched it."""
    if habit == "rounded":
        return (target / TEN).quantize(Decimal(1)) * TEN
    if habit == "mistyped":
        return _swapped(target)
    return was if habit in ("late", "forgotten") else target


def _swapped(amount: Decimal) -> Decimal:
    """The amount with its first two digits that differ swapped; ten times it where all are equal."""
    digits = list(str(int(amount * 100)))
    for at in range(len(digits) - 1):
        if digits[at] != digits[at + 1] and digits[at + 1] != "0":
            digits[at], digits[at + 1] = digits[at + 1], digits[at]
            return Decimal("".join(digits)).scaleb(-2)
    return amount * TEN


def _by_campaign(unit: str, released: date) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Budgets of a release by campaign, and those before it: a line's is split evenly, lines of one are added."""
    covered = _covered(unit, released)
    after: dict[str, Decimal] = {}
    before: dict[str, Decimal] = {}
    for line in tables.read("out.budget__line", unit, released).to_pylist():
        campaigns = sorted({r["campaign_id"] for r in covered if r["line_id"] == line["line_id"]})
        for budgets, name in ((after, "budget"), (before, "previous_budget")):
            rest = line[name]
            for left, campaign in zip(range(len(campaigns), 0, -1), campaigns, strict=True):
                part = (rest / left).quantize(CENT, ROUND_DOWN)
                budgets[campaign] = budgets.get(campaign, Decimal(0)) + part
                rest -= part
    return after, before


def _bids_by_ad_set(unit: str, released: date) -> dict[str, dict[str, Decimal]]:
    """Released bids, cut to cents, of Meta's ad sets that bid with a cap, by campaign."""
    of = {(r["line_id"], r["segment"]): r["bid"]
          for r in tables.read("out.bid__line_segment", unit, released).to_pylist()}
    found: dict[str, dict[str, Decimal]] = {}
    for r in _covered(unit, released):
        bid = of.get((r["line_id"], r["segment"]))
        if r["platform"] == "meta_ads" and r["segment"] == CAPPED and bid is not None:
            found.setdefault(r["campaign_id"], {})[r["ad_group_id"]] = bid.quantize(CENT, ROUND_DOWN)
    return found


def _covered(unit: str, night: date) -> list[dict[str, Any]]:
    """Which campaigns and ad sets each line covers."""
    columns = ["line_id", "platform", "campaign_id", "ad_group_id", "segment"]
    rows = tables.read(ADS, unit, night).select(columns)
    distinct = rows.group_by(columns).aggregate([]).to_pylist()
    return sorted(distinct, key=lambda r: [r[name] for name in columns])


def _write(settings: list[Setting], night: date, folder: Path) -> None:
    """The exports of Ads Editor and of Meta's bulk tool, each with its account, currency and instant."""
    read_at = f"{datetime.combine(night, time(23, 45)):%Y-%m-%d %H:%M:%S}+00:00"
    shown = [s for s in settings if s.did != "missing"]
    google = [s for s in shown if s.platform == "google_ads"]
    write_csv(folder / "google_ads.csv", {
        "Account": [GOOGLE_ACCOUNT] * len(google), "Campaign": [s.name for s in google],
        "Campaign daily budget": [f"{s.budget:.2f}" for s in google], "Campaign status": ["Enabled"] * len(google),
        "Currency": [w.CURRENCY] * len(google), "Read at": [read_at] * len(google),
    })  # fmt: skip
    meta: list[tuple[str, str, str, str]] = []  # campaign, its budget, ad set, its bid cap
    for s in shown:
        if s.platform == "meta_ads":
            budget = f"{s.budget:.2f}"
            rows = [(s.campaign_id, budget, ad_set, f"{bid:.2f}") for ad_set, bid in sorted(s.bids.items())]
            meta += rows or [(s.campaign_id, budget, "", "")]
    many = len(meta)
    write_csv(folder / "meta_ads.csv", {
        "Account ID": [META_ACCOUNT] * many, "Campaign ID": [r[0] for r in meta],
        "Campaign Status": ["ACTIVE"] * many, "Campaign Daily Budget": [r[1] for r in meta],
        "Ad Set ID": [r[2] for r in meta], "Ad Set Run Status": ["ACTIVE"] * many,
        "Ad Set Daily Budget": [""] * many, "Bid Amount": [r[3] for r in meta],
        "Currency": [w.CURRENCY] * many, "Read At": [read_at] * many,
    })  # fmt: skip
