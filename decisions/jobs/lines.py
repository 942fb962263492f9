"""Tonight's budget lines: which may get money, what they had, and what the unit's terms say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.amounts import cents
from decisions.names import names_it
from decisions.overrides import Override
from decisions.plan.problem import FloatArray, IntArray
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import LineTerms, Unit

ACTIVE_DAYS = 28
"""A line without spend for so long gets no budget unless a person asks for one."""
RECENT_DAYS = 7


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a night, sorted by id; arrays are in that order."""

    ids: list[str]
    names: dict[str, str]  # for people, by id
    platforms: dict[str, str]  # by id
    previous: IntArray  # (n,) cents: the candidate of the night before, or recent spend
    minimum: IntArray  # (n,) cents: nothing, or so much at least
    weights: FloatArray  # (n,) worth of a unit of the objective: margin × lifetime

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Id and name of each line, for patterns."""
        return [(line, self.names[line]) for line in self.ids]


def spend_rows(history: pa.Table, night: Night) -> list[dict[str, Any]]:
    """Line-days of the lines that can have a budget. Raises MoeError where spend is missing or negative."""
    rows = [r for r in history.to_pylist() if night.unit.funds(r["line_id"])]
    bad = [r for r in rows if r["spend"] is None or not r["spend"] >= 0]
    if bad:
        first = min(bad, key=lambda r: (r["business_date"], r["line_id"]))
        what = "missing" if first["spend"] is None else f"{first['spend']}"
        raise MoeError(f"the spend of line {first['line_id']!r} on {first['business_date']} is {what} "
                       f"({len(bad)} such line-days)", "a refund belongs to the day of its spend: mend the delivery or "
                       "the mapping, then land it again; the live release stays")  # fmt: skip
    return rows


def lines_of(
    rows: list[dict[str, Any]], before: pa.Table, in_force: Sequence[Override], night: Night
) -> Lines:
    """Lines with recent spend, with a budget in the night before (`before`), or named by a person."""
    since = night.date - timedelta(days=ACTIVE_DAYS - 1)
    newest = {r["line_id"]: r for r in sorted(rows, key=lambda r: r["business_date"])}
    wanted = {r["line_id"] for r in rows if r["business_date"] >= since and r["spend"] > 0}
    wanted |= {r["line_id"] for r in before.to_pylist() if r["budget"] > 0} & set(newest)
    wanted |= {line for o in in_force for line in (o.line_id, o.to_id) if line} & set(newest)
    if not wanted:
        raise MoeError(f"unit {night.unit.unit} has no budget line with spend in the {ACTIVE_DAYS} days to "
                       f"{night.date}", "check the unit's sources and its `line` grain")
    ids = sorted(wanted)
    names = {line: newest[line]["line_name"] for line in ids}
    terms = [_terms(night.unit, line, names[line]) for line in ids]
    return Lines(
        ids, names, {line: newest[line]["platform"] for line in ids}, _previous(ids, rows, before, night),
        np.array([cents(t.minimum) for t in terms], dtype=np.int64),
        worth_of(night.unit, ids, [names[line] for line in ids]),
    )  # fmt: skip


def worth_of(unit: Unit, ids: Sequence[str], names: Sequence[str]) -> FloatArray:
    """What a unit of the objective counts on each line (n,): margin × lifetime by the unit's terms."""
    terms = [_terms(unit, line, name) for line, name in zip(ids, names, strict=True)]
    return np.array([t.margin * t.lifetime for t in terms])


def _terms(unit: Unit, line: str, name: str) -> LineTerms:
    found = (terms for terms in unit.budget.terms if names_it(terms.lines, line, name))
    return next(found, LineTerms(lines=("*",)))


def _previous(lines: list[str], rows: list[dict[str, Any]], before: pa.Table, night: Night) -> IntArray:
    """Budgets of the night before in cents; on a store's first night the mean spend of the last 7 days."""
    if before.num_rows:
        had = {r["line_id"]: cents(r["budget"]) for r in before.to_pylist()}
        return np.array([had.get(line, 0) for line in lines], dtype=np.int64)
    since = night.date - timedelta(days=RECENT_DAYS - 1)
    spent = dict.fromkeys(lines, Decimal(0))
    for r in rows:
        if r["business_date"] >= since and r["line_id"] in spent:
            spent[r["line_id"]] += r["spend"]
    return np.array([cents(spent[line] / RECENT_DAYS) for line in lines], dtype=np.int64)
