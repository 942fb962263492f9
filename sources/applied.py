"""What the gate asks of settings read back from the platforms beside their contract: the unit's accounts and money."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from expectations.rules import Check, Rule
from moe import publish, tables
from moe.asof import COVERAGE
from moe.jobs import ADS, Night
from sources.mapping import Mapping, load

SETTINGS = "core.applied_setting__entity_day"
LATELY = 28
"Nights of deliveries before this one in which an account, or a campaign, is looked for."
NAMED = 5
"Campaigns that a message names."


def of_the_unit(mapping: Mapping, night: Night) -> list[Check]:
    """Checks of a delivery of settings that depend on the unit; none for other deliveries."""
    if mapping.fills != SETTINGS:
        return []
    currency = night.unit.currency
    found = [_one_of("currency", [currency], "another currency",
                     f"the release is in {currency}: its budget must be converted and compared by hand")]
    accounts = _accounts(night)
    if accounts:
        found.append(_one_of("account_id", accounts, "account of no ads",
                             "no ad of this account was delivered lately, so it is another advertiser's: export the "
                             f"accounts {', '.join(accounts)}"))
    return found


def _one_of(column: str, allowed: list[str], name: str, remedy: str) -> Check:
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in allowed)
    text = f'cast("{column}" as varchar)'
    rule = Rule(name, (column,), f'"{column}" not in ({listed})', text, remedy)
    return Check("ExpectColumnValuesToBeInSet", {"column": column, "value_set": allowed}, {column: text},
                 f"{column} is one of the unit's: {', '.join(allowed)}", (rule,))


def _accounts(night: Night) -> list[str]:
    """Accounts that delivered ads before this night; none in a unit's first one."""
    of_ads = {source.name for source in night.unit.sources if load(source, night.unit).fills == ADS}
    found: set[str] = set()
    for path in tables.files(COVERAGE, night.unit.unit, night.date - timedelta(days=LATELY), night.before):
        rows = tables.read_file(path).select(["source", "account_id"]).to_pylist()
        found |= {r["account_id"] for r in rows if r["source"] in of_ads}
    return sorted(found)


def strange_campaigns(mapping: Mapping, rows: pa.Table, night: Night) -> tuple[int, str] | None:
    """How many clean settings are of campaigns that no delivered ad belongs to, and which, for a warning.

    They are kept: a campaign made today has no ads yet.
    """
    paths = tables.files(ADS, night.unit.unit, night.date - timedelta(days=LATELY), night.before)
    if mapping.fills != SETTINGS or not paths or not rows.num_rows:
        return None
    with tables.connect() as connection:
        delivered = [_campaigns(path) for path in paths]
        connection.register("ads", pa.concat_tables(delivered, promote_options="default"))
        connection.register("settings", rows)
        found = connection.execute(
            "select coalesce(nullif(campaign_name, ''), campaign_id) as campaign, count(*), "
            "sum(case when paused then 0 else daily_budget end) from settings as s where not exists "
            "(select 1 from ads as a where a.platform = s.platform and "
            "(a.campaign_id = s.campaign_id or a.campaign_name = s.campaign_name)) group by 1 order by 1").fetchall()
    if not found:
        return None
    named = ", ".join(name for name, *_ in found[:NAMED]) + ("…" if len(found) > NAMED else "")
    money = sum(budget or 0 for *_, budget in found)
    return sum(rows for _, rows, _ in found), (
        f"{len(found):,} campaigns are set on the platform that no delivered ad belongs to, with "
        f"{money:,.2f} {night.unit.currency} a day: {named}. No budget line covers them")


def _campaigns(path: Path) -> pa.Table:
    """The campaigns of one night's delivered ads, each once; other columns, which may be many rows, are not read."""
    names = ["platform", "campaign_id", "campaign_name"]
    with pq.ParquetFile(path) as file:
        return file.read(columns=names).group_by(names).aggregate([])


def is_early(mapping: Mapping, night: Night) -> bool:
    """Whether nothing was live yet that people could have applied, so that nobody owes a reading."""
    return mapping.fills == SETTINGS and publish.stood("release", night.unit.unit, night.before) is None
