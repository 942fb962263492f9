"""What must hold before a bid table is released: each problem by name, with the rows and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Kind = Literal["cap", "floor", "range", "overspend", "no_line", "forbidden", "twice", "not_a_bid"]
SLACK = Decimal("1e-9")
NAMED = 5
"""Rows that a message names; the rest are counted."""


@dataclass(frozen=True)
class Problem:
    """Why a bid table may not be released."""

    kind: Kind
    rows: tuple[str, ...]  # line / segment, or line, in order
    message: str  # one sentence for people


@dataclass(frozen=True)
class Platform:
    """What a platform takes."""

    floor: Decimal  # a bid is 0 or not below this
    cap: Decimal
    least_percent: int = -90
    most_percent: int = 900


def problems(
    bids: Sequence[Mapping[str, Any]], budget: Mapping[str, Decimal], platform: Platform,
    forbidden: Collection[tuple[str | None, str]] = (),
) -> list[Problem]:
    """Problems of a bid table; none where it may be released.

    `bids` are rows with `line_id`, `segment`, `line_name`, `bid`, `expected_spend` (Decimal), and optional `bid_cap`
    (the smaller of it and the platform's holds) and `percent` (a mapping of dimension to whole percent). `budget` is
    the allocation by `line_id`. `forbidden` are segments that a policy does not allow, by line, or with None for
    every line; a bid of 0 there is no bid.
    """
    names = {r["line_id"]: str(r["line_name"]) for r in bids}
    times = Counter((r["line_id"], r["segment"]) for r in bids)
    sane = [r for r in bids if _is_sane(r)]
    no = set(forbidden)
    spend: dict[str, Decimal] = {}
    for r in sane:
        spend[r["line_id"]] = spend.get(r["line_id"], Decimal(0)) + r["expected_spend"]
    over = [line for line, amount in spend.items() if line in budget and amount > budget[line]]
    found = [
        _problem("not_a_bid", [_row(r) for r in bids if not _is_sane(r)],
                 "Bids or expected spends are missing, negative or not a number: {rows}. Run the bid job again."),
        _problem("twice", [_row(r) for r in bids if times[r["line_id"], r["segment"]] > 1],
                 "More than one bid for: {rows}. Keep one."),
        _problem("cap", [_row(r) for r in sane if r["bid"] > min(platform.cap, r.get("bid_cap", platform.cap))],
                 "Bids above their cap: {rows}. Lower them, or raise the unit's bid cap."),
        _problem("floor", [_row(r) for r in sane if 0 < r["bid"] < platform.floor],
                 f"Bids below the floor of {platform.floor}, which the platform refuses: {{rows}}. "
                 "Raise them, or bid 0."),
        _problem("range", [_row(r) for r in bids if _outside(r, platform)],
                 f"Multipliers that are not whole percent from {platform.least_percent} to {platform.most_percent}: "
                 "{rows}. Move the line's base bid."),
        _problem("overspend", [f"{names[line]} ({spend[line]:,.2f} of {budget[line]:,.2f})" for line in over],
                 "Bids are expected to overspend: {rows}. Lower the line's bids or raise its budget."),
        _problem("no_line", [names[line] for line in names if line not in budget],
                 "Bids for lines without a budget row: {rows}. Leave them out, or allocate to them."),
        _problem("forbidden", [_row(r) for r in sane if r["bid"] > 0
                               and {(r["line_id"], r["segment"]), (None, r["segment"])} & no],
                 "Policy forbids bids for: {rows}. Set them to 0."),
    ]
    return [p for p in found if p is not None]


def multiplier_problems(
    multipliers: Sequence[Mapping[str, Any]], bids: Sequence[Mapping[str, Any]], platform: Platform
) -> list[Problem]:
    """Problems of the percentages on a bid table; none where both may be released together.

    `multipliers` are rows with `line_id`, `line_name`, `dimension`, `level`, `multiplier_percent`, `click_share`. All
    of a line's dimensions may meet in one auction: their products are judged. Spend is taken to grow with the square
    of the bid, clicks and their price with the bid each, so that a line may not spend more than without percentages.
    """
    by_line: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for r in multipliers:
        by_line.setdefault(r["line_id"], {}).setdefault(r["dimension"], []).append(r)
    names = {r["line_id"]: str(r["line_name"]) for r in multipliers}
    amounts: dict[str, list[Decimal]] = {}
    for b in bids:
        if _is_sane(b) and b["bid"] > 0:
            amounts.setdefault(b["line_id"], []).append(b["bid"])
    low, high, spend = ({line: Decimal(1) for line in by_line} for _ in range(3))
    for line, dimensions in by_line.items():
        for levels in dimensions.values():
            factors = [1 + Decimal(int(r["multiplier_percent"])) / 100 for r in levels]
            shares = [Decimal(r["click_share"]) for r in levels]
            low[line], high[line] = low[line] * min(factors), high[line] * max(factors)
            spend[line] *= sum((s * f**2 for s, f in zip(shares, factors, strict=True)), Decimal(0)) / sum(shares)
    bid_for = [line for line in by_line if line in amounts]
    found = [
        _problem("range", [f"{r['line_name']} / {r['level']}" for r in multipliers
                           if not platform.least_percent <= r["multiplier_percent"] <= platform.most_percent],
                 f"Percentages that are not from {platform.least_percent} to {platform.most_percent}: {{rows}}. "
                 "Move the line's base bid."),
        _problem("cap", [names[line] for line in bid_for if max(amounts[line]) * high[line] > platform.cap],
                 "Bids with their percentages are above the cap: {rows}. Lower the percentages."),
        _problem("floor", [names[line] for line in bid_for if min(amounts[line]) * low[line] < platform.floor],
                 "Bids with their percentages are below the floor, which the platform refuses: {rows}. "
                 "Raise the percentages."),
        _problem("overspend", [names[line] for line in by_line if spend[line] > 1 + SLACK],
                 "Percentages are expected to make a line overspend: {rows}. Lower them together."),
        _problem("no_line", [names[line] for line in by_line if line not in amounts],
                 "Percentages for lines that bid nothing: {rows}. Leave them out."),
    ]
    return [p for p in found if p is not None]


def _row(r: Mapping[str, Any]) -> str:
    return f"{r['line_name']} / {r['segment']}"


def _is_sane(r: Mapping[str, Any]) -> bool:
    amounts = (r["bid"], r["expected_spend"])
    return all(isinstance(a, Decimal) and a.is_finite() and a >= 0 for a in amounts)


def _outside(r: Mapping[str, Any], platform: Platform) -> bool:
    percents = (r.get("percent") or {}).values()
    return any(p != int(p) or not platform.least_percent <= p <= platform.most_percent for p in percents)


def _problem(kind: Kind, rows: Sequence[str], message: str) -> Problem | None:
    if not rows:
        return None
    named = sorted(set(rows))
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return Problem(kind, tuple(named), message.format(rows=", ".join(named[:NAMED]) + more))
