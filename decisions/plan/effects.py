"""Halo and cannibalisation as arrays: what each line's spend does to the effective spend of the others.

The matrix (n, n) is kept as receivers · givers', with as many columns as it has different rows: a rule between two
groups of lines is one column, however many lines they have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from decisions.plan.problem import FloatArray, IntArray, Interactions

WIDEST = 3_000
"Columns of the dense system that interactions and draws may add to a step of the solver."


@dataclass(frozen=True, eq=False)
class Effects:
    receivers: FloatArray  # (n, r)
    givers: FloatArray  # (n, r)
    shift: FloatArray  # (n,) currency units that curves already hold

    def reached(self, spend: FloatArray) -> FloatArray:
        """Effective spend before carry-over (…, n); below 0 where others take more than a line gets."""
        return np.asarray(spend + (spend @ self.givers) @ self.receivers.T - self.shift)

    def back(self, gradient: FloatArray) -> FloatArray:
        """From slopes by effective spend to slopes by spend (…, n)."""
        return np.asarray(gradient + (gradient @ self.receivers) @ self.givers.T)

    def ends(self, lower: FloatArray, upper: FloatArray, most: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The least and the most effective spend within bounds (H, n) of spend and a total of `most` (H,) a day."""
        give, take = np.maximum(self.givers, 0), np.maximum(self.receivers, 0)
        against, bear = np.maximum(-self.givers, 0), np.maximum(-self.receivers, 0)

        def end(own: FloatArray, other: FloatArray) -> FloatArray:
            more = (own @ give - other @ against) @ take.T + (own @ against - other @ give) @ bear.T
            return np.asarray(own + more - self.shift)

        return np.maximum(end(lower, upper), self._taken(lower, upper, most)), end(upper, lower)

    def _taken(self, lower: FloatArray, upper: FloatArray, most: FloatArray) -> FloatArray:
        """The least effective spend by line, where the day's money goes to who takes most from it."""
        out = np.full(lower.shape, -np.inf)
        room, base = most - lower.sum(axis=1), self.reached(lower)
        for line in np.flatnonzero(self.receivers.any(axis=1)):
            row = self.receivers[line] @ self.givers.T
            first = np.argsort(row, kind="stable")[: int((row < 0).sum())]
            wide = np.cumsum((upper - lower)[:, first], axis=1)
            got = np.diff(np.minimum(wide, room[:, None]), axis=1, prepend=0.0)
            out[:, line] = base[:, line] + got @ row[first]
        return out


def effects(asked: Interactions, order: IntArray, days: int) -> Effects | None:
    """Check and compile for lines in an order; None where nothing acts on anything. Raises ValueError."""
    dense = asked.shares.toarray() if isinstance(asked.shares, sparse.sparray) else asked.shares
    shares = np.array(dense, dtype=np.float64)
    n = len(order)
    if shares.shape != (n, n):
        raise ValueError(f"interactions are of {shares.shape}, the lines {n}: one row and one column a line")
    if not np.isfinite(shares).all() or np.diagonal(shares).any():
        raise ValueError("a share of interactions is missing, or a line acts on itself: leave the diagonal at 0")
    usual = np.broadcast_to(np.asarray(asked.usual_cents, dtype=np.float64), n)
    if not (np.isfinite(usual) & (usual >= 0)).all():
        raise ValueError("the usual spend of interactions must be 0 or more")
    if not shares.any():
        return None
    moved = shares[np.ix_(order, order)]
    rows, which = np.unique(moved, axis=0, return_inverse=True)
    columns, back = np.unique(moved.T, axis=0, return_inverse=True)
    if np.count_nonzero(rows.any(axis=1)) <= np.count_nonzero(columns.any(axis=1)):
        keep = np.flatnonzero(rows.any(axis=1))
        receivers, givers = (which.ravel()[:, None] == keep).astype(np.float64), rows[keep].T
    else:
        keep = np.flatnonzero(columns.any(axis=1))
        receivers, givers = columns[keep].T, (back.ravel()[:, None] == keep).astype(np.float64)
    if 2 * keep.size * days > WIDEST:
        raise ValueError(f"interactions differ between {keep.size} lines over {days} days, more than the solver takes: "
                         "name them by groups of lines")
    shift = moved @ usual[order] / 100
    return Effects(np.ascontiguousarray(receivers), np.ascontiguousarray(givers), shift)
