"""What is asked: lines, what they return, and every limit on their money, each with a name that people know.

Money is int64 cents, H days × n lines. A value of one number where (H,) stands counts for every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from decisions.response import Response

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.object_]
MOST = 10**13
"Cents: more than any total. A float counts it exactly, and 100,000 of it fit an int64."


@dataclass(frozen=True)
class Total:
    """What all lines spend together: between `low` and `high` each day (H,), and so much over the horizon.

    Money is spent only where its last unit returns `price` or more (0: anything at all), down to the lows.
    """

    low_cents: ArrayLike
    high_cents: ArrayLike
    horizon_low_cents: int | None = None
    horizon_high_cents: int | None = None
    price: float = 0.0

    @classmethod
    def daily(cls, cents: ArrayLike) -> Total:
        """Exactly so much each day."""
        return cls(cents, cents)

    @classmethod
    def horizon(cls, cents: int, low_cents: ArrayLike = 0, high_cents: ArrayLike = MOST) -> Total:
        """Exactly so much over all days, each day within its pacing bounds."""
        return cls(low_cents, high_cents, cents, cents)

    @classmethod
    def flexible(cls, marginal_return: float, low_cents: ArrayLike = 0, high_cents: ArrayLike = MOST) -> Total:
        """Until one more currency unit returns `marginal_return`, in the unit of the response."""
        return cls(low_cents, high_cents, price=marginal_return)


@dataclass(frozen=True)
class Group:
    """Lines and smaller groups whose spend has limits together; without a parent it lies under the total.

    Floor and cap are cents a day (H,), the horizon's cap cents over all days, shares are of the total or, with
    `share_of="parent"`, of the parent's spend.
    """

    name: str
    lines: Sequence[str] = ()
    parent: str | None = None
    floor_cents: ArrayLike | None = None
    cap_cents: ArrayLike | None = None
    horizon_cap_cents: int | None = None
    share_low: float | None = None
    share_high: float | None = None
    share_of: str = "total"


@dataclass(frozen=True, eq=False)
class Steps:
    """A day's budget lies within `share` of the day before, or within `least_cents` where that is more.

    Over the days of a plan that rule is not convex. Each line keeps the side of it that holds for
    `previous_cents` (n,), what it had yesterday: so every plan keeps the rule. A line that may be switched off
    can always move by its minimum. Bounds come before steps.
    """

    previous_cents: IntArray
    share: float
    least_cents: int


@dataclass(frozen=True)
class Override:
    """A person's floor, cap or (both alike) lock of a line from `first_day` to `last_day` (from 0, inclusive).

    It comes before steps and before the line's minimum, not before its maximum.
    """

    name: str
    line: str
    floor_cents: int | None = None
    cap_cents: int | None = None
    first_day: int = 0
    last_day: int | None = None


@dataclass(frozen=True)
class Risk:
    """What a plan is worth when its outcome differs from draw to draw: one number, to be maximised.

    `mean`: the mean over draws. `var`, value at risk: what all but the worst `level` of draws reach. `cvar`,
    conditional value at risk: the mean of the worst `level` of draws (Rockafellar & Uryasev 2000), never above the
    other two. Smaller levels are more careful; at level 1 `cvar` is the mean.
    """

    measure: Literal["mean", "var", "cvar"] = "mean"
    level: float = 0.1


@dataclass(frozen=True, eq=False)
class Interactions:
    """Halo and cannibalisation: what is spent on one line works in part for another, or against it.

    Line i's curve answers to `s_i + Σ_j shares[i, j] · (s_j - usual_j)` of each day instead of s_i, before carry-over.
    Above 0 is halo, below it cannibalisation. `usual_cents` is what the curves already hold: 0 where they were fitted
    to effective spend, the givers' usual spend where to each line's own. After carry-over effective spend below 0
    counts as 0: a line that others eat up returns nothing, not less than that.
    """

    shares: sparse.csr_array | FloatArray  # (n, n), 0 on the diagonal
    usual_cents: ArrayLike = 0  # (n,)


@dataclass(frozen=True, eq=False)
class Problem:
    """Maximise what `responses` (draws of the same lines) are worth by `risk`, each line's outcome times its weight."""

    names: Sequence[str]
    responses: Sequence[Response]
    lower_cents: ArrayLike  # (H, n) or (n,)
    upper_cents: ArrayLike  # (H, n) or (n,)
    total: Total
    days: int = 1
    groups: Sequence[Group] = ()
    steps: Steps | None = None
    minimum_cents: ArrayLike = 0  # (n,): a line spends nothing, or so much at least
    overrides: Sequence[Override] = ()
    weights: FloatArray | None = None  # (n,)
    status_quo_cents: IntArray | None = field(default=None)  # (H, n): the plan is never worse, if this one is allowed
    risk: Risk = Risk()
    interactions: Interactions | None = None
