"""Meta's exports, with the columns that a warehouse sees: results, actions and their values, histories."""

import base64
import hashlib
from pathlib import Path

import numpy as np

from simulator.catalog import CREATED, META_ACCOUNT, ads_of, campaign_versions, cells
from simulator.files import write_csv
from simulator.restated import known
from simulator.world import World, date_of, stream

# Meta counts one purchase under several names; whoever adds them up counts it three times
PURCHASE_NAMES = ("purchase", "offsite_conversion.fb_pixel_purchase", "omni_purchase")
CHANGED, SYNCED = "14:21:09", "05:10:00.000"  # times of day (UTC) of edits, and of the export a day later
VIEWED_SHARE = 0.12  # of Meta's purchases credited to a view within a day, the rest to a click within seven


def write_meta_reports(world: World, night: int, folder: Path) -> None:
    """Write `basic_ad.csv`, and its actions and their values in files of their own."""
    c, parts = cells(world), list(known(world, "meta_ads", night))
    ads: list[tuple[object, ...]] = []
    actions: list[tuple[object, ...]] = []
    values: list[tuple[object, ...]] = []
    synced = f"{date_of(world, night + 1)}T{SYNCED}"
    for part in parts:
        # drawn by business date, so that these are restated only as far as clicks and purchases are
        day = (part.day - world.first_day).days
        other = stream(world, "actions", day).random((3, len(c.line)))[:, part.cell]
        seen = np.floor(part.clicks * (0.78 + 0.08 * other[0]))
        carts = np.floor(part.conversions * (2.5 + other[1]))
        leads = np.floor(part.clicks * 0.012 * 2 * other[2])
        for row, cell in enumerate(part.cell):
            ad, bought = c.ad_id[cell], float(part.conversions[row])
            key = base64.b64encode(
                hashlib.sha1(f"{ad} {part.day}".encode(), usedforsecurity=False).digest()
            ).decode()
            clicks, spend = part.clicks[row], f"{part.spend[row]:.2f}"
            ads.append((ad, part.day, META_ACCOUNT, part.impressions[row], clicks, spend))
            counted = {
                "link_click": float(clicks),
                "landing_page_view": float(seen[row]),
                "lead": float(leads[row]),
                "add_to_cart": float(carts[row]),
                **dict.fromkeys(PURCHASE_NAMES, bought),
            }
            present = {name: count for name, count in counted.items() if count}
            viewed = np.floor(bought * VIEWED_SHARE)
            for index, (name, count) in enumerate(present.items()):
                by_view = viewed if name in PURCHASE_NAMES else 0.0
                by_click = count - by_view
                actions.append(
                    (key, ad, part.day, index, by_view or None, by_click, synced, name, None, count)
                )
                if name in PURCHASE_NAMES:
                    amount = part.value[row]
                    clicked = amount * (count - by_view) / count
                    values.append((ad, part.day, key, index, name, f"{amount:.2f}", synced, f"{clicked:.2f}"))
    _write_rows(folder / "basic_ad.csv", "ad_id,date,account_id,impressions,inline_link_clicks,spend", ads)
    _write_rows(
        folder / "basic_ad_actions.csv",
        "_fivetran_id,ad_id,date,index,_1_d_view,_7_d_click,_fivetran_synced,action_type,inline,value",
        actions,
    )
    _write_rows(
        folder / "basic_ad_action_values.csv",
        "ad_id,date,_fivetran_id,index,action_type,value,_fivetran_synced,_7_d_click",
        values,
    )


def write_meta_histories(world: World, night: int, folder: Path) -> None:
    """Write the account, campaign, ad set and ad tables of Meta."""
    campaigns = campaign_versions(world, "meta_ads", night)[::-1]
    c, synced = cells(world), f"{date_of(world, night + 1)}T{SYNCED}"
    created = f"{date_of(world, CREATED)}T{CHANGED}"
    write_csv(
        folder / "account_history.csv",
        {"id": [META_ACCOUNT], "name": "Simulated advertiser", "_fivetran_synced": synced},
    )
    write_csv(
        folder / "campaign_history.csv",
        {
            "id": [line.campaign_id for _, line, _ in campaigns], "account_id": META_ACCOUNT,
            "name": [name for _, _, name in campaigns], "_fivetran_synced": synced,
            "updated_time": [f"{date_of(world, day)}T{CHANGED}" for day, _, _ in campaigns],
        },
    )  # fmt: skip
    ads = ads_of(world, "meta_ads")
    sets, first = np.unique(c.group_id[ads], return_index=True)
    write_csv(
        folder / "ad_set_history.csv",
        {
            "id": sets, "account_id": META_ACCOUNT, "campaign_id": c.campaign_id[ads][first],
            "name": c.group_name[ads][first], "_fivetran_synced": synced,
            "updated_time": created,
        },
    )  # fmt: skip
    write_csv(
        folder / "ad_history.csv",
        {
            "id": c.ad_id[ads], "account_id": META_ACCOUNT, "ad_set_id": c.group_id[ads],
            "campaign_id": c.campaign_id[ads], "creative_id": c.ad_id[ads] + 5, "name": c.ad_name[ads],
            "_fivetran_synced": synced, "updated_time": created,
        },
    )  # fmt: skip


def _write_rows(path: Path, header: str, rows: list[tuple[object, ...]]) -> None:
    names = header.split(",")
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    write_csv(path, dict(zip(names, map(list, columns), strict=True)))
