"""From amounts to whole cents that keep every limit.

Days follow each other, so that each keeps its steps from the cents of the day before; within a day cents go from the
total down the tree, to each group and line the amount below or above its own, where all bounds leave it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from decisions.plan.dual import row_matrix
from decisions.plan.model import Model
from decisions.plan.problem import FloatArray, IntArray
from decisions.plan.tree import Box, narrow_day, node_sums

SMALL = 20_000
"Line-days up to which a search may look for the last cents."


def share_out(total: IntArray, target: FloatArray, low: IntArray, high: IntArray, of: IntArray) -> IntArray:
    """Cents within bounds, near `target`, that add up to `total` of each group; `of` (n,) is ascending.

    The bounds must leave room for the totals.
    """
    cents = np.clip(np.floor(np.clip(target, low, high) + 1e-7), low, high).astype(np.int64)
    fraction = np.clip(target, low, high) - cents

    def missing() -> IntArray:
        gone = total.copy()
        np.subtract.at(gone, of, cents)
        return gone

    for _ in range(4):
        lack = missing()
        if not lack.any():
            return cents
        # First the same share of everybody's room, then single cents, the largest fractions first.
        room = np.where(lack[of] > 0, high - cents, cents - low)
        whole = np.zeros(total.size)
        np.add.at(whole, of, room)
        part = np.divide(np.abs(lack), whole, out=np.zeros(total.size), where=whole > 0)
        many = (np.abs(lack) > np.bincount(of, minlength=total.size))[of]
        move = np.where(many, np.floor(room * np.minimum(part, 1.0)[of] * (1 - 1e-12)), 0).astype(np.int64)
        cents += np.where(lack[of] > 0, move, -move)
        lack = missing()
        room = np.where(lack[of] > 0, high - cents, cents - low) > 0
        first = np.lexsort((np.where(lack[of] > 0, -fraction, fraction), ~room, of))
        starts = np.searchsorted(of, of[first])
        chosen = first[np.arange(of.size) - starts < np.abs(lack)[of[first]]]
        chosen = chosen[room[chosen]]
        cents[chosen] += np.sign(lack[of[chosen]])
    return cents


Level = tuple[IntArray, IntArray, IntArray]


def _levels(model: Model) -> list[Level]:
    """From the total down: the groups and lines right below one depth of groups, and whom they belong to."""
    depth = np.zeros(len(model.groups), dtype=np.int64)
    for at in range(1, depth.size):
        depth[at] = depth[model.parent[at]] + 1
    out = []
    for d in range(int(depth.max()) + 1):
        groups, lines = np.flatnonzero(depth == d + 1), np.flatnonzero(depth[model.node] == d)
        out.append((groups, lines, np.r_[model.parent[groups], model.node[lines]]))
    return out


def _day(model: Model, levels: list[Level], target: FloatArray, box: Box, root: int | None) -> IntArray:
    """One day's cents (n,) near `target`, within a box of that day alone."""
    sums = node_sums(model, target)
    amounts, cents = np.zeros(len(model.groups), dtype=np.int64), np.zeros(len(model.node), dtype=np.int64)
    total = int(np.rint(sums[0])) if root is None else root
    amounts[0] = min(max(total, int(box.node_low[0, 0])), int(box.node_high[0, 0]))
    for groups, lines, of in levels:
        order = np.argsort(of, kind="stable")
        here = np.zeros_like(amounts)
        here[of] = amounts[of]
        part = np.empty(of.size, dtype=np.int64)
        part[order] = share_out(
            here,
            np.r_[sums[groups], target[lines]][order],
            np.r_[box.node_low[0, groups], box.lower[0, lines]][order],
            np.r_[box.node_high[0, groups], box.upper[0, lines]][order],
            of[order],
        )
        amounts[groups], cents[lines] = part[: groups.size], part[groups.size :]
    return cents


