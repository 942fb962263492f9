"""What each limit costs: outcome per currency unit of room, from the dual, and which limit holds each line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decisions.plan.branch import Search
from decisions.plan.dual import node_prices, step_sums
from decisions.plan.limits import TOTAL
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, TextArray

LEAST = 1e-4
"Prices below this share of the median price of money are the method's rounding."


@dataclass(frozen=True)
class Price:
    """Outcome gained by one currency unit more room in one limit on one day (None: over all days).

    Room is a lower floor or least share, a higher cap. For the total it is one more unit to spend, and a total that
    must be spent though it returns less than its price elsewhere is negative.
    """

    name: str
    subject: str  # the line or group
    day: int | None
    price: float


@dataclass(frozen=True, eq=False)
class Held:
    money_price: FloatArray  # (H, n)
    names: TextArray  # (H, n)


def _bounds(model: Model, found: Search) -> tuple[FloatArray, FloatArray]:
    """Prices of lines' own bounds, and what their next unit must return."""
    gradient = found.gradient
    money = node_prices(model, found.prices)[:, model.node]
    left = gradient - money - step_sums(model, found.prices.rise, found.prices.fall)
    return np.where(np.isfinite(left), left, 0.0), money


def binding(model: Model, found: Search) -> Held:
    left, money = _bounds(model, found)
    floor = found.cents <= model.lower
    cap = found.cents >= model.upper
    names = np.where(cap & (~floor | (left > 0)), model.upper_from, np.where(floor, model.lower_from, ""))
    names = np.where((names == "") & (found.cents == 0) & (model.minimum > 0), "off", names)
    names = np.where((names == "") & (found.cents == model.minimum) & (model.minimum > 0), "minimum", names)
    least = LEAST * float(np.median(np.abs(money))) if money.size else 0.0
    stepped = np.zeros(model.shape, dtype=bool)
    stepped[1:] |= (found.prices.rise > least) | (found.prices.fall > least)
    names = np.where((names == "") & stepped, "step", names)
    return Held(money, np.where(names == "", _group_limits(model, found, least)[:, model.node], names).astype(object))


def _group_limits(model: Model, found: Search, least: float) -> TextArray:
    """The nearest limit with a price on each group or one above it (H, G), the total's aside."""
    low, high = found.prices.node_low > least, found.prices.node_high > least
    names = np.where(high, model.node_high_from, np.where(low, model.node_low_from, ""))
    names[:, 0] = ""
    for at in range(1, len(model.groups)):
        names[:, at] = np.where(names[:, at] == "", names[:, model.parent[at]], names[:, at])
    return names


def price_list(model: Model, found: Search) -> list[Price]:
    """All limits with a price, days and groups first, then lines, by name."""
    out, prices = [], found.prices
    left, money = _bounds(model, found)
    least = LEAST * max(float(np.median(np.abs(money))), 1e-300)
    days = model.shape[0]
    for t in range(days):
        for at, group in enumerate(model.groups):
            net = float(prices.node_high[t, at] - prices.node_low[t, at])
            if at == 0 and model.node_low[t, 0] == model.node_high[t, 0]:
                out.append(Price(TOTAL, TOTAL, t, net))
                continue
            if prices.node_high[t, at] > least:
                out.append(Price(model.node_high_from[t, at], group, t, float(prices.node_high[t, at])))
            if prices.node_low[t, at] > least:
                out.append(Price(model.node_low_from[t, at], group, t, float(prices.node_low[t, at])))
    size = len(model.groups)
    for row, price in zip(model.rows, prices.rows, strict=True):
        if abs(price) > least or row.equal:
            over = {int(column) // size for column in row.columns}
            group = model.groups[int(row.columns[0]) % size]
            out.append(Price(row.name, group, over.pop() if len(over) == 1 else None, float(price)))
    for t, line in np.argwhere((found.cents <= model.lower) & (left < -least)):
        out.append(Price(model.lower_from[t, line], model.names[line], int(t), float(-left[t, line])))
    for t, line in np.argwhere((found.cents >= model.upper) & (left > least)):
        out.append(Price(model.upper_from[t, line], model.names[line], int(t), float(left[t, line])))
    steps = prices.rise + prices.fall
    for t, line in np.argwhere(steps > least):
        out.append(Price("step", model.names[line], int(t) + 1, float(steps[t, line])))
    return out
