"""The world's numbers, all in one place: who advertises where, at what price, to how large an audience.

Amounts are USD, rates are shares (0.02 is 2 %), days are counted from `World.first_day` (day 0).
"""

import zlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np


@dataclass(frozen=True)
class World:
    """What a user may choose. Equal worlds give equal bytes."""

    seed: int = 7
    first_day: date = date(2026, 6, 1)
    events_per_day: int = 33_000  # average web events a day: 30 days are about one million
    google_campaigns: int = 8
    meta_campaigns: int = 6
    daily_budget: float = 12_000.0  # USD, average of all campaigns together
    restatement_days: int = 14  # each delivery covers this many business dates

    def __post_init__(self) -> None:
        """Raise ValueError for a window that the burn-in does not reach back to."""
        if not 1 <= self.restatement_days <= 30:
            raise ValueError(f"restatement_days must be 1 to 30, not {self.restatement_days}")


@dataclass(frozen=True)
class Kind:
    """A kind of campaign, described by what an operator sees at its usual budget."""

    platform: str
    name: str
    channel: str
    share: float  # of the budget, relative to the other kinds
    cpc: float  # USD a click
    ctr: float  # clicks an impression
    cvr: float  # conversions a click
    order_value: float  # USD
    price_spread: float  # sigma of the lognormal market price: wide means cheap auctions run out early
    load: float  # usual spend as a share of the price of the whole market
    fatigue: float  # usual impressions per reachable impression: 2 is an audience seen to excess
    weekend: float  # log change of demand on Saturday and Sunday
    loyal: float  # share of buyers drawn from those who buy often


# Brand and Loyalty show the best averages and are nearly used up; New Collection and Shopping look modest and
# have room. Whoever follows the average moves money the wrong way, whoever follows the margin gains.
# fmt: off
KINDS = (
    # share, cpc, ctr, cvr, order value, price spread, load, fatigue, weekend, loyal
    Kind("google_ads", "Brand Search", "SEARCH", 1.30, 0.95, 0.060, 0.080, 78, 0.70, 0.60, 2.0, -0.10, 0.8),
    Kind("google_ads", "Generic Search", "SEARCH", 1.20, 1.75, 0.032, 0.044, 88, 0.60, 0.15, 0.6, -0.18, 0.3),
    Kind("google_ads", "Shopping", "SHOPPING", 0.90, 0.70, 0.013, 0.030, 74, 0.50, 0.05, 0.3, 0.12, 0.3),
    Kind("google_ads", "Competitor Search", "SEARCH", 0.6, 2.3, 0.021, 0.029, 104, 0.6, 0.2, 0.5, -0.22, 0.1),
    Kind("meta_ads", "New Customers", "", 1.20, 0.95, 0.010, 0.023, 72, 0.80, 0.10, 0.5, 0.10, 0.1),
    Kind("meta_ads", "New Collection", "", 0.70, 0.80, 0.012, 0.032, 84, 0.50, 0.04, 0.2, 0.16, 0.3),
    Kind("meta_ads", "Loyalty", "", 0.90, 0.75, 0.015, 0.042, 82, 0.60, 0.30, 1.8, 0.04, 0.9),
)
# fmt: on


@dataclass(frozen=True)
class Region:
    """A region multiplies its kinds' numbers."""

    name: str
    share: float
    cvr: float
    load: float
    fatigue: float


# The West is the company's home and gets more than it can use; newer regions get too little.
REGIONS = (
    Region("US-West", 1.30, 0.92, 1.7, 1.5),
    Region("US-East", 0.70, 1.10, 0.5, 0.6),
    Region("US-South", 0.90, 1.00, 0.9, 0.9),
    Region("US-Central", 0.80, 0.95, 1.1, 1.0),
    Region("Canada", 0.60, 1.05, 0.7, 0.8),
    Region("United Kingdom", 0.70, 0.98, 1.2, 1.1),
)
LINE_SPREAD = (
    0.06  # log spread of prices and rates between lines of one kind: another seed, another advertiser
)

