"""Files that the platforms' own bulk tools take, so that a live release is applied without typing it.

Google Ads Editor: columns `Account`, `Campaign`, `Campaign daily budget` of its help pages "CSV file columns" (answer
57747) and "Make changes to multiple accounts" (answer 7412706). Meta's bulk import: `Campaign ID`, `Ad Set ID`,
`Campaign Daily Budget`, `Ad Set Daily Budget`, `Bid Amount`, as its exported spreadsheets name them. No account was at
hand to import into: docs/how-to/apply-to-platforms.md.

A line goes into a file only where its budget is the budget of one campaign (or ad set) that can be named; every
other line is told with the reason, and the two parts add up to the release.
"""

import csv
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from io import StringIO
from typing import Any

import pyarrow as pa

from decisions.report.data import ReportData
from decisions.report.files import runs
from decisions.report.schedules import HEADER, by_line

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
IDENTITY = ("line_id", "platform", "account_id", "campaign_id", "campaign_name", "ad_group_id", "segment",
            "currency_original")  # fmt: skip
GOOGLE = ("Account", "Campaign", "Campaign daily budget")
META = ("Campaign ID", "Ad Set ID", "Campaign Daily Budget", "Ad Set Daily Budget")
META_BIDS = ("Campaign ID", "Ad Set ID", "Bid Amount")
TOOLS = {"google_ads": "Google Ads Editor", "meta_ads": "Meta Ads Manager"}
NOT_LIVE = "Upload files are written once these budgets are live, so that nothing else can be applied by mistake."


@dataclass(frozen=True)
class UploadFile:
    """One file. `lines` are those whose budget it sets, `total` their sum; a file of bids sets none."""

    name: str
    label: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    lines: frozenset[str] = frozenset()
    total: Decimal = ZERO
    row: str = "ad set"
    "What a row of a file without lines is."

    def content(self) -> bytes:
        """UTF-8 with one header line; the tools read it, so no cell is altered for a spreadsheet (see `_named`)."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue().encode()


@dataclass(frozen=True)
class Gap:
    """A line whose budget no file sets, and what a person does about it."""

    line_id: str
    line_name: str
    platform: str
    budget: Decimal
    why: str


@dataclass(frozen=True)
class Uploads:
    """The files of a night and what they leave out; both empty where the release is not live."""

    files: list[UploadFile]
    gaps: list[Gap]

    def gap_table(self) -> pa.Table | None:
        return pa.Table.from_pylist([vars(gap) for gap in self.gaps]) if self.gaps else None


class _LeftOut(Exception):
    """Why a line cannot be put into a file."""


def uploads(data: ReportData) -> Uploads:
    """The files of a live release, and the lines that they leave out."""
    if data.status != "live":
        return Uploads([], [])
    lines = sorted(data.budgets.to_pylist(), key=lambda r: r["line_id"])
    ads = Ads(data.ads.to_pylist() if data.ads is not None else [], {r["line_id"] for r in lines})
    rows: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    gaps = []
    for r in lines:
        try:
            rows[r["platform"]][r["line_id"]] = _budget_row(r, ads, data.currency)
        except _LeftOut as why:
            gaps.append(Gap(r["line_id"], r["line_name"], r["platform"], r["budget"], str(why)))
    budget = {r["line_id"]: r["budget"] for r in lines}
    day = data.release["business_date"]
    files = [
        UploadFile(f"{platform}_budgets_{day}.csv", f"{TOOLS[platform]}: budgets for {day}",
                   GOOGLE if platform == "google_ads" else META, sorted(found.values()), frozenset(found),
                   sum((budget[line] for line in found), ZERO))
        for platform, found in sorted(rows.items())
    ]  # fmt: skip
    if bids := meta_bids(data.bids, data.currency, ads):
        files.append(UploadFile(f"meta_ads_bids_{day}.csv", f"Meta Ads Manager: bids for {day}, only for ad sets that "
                                "bid for link clicks with a bid cap", META_BIDS, bids))  # fmt: skip
    if schedules := _google_schedules(data, ads):
        label = f"Google Ads Editor: bid percentages by hour for {day}, which replace the campaigns' ad schedules"
        files.append(UploadFile(f"google_ads_schedules_{day}.csv", label, HEADER, schedules, row="campaign"))
    return Uploads(files, gaps)


class Ads:
    """Which campaigns, ad sets and accounts each line covers, and which lines each campaign feeds."""

    def __init__(self, rows: list[dict[str, Any]], funded: set[str]) -> None:
        self.of_line: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.lines_of: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.campaigns_named: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for r in rows:
            self.of_line[r["line_id"]].append(r)
            if r["line_id"] in funded:
                self.lines_of[r["platform"], r["account_id"], r["campaign_id"]].add(r["line_id"])
                self.lines_of[r["platform"], r["account_id"], "ad set " + r["ad_group_id"]].add(r["line_id"])
            self.campaigns_named[r["platform"], r["account_id"], r["campaign_name"]].add(r["campaign_id"])


def _budget_row(line: dict[str, Any], ads: Ads, currency: str) -> tuple[str, ...]:
    """The line's row in its platform's file. Raises _LeftOut, in words for the person who applies the rest."""
    platform, found = line["platform"], ads.of_line[line["line_id"]]
    if platform not in TOOLS:
        raise _LeftOut(f"No upload file is made for {platform or 'a line without a platform'}: set it by hand.")
    if not found:
        raise _LeftOut("No ad of this line was delivered lately, so its campaign cannot be named: set it by hand.")
    campaigns = {(r["account_id"], r["campaign_id"]) for r in found}
    if len(campaigns) > 1:
        raise _LeftOut(f"It covers {len(campaigns)} campaigns, and {TOOLS[platform]} sets budgets by campaign: "
                       "split it by hand.")
    foreign = {r["currency_original"] for r in found} - {currency}
    if foreign:
        raise _LeftOut(f"Its account is in {', '.join(sorted(foreign))}, the budgets are in {currency}: convert it "
                       "and set it by hand.")
    if line["budget"] < CENT:
        raise _LeftOut("Its budget is 0, which the tool does not take: pause the campaign by hand.")
    row = found[0]
    sharing = ads.lines_of[platform, row["account_id"], row["campaign_id"]]
    if platform == "google_ads":
        if len(sharing) > 1:
            raise _LeftOut(_finer(sharing))
        return row["account_id"], _named(row, ads), f"{line['budget']:.2f}"
    if len(sharing) == 1:
        return row["campaign_id"], "", f"{line['budget']:.2f}", ""
    ad_sets = {r["ad_group_id"] for r in found} - {""}
    if len(ad_sets) != 1 or len(ads.lines_of[platform, row["account_id"], f"ad set {row['ad_group_id']}"]) > 1:
        raise _LeftOut(_finer(sharing))
    return row["campaign_id"], *ad_sets, "", f"{line['budget']:.2f}"


def _finer(sharing: set[str]) -> str:
    return (f"The line is finer than what the platform gives a budget: {len(sharing)} lines share its campaign. Set "
            "the campaign to their sum by hand.")


def _named(row: dict[str, Any], ads: Ads) -> str:
    """The campaign's name, by which Ads Editor finds it: it must mean one campaign, and run as no formula."""
    name = str(row["campaign_name"])
    if len(ads.campaigns_named[row["platform"], row["account_id"], name]) > 1:
        raise _LeftOut(f"Several campaigns of its account are named “{name}”, and Ads Editor goes by the name: give "
                       "them different names, or set it by hand.")
    if runs(name):
        raise _LeftOut(f"The campaign's name “{name}” would run as a formula in a spreadsheet: rename the campaign, "
                       "or set it by hand.")
    return name


