"""Lift tests by geography: what a real one would report, from the truth and drawn noise.

Half of the places of a line's region spend more or less on the line for some days, the others go on; who is in which
half is drawn. What is counted is the shop's whole revenue in the region, so that a test sees what the line brings to
the others' lines and takes from them, which no attribution does. Both halves are scaled to the whole region.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from simulator import world as w
from simulator.catalog import line_list
from simulator.market import market, step
from simulator.response import curves
from simulator.world import World, date_of, stream

PLACES_NOISE = 0.01  # log: how much two halves of a region differ in a week after matching


@dataclass(frozen=True)
class LiftTest:
    """A test's report; money in USD."""

    line: str  # the campaign's name
    first_day: date
    last_day: date
    spend_test: float  # a day, had the whole region been in the test
    spend_control: float  # a day
    incremental_outcome: float  # value in the test above that in the control, sum of the days, both as a whole region
    standard_error: float  # of that sum

    @property
    def days(self) -> int:
        """Days that the test ran."""
        return (self.last_day - self.first_day) // timedelta(days=1) + 1


def lift_test(world: World, line: int, first: int, days: int, factor: float) -> LiftTest:
    """Test a line (by index) from day `first` on, at `factor` times the planners' budgets; 0 switches it off.

    The effect counts within the test's days: awareness builds up in them, and what is left after them is missed, as in
    a real test without a cool-down. Raises ValueError for a test that changes nothing.
    """
    if days < 1 or factor < 0 or factor == 1:
        raise ValueError("a lift test runs a day or more, at a factor that is not 1 and not below 0")
    spend, value = np.zeros(2), np.zeros((2, len(line_list(world))))
    for arm, times in enumerate((1.0, factor)):
        state = market(world).state(first)
        for day in range(first, first + days):
            budget = market(world).day(day).budget.copy()
            budget[line] *= times
            today, state = step(world, day, market(world).conditions(day), state, budget)
            spend[arm] += today.spend[line]
            value[arm] += today.response.value
    region = [other.region == line_list(world)[line].region for other in line_list(world)]
    orders = value[:, region] * curves(world).order_value[region] * np.exp(w.ORDER_SPREAD**2 + w.CUSTOMER_SPREAD**2)
    # each half holds half of the orders, and doubling it doubles the standard error
    variance = 2 * orders.sum() + 2 * (PLACES_NOISE * value[0, region].sum()) ** 2 * min(7 / days, 1.0)
    noise = stream(world, f"lift {line} {days} {factor}", first).standard_normal()
    se = float(np.sqrt(variance))
    return LiftTest(
        line=line_list(world)[line].name,
        first_day=date_of(world, first),
        last_day=date_of(world, first + days - 1),
        spend_test=float(spend[1] / days),
        spend_control=float(spend[0] / days),
        incremental_outcome=float((value[1] - value[0]).sum() + se * noise),
        standard_error=se,
    )
