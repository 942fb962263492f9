"""Visits to the site: from ad clicks, from search and from habit; some of them end in an order."""

from dataclasses import dataclass

import numpy as np

from simulator import world as w
from simulator.clicks import click_day, draw_customers
from simulator.market import market
from simulator.orders import orders_of_day
from simulator.response import usual_response
from simulator.world import World, stream

ORGANIC, DIRECT = -1, -2  # cells of sessions without an ad
USUAL_RATE = 0.035  # conversions a click at which people stay as long as anywhere


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


def tagged_share(world: World) -> float:
    """Sessions per ad click: the share that the site's tag sees, or more where more events are wanted."""
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
    came = rng.choice([ORGANIC, DIRECT], unpaid, p=[0.6, 0.4])
    cell = np.concatenate([looks, came, clicks.cell[buyers], last])

    visits = len(looks) + unpaid
    known = np.where(rng.random(visits) < 0.3, draw_customers(world, rng, np.full(visits, 0.5)), -1)
    customer = np.concatenate([known, clicks.customer[buyers], orders.customer[bought]])
    second = np.zeros(len(cell), dtype=bool)
    second[visits + len(buyers) :] = orders.second_device[bought] & (orders.lag[bought] > 0)
    own = stream(world, "visitors").integers(0, 2**63, (2, w.CUSTOMERS))
    visitor = np.where(customer >= 0, own[second.astype(int), customer], rng.integers(0, 2**63, len(cell)))

    # negative cells count from the end
    chance = np.concatenate([clicks.conversion_rate, [USUAL_RATE * 1.6, USUAL_RATE * 1.2]])
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