def _google_schedules(data: ReportData, ads: Ads) -> list[tuple[str, ...]]:
    """The ad schedule of each campaign that is one line; a line that is finer or coarser has none in the file."""
    found = []
    for line, schedule in by_line(data.multipliers.to_pylist() if data.multipliers is not None else []).items():
        campaigns = {(r["platform"], r["account_id"], r["campaign_id"]): r for r in ads.of_line[line]}
        if len(campaigns) != 1:
            continue
        (key, row), = campaigns.items()
        if key[0] == "google_ads" and ads.lines_of[key] == {line}:
            with suppress(_LeftOut):
                found.append((row["account_id"], _named(row, ads), schedule))
    return sorted(found)


def meta_bids(released: pa.Table, currency: str, ads: Ads) -> list[tuple[str, ...]]:
    """The bid of each Meta ad set, to whole cents and never above the release; left out where segments differ."""
    of_segment = {(r["line_id"], r["segment"]): r["bid"] for r in released.to_pylist()}
    bids: dict[tuple[str, str], set[Decimal | None]] = defaultdict(set)
    for found in ads.of_line.values():
        for r in found:
            if r["platform"] == "meta_ads" and r["ad_group_id"] and r["currency_original"] == currency:
                bids[r["campaign_id"], r["ad_group_id"]].add(of_segment.get((r["line_id"], r["segment"])))
    rounded = {key: found.pop() if len(found) == 1 else None for key, found in bids.items()}
    return [(*key, f"{bid.quantize(CENT, ROUND_DOWN):.2f}") for key, bid in sorted(rounded.items())
            if bid is not None and bid >= CENT]
