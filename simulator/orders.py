"""The shop's orders: what ads and habit led to, and what became of it afterwards."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator import world as w
from simulator.catalog import cells
from simulator.clicks import click_day, draw_customers, order_values
from simulator.files import decimals, instants, write_csv
from simulator.market import market
from simulator.world import World, stream

DAY = 86_400_000_000  # microseconds
NEVER = np.iinfo(np.int64).max
UPDATE_DAYS = 7  # orders change for so long
FIRST_NAMES = ("ada", "ben", "chloe", "diego", "emma", "felix", "grace", "hugo", "iris", "jonas")
LAST_NAMES = ("adler", "brooks", "chen", "diaz", "evans", "fischer", "garcia", "hall", "ito", "jones")
SOURCES = {"google_ads": "google", "meta_ads": "facebook"}


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders of one account day, one array entry each; instants are microseconds since 1970 UTC."""

    order_id: np.ndarray
    ordered_at: np.ndarray
    changed_at: np.ndarray  # NEVER if the order stands
    changed_to: np.ndarray
    customer: np.ndarray
    value: np.ndarray  # USD
    cell: np.ndarray  # of the ad clicked last; -1 without one
    lag: np.ndarray  # days since that click
    seen: np.ndarray  # uniform, as in `ClickDay`
    second_device: np.ndarray

    def where(self, keep: np.ndarray) -> "Orders":
        """Some of the orders."""
        return Orders(*(column[keep] for column in vars(self).values()))


@lru_cache(maxsize=64)
def orders_of_day(world: World, day: int) -> Orders:
    """All orders that an account day saw, from clicks of the same day or up to the window's days before."""
    rng = stream(world, "orders", day)
    recent = [(lag, click_day(world, day - lag)) for lag in range(world.restatement_days)]
    picked = [(clicks, clicks.lag == lag) for lag, clicks in recent]

    today = market(world).day(day)
    usual = today.response.conversions * w.ORGANIC_ORDERS
    organic = rng.poisson(usual.sum())
    own = draw_customers(world, rng, np.full(organic, 0.6))
    mean = rng.choice(market(world).curves.order_value, organic)

    def both(name: str, rest: np.ndarray) -> np.ndarray:
        return np.concatenate([*(getattr(clicks, name)[rows] for clicks, rows in picked), rest])

    cell = both("cell", np.full(organic, -1))
    count = len(cell)
    ordered_at = w.account_midnight(world, day) + w.time_of_day(rng, count) // 1_000_000 * 1_000_000
    fate, delay = rng.random(count), rng.random(count)
    cancelled, returned = fate < w.CANCELLED, fate > 1 - w.RETURNED
    # people cancel within two days; parcels come back from the third to the seventh
    after = np.where(cancelled, 0.02 + 1.9 * delay, 2.5 + (UPDATE_DAYS - 2.5) * delay) * DAY
    changed_at = np.where(cancelled | returned, ordered_at + after.astype(np.int64), NEVER)
    return Orders(
        order_id=np.array([f"{w.date_of(world, day):%Y%m%d}-{number:05d}" for number in range(count)]),
        ordered_at=ordered_at,
        changed_at=changed_at,
        changed_to=np.where(cancelled, "cancelled", "returned"),
        customer=both("customer", own),
        value=both("value", order_values(world, rng, mean, own)),
        cell=cell,
        lag=both("lag", np.zeros(organic, dtype=np.int64)),
        seen=both("seen", rng.random(organic)),
        second_device=both("second_device", np.zeros(organic, dtype=bool)),
    )


def email_of(customer: int) -> str:
    """A customer's address, in a domain that is reserved for examples."""
    first, last = FIRST_NAMES[customer % 10], LAST_NAMES[customer // 10 % 10]
    return f"{first}.{last}{customer}@example.com"


def write_orders(world: World, day: int, folder: Path) -> None:
    """Write what the shop hands over in the night of a day: its orders (UTC), the past week's changes."""
    start, end = w.utc_midnight(world, day), w.utc_midnight(world, day + 1)
    first = w.utc_midnight(world, max(day - UPDATE_DAYS, 0))
    # an account day lies in two UTC days
    batches = [orders_of_day(world, number) for number in range(max(day - UPDATE_DAYS, 0) - 1, day + 1)]
    found = Orders(*(np.concatenate([vars(batch)[name] for batch in batches]) for name in vars(batches[0])))
    changed = found.changed_at < end
    new = (found.ordered_at >= start) & (found.ordered_at < end)
    updated = (found.ordered_at >= first) & (found.ordered_at < start) & changed & (found.changed_at >= start)
    keep = np.flatnonzero(new | updated)
    updated_at = np.where(changed, found.changed_at, found.ordered_at)[keep]
    status = np.where(changed, found.changed_to, "placed")[keep]
    by_time = np.argsort(updated_at, kind="stable")
    keep, updated_at, status = keep[by_time], updated_at[by_time], status[by_time]
    rows, c = found.where(keep), cells(world)
    write_csv(
        folder / "orders.csv.gz",
        {
            "order_id": rows.order_id,
            "ordered_at": instants(rows.ordered_at),
            "updated_at": instants(updated_at),
            "customer_email": [email_of(customer) for customer in rows.customer.tolist()],
            "status": status,
            "order_value": decimals(rows.value),
            "currency": w.CURRENCY,
            "utm_source": [SOURCES[c.platform[cell]] if cell >= 0 else None for cell in rows.cell.tolist()],
            "utm_campaign": [str(c.campaign_id[cell]) if cell >= 0 else None for cell in rows.cell.tolist()],
        },
    )
