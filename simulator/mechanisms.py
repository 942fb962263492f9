"""What a wider world adds to the market: halo, shared audiences, trend, over-delivery, stronger confounding, shocks.

All of it is mechanism, as in `simulator.market`: awareness of one line brings buyers to another, lines that share an
audience share its attention, platforms spend a budget when there is much to buy. The shipped advertiser, a plain
`World`, has none of it; a `WideWorld` chooses.
"""

import calendar
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from simulator import world as w
from simulator.catalog import line_list
from simulator.world import World, stream

Array = np.ndarray

# Who brings buyers to whom in one region, relative to `Mechanisms.halo`.
HALO = (
    ("Generic Search", "Brand Search", 1.0),
    ("New Customers", "Brand Search", 1.0),
    ("New Customers", "Loyalty", 0.5),
    ("New Collection", "Loyalty", 0.5),
)
# Whose audiences are the same people, in one region.
SHARED = (
    ("Generic Search", "Competitor Search"),
    ("Generic Search", "Shopping"),
    ("New Customers", "New Collection"),
)
# Google may spend twice the daily budget on a day and 30.4 times in a month, Meta 1.75 times and 7 times in a week.
MOST = {"google_ads": 2.0, "meta_ads": 1.75}
TRICKLE = 0.1  # of the daily budget
BUSY_POWER, BUSY_NOISE = 1.5, 0.15  # power of the day's demand in what a platform spends; log noise


@dataclass(frozen=True)
class Mechanisms:
    """How wide a world is; the defaults are the shipped advertiser's."""

    halo: float = 0.0  # buyers that a line's full awareness brings to another, as a share of its strangers
    overlap: float = 0.0  # of an audience, shared with another line
    trend: float = 0.0  # log change of demand in 90 days, standard deviation between lines
    over_delivery: bool = False  # whether platforms spend a budget by the day's demand
    # Power of yesterday's demand in the planners' budgets; read when a world is made, since a benchmark varies it.
    chase: float = field(default_factory=lambda: w.CHASE)
    foresight: float = 0.0  # the same of today's demand, which a planner sees coming and no report shows
    plan_noise: float = w.PLAN_NOISE  # log, the planners' levels
    budget_noise: float = w.BUDGET_NOISE  # log, the planners' days
    shock_share: float = w.SHOCK_SHARE  # of line-days: a jump of the line's demand
    shock_size: float = w.SHOCK_SIZE  # log
    regional_share: float = 0.0  # of region-days: a jump that all lines of the region share
    regional_size: float = 0.4  # log
    rival_share: float = 0.0  # of line-days: a rival starts or ends bidding, prices jump
    rival_size: float = 0.3  # log
    rival_memory: float = 0.95  # of a price jump left on the next day: half of it after two weeks
    line_spread: float = w.LINE_SPREAD  # log spread of prices and rates between lines of one kind
    room_spread: float = 0.0  # log spread of load and fatigue between them: who has room differs by seed
    load: float = 1.0  # factor of the usual spend's share of the market
    fatigue: float = 1.0  # factor of the usual exposures a head: above 1, audiences are tighter


@dataclass(frozen=True)
class WideWorld(World):
    """A world with more mechanisms than the shipped advertiser."""

    mechanisms: Mechanisms = field(default_factory=Mechanisms)


def mechanisms_of(world: World) -> Mechanisms:
    """A world's mechanisms."""
    return world.mechanisms if isinstance(world, WideWorld) else Mechanisms()


@lru_cache(maxsize=8)
def halo(world: World) -> Array:
    """Buyers that each line [column] brings to each other [row] at full awareness, per usual buyer."""
    strength = mechanisms_of(world).halo
    return _pairs(world, {(to, giver): share * strength for giver, to, share in HALO})


@lru_cache(maxsize=8)
def shared(world: World) -> Array:
    """Share of each line's audience [row] that sees another line [column] as well."""
    part = mechanisms_of(world).overlap
    return _pairs(world, {pair: part for a, b in SHARED for pair in ((a, b), (b, a))})


def _pairs(world: World, strength: dict[tuple[str, str], float]) -> Array:
    lines = line_list(world)
    return np.array(
        [
            [strength.get((a.kind.name, b.kind.name), 0.0) * (a.region.name == b.region.name) for b in lines]
            for a in lines
        ]
    )


def people(world: World, carried: Array, usual_reach: Array) -> Array:
    """Buyers around each line for what others' awareness (…, lines) brings; 1 at the lines' usual budgets."""
    matrix = halo(world)
    return np.asarray((1 + carried @ matrix.T) / (1 + matrix @ usual_reach))


@lru_cache(maxsize=8)
def trends(world: World) -> Array:
    """Log change of each line's demand a day."""
    draw = stream(world, "trend").standard_normal(len(line_list(world)))
    return np.asarray(mechanisms_of(world).trend / 90 * draw)


def shared_jumps(world: World, day: int) -> tuple[Array, Array]:
    """Log jumps of a day beyond the lines' own: of demand, by region, and of prices."""
    m, lines = mechanisms_of(world), line_list(world)
    if m.regional_share == m.rival_share == 0:
        return np.zeros(len(lines)), np.zeros(len(lines))
    rng = stream(world, "jumps", day)
    hit = (rng.random(len(w.REGIONS)) < m.regional_share) * rng.choice([-1.0, 1.0], len(w.REGIONS))
    region = [w.REGIONS.index(line.region) for line in lines]
    rival = (rng.random(len(lines)) < m.rival_share) * rng.choice([-1.0, 1.0], len(lines))
    return hit[region] * m.regional_size, rival * m.rival_size


def busy(world: World, day: int, demand: Array) -> Array:
    """What platforms would spend of a budget on a day, 1 is all of it; always 1 without over-delivery."""
    if not mechanisms_of(world).over_delivery:
        return np.ones(len(demand))
    noise = BUSY_NOISE * stream(world, "busy", day).standard_normal(len(demand))
    return np.asarray(demand**BUSY_POWER * np.exp(noise - BUSY_NOISE**2 / 2))


def delivered(world: World, day: int, budget: Array, busy: Array, ahead: Array) -> tuple[Array, Array]:
    """What platforms spend of the budgets (…, lines) in USD, and how far ahead of them they then are.

    A platform follows the day, and spreads what the budgets of its month (Google) or week (Meta) leave over the days to
    come, taking today's budget for theirs. It spends no more than that, nor than its multiple on one day; a line whose
    budget was cut below what is already spent trickles on.
    """
    if not mechanisms_of(world).over_delivery:
        return budget, ahead
    today = w.date_of(world, day)
    month = calendar.monthrange(today.year, today.month)[1]
    google = np.array([line.kind.platform == "google_ads" for line in line_list(world)])
    starts = np.where(google, today.day == 1, today.weekday() == 0)
    left = np.where(google, month - today.day + 1, 7 - today.weekday())
    most = np.where(google, MOST["google_ads"], MOST["meta_ads"])
    ahead = np.where(starts, 0.0, ahead)
    allowed = np.maximum(budget * left - ahead, TRICKLE * budget)
    spend = np.minimum(np.minimum(busy * allowed / left, most * budget), allowed)
    return spend, ahead + spend - budget
