"""Whom people mean: lines by patterns of their ids and names, lines under groups, and how near a wrong name is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from moe.units import Group


def names_it(patterns: Sequence[str], line: str, name: str) -> bool:
    """Whether one of the patterns is of a line, by its id or its name; `*` stands for any text, all else for itself."""
    return any(_matcher(pattern).fullmatch(text) for pattern in patterns for text in (line, name))


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def newest_names(days: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Each line's name for people, by id: of its line-days the newest one's."""
    return {r["line_id"]: r["line_name"] for r in sorted(days, key=lambda r: r["business_date"])}


def lines_of(groups: Iterable[Group], names: Mapping[str, str]) -> dict[str, set[str]]:
    """The lines under each group, those of the groups within it too; `names` are of all lines, by id."""
    groups = list(groups)
    inside = {g.name: {line for line, name in names.items() if names_it(g.lines, line, name)} for g in groups}
    above = {g.name: g.parent for g in groups}
    whole = {name: set(own) for name, own in inside.items()}
    for name, own in inside.items():
        at, seen = above[name], {name}
        while at in whole and at not in seen:  # a circle is the planner's to refuse
            whole[at] |= own
            seen.add(at)
            at = above[at]
    return whole


def likeness(wanted: str, text: str) -> float:
    """How like the whole text, or one of its words, is to what a person typed: 1 is the same."""
    parts = (text, *re.split(r"[\W_]+", text))
    return max(difflib.SequenceMatcher(None, wanted.casefold(), part.casefold()).ratio() for part in parts)