def to_cents(model: Model, spend: FloatArray, lower: IntArray, upper: IntArray, search: bool = True) -> IntArray | None:
    """Cents (H, n) near a plan (currency units) within line bounds; None where none was found."""
    target = spend * 100
    days = len(target)
    roots: list[int | None] = [None] * days
    equal = [row for row in model.rows if row.equal]
    if equal:
        sums = target.sum(axis=1)
        low, high = np.maximum(model.node_low[:, 0], 0), np.minimum(model.node_high[:, 0], upper.sum(axis=1))
        shared = share_out(np.array([int(equal[0].limit)]), sums, low, high, np.zeros(days, dtype=np.int64))
        roots = [int(x) for x in shared]
    out, levels = np.zeros(target.shape, dtype=np.int64), _levels(model)
    for t in range(days):
        low, high = lower[t], upper[t]
        if t:
            on = model.stepped[t - 1]
            low = np.where(on, np.maximum(low, np.ceil(model.fall * out[t - 1] - model.reach - 1e-6)), low)
            high = np.where(on, np.minimum(high, np.floor(model.rise * out[t - 1] + model.reach + 1e-6)), high)
        box = narrow_day(model, t, low.astype(np.int64), high.astype(np.int64))
        if box is None:
            break
        out[t] = _day(model, levels, target[t], box, roots[t])
    else:
        if kept(model, out, lower, upper):
            return out
    return _search(model, target, lower, upper) if search and target.size <= SMALL else None


def kept(model: Model, cents: IntArray, lower: IntArray, upper: IntArray) -> bool:
    """Whether a plan of cents keeps every limit, exactly; shares and relative steps to a millionth of a cent."""
    if ((cents < lower) | (cents > upper)).any():
        return False
    if ((cents > 0) & (cents < model.minimum)).any():
        return False
    sums = node_sums(model, cents)
    if ((sums < model.node_low) | (sums > model.node_high)).any():
        return False
    if model.rows:
        used = row_matrix(model) @ sums.ravel().astype(np.float64)
        limit = np.array([row.limit for row in model.rows])
        equal = np.array([row.equal for row in model.rows])
        if ((used > limit + 1e-6) | (equal & (np.abs(used - limit) > 1e-6))).any():
            return False
    above = cents[1:] - model.rise * cents[:-1] - model.reach
    below = model.fall * cents[:-1] - model.reach - cents[1:]
    return not (model.stepped & ((above > 1e-5) | (below > 1e-5))).any()


def _search(model: Model, target: FloatArray, lower: IntArray, upper: IntArray) -> IntArray | None:
    """The nearest cents by integer programming (HiGHS), where going day by day came to an end."""
    days, n = target.shape
    near = np.clip(np.floor(target), lower, upper)
    low, high = np.maximum(lower, near - 8), np.minimum(upper, near + 9)
    sums = sparse.block_diag([members(model)] * days, format="csr")
    limits = [LinearConstraint(sums, model.node_low.ravel(), model.node_high.ravel())]
    if model.rows:
        limit = np.array([row.limit for row in model.rows])
        least = np.where([row.equal for row in model.rows], limit, -np.inf)
        limits.append(LinearConstraint(row_matrix(model) @ sums, least, limit))
    if days > 1:
        later = sparse.eye_array((days - 1) * n, days * n, k=n, format="csr")
        before = sparse.eye_array((days - 1) * n, days * n, format="csr")
        on = model.stepped.ravel()
        reach = np.tile(model.reach, days - 1)[on]
        rise, fall = (sparse.diags_array(np.tile(x, days - 1)) for x in (model.rise, model.fall))
        limits.append(LinearConstraint((later - rise @ before)[on], -np.inf, reach))
        limits.append(LinearConstraint((later - fall @ before)[on], -reach, np.inf))
    # Cents above the amount cost, cents below it too, a little more the farther down a list they stand.
    cost = np.sign(near + 0.5 - target).ravel() * (1 + 1e-3 * np.arange(days * n) / (days * n))
    found = milp(cost, integrality=np.ones(days * n), bounds=Bounds(low.ravel(), high.ravel()), constraints=limits,
                 options={"mip_rel_gap": 0.5, "node_limit": 200})  # fmt: skip
    if found.x is None:
        return None
    cents = np.rint(found.x).astype(np.int64).reshape(days, n)
    return cents if kept(model, cents, lower, upper) else None


def members(model: Model) -> sparse.csr_array:
    """Which lines lie under each group (G, n)."""
    rows, columns, at = [], [], model.node.copy()
    while (here := np.flatnonzero(at >= 0)).size:
        rows.append(at[here])
        columns.append(here)
        at = np.where(at >= 0, model.parent[np.maximum(at, 0)], -1)
    row, column = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.ones(row.size), (row, column)), shape=(len(model.groups), len(model.node)))
