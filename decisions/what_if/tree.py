"""A new group in a unit's tree of groups: a platform that has no limits of its own yet, and gets some."""

from __future__ import annotations

from decisions.names import lines_of, names_it
from moe.errors import MoeError
from moe.units import Group


def with_group(groups: tuple[Group, ...], name: str, lines: set[str], names: dict[str, str]) -> tuple[Group, ...]:
    """The tree with a group of exactly `lines` in its place. Raises MoeError where it would cut another in two."""
    under = lines_of(groups, names)
    cut = [g.name for g in groups if under[g.name] & lines and under[g.name] - lines and lines - under[g.name]]
    if cut:
        raise MoeError(f"{name} and the group {cut[0]!r} share some lines, and each has others: limits of both at once "
                       "are no tree", f"change the limits of {cut[0]!r} or of single lines instead")
    within = {g.name for g in groups if under[g.name] and under[g.name] <= lines}
    around = [g for g in groups if lines < under[g.name]]
    parent = min(around, key=lambda g: len(under[g.name])).name if around else None
    tree = []
    for g in groups:
        if g.name in within and g.parent not in within:
            if g.share_of == "parent" and (g.share_low is not None or g.share_high is not None) and parent is not None:
                raise MoeError(f"the group {g.name!r} has a share of {parent!r}, and {name} would come between them",
                               f"change the limits of {g.name!r} or of single lines instead")
            g = g.model_copy(update={"parent": name, "share_of": "total"})
        elif g.name not in within and g.lines and under[g.name] & lines:
            own = (line for line, text in names.items() if names_it(g.lines, line, text))
            g = g.model_copy(update={"lines": tuple(sorted(set(own) - lines))})
        tree.append(g)
    grouped: set[str] = set().union(*(under[w] for w in within)) if within else set()
    return (*tree, Group(name=name, parent=parent, lines=tuple(sorted(lines - grouped))))
