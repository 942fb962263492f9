"""Groups of budget lines with limits of their own: the unit's over tonight's lines, and what each limit costs."""

import numpy as np
import pyarrow as pa

from decisions.allocation import Allocation
from decisions.amounts import cents
from decisions.curves import Curves
from decisions.names import names_it
from decisions.overrides import NONE, LineLimits
from decisions.plan import Group
from decisions.plan.problem import IntArray
from decisions.reasons import Reason
from decisions.rows import table_of
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import Unit

PRICES = "out.limit_price__limit"
LINE_LIMITS = {
    "floor": "the line's floor", "cap": "the line's cap",
    "step_up": "the largest step", "step_down": "the largest step",
    "locked": "a lock", "override_floor": "a floor set by a person", "override_cap": "a cap set by a person",
}
"By reason code: what holds a line by itself."


def groups_of(unit: Unit, names: dict[str, str], lines: list[str]) -> list[Group]:
    """The unit's groups over tonight's `lines`; `names` are theirs for people, by id.

    Raises MoeError where a group must spend and no line is in it.
    """
    groups = [
        Group(
            group.name,
            [line for line in lines if names_it(group.lines, line, names.get(line, line))],
            group.parent,
            None if group.floor is None else cents(group.floor),
            None if group.cap is None else cents(group.cap),
            share_low=group.share_low, share_high=group.share_high, share_of=group.share_of,
        )
        for group in unit.budget.groups
    ]
    parents = {group.parent for group in groups}
    for said, group in zip(unit.budget.groups, groups, strict=True):
        if said.floor and not group.lines and group.name not in parents:
            raise MoeError(f"the group {said.name} must get {said.floor} a day, and no budget line of tonight is "
                           f"{' or '.join(said.lines)}",
                           f"mend its `lines` or its floor in {unit.folder}/unit.yml; `moe show out.budget__line` "
                           "lists ids and names; the live release stays")
    return groups


def least_of(groups: list[Group], lines: list[str], floor: IntArray, limits: LineLimits) -> int:
    """What lines and groups must get a day in all, in cents: floors, with a person's in place of the unit's."""
    least = np.maximum(floor, limits.floor_cents)
    least = np.where(limits.cap_cents == NONE, least, np.minimum(least, limits.cap_cents))
    own = dict(zip(lines, least.tolist(), strict=True))

    def of(name: str | None, of_lines: list[str]) -> int:
        below = sum(max(of(g.name, list(g.lines)), int(np.max(g.floor_cents or 0))) for g in groups if g.parent == name)
        return int(below + sum(own[line] for line in of_lines))

    grouped = {line for group in groups for line in group.lines}
    return of(None, [line for line in lines if line not in grouped])


def limit_prices(best: Allocation, night: Night, reasons: dict[str, Reason], response: Curves) -> pa.Table:
    """Rows of out.limit_price__limit: every limit that costs something, dearest first within each kind."""
    rows = [("group", price.subject, price.name, price.price) for price in best.group_prices]
    marginal = response.marginal(best.budget_cents / 100)
    for at, (line, why) in enumerate(reasons.items()):
        if why.code in LINE_LIMITS:
            rows.append(("line", line, LINE_LIMITS[why.code], abs(float(marginal[at] - best.money_price[at]))))
    rows.sort(key=lambda row: (row[0], -row[3], row[1], row[2]))
    return table_of(PRICES, (
        {"subject_kind": kind, "subject": subject, "limit": limit, "price": price, "business_date": night.decided_day,
         "objective": night.unit.objective} for kind, subject, limit, price in rows))
