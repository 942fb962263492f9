"""The site's events, session by session.

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
from simulator.files import write_parquet
from simulator.orders import SOURCES, email_of, orders_of_day
from simulator.sessions import ORGANIC, Sessions, sessions_of_day
from simulator.world import World, stream

MEDIUMS = {"google_ads": "cpc", "meta_ads": "paid_social"}
REFERRERS = ("https://www.google.com/", "https://www.facebook.com/", "https://duckduckgo.com/")
NAMES = ("page_view", "form_submit", "add_to_cart", "purchase")
VIEW, FORM, CART, PURCHASE = range(4)
PRODUCTS = 200
PAGES = (
    "/",
    "/landing",
    "/signup",
    "/cart",
    "/checkout/thank-you",
    *(f"/products/{n}" for n in range(1, PRODUCTS + 1)),
)
HOME, LANDING, SIGN_UP, BASKET, THANKS, PRODUCT = range(6)
SECOND = 1_000_000


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one account day, in no order."""

    at: np.ndarray
    session: np.ndarray
    name: np.ndarray
    page: np.ndarray
    first: np.ndarray  # opens its session
    late: np.ndarray
    repeated: np.ndarray


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
    return s, Events(at, session, name, page, position == 0, late, repeated)


def write_events(world: World, day: int, folder: Path) -> None:
    """Write what the site delivers in the night of a UTC day: its events, and late ones of the day before."""
    before, start, end = (w.utc_midnight(world, number) for number in (day - 1, day, day + 1))
    parts = []
    for number in range(day - 2, day + 1):  # an account day lies in two UTC days
        sessions, events = events_of_day(world, number)
        today = (events.at >= start) & (events.at < end) & ~events.late
        late = (events.at >= before) & (events.at < start) & events.late & (day > 0)
        rows = np.flatnonzero(today | late)
        rows = np.concatenate([rows, rows[events.repeated[rows]]])
        parts.append(_table(world, number, sessions, events, rows))
    table = pa.concat_tables(parts).sort_by([("occurred_at", "ascending"), ("event_id", "ascending")])
    write_parquet(folder / "web_events.parquet", table)


def _table(world: World, day: int, s: Sessions, e: Events, rows: np.ndarray) -> pa.Table:
    """Some of a day's events as they are delivered."""
    c, orders, session = cells(world), orders_of_day(world, day), e.session[rows]
    cell, name = s.cell[session], e.name[rows]
    paid, opens, buys = cell >= 0, e.first[rows], name == PURCHASE
    prefix = f"{w.date_of(world, day):%Y%m%d}"
    searched = np.where(session % 5 == 0, 2, 0)
    source = np.where(paid, (c.platform == "meta_ads")[cell], np.where(cell == ORGANIC, searched, -1))
    mail = (s.customer[session] >= 0) & (s.logged_in[session] | buys)
    mails = [email_of(customer) if customer >= 0 else None for customer in s.customer.tolist()]
    emails = pa.array(mails, pa.string())
    visitors = pa.array([f"{visitor:016x}" for visitor in s.visitor.tolist()])
    return pa.table(
        {
            "event_id": pa.array([f"{prefix}-{number:07d}" for number in rows.tolist()], pa.string()),
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
