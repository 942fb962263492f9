"""Scenarios: what may happen to the market, each as two factors by day that change the curves in a stated way.

- *demand*: the outcome of the same spend, times the factor: `a` of `a·s/(s+k)` moves. This is what the fit means by
  demand: of the people that the same ads reach, more or fewer want to buy.
- *price*: a click costs that many times as much, so that spend buys what `s/price` bought before: `k` moves to
  `k·price` and `a` stays. Lines near saturation lose less than lines where every click counts, as they should.

Budgets are held in all of them: the scenario says what happens if nobody reacts, which is what makes it worth reading.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe.units import Scenario

FloatArray = NDArray[np.float64]

EXPECTED = Scenario(name="expected", title="As expected")
DEFAULTS = (
    Scenario(name="demand_shock", title="Demand falls by 20 %", demand=-0.20),
    Scenario(name="price_rise", title="Clicks cost 15 % more", price=0.15),
    Scenario(name="competitor_launch", title="A competitor launches for two weeks", demand=-0.10, price=0.20,
             first_day=4, days=14),
)
"""Sizes that an operator has seen before: a bad month, a dear quarter, a launch campaign. A unit states its own."""


def chosen(own: tuple[Scenario, ...] | None) -> tuple[Scenario, ...]:
    """What is expected, and after it the unit's scenarios or the shipped ones."""
    return (EXPECTED, *(DEFAULTS if own is None else own))


def factors(scenario: Scenario, days: int) -> tuple[FloatArray, FloatArray]:
    """Factors of demand and of price on each of `days` days ahead."""
    ahead = np.arange(1, days + 1)
    inside = (ahead >= scenario.first_day) & (ahead < scenario.first_day + scenario.days)
    return np.where(inside, 1 + scenario.demand, 1.0), np.where(inside, 1 + scenario.price, 1.0)
