"""Draws of all lines' curves from their posterior: for whoever must say how sure a number is.

A draw is one world that the data allow, all lines together: what a channel's lines share moves as one in it. Draw 0 of
one table belongs to draw 0 of every line, so amounts over lines are summed within a draw and compared across them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from decisions.fitting import Fitted
from decisions.fitting.simple import curves_of

FloatArray = NDArray[np.float64]

COUNT = 200
"Draws kept a night: the probability of one event in them is known to within 0.035 (one standard error at 0.5)."
SEED = 42


@dataclass(frozen=True, eq=False)
class Draws:
    """Curves of n lines in K draws: `a·s / (s + k)` of each, as `decisions.curves.Curves` of the mode."""

    line_ids: tuple[str, ...]
    a: FloatArray  # (K, n) outcome a day at unlimited spend
    k: FloatArray  # (K, n) spend a day that returns half of it

    def value(self, spend: ArrayLike) -> FloatArray:
        """Expected outcome (K, n) of an average day at `spend` (n,), or (…, K, n) at (…, 1, n)."""
        s = np.asarray(spend, dtype=np.float64)
        return np.asarray(self.a * s / (s + self.k))

    def of(self, line_ids: list[str]) -> Draws:
        """The draws of these lines, in their order. Raises ValueError where a line has none."""
        at = {line: i for i, line in enumerate(self.line_ids)}
        if missing := [line for line in line_ids if line not in at]:
            raise ValueError(f"no posterior draws of {', '.join(missing)}: run the job `curves` again")
        order = [at[line] for line in line_ids]
        return Draws(tuple(line_ids), self.a[:, order], self.k[:, order])


def draws(fitted: Fitted, count: int = COUNT, seed: int = SEED) -> Draws:
    """Draws from the posterior of curves fitted as `SIMPLE`; the same inputs give the same draws."""
    a, k = curves_of(fitted, fitted.draws(count, seed))
    return Draws(fitted.line_ids, a, k)


def as_table(drawn: Draws) -> pa.Table:
    """Rows of out.curve_draw__line."""
    count, n = drawn.a.shape
    return pa.table({
        "line_id": np.tile(np.array(drawn.line_ids, dtype=object), count).tolist(),
        "draw": np.repeat(np.arange(count), n),
        "ceiling": drawn.a.ravel(),
        "half_saturation": drawn.k.ravel(),
    })


def from_table(table: pa.Table) -> Draws:
    """The draws of out.curve_draw__line. Raises ValueError on a draw that is missing or is not a number above 0, and on
    a line that is the same in all draws, as if it were known exactly."""
    lines = sorted(set(table.column("line_id").to_pylist()))
    ordered = table.sort_by([("draw", "ascending"), ("line_id", "ascending")])
    draw, of = ordered.column("draw").to_numpy(), ordered.column("line_id").to_pylist()
    count = len(set(draw.tolist()))
    if not lines or of != lines * count or (draw.reshape(count, -1) != draw[:: len(lines), None]).any():
        raise ValueError(f"posterior draws: {table.num_rows} rows do not fit {len(lines)} lines: run `curves` again")
    a, k = (ordered.column(name).to_numpy().reshape(-1, len(lines)) for name in ("ceiling", "half_saturation"))
    bad = ~(np.isfinite(a) & np.isfinite(k) & (a >= 0) & (k > 0))
    if bad.any():
        line = lines[int(np.flatnonzero(bad.any(axis=0))[0])]
        raise ValueError(f"posterior draws of line {line!r} have a number that is missing or out of range: "
                         "run the job `curves` again")
    same = (np.ptp(a, axis=0) == 0) & (np.ptp(k, axis=0) == 0)
    if count > 1 and same.any():
        raise ValueError(f"posterior draws of line {lines[int(np.flatnonzero(same)[0])]!r} are all the same, as if it "
                         f"were known exactly ({int(same.sum())} such lines): run the job `curves` again")
    return Draws(tuple(lines), a, k)
