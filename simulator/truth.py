"""What spend really brings: for tests and benchmarks only, never for the product."""

from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from simulator.catalog import cells, line_list
from simulator.clicks import click_day
from simulator.market import market
from simulator.response import respond
from simulator.world import World, date_of


class Expected(NamedTuple):
    """Expected results of each spend, credited to the day of the click."""

    conversions: np.ndarray
    value: np.ndarray  # USD


def expected_value(
    world: World, campaign_id: int, spend: np.ndarray, day: date, steady: bool = False
) -> Expected:
    """Expected conversions and value of spending `spend` (USD, any shape) on one campaign on `day`.

    Awareness is what the world's own spending left until the day before; with `steady`, what holding `spend`
    would have left, which is the curve to judge a lasting budget by. Effects on later days and on other lines are
    not counted; these spend what they spent.
    """
    index = [line.campaign_id for line in line_list(world)].index(campaign_id)
    today = market(world).day((day - world.first_day).days)
    result = respond(
        market(world).curves.line(index),
        np.asarray(spend, dtype=float),
        today.demand[index],
        today.price[index],
        None if steady else today.carried[index],
        today.people[index],
        today.others[index],
    )
    return Expected(result.conversions, result.value)


def truth_of_day(world: World, day: int) -> pa.Table:
    """One row a campaign: what was spent, expected, and drawn once all conversions have arrived."""
    lines, today, drawn = line_list(world), market(world).day(day), click_day(world, day)
    line_of_cell = cells(world).line

    def by_line(line: np.ndarray, amount: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(line, amount, len(lines))

    converted = line_of_cell[drawn.cell]
    return pa.table(
        {
            "business_date": [date_of(world, day)] * len(lines),
            "platform": [line.kind.platform for line in lines],
            "campaign_id": [line.campaign_id for line in lines],
            "campaign_name": [line.name for line in lines],
            "demand": today.demand,
            "price": today.price,
            "awareness_before": today.carried,
            "spend": today.spend,
            "expected_impressions": today.response.impressions,
            "expected_clicks": today.response.clicks,
            "expected_conversions": today.response.conversions,
            "expected_value": today.response.value,
            "impressions": by_line(line_of_cell, drawn.impressions).astype(np.int64),
            "clicks": by_line(line_of_cell, drawn.clicks).astype(np.int64),
            "conversions": by_line(converted),
            "conversion_value": np.round(by_line(converted, drawn.value), 2),
        }
    )
