"""Requests to move money between regions, platforms or lines: what an approved one says to the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from decisions.amounts import cents
from decisions.overrides import Override
from decisions.plan import Group

PREFIX = "request "


def is_of_request(group: Group) -> bool:
    """Whether `of_groups` made the group."""
    return group.name.startswith(PREFIX)


def of_lines(overrides: Iterable[Override], groups: Sequence[str]) -> list[Override]:
    """The overrides with each approved request as a cap and a floor of its lines; groups' sides are left out.

    Requests that wait or were refused say nothing.
    """
    out: list[Override] = []
    for o in overrides:
        if o.kind != "request":
            out.append(o)
        elif o.state == "approved":
            plain = replace(o, to_id=None, state=None, from_amount=None, to_amount=None, kind="cap",
                            reason=f"request {o.override_id}: {o.reason}")  # fmt: skip
            if o.line_id not in groups:
                out.append(replace(plain, amount=o.from_amount))
            if o.to_id not in groups:
                out.append(replace(plain, kind="floor", line_id=o.to_id, amount=o.to_amount))
    return out


def of_groups(overrides: Iterable[Override], groups: Sequence[Group]) -> list[Group]:
    """The groups with each approved request of one as a group right below it, so that limits carry its name."""
    out = list(groups)
    for o in overrides:
        if o.kind != "request" or o.state != "approved":
            continue
        for subject, cap, floor in ((o.line_id, o.from_amount, None), (o.to_id, None, o.to_amount)):
            name = f"{PREFIX}{o.override_id} of {subject}"
            at = next((i for i, group in enumerate(out) if group.name == subject), None)
            if at is None:
                continue
            inner = Group(name, out[at].lines, out[at].name, None if floor is None else cents(floor),
                          None if cap is None else cents(cap))  # fmt: skip
            out = [replace(g, parent=name) if g.parent == subject else g for g in out]
            out[at] = replace(out[at], lines=())
            out.append(inner)
    return out
