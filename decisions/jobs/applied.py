"""What is set on the platforms, as the night was told, beside the release that people had to apply on the day."""

from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa

from decisions.applied import Day, compare
from decisions.jobs.covered import ads_of_lines
from decisions.report.uploads import Ads, meta_bids
from decisions.rows import table_of
from moe import publish, tables
from moe.jobs import Night

APPLIED, BUDGETS, BIDS = "out.applied__line", "out.budget__line", "out.bid__line_segment"
LOOKBACK = 14
"Days of readings and releases from which the state is told."


def applied(night: Night, settings: pa.Table, actual: pa.Table) -> dict[str, pa.Table]:
    """The rows of out.applied__line; none where no release, not even a candidate, was there for the day."""
    unit = night.unit.unit
    basis = "live" if publish.stood("release", unit, night.before) else "candidate"
    days = [night.date - timedelta(days=n) for n in range(LOOKBACK)]
    releases = {day: found for day in days if (found := _release_of(unit, day, basis))}
    if night.date not in releases:
        return {APPLIED: table_of(APPLIED, [])}
    budgets = {of: tables.read(BUDGETS, unit, of).to_pylist() for of in set(releases.values())}
    counts = releases[night.date]
    funded = [r["line_id"] for r in budgets[counts]]
    ads = Ads(ads_of_lines(night, funded).to_pylist(), set(funded))
    bids = tables.files(BIDS, unit, counts, counts)
    caps = meta_bids(tables.read_file(bids[0]), night.unit.currency, ads) if bids else []
    day = Day(
        on=night.date,
        currency=night.unit.currency,
        lines=budgets[counts],
        released={d: {r["line_id"]: r["budget"] for r in budgets[of]} for d, of in releases.items()},
        ads=ads,
        bids={(campaign, ad_set): Decimal(bid) for campaign, ad_set, bid in caps},
        spend={r["line_id"]: r["spend"] for r in actual.to_pylist() if r["business_date"] == night.date},
    )
    rows = compare(day, settings.to_pylist())
    return {APPLIED: table_of(APPLIED, (r | {"release_night": counts, "basis": basis} for r in rows))}


def _release_of(unit: str, day: date, basis: str) -> date | None:
    """Whose release people had to apply on a day: the live one's night, or the night before for a candidate."""
    before = day - timedelta(days=1)
    if basis == "live":
        entry = publish.stood("release", unit, before)
        found = date.fromisoformat(entry.moved_to) if entry else None
    else:
        found = before
    return found if found in tables.nights(BUDGETS, unit) else None
