"""How much of a day's outcome is reported yet: the chain ladder over the nights' deliveries.

Conversions are reported by date of click and grow for weeks. Each night restates the last days, so the
deliveries themselves show how a day grows with its age. The chain ladder (Mack 1993, Distribution-free
calculation of the standard error of chain ladder reserve estimates) multiplies the growth from each age to
the next, pooled over days.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def share_known(date: ArrayLike, age: ArrayLike, amount: ArrayLike, oldest: int) -> FloatArray:
    """Share of the final outcome that is reported at each age in days: (oldest + 1,), within (0, 1].

    `date` (m,) business date as a day number, `age` (m,) days from it to the delivery, `amount` (m,) the
    outcome delivered; one row a date and age. Ages without a pair of deliveries to compare grow by nothing;
    an age below the first that reports anything counts as its first.
    """
    day, old, value = (np.asarray(v) for v in (date, age, amount))
    table: dict[int, dict[int, float]] = {}
    for d, a, v in zip(day.tolist(), old.tolist(), value.tolist(), strict=True):
        table.setdefault(int(a), {})[int(d)] = float(v)
    known = np.ones(oldest + 1)
    for a in range(oldest - 1, -1, -1):
        both = table.get(a, {}).keys() & table.get(a + 1, {}).keys()
        earlier = sum(table[a][d] for d in both) if both else 0.0
        later = sum(table[a + 1][d] for d in both) if both else 0.0
        growth = later / earlier if earlier > 0 and later > 0 else 1.0
        known[a] = known[a + 1] / growth
    return np.asarray(np.clip(known, 0.01, 1.0))