# Market: how prices, audiences and demand move.
OWN_PRESSURE = 1.2  # the market's price rises by this factor times the own share of it
AWARENESS_MEMORY = 0.75  # what of yesterday's awareness is left: half of it after 2.4 days
AWARENESS_LIFT = 0.45  # conversion rate at full awareness, above that of strangers
WEEKDAYS = (0.06, 0.04, 0.0, -0.02, -0.04, 0.0, 0.04)  # log demand from Monday, before each kind's weekend
WAVE_DAYS, WAVE_SIZE = 45, 0.15  # a slow season, longer than the fitting windows in use
DEMAND_MEMORY, DEMAND_NOISE = 0.7, 0.06  # log demand of a line wanders
SHOCK_SHARE, SHOCK_SIZE = 0.02, 0.40  # of line days; log jump, up or down
PRICE_NOISE = 0.08  # log, competitors' bidding from day to day
DEMAND_TO_RATE = 0.35  # demand brings more searches, and (with this power) readier buyers

# Budgets: planners chase yesterday's demand, which confounds spend with return.
CHASE = 1.0  # power of yesterday's demand in today's budget
BUDGET_NOISE = 0.22  # log, day to day; without it no curve could be told from the demand behind it
PLAN_DAYS, PLAN_NOISE = 9, 0.25  # planners set new levels every few days, log spread
BURN_IN = 40  # days simulated before day 0, so that awareness and demand start in their stride

# Measurement: how platforms count.
ARRIVES_AT_ONCE = {"google_ads": 0.62, "meta_ads": 0.48}  # share of conversions on the day of the click
ARRIVAL_DECAY = {"google_ads": 0.70, "meta_ads": 0.80}  # of the rest, from day to day
INVALID_CLICKS, INVALID_LEFT = 0.04, 0.4  # counted at first; share of them still counted a day later
VANISHING_ROWS, VANISHING_WITHIN = 0.03, 6  # share of small rows removed as invalid traffic; days until then
OWN_CREDIT = 0.7  # data-driven attribution spreads the rest over the campaign's other clicks

# Shop and site.
TIME_ZONE = "America/New_York"  # of both ad accounts; instants elsewhere are UTC
CURRENCY = "USD"
CUSTOMERS = 40_000  # people who may buy; at about 600 orders a day three in ten come again within a month
ORDER_SPREAD, CUSTOMER_SPREAD = 0.45, 0.30  # log spread of order values, within and between customers
ORGANIC_ORDERS = 0.25  # orders without an ad, per order with one
ORGANIC_SESSIONS = 0.35  # sessions without an ad, per ad click
CANCELLED, RETURNED = 0.05, 0.08  # shares of orders
EVENTS_PER_CLICK = 2.9  # measured over 30 days at defaults, organic sessions included
LATE_EVENTS, REPEATED_EVENTS = 0.005, 0.001  # delivered a night later; delivered twice
HOURS = np.array([2, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 8, 9, 8, 6, 4], dtype=float)


def stream(world: World, purpose: str, day: int = 0) -> np.random.Generator:
    """Random numbers of one purpose and day, the same whatever was drawn elsewhere."""
    return np.random.default_rng([world.seed, zlib.crc32(purpose.encode()), day + 100_000])


def date_of(world: World, day: int) -> date:
    """The business date of a day."""
    return world.first_day + timedelta(days=day)


def account_midnight(world: World, day: int) -> int:
    """The start of a business date at the ad accounts, microseconds since 1970 UTC."""
    return _microseconds(date_of(world, day), ZoneInfo(TIME_ZONE))


def utc_midnight(world: World, day: int) -> int:
    """The start of a UTC day, microseconds since 1970 UTC."""
    return _microseconds(date_of(world, day), ZoneInfo("UTC"))


def time_of_day(rng: np.random.Generator, count: int) -> np.ndarray:
    """Microseconds after midnight, drawn by people's waking hours."""
    hours = rng.choice(24, count, p=HOURS / HOURS.sum())
    return ((hours + rng.random(count)) * 3_600_000_000).astype(np.int64)


def _microseconds(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000
