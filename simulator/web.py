"""The site's events: sessions from ad clicks, from search and from habit, some of which end in an order.

How long people stay follows how ready they are to buy, ad by ad and day by day, so traffic tells about
conversion before the conversions have arrived.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulator import world as w
from simulator.catalog import cells
from simulator.clicks import click_day, draw_customers
from simulator.files import write_parquet
from simulator.market import market, usual_response
from simulator.orders import SOURCES, email_of, orders_of_day
from simulator.world import World, stream

MEDIUMS = {"google_ads": "cpc", "meta_ads": "paid_social"}
REFERRERS = ("https://www.google.com/", "https://www.facebook.com/", "https://duckduckgo.com/")
NAMES = ("page_view", "form_submit", "add_to_cart", "purchase")
VIEW, FORM, CART, PURCHASE = range(4)
PRODUCTS = 200
PAGES = ("/", "/landing", "/signup", "/cart", "/checkout/thank-you", *(f"/products/{n}" for n in range(1, PRODUCTS + 1)))
HOME, LANDING, SIGN_UP, BASKET, THANKS, PRODUCT = range(6)
ORGANIC, DIRECT = -1, -2  # cells of sessions without an ad
USUAL_RATE = 0.035  # conversions a click at which people stay as long as anywhere
SECOND = 1_000_000


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions of one account day, one array entry each."""

    at: np.ndarray  # microseconds since 1970 UTC: of the order if there is one, else of the first event
    cell: np.ndarray
    visitor: np.ndarray
    customer: np.ndarray  # -1 unless known
    logged_in: np.ndarray
    readiness: np.ndarray  # log conversion rate, relative to the usual
    order: np.ndarray  # index into the day's orders; -1 without
    stays: np.ndarray  # never bounces


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one account day, in no order."""

    at: np.ndarray
    session: np.ndarray
    number: np.ndarray
    name: np.ndarray
    page: np.ndarray
    first: np.ndarray  # opens its session
    late: np.ndarray
    repeated: np.ndarray


def tagged_share(world: World) -> float:
    """Sessions per ad click: the share that the site's tag sees, above 1 in a world of more events than clicks."""
    return float(world.events_per_day / (w.EVENTS_PER_CLICK * usual_response(world).clicks.sum()))


def sessions_of_day(world: World, day: int) -> Sessions:
    """Visits without an order first, then early clicks of later buyers, then the day's orders."""
    rng, share, clicks = stream(world, "sessions", day), tagged_share(world), click_day(world, day)
    buyers = np.flatnonzero((clicks.seen < share) & (clicks.lag > 0))
    orders = orders_of_day(world, day)
    bought = np.flatnonzero(orders.seen < share)

    only_look = clicks.clicks - np.bincount(clicks.cell, minlength=len(clicks.clicks))
    organic = usual_response(world).clicks * w.ORGANIC_SESSIONS * market(world).day(day).demand
    unpaid = rng.poisson(share * organic.sum())
    looks = np.repeat(np.arange(len(only_look)), rng.poisson(share * only_look))
    # a buyer who came by an ad days ago types the address; who never did may have searched
    direct = rng.random(len(bought)) < 0.5
    last = np.where(orders.lag[bought] > 0, DIRECT, orders.cell[bought])
    last = np.where((last == -1) & direct, DIRECT, last)
    cell = np.concatenate([looks, rng.choice([ORGANIC, DIRECT], unpaid, p=[0.6, 0.4]), clicks.cell[buyers], last])

    visits = len(looks) + unpaid
    known = np.where(rng.random(visits) < 0.3, draw_customers(world, rng, np.full(visits, 0.5)), -1)
    customer = np.concatenate([known, clicks.customer[buyers], orders.customer[bought]])
    second = np.zeros(len(cell), dtype=bool)
    second[visits + len(buyers) :] = orders.second_device[bought] & (orders.lag[bought] > 0)
    own = stream(world, "visitors").integers(0, 2**63, (2, w.CUSTOMERS))
    visitor = np.where(customer >= 0, own[second.astype(int), customer], rng.integers(0, 2**63, len(cell)))

    chance = np.concatenate([clicks.conversion_rate, [USUAL_RATE * 1.6, USUAL_RATE * 1.2]])  # -1 organic, -2 direct
    at = w.account_midnight(world, day) + w.time_of_day(rng, len(cell))
    at[visits + len(buyers) :] = orders.ordered_at[bought]
    order = np.full(len(cell), -1)
    order[visits + len(buyers) :] = bought
    return Sessions(
        at=at,
        cell=cell,
        visitor=visitor,
        customer=customer,
        logged_in=(customer >= 0) & (rng.random(len(cell)) < np.where(order >= 0, 0.6, 0.2)),
        readiness=np.clip(np.log(np.maximum(chance[cell], 1e-4) / USUAL_RATE), -2, 2),
        order=order,
        stays=np.arange(len(cell)) >= visits,
    )


