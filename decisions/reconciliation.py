"""Three counts of the same sales: what the night's curve expected, what the platform reports, what the shop sold.

The platform beside the shop, and what their difference is made of, is the mart `marts.reconciliation__line_day`. Here
the model's count joins it: the night's curve at what the line really spent that day, times the demand that the night
before had foreseen. A curve learns from what the platform reports, so it is to be compared with the platform.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from decisions.curves import Curves

NO_LINE = "no_line"
"""The line of the orders that no line can be given."""
CLASSES = ("other_day", "cancelled", "late_click", "view_through", "duplicate", "missing_tag", "other_origin",
           "not_told_apart")
"""What the difference of platform and shop is made of: each is a pair of columns, `_orders` and `_value`."""

LineDay = tuple[str, date]


@dataclass(frozen=True)
class Model:
    """What the model knows of past days. `curves` are of `lines`, in their order."""

    lines: tuple[str, ...]
    curves: Curves
    demand: Mapping[LineDay, float]  # what the night before each day expected of it, beside an average day
    share_known: Mapping[tuple[str, int], float]  # by platform, or `several`, and age in days


def expected(model: Model, spends: Mapping[LineDay, float]) -> dict[LineDay, float]:
    """Outcome that the curves expect of each line-day's spend; line-days without a curve are left out."""
    at = {line: i for i, line in enumerate(model.lines)}
    known = [key for key in spends if key[0] in at]
    index, spend = np.array([at[line] for line, _ in known], dtype=int), np.array([spends[key] for key in known])
    value = model.curves.a[index] * spend / (spend + model.curves.k[index])
    return {key: float(v) * model.demand.get(key, 1.0) for key, v in zip(known, value, strict=True)}


def beside(
    counts: Iterable[Mapping[str, Any]], spends: Mapping[LineDay, Any], model: Model, objective: str, night: date
) -> list[dict[str, Any]]:
    """Rows of out.reconciliation__line_day: the mart's `counts`, each with what the model expected of it."""
    expectation = expected(model, {key: float(spend) for key, spend in spends.items()})
    rows = []
    for row in counts:
        key = row["line_id"], row["business_date"]
        reported = row["platform_value" if objective == "conversion_value" else "platform_conversions"]
        age = (night - row["business_date"]).days
        share = None if reported is None else model.share_known.get((row["platform"], age), 1.0)
        found = expectation.get(key)
        rows.append({
            **row,
            "spend": spends.get(key),
            "objective": objective,
            "expected": found,
            "expected_so_far": None if found is None or share is None else found * share,
            "share_known": share,
            "demand_factor": model.demand.get(key),
        })
    return rows
