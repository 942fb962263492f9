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


@dataclass(frozen=True, eq=False)
class MarketDay:
    """One day of all lines."""

    spend: Array  # USD
    demand: Array  # 1 is usual
    price: Array  # 1 is usual
    carried: Array  # awareness left from the days before, 0 to 1
    response: Response


@lru_cache(maxsize=8)
def curves(world: World) -> Curves:
    """The lines' parameters, set so that each line shows its kind's numbers at its usual budget."""
    lines = line_list(world)

    def of(value: Callable[..., float]) -> Array:
        return np.array([value(line) for line in lines], dtype=float)

    usual = of(lambda line: line.kind.share * line.region.share)
    usual = usual / usual.sum() * world.daily_budget
    spread = np.exp(w.LINE_SPREAD * stream(world, "lines").standard_normal((3, len(lines))))
    click_rate = of(lambda line: line.kind.ctr)
    load = of(lambda line: line.kind.load * line.region.load)
    fatigue = of(lambda line: line.kind.fatigue * line.region.fatigue)
    price_spread = of(lambda line: line.kind.price_spread)
    impressions = usual / (of(lambda line: line.kind.cpc) * spread[0] * click_rate)
    auctions = impressions / won_share(load, price_spread)
    reach = 1 - np.exp(-fatigue)
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


def respond(c: Curves, spend: Array, demand: Array, price: Array, carried: Array | None) -> Response:
    """Expected results of one day's spend (USD). Without `carried`, spend was the same on all days before."""
    auctions = c.auctions * demand
    impressions = auctions * won_share(spend / (auctions * c.mean_price * price), c.price_spread)
    reach = 1 - np.exp(-impressions / c.audience)
    before = reach if carried is None else carried
    awareness = w.AWARENESS_MEMORY * before + (1 - w.AWARENESS_MEMORY) * reach
    clicks = c.click_rate * c.audience * reach
    conversions = clicks * c.conversion_rate * demand**w.DEMAND_TO_RATE * (1 + w.AWARENESS_LIFT * awareness)
    return Response(impressions, clicks, conversions, conversions * c.order_value, reach)


def usual_response(world: World) -> Response:
    """Expected results of a day with the usual budgets, demand and prices."""
    c = curves(world)
    one = np.ones(len(c.usual_spend))
    return respond(c, c.usual_spend, one, one, None)


class Market:
    """The lines' days, rolled forward one by one from the burn-in, so that no day depends on a later one."""

    def __init__(self, world: World) -> None:
        """Start before the burn-in."""
        self.world = world
        self.curves = curves(world)
        self._lines = len(self.curves.usual_spend)
        self._days: list[MarketDay] = []
        self._wander = np.zeros(self._lines)

    def day(self, day: int) -> MarketDay:
        """The market of a day, counted from the world's first; the burn-in is before 0."""
        if day < -w.BURN_IN:
            raise ValueError(f"day {day} is before the burn-in of {w.BURN_IN} days")
        while len(self._days) <= day + w.BURN_IN:
            self._days.append(self._next(len(self._days) - w.BURN_IN))
        return self._days[day + w.BURN_IN]

    def _next(self, day: int) -> MarketDay:
        c, rng = self.curves, stream(self.world, "market", day)
        weekday = w.date_of(self.world, day).weekday()
        jump = (rng.random(self._lines) < w.SHOCK_SHARE) * rng.choice([-1.0, 1.0], self._lines) * w.SHOCK_SIZE
        noise = w.DEMAND_NOISE * rng.standard_normal(self._lines)
        self._wander = w.DEMAND_MEMORY * self._wander + noise + jump
        wave = w.WAVE_SIZE * np.sin(2 * np.pi * day / w.WAVE_DAYS)
        demand = np.exp(w.WEEKDAYS[weekday] + (weekday >= 5) * c.weekend + wave + self._wander)
        price = np.exp(w.PRICE_NOISE * rng.standard_normal(self._lines))
        before = self._days[-1] if self._days else None
        plan = w.PLAN_NOISE * stream(self.world, "plan", day // w.PLAN_DAYS).standard_normal(self._lines)
        noise = w.BUDGET_NOISE * rng.standard_normal(self._lines)
        chased = before.demand**w.CHASE if before else 1.0
        # the mean of a lognormal is above its median by half the variance
        middle = (w.PLAN_NOISE**2 + w.BUDGET_NOISE**2) / 2
        spend = np.round(c.usual_spend * chased * np.exp(plan + noise - middle), 2)
        carried = np.zeros(self._lines)
        if before:
            carried = w.AWARENESS_MEMORY * before.carried + (1 - w.AWARENESS_MEMORY) * before.response.reach
        return MarketDay(spend, demand, price, carried, respond(c, spend, demand, price, carried))


@lru_cache(maxsize=8)
def market(world: World) -> Market:
    """The one market of a world; its days are kept."""
    return Market(world)