@lru_cache(maxsize=4)
def events_of_day(world: World, day: int) -> tuple[Sessions, Events]:
    """The day's sessions and, event by event, what happened in them."""
    rng, s = stream(world, "events", day), sessions_of_day(world, day)
    count, buys = len(s.at), s.order >= 0
    bounces = (rng.random(count) < 1 / (1 + np.exp(0.7 * s.readiness - 0.3))) & ~s.stays
    views = np.where(bounces, 1, 1 + rng.geometric(1 / (1 + 0.8 * np.exp(0.4 * s.readiness)), count))
    form = ~bounces & (rng.random(count) < 0.04)
    cart = buys | (~bounces & (rng.random(count) < 0.12 * np.exp(0.5 * s.readiness)))
    length = views + form + cart + buys

    session = np.repeat(np.arange(count), length)
    opening = np.cumsum(length) - length
    position = np.arange(len(session)) - opening[session]
    left = length[session] - 1 - position  # events still to come
    name = np.full(len(session), VIEW)
    name[(position == views[session]) & form[session]] = FORM
    name[(left == buys[session]) & cart[session]] = CART
    name[(left == 0) & buys[session]] = PURCHASE

    page = PRODUCT + rng.integers(0, PRODUCTS, len(session))
    arrives = np.where(s.cell >= 0, LANDING, HOME)[session]
    page = np.where((position == 0) & (rng.random(len(session)) < 0.6), arrives, page)
    page = np.choose(name, [page, SIGN_UP, BASKET, THANKS])

    # well under the half hour that ends a session by custom
    gap = np.minimum(rng.exponential(40, len(session)), 600) * SECOND * (position > 0)
    passed = np.cumsum(gap.astype(np.int64))
    since = passed - passed[opening][session]
    at = s.at[session] + since - np.where(buys[session], since[opening + length - 1][session], 0)
    draw = rng.random((2, len(session)))
    late, repeated = draw[0] < w.LATE_EVENTS, draw[1] < w.REPEATED_EVENTS
    return s, Events(at, session, np.arange(len(session)), name, page, position == 0, late, repeated)


def write_events(world: World, day: int, folder: Path) -> None:
    """Write what the site hands over in the night of a UTC day: its events, and late ones of the day before."""
    start, end, before = w.utc_midnight(world, day), w.utc_midnight(world, day + 1), w.utc_midnight(world, day - 1)
    parts = []
    for number in range(day - 2, day + 1):  # an account day lies in two UTC days
        sessions, events = events_of_day(world, number)
        today = (events.at >= start) & (events.at < end) & ~events.late
        late = (events.at >= before) & (events.at < start) & events.late & (day > 0)
        rows = np.flatnonzero(today | late)
        rows = np.concatenate([rows, rows[events.repeated[rows]]])
        parts.append(_table(world, number, sessions, events, rows))
    table = pa.concat_tables(parts)
    write_parquet(folder / "web_events.parquet", table.sort_by([("occurred_at", "ascending"), ("event_id", "ascending")]))


def _table(world: World, day: int, s: Sessions, e: Events, rows: np.ndarray) -> pa.Table:
    """Some of a day's events as they are delivered."""
    c, orders, session = cells(world), orders_of_day(world, day), e.session[rows]
    cell, name = s.cell[session], e.name[rows]
    paid, opens, buys = cell >= 0, e.first[rows], name == PURCHASE
    prefix = f"{w.date_of(world, day):%Y%m%d}"
    source = np.where(paid, (c.platform == "meta_ads")[cell].astype(int), np.where(cell == ORGANIC, 2 * (rows % 5 == 0), -1))
    mail = (s.customer[session] >= 0) & (s.logged_in[session] | buys)
    emails = pa.array([email_of(customer) if customer >= 0 else None for customer in s.customer.tolist()], pa.string())
    visitors = pa.array([f"{visitor:016x}" for visitor in s.visitor.tolist()])
    return pa.table(
        {
            "event_id": pa.array([f"{prefix}-{number:07d}" for number in e.number[rows].tolist()], pa.string()),
            "occurred_at": pa.array(e.at[rows], pa.timestamp("us", tz="UTC")),
            "visitor_id": visitors.take(pa.array(session)),
            "customer_email": _pick(emails, session, mail),
            "event_name": _pick(pa.array(NAMES), name),
            "page_path": _pick(pa.array(PAGES), e.page[rows]),
            "referrer": _pick(pa.array(REFERRERS), source, opens & (source >= 0)),
            "utm_source": _pick(pa.array([SOURCES[platform] for platform in c.platform]), cell, paid),
            "utm_medium": _pick(pa.array([MEDIUMS[platform] for platform in c.platform]), cell, paid),
            "utm_campaign": _pick(pa.array([str(number) for number in c.campaign_id]), cell, paid),
            "utm_content": _pick(pa.array([str(number) for number in c.ad_id]), cell, paid),
            "order_id": _pick(pa.array(orders.order_id.tolist(), pa.string()), s.order[session], buys),
        }
    )


def _pick(values: pa.Array, index: np.ndarray, where: np.ndarray | None = None) -> pa.Array:
    """Values by index; null where `where` says no."""
    return values.take(pa.array(index, mask=None if where is None else ~where))
