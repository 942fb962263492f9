"""Google Ads' exports, with the columns that a warehouse sees: one daily report and four histories."""

from pathlib import Path

import numpy as np

from simulator import world as w
from simulator.catalog import CREATED, GOOGLE_ACCOUNT, ads_of, campaign_versions, cells
from simulator.files import decimals, write_csv
from simulator.restated import Known, known
from simulator.world import World, date_of

CHANGED, SYNCED = "14:21:09.102", "05:10:00.000"  # times of day (UTC) of edits, and of the export a day later


def write_google_report(world: World, night: int, folder: Path) -> None:
    """Write `ad_stats.csv`: an ad and device a row, conversions credited in fractions."""
    c, parts = cells(world), list(known(world, "google_ads", night))
    cell = np.concatenate([part.cell for part in parts])
    clicks = np.concatenate([part.clicks for part in parts])
    conversions = np.concatenate([_credited(part.conversions, part, c.line) for part in parts])
    value = np.concatenate([_credited(part.value, part, c.line) for part in parts])
    spend = np.concatenate([part.spend for part in parts])
    group, ad = c.group_id[cell], c.ad_id[cell]
    write_csv(
        folder / "ad_stats.csv",
        {
            "customer_id": GOOGLE_ACCOUNT,
            "date": np.concatenate([np.full(len(part.cell), part.day.isoformat()) for part in parts]),
            "ad_group_id": group,
            "ad_group": [f"customers/{GOOGLE_ACCOUNT}/adGroups/{number}" for number in group],
            "keyword_ad_group_criterion": [
                f"customers/{GOOGLE_ACCOUNT}/adGroupCriteria/{number}~{number % 10**8}" for number in group
            ],
            "ad_network_type": "SEARCH",
            "device": c.device[cell],
            "ad_id": ad,
            "campaign_id": c.campaign_id[cell],
            "clicks": clicks,
            "cost_micros": np.round(spend * 1_000_000).astype(np.int64),
            "impressions": np.concatenate([part.impressions for part in parts]),
            "conversions": np.round(conversions, 6),
            "conversions_value": decimals(value),
            "view_through_conversions": 0,
        },
    )


def write_google_histories(world: World, night: int, folder: Path) -> None:
    """Write the account, campaign, ad group and ad tables of Google Ads."""
    campaigns = campaign_versions(world, "google_ads", night)
    c = cells(world)
    write_csv(
        folder / "account_history.csv",
        {
            "id": [GOOGLE_ACCOUNT], "updated_at": f"{date_of(world, CREATED)} {CHANGED}",
            "_fivetran_synced": f"{date_of(world, night + 1)} {SYNCED}", "auto_tagging_enabled": "TRUE",
            "currency_code": w.CURRENCY, "descriptive_name": "Simulated advertiser", "final_url_suffix": None,
            "hidden": "FALSE", "manager": "FALSE", "manager_customer_id": None, "optimization_score": 0.72,
            "pay_per_conversion_eligibility_failure_reasons": "[]", "test_account": "FALSE",
            "time_zone": w.TIME_ZONE, "tracking_url_template": None,
        },
    )  # fmt: skip
    write_csv(
        folder / "campaign_history.csv",
        {
            "id": [line.campaign_id for _, line, _ in campaigns],
            "updated_at": [f"{date_of(world, day)}T{CHANGED}" for day, _, _ in campaigns],
            "name": [name for _, _, name in campaigns], "customer_id": GOOGLE_ACCOUNT,
            "advertising_channel_type": [line.kind.channel for _, line, _ in campaigns],
            "advertising_channel_subtype": "UNSPECIFIED", "start_date": date_of(world, CREATED),
            "end_date": "2037-12-30", "serving_status": "SERVING", "status": "ENABLED",
            "tracking_url_template": None,
        },
    )  # fmt: skip
    groups = [
        (group, day, line, name, c.group_name[c.group_id == group][0])
        for day, line, name in campaigns
        for group in np.unique(c.group_id[c.campaign_id == line.campaign_id])
    ]
    groups.sort(key=lambda row: row[:2])
    write_csv(
        folder / "ad_group_history.csv",
        {
            "id": [group for group, *_ in groups],
            "updated_at": [f"{date_of(world, day)}T{CHANGED}" for _, day, *_ in groups],
            "type": "SEARCH_STANDARD", "campaign_id": [line.campaign_id for _, _, line, *_ in groups],
            "campaign_name": [name for *_, name, _ in groups],
            "name": [group_name for *_, group_name in groups],
            "status": "ENABLED",
        },
    )  # fmt: skip
    ads = ads_of(world, "google_ads")
    write_csv(
        folder / "ad_history.csv",
        {
            "ad_group_id": c.group_id[ads], "id": c.ad_id[ads], "name": c.ad_name[ads],
            "updated_at": f"{date_of(world, CREATED)}T{CHANGED}", "type": "RESPONSIVE_SEARCH_AD",
            "status": "ENABLED", "display_url": None,
            "final_urls": [f"[https://www.example.com/landing?ad={number}]" for number in c.ad_id[ads]],
        },
    )  # fmt: skip


def _credited(amount: np.ndarray, part: Known, line_of_cell: np.ndarray) -> np.ndarray:
    """Amounts, part of them spread over the campaign's other clicks; the campaign's sum stays."""
    line = line_of_cell[part.cell]
    lines = line_of_cell.max() + 1
    clicks = np.bincount(line, part.clicks, lines)[line]
    spread = np.bincount(line, amount, lines)[line] * part.clicks / np.maximum(clicks, 1)
    return np.where(clicks > 0, w.OWN_CREDIT * amount + (1 - w.OWN_CREDIT) * spread, amount)
