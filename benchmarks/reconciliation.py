"""How well the differences of platform and shop are told apart, class by class, where the truth is known.

    python -m benchmarks.reconciliation                  # a world of the shipped advertiser's size, 28 days
    python -m benchmarks.reconciliation --days 75        # with a longer history of clicks before them

The core tables of a planted world (benchmarks/reconciliation_world.py) go through the job `marts` in a store of their
own. A table gives, for each class, the truth, what the mart tells, and the error by line and day.
"""

import argparse
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.reconciliation_world import CLASSES, NO_LINE, Plan, Planted, instant, planted
from moe import contracts, frames, jobs, runner, tables
from moe.settings import settings
from moe.units import load_unit
from simulator.world import World, date_of

UNIT, MART, RECONCILED = "advertiser", "marts.reconciliation__line_day", 28


def store(world: World, found: Planted, days: int) -> date:
    """Write a planted world as one night's core tables of the shipped advertiser; gives the night."""
    night = date_of(world, days - 1)
    ads = [
        {"source": r.platform, "account_id": "a", "business_date": r.day, "platform": r.platform, "segment": "s",
         "campaign_id": r.campaign, "campaign_name": r.campaign, "line_id": r.campaign, "line_name": r.campaign,
         "currency": "USD", "conversions": Decimal(r.conversions), "conversion_value": Decimal(r.value) / 100,
         "view_conversions": Decimal(r.view_conversions), "view_conversion_value": Decimal(r.view_value) / 100}
        for r in found.ads.astype(dict.fromkeys(("conversions", "value", "view_conversions", "view_value"), int))
        .itertuples()
    ]  # fmt: skip
    orders = [
        {"order_id": r.order_id, "ordered_at": instant(r.at), "updated_at": instant(r.changed_at), "status": r.status,
         "customer_id": f"c{r.customer}", "order_value": Decimal(r.value) / 100, "currency": "USD",
         "utm_campaign": None if pd.isna(r.campaign) else r.campaign}
        for r in found.orders.itertuples()
    ]  # fmt: skip
    events = [
        {"event_id": r.event_id, "occurred_at": instant(r.at), "visitor_id": f"v{r.visitor}", "event_name": "page_view",
         "customer_id": f"c{int(r.login)}" if r.login >= 0 else None,
         "utm_campaign": None if pd.isna(r.campaign) else r.campaign, "utm_content": None if pd.isna(r.ad) else r.ad,
         "order_id": None if pd.isna(r.order_id) else r.order_id}
        for r in found.events.itertuples()
    ]  # fmt: skip
    covered = [{"source": r["source"], "account_id": "a", "business_date": r["business_date"]} for r in ads]
    covered = [dict(pair) for pair in sorted({tuple(row.items()) for row in covered})]
    for name, rows in (("core.ad_performance__ad_day", ads), ("core.order__order", orders),
                       ("core.web_event__event", events), ("core.coverage__account_day", covered)):
        _put(name, night, rows)
    return night


def _put(name: str, night: date, rows: list[dict[str, Any]]) -> None:
    """Write a partition; columns left out are zero or empty where the contract requires them."""
    terms = contracts.contract(name)
    empty: dict[str, Any] = {"VARCHAR": "", "BIGINT": 0}
    blank = {c.name: empty.get(c.type, Decimal(0)) if c.required else None for c in terms.columns}
    schema = pa.schema([terms.schema.field(c.name) for c in terms.columns])
    written = frames.write(pa.Table.from_pylist([blank | row for row in rows], schema), terms, UNIT, night)
    tables.put_in_place(written.temporary, written.target)


def told(night: date) -> pd.DataFrame:
    """What the mart tells of the night: line, day, class, orders, value in cents."""
    runner.run([jobs.BY_NAME["marts"]], load_unit(UNIT), [night])
    mart = tables.read(MART, UNIT, night).to_pylist()
    return pd.DataFrame([
        {"line": r["line_id"], "day": r["business_date"], "class": name, "orders": float(r[f"{name}_orders"]),
         "value": float(r[f"{name}_value"] * 100)}
        for r in mart for name in CLASSES
    ])  # fmt: skip


def errors(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """By class, over the lines (`no_line` apart): truth and told, the error by line, and by line and day."""
    keys = ["line", "day", "class"]
    both = found.merge(truth, on=keys, how="outer", suffixes=("_told", "_true")).fillna(0)
    both["where"] = both.line.map(lambda line: "no line" if line == NO_LINE else "lines")
    rows = []
    for (where, name), part in both.groupby(["where", "class"]):
        by_line = part.groupby("line")[["orders_told", "orders_true"]].sum()
        rows.append({
            "where": where, "class": name, "orders_true": part.orders_true.sum(), "orders_told": part.orders_told.sum(),
            "value_true": part.value_true.sum() / 100, "value_told": part.value_told.sum() / 100,
            "by_line": (by_line.orders_told - by_line.orders_true).abs().mean(),
            "by_line_day": (part.orders_told - part.orders_true).abs().mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def measure(world: World, days: int, plan: Plan, home: Path) -> pd.DataFrame:
    """The errors in a planted world, in a store under `home`."""
    os.environ["MOE_HOME"] = str(home)
    settings.cache_clear()
    found = planted(world, days, RECONCILED, plan)
    return errors(told(store(world, found, days)), found.truth)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.reconciliation", description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=int, default=60, help="days of the world; the last 28 are reconciled")
    parser.add_argument("--seed", type=int, default=7, help="seed of the world")
    arguments = parser.parse_args()
    with TemporaryDirectory() as home:
        found = measure(World(seed=arguments.seed), arguments.days, Plan(), Path(home))
    shown = Table(title=f"Differences of platform and shop over {RECONCILED} days, {arguments.days} days of clicks")
    for name in ("", "class", "orders: truth", "told", "USD: truth", "told", "error by line", "by line and day"):
        shown.add_column(name, justify="left" if name in ("", "class") else "right")
    for r in found.itertuples():
        if not (r.orders_true or r.orders_told):
            continue
        shown.add_row(r.where, r[2], f"{r.orders_true:,.0f}", f"{r.orders_told:,.0f}", f"{r.value_true:,.0f}",
                      f"{r.value_told:,.0f}", f"{r.by_line:,.1f}", f"{r.by_line_day:,.2f}")
    Console(width=120).print(shown)


if __name__ == "__main__":
    main()
