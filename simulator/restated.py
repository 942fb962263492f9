"""What an ad platform knows of a business date a given number of nights later.

Conversions arrive over the window, invalid clicks are taken back within two days, and small rows found to be
invalid traffic vanish.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from simulator.catalog import cells_of
from simulator.clicks import ClickDay, click_day
from simulator.world import World, date_of


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of one business date; one array entry a reported cell."""

    day: date
    cell: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    spend: np.ndarray  # USD
    conversions: np.ndarray
    value: np.ndarray  # USD


def known(world: World, platform: str, night: int) -> Iterator[Known]:
    """The business dates that a delivery covers, oldest first."""
    for day in range(max(night - world.restatement_days + 1, 0), night + 1):
        yield _known_after(click_day(world, day), date_of(world, day), cells_of(world, platform), night - day)


def _known_after(clicks: ClickDay, day: date, mine: np.ndarray, nights: int) -> Known:
    count = len(clicks.clicks)
    arrived = clicks.lag <= nights
    conversions = np.bincount(clicks.cell[arrived], minlength=count)
    value = np.bincount(clicks.cell[arrived], clicks.value[arrived], count)
    excess = clicks.invalid[nights] if nights < len(clicks.invalid) else np.zeros(count, dtype=np.int64)
    spend = clicks.spend * (1 + excess / np.maximum(clicks.clicks, 1))
    gone = (clicks.vanishes > 0) & (clicks.vanishes <= nights)
    cell = mine[(clicks.impressions[mine] > 0) & ~gone[mine]]
    return Known(
        day=day,
        cell=cell,
        impressions=(clicks.impressions + excess)[cell],
        clicks=(clicks.clicks + excess)[cell],
        spend=np.round(spend, 2)[cell],
        conversions=conversions[cell],
        value=value[cell],
    )
