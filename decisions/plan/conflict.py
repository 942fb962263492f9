"""What cannot hold together, and the cheapest way out.

Limits with names are rows A x ≤ b over the spend x ≥ 0 of line-days; sums of groups are definitions that always hold.
If no x keeps all rows, then some weights y ≥ 0 prove it: A'y ≥ 0 and b'y < 0 (Farkas). A vertex of those weights has
weight on an irreducible set: without any one of its members the others can hold (Gleeson & Ryan 1990). The least
Σ y makes for few members. A deletion filter over them then goes by the simplex method's feasibility alone, as weights
within its tolerance may stand for nothing. The repair is the least sum of cents by which rows must give way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from decisions.limits import Infeasible as LimitsInfeasible
from decisions.limits import money
from decisions.plan.dual import row_matrix
from decisions.plan.limits import TOTAL
from decisions.plan.model import Model
from decisions.plan.problem import MOST, FloatArray, IntArray, TextArray
from decisions.plan.rounding import members

MANY = 60
"Members up to which each is tried by deletion."
SHOWN = 8
"Members that a text lists."


@dataclass(frozen=True)
class Limit:
    """One limit of a conflict or, in a repair, the change that it needs."""

    name: str
    subject: str  # the line or group
    day: int | None  # None: over all days
    cents: float  # the limit; in a repair by how much it must give way


class Infeasible(LimitsInfeasible):
    """Limits that cannot all hold: an irreducible set of them, and the cheapest repair."""

    def __init__(self, text: str, conflict: Sequence[Limit], repair: Sequence[Limit]) -> None:
        super().__init__(text)
        self.conflict, self.repair = list(conflict), list(repair)


@dataclass(frozen=True, eq=False)
class Rows:
    """All limits as A x ≤ b, in cents."""

    a: sparse.csr_array
    b: FloatArray
    limits: list[Limit]


def rows(model: Model) -> Rows:
    """Every named limit of a model over its line-days, day by day."""
    days, n = model.shape
    eye = sparse.eye_array(days * n, format="csr")
    sums = sparse.block_diag([members(model)] * days, format="csr")
    parts, sides, limits = [], [], []

    def add(matrix: sparse.csr_array, side: NDArray[Any], named: list[Limit]) -> None:
        parts.append(matrix)
        sides.append(np.asarray(side, dtype=np.float64))
        limits.extend(named)

    def bounds(cents: IntArray, sources: TextArray, subjects: list[str], matrix: sparse.csr_array, sign: int) -> None:
        flat, width = cents.ravel(), cents.shape[1]
        at = np.flatnonzero(flat > 0 if sign < 0 else flat < MOST)
        add(
            sign * matrix[at],
            sign * flat[at],
            [
                Limit(_sided(str(sources.flat[i]), sign), subjects[i % width], int(i // width), float(flat[i]))
                for i in at
            ],
        )

    bounds(model.lower, model.lower_from, model.names, eye, -1)
    bounds(model.upper, model.upper_from, model.names, eye, 1)
    bounds(model.node_low, model.node_low_from, model.groups, sums, -1)
    bounds(model.node_high, model.node_high_from, model.groups, sums, 1)
    size = len(model.groups)
    over = row_matrix(model) @ sums if model.rows else None
    for r, row in enumerate(model.rows):
        on = {int(column) // size for column in row.columns}
        group, day = model.groups[int(row.columns[0]) % size], on.pop() if len(on) == 1 else None
        assert over is not None
        add(over[[r]], np.array([row.limit]), [Limit(row.name, group, day, abs(row.limit))])
        if row.equal:
            add(-over[[r]], np.array([-row.limit]), [Limit(row.name, group, day, abs(row.limit))])
    t, line = np.nonzero(model.stepped)
    if t.size:
        before, after = eye[t * n + line], eye[(t + 1) * n + line]
        named = [Limit("step", model.names[i], int(d) + 1, model.reach[i]) for d, i in zip(t, line, strict=True)]
        add(after - sparse.diags_array(model.rise[line]) @ before, model.reach[line], named)
        add(sparse.diags_array(model.fall[line]) @ before - after, model.reach[line], named)
    return Rows(sparse.vstack(parts).tocsr(), np.concatenate(sides), limits)


def _sided(name: str, sign: int) -> str:
    if name != TOTAL:
        return name
    return f"{TOTAL} at least" if sign < 0 else f"{TOTAL} at most"


def feasible(a: sparse.csr_array, b: FloatArray) -> bool:
    """Whether some x ≥ 0 has A x ≤ b."""
    found = linprog(np.zeros(a.shape[1]), A_ub=a, b_ub=b, method="highs-ds")
    return bool(found.status == 0)


def irreducible(a: sparse.csr_array, b: FloatArray) -> np.ndarray:
    """Numbers of rows that cannot hold together though all but any one of them can."""
    scale = max(float(np.abs(b).max()), 1.0)
    found = linprog(np.ones(len(b)), A_ub=-a.T, b_ub=np.zeros(a.shape[1]), A_eq=(b / scale)[None], b_eq=[-1.0],
                    method="highs-ds")  # fmt: skip
    if found.x is None:
        return np.arange(0)
    at = np.flatnonzero(found.x > 1e-9 * found.x.max())
    if at.size > MANY:
        return at
    for one in at:
        rest = at[at != one]
        if rest.size and not feasible(a[rest], b[rest]):
            at = rest
    return at


def repair(a: sparse.csr_array, b: FloatArray) -> FloatArray:
    """By how much each row must give way, at the least sum."""
    m = len(b)
    found = linprog(np.r_[np.zeros(a.shape[1]), np.ones(m)], A_ub=sparse.hstack([a, -sparse.eye_array(m)]).tocsr(),
                    b_ub=b, method="highs")  # fmt: skip
    return np.asarray(found.x[a.shape[1] :])


def explain(model: Model) -> Infeasible:
    """The error for a model that has no plan."""
    all_rows = rows(model)
    conflict = [all_rows.limits[i] for i in irreducible(all_rows.a, all_rows.b)]
    if not conflict:
        what = "a choice of lines that are off or at their minimum" if model.minimum.any() else "whole cents"
        return Infeasible(f"the limits leave room for amounts, but {what} was not found: widen a bound", [], [])
    give = repair(all_rows.a, all_rows.b)
    change = [Limit(x.name, x.subject, x.day, float(np.ceil(by - 1e-6)))
              for x, by in zip(all_rows.limits, give, strict=True) if by > 1e-4]  # fmt: skip
    text = (
        f"these limits cannot all hold: {_words(conflict)}. The cheapest repair, {money(sum(x.cents for x in change))} "
    )
    return Infeasible(text + f"in all: let {_words(change, by=True)}", conflict, change)


def _words(limits: Sequence[Limit], by: bool = False) -> str:
    """Limits in words, days of the same limit together, the largest first."""
    together: dict[tuple[str, str, float], list[int | None]] = defaultdict(list)
    for x in limits:
        together[x.name, x.subject, x.cents].append(x.day)
    texts = []
    for (name, subject, cents), days in sorted(together.items(), key=lambda item: -item[0][2]):
        of = (
            "" if name.endswith(f" of {subject}") or name.startswith((TOTAL, f"cap of {subject}")) else f" of {subject}"
        )
        known = sorted({day + 1 for day in days if day is not None})
        when = "" if not known else f" on day {known[0]}" if len(known) == 1 else f" on days {known[0]} to {known[-1]}"
        amount = f" give way by {money(cents)}" if by else f" {money(cents)}" if cents else ""
        texts.append(f"{name}{of}{when}{amount}" if by else f"{name}{of}{amount}{when}")
    more = f", and {len(texts) - SHOWN:,} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
