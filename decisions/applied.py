"""What is set on the platforms beside what was released, line by line and to the cent.

A platform gives a budget to a campaign or an ad set. Where several make up one line their sum counts, and where several
lines share one, the lines' sum, as the upload files and their list of lines to set by hand have it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from decisions.applied_state import judge, split
from decisions.report.uploads import Ads

Entity = tuple[str, str, str, str]
"Platform, account, campaign and ad set; the last is empty for a campaign."
Row = dict[str, Any]
ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Day:
    """What is known of the day that is judged. `lines` are rows of the release that counts; `released` holds, for
    each day of the readings, the budgets by line of the release that counted then."""

    on: date
    currency: str
    lines: list[Row]
    released: Mapping[date, Mapping[str, Decimal]]
    ads: Ads
    bids: Mapping[tuple[str, str], Decimal]
    "Released bid, in cents as the upload file has it, by campaign and ad set."
    spend: Mapping[str, Decimal | None]


class Readings:
    """Settings by day and entity. A campaign known by its name alone gets the id that its ads have."""

    def __init__(self, settings: list[Row], ads: Ads) -> None:
        self.on: dict[date, dict[Entity, Row]] = defaultdict(dict)
        self.accounts: dict[date, set[tuple[str, str]]] = defaultdict(set)
        for r in settings:
            account = r["platform"], r["account_id"]
            ids = {r["campaign_id"]} if r["campaign_id"] else ads.campaigns_named.get((*account, r["campaign_name"]))
            self.accounts[r["business_date"]].add(account)
            if ids and len(ids) == 1:  # a name that means several campaigns means none
                self.on[r["business_date"]][*account, *ids, r["ad_group_id"]] = r

    def budgets(self, day: date) -> dict[Entity, Decimal]:
        """What each campaign, or each ad set of a campaign without a budget of its own, may spend a day."""
        found = {e: r for e, r in self.on[day].items() if r["daily_budget"] is not None}
        return {e: ZERO if r["paused"] else r["daily_budget"] for e, r in found.items()
                if not e[3] or (*e[:3], "") not in found}


def compare(day: Day, settings: list[Row]) -> list[Row]:
    """Rows of out.applied__line but for the release, ordered by line. `settings` are rows of the core table."""
    readings = Readings(settings, day.ads)
    found: dict[str, Row] = {}
    for lines, entities in _together(day, readings.budgets(day.on)):
        found |= _compared(day, readings, lines, entities)
    rows = []
    for line in sorted(day.lines, key=lambda r: r["line_id"]):
        row = found.get(line["line_id"]) or _absent(day, readings, line)
        rows.append({"line_id": line["line_id"], "line_name": line["line_name"], "platform": line["platform"],
                     "business_date": day.on, "released_budget": line["budget"], "currency": day.currency}
                    | row | _judged_by(day, readings, line, row))  # fmt: skip
    return rows


def _together(day: Day, budgets: Mapping[Entity, Decimal]) -> list[tuple[list[str], list[Entity]]]:
    """Lines and the budgets that they share, directly or through each other."""
    groups: list[tuple[set[str], set[Entity]]] = []
    for entity in budgets:
        platform, account, campaign, ad_set = entity
        lines = set(day.ads.lines_of.get((platform, account, f"ad set {ad_set}" if ad_set else campaign), set()))
        if not lines:
            continue
        entities = {entity}
        for group in [g for g in groups if g[0] & lines]:
            lines |= group[0]
            entities |= group[1]
            groups.remove(group)
        groups.append((lines, entities))
    return [(sorted(lines), sorted(entities)) for lines, entities in groups]


def _compared(day: Day, readings: Readings, lines: list[str], entities: list[Entity]) -> dict[str, Row]:
    """Lines whose settings were read."""
    by_day = {d: readings.budgets(d) for d in readings.on if d <= day.on}
    amounts = {d: [b[e] for e in entities] for d, b in by_day.items() if b.keys() >= set(entities)}
    released = {d: sum((b[i] for i in lines), ZERO) for d, b in day.released.items() if b.keys() >= set(lines)}
    verdict = judge(day.on, amounts, released)
    now = [readings.on[day.on][e] for e in entities]
    notes = [_shared(lines, entities), _absent_campaigns(day, readings, lines), _paused(now), verdict.note]
    of_line = split(sum(amounts[day.on], ZERO), [day.released[day.on][i] for i in lines])
    return {line: {"set_budget": part, "state": verdict.state, "since": verdict.since, "settings": len(entities),
                   "read_at": max(r["read_at"] for r in now), "note": " ".join(filter(None, notes))}
            for line, part in zip(lines, of_line, strict=True)}  # fmt: skip


def _shared(lines: list[str], entities: list[Entity]) -> str:
    if len(lines) > 1:
        return f"{len(lines)} lines share its budget: their sum is compared, and split as the release splits it."
    return f"{len(entities)} campaigns or ad sets make it up." if len(entities) > 1 else ""


def _absent_campaigns(day: Day, readings: Readings, lines: list[str]) -> str:
    covered = {(r["platform"], r["account_id"], r["campaign_id"]) for i in lines for r in day.ads.of_line[i]}
    known = {e[:3] for e in readings.on[day.on]}
    gone = len(covered - known)
    return f"{gone} of its {len(covered)} campaigns is not among the settings." if gone else ""


def _paused(settings: list[Row]) -> str:
    off = sum(r["paused"] for r in settings)
    return f"{off} of {len(settings)} is paused, which counts as 0." if off else ""


def _absent(day: Day, readings: Readings, line: Row) -> Row:
    """A line with no setting: its account was not read, or has no such campaign."""
    ads = day.ads.of_line[line["line_id"]]
    accounts = {(r["platform"], r["account_id"]) for r in ads}
    platforms = {platform for platform, _ in readings.accounts[day.on]}
    nothing: Row = {"set_budget": None, "since": None, "settings": 0, "read_at": None}
    if not (accounts & readings.accounts[day.on] if ads else line["platform"] in platforms):
        return nothing | {"state": "not_read", "note": "No settings of its account were delivered."}
    foreign = {r["currency_original"] for r in ads} - {day.currency}
    note = "No campaign of it is among the settings of its account."
    if not ads:
        note = "No ad of it was delivered lately, so its campaign cannot be named."
    elif foreign:
        note = f"Its account is in {', '.join(sorted(foreign))}, and such settings are not compared."
    elif any(len(day.ads.campaigns_named[r["platform"], r["account_id"], r["campaign_name"]]) > 1 for r in ads):
        note = "Several campaigns of its account have its name, so none can be told from the others."
    campaigns = {(r["platform"], r["account_id"], r["campaign_id"]) for r in ads}
    since = day.on
    for d in sorted((d for d in readings.accounts if d <= day.on), reverse=True):
        if campaigns & {e[:3] for e in readings.on[d]}:
            break
        since = d
    is_set: Decimal | None = ZERO
    if day.spend.get(line["line_id"]):
        is_set, note = None, f"{note} It spent all the same, so the export leaves it out: what it has is not known."
    return nothing | {"state": "unknown_to_platform", "set_budget": is_set, "since": since, "note": note}


def _judged_by(day: Day, readings: Readings, line: Row, row: Row) -> Row:
    """Difference, bids, and how the day's spend lies to both; a line whose bids alone differ is partly applied."""
    released, is_set, spend = line["budget"], row["set_budget"], day.spend.get(line["line_id"])
    difference = None if is_set is None else is_set - released
    ad_sets = {(r["campaign_id"], r["ad_group_id"]) for r in day.ads.of_line[line["line_id"]]}
    caps = {e[2:]: r["bid_limit"] for e, r in readings.on[day.on].items()
            if e[2:] in ad_sets and e[2:] in day.bids and r["bid_limit"] is not None}
    differ = sum(cap != day.bids[key] for key, cap in caps.items())
    partly = differ and not difference
    return {
        "state": "partly_applied" if partly else row["state"],
        "difference": difference,
        "difference_share": float(difference / released) if difference is not None and released else None,
        "bids_compared": len(caps),
        "bids_differ": differ,
        "note": " ".join(filter(None, (row["note"], f"{differ} of {len(caps)} bid caps is not the released bid."
                                       if differ else ""))),
        "spend": spend,
        "spend_follows_setting": abs(spend - is_set) < abs(spend - released) if difference and spend is not None
                                 else None,
    }  # fmt: skip
