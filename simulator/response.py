"""How spend becomes conversions: an auction, a finite audience, and awareness that carries over.

Spend buys impressions in second-price auctions against a lognormal market price, so each further impression
costs more than the last. Impressions beyond what the audience can take in bring no clicks. Reach leaves
awareness, which decays geometrically and lifts the conversion rate. No Hill or power curve is in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from simulator import world as w
from simulator.catalog import line_list
from simulator.mechanisms import mechanisms_of, people, shared
from simulator.world import World, stream

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Curves:
    """Parameters of the lines' response, one array entry a line."""

    usual_spend: Array  # USD a day
    auctions: Array  # impressions on offer a day
    mean_price: Array  # USD an impression
    price_spread: Array
    audience: Array  # impressions a day that the audience can take in
    click_rate: Array  # of an impression that is taken in
    conversion_rate: Array  # of a click by strangers
    order_value: Array  # USD
    weekend: Array

    def line(self, index: int) -> "Curves":
        """The parameters of one line, to be broadcast over an array of spends."""
        return Curves(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Response:
    """Expected results; conversions and value are credited to the day of the click."""

    impressions: Array
    clicks: Array
    conversions: Array
    value: Array  # USD
    reach: Array  # share of the audience, 0 to 1


@lru_cache(maxsize=8)
def curves(world: World) -> Curves:
    """The lines' parameters, set so that each line shows its kind's numbers at its usual budget."""
    lines = line_list(world)

    def of(value: Callable[..., float]) -> Array:
        return np.array([value(line) for line in lines], dtype=float)

    usual = of(lambda line: line.kind.share * line.region.share)
    usual = usual / usual.sum() * world.daily_budget
    m = mechanisms_of(world)
    spread = np.exp(m.line_spread * stream(world, "lines").standard_normal((3, len(lines))))
    room = np.exp(m.room_spread * stream(world, "room").standard_normal((2, len(lines))))
    click_rate = of(lambda line: line.kind.ctr)
    load = of(lambda line: line.kind.load * line.region.load) * m.load * room[0]
    fatigue = of(lambda line: line.kind.fatigue * line.region.fatigue) * m.fatigue * room[1]
    price_spread = of(lambda line: line.kind.price_spread)
    impressions = usual / (of(lambda line: line.kind.cpc) * spread[0] * click_rate)
    auctions = impressions / won_share(load, price_spread)
    reach = taken_in(fatigue, shared(world) @ fatigue)
    shown_rate = of(lambda line: line.kind.cvr * line.region.cvr)
    return Curves(
        usual_spend=usual,
        auctions=auctions,
        mean_price=usual / load / auctions,
        price_spread=price_spread,
        audience=impressions / fatigue,
        click_rate=click_rate * fatigue / reach,
        conversion_rate=shown_rate * spread[1] / (1 + w.AWARENESS_LIFT * reach),
        order_value=of(lambda line: line.kind.order_value) * spread[2],
        weekend=of(lambda line: line.kind.weekend),
    )


def won_share(load: Array, price_spread: Array) -> Array:
    """Share of auctions won by spending `load` times the price of the whole market.

    With log prices normal, the auctions below a bid are a share N(z) of their number and N(z - sigma) of
    their cost; the own pressure raises every price.
    """
    return np.asarray(ndtr(ndtri(load / (1 + w.OWN_PRESSURE * load)) + price_spread))


def taken_in(own: Array, others: Array | float) -> Array:
    """Share of the audience reached by `own` exposures a head, where `others` ask for the same attention.

    A head takes in 1 - exp(-exposures), and each advertisement its share of that.
    """
    every = own + others
    part = np.divide(own, every, out=np.ones(np.shape(every)), where=every > 0)
    return np.asarray(part * (1 - np.exp(-every)))


def shown(c: Curves, spend: Array, demand: Array, price: Array, people: Array | float = 1.0) -> Array:
    """Impressions that a day's spend (USD) wins."""
    auctions = c.auctions * demand * people
    return np.asarray(auctions * won_share(spend / (auctions * c.mean_price * price), c.price_spread))


def respond(
    c: Curves,
    spend: Array,
    demand: Array,
    price: Array,
    carried: Array | None,
    people: Array | float = 1.0,
    others: Array | float = 0.0,
) -> Response:
    """Expected results of one day's spend (USD). Without `carried`, spend was the same on all days before."""
    impressions = shown(c, spend, demand, price, people)
    reach = taken_in(impressions / (c.audience * people), others)
    before = reach if carried is None else carried
    awareness = w.AWARENESS_MEMORY * before + (1 - w.AWARENESS_MEMORY) * reach
    clicks = c.click_rate * (c.audience * people) * reach
    conversions = clicks * c.conversion_rate * demand**w.DEMAND_TO_RATE * (1 + w.AWARENESS_LIFT * awareness)
    return Response(impressions, clicks, conversions, conversions * c.order_value, reach)


def usual_response(world: World) -> Response:
    """Expected results of a day with the usual budgets, demand and prices."""
    return steady_response(world, curves(world).usual_spend)


def steady_response(world: World, spend: Array, demand: Array | float = 1.0, price: Array | float = 1.0) -> Response:
    """Expected results a day of holding a split (…, lines) in USD, all lines together, under lasting conditions."""
    c = curves(world)
    demand, price = (np.broadcast_to(value, spend.shape) for value in (demand, price))
    visitors = np.ones(spend.shape)
    # lines that give awareness to others get none themselves, so that the second round is exact
    for _ in range(2):
        exposures = shown(c, spend, demand, price, visitors) / (c.audience * visitors)
        others = exposures @ shared(world).T
        visitors = people(world, taken_in(exposures, others), usual_reach(world))
    exposures = shown(c, spend, demand, price, visitors) / (c.audience * visitors)
    return respond(c, spend, demand, price, None, visitors, exposures @ shared(world).T)


@lru_cache(maxsize=8)
def usual_reach(world: World) -> Array:
    """Reach of each line at its usual budget."""
    c = curves(world)
    one = np.ones(len(c.usual_spend))
    exposures = shown(c, c.usual_spend, one, one) / c.audience
    return taken_in(exposures, shared(world) @ exposures)
