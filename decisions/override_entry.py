"""What people plan: totals, a target, and locks, floors and caps of lines, checked when they are entered."""

import difflib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow.compute as pc

from decisions.amounts import cents
from decisions.names import likeness, newest_names
from decisions.override_file import HOW, append, history, newest
from decisions.overrides import Kind, Override, active, line_limits
from decisions.periods import WORD, bounds_of
from decisions.report.files import runs
from decisions.requests import of_lines
from moe import tables
from moe.errors import MoeError
from moe.units import BETWEEN, Unit, option

RELEASE, BUDGETS, HISTORY = "out.release__night", "out.budget__line", "marts.ad_performance__line_day"
LIKE = 0.6
"Likeness from which a line is worth naming beside one that is not there."


@dataclass(frozen=True)
class Lines:
    """The budget lines that the newest night knows: names by id, and the budgets that a lock keeps, in cents."""

    night: date
    names: dict[str, str]
    budget_cents: dict[str, int]


def next_night(unit: Unit) -> date:
    """The first night that can still know a new row: the one after the newest release; today before the first."""
    decided = tables.nights(RELEASE, unit.unit)
    return decided[-1] + timedelta(days=1) if decided else datetime.now(UTC).date()


def known_lines(unit: Unit) -> Lines:
    """The lines that the newest night knows. Raises MoeError before the first night."""
    nights = tables.nights(HISTORY, unit.unit)
    if not nights:
        raise MoeError(f"unit {unit.unit} has no budget lines yet, so the line cannot be checked",
                       f"run a night first: moe nightly --unit {option(unit.unit)}")
    seen = tables.read(HISTORY, unit.unit, nights[-1]).select(["line_id", "line_name", "business_date"])
    released = tables.nights(BUDGETS, unit.unit)
    rows = tables.read(BUDGETS, unit.unit, released[-1]).to_pylist() if released else []
    return Lines(nights[-1], newest_names(seen.to_pylist()), {r["line_id"]: cents(r["budget"]) for r in rows})


def called(unit: Unit, subject: str) -> str:
    """A line's name and id, for people; anything else as it is."""
    name = names_of(unit).get(subject)
    return f"{name} ({subject})" if name else subject


def names_of(unit: Unit) -> dict[str, str]:
    """Names of the lines by id, as the newest night knows them; none before the first."""
    return known_lines(unit).names if tables.nights(HISTORY, unit.unit) else {}


def find_line(lines: Lines, wanted: str) -> str:
    """The id of a line given by id, by name, or by a dimension of its name that no other line has, as its campaign.

    Raises MoeError with the nearest ones where there is none.
    """
    if wanted in lines.names:
        return wanted
    key = wanted.casefold()
    for named in ([line for line, name in lines.names.items() if name.casefold() == key],
                  [line for line, name in lines.names.items() if key in name.casefold().split(BETWEEN)]):
        if len(named) == 1:
            return named[0]
        if named:
            raise MoeError(f"{len(named)} lines are named {wanted!r}",
                           f"give the id of one: {', '.join(sorted(named))}")
    scored = sorted((-(key in name.casefold()), -likeness(wanted, f"{line} {name}"), name)
                    for line, name in lines.names.items())
    near = [name for has, score, name in scored if has or -score >= LIKE][:4]
    raise MoeError(f"there is no budget line {wanted!r} (as of the night of {lines.night})",
                   f"did you mean: {', '.join(near)}?" if near else "`moe show out.budget__line` lists them")


def spent_in(unit: Unit, first: date, last: date) -> Decimal:
    """What was spent in a period so far by lines that can have a budget, as the newest night counts it."""
    nights = tables.nights(HISTORY, unit.unit)
    if not nights:
        return Decimal(0)
    seen = tables.read(HISTORY, unit.unit, nights[-1])
    day = seen.column("business_date")
    within = pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last))
    rows = seen.filter(within).select(["line_id", "spend"]).to_pylist()
    return sum((r["spend"] for r in rows if r["spend"] is not None and unit.funds(r["line_id"])), Decimal(0))


def planned_in(unit: Unit, first: date, last: date) -> Decimal:
    """What the newest night decided for a day of a period: it is not spent yet, and will be."""
    released = tables.nights(BUDGETS, unit.unit)
    rows = tables.read(BUDGETS, unit.unit, released[-1]).to_pylist() if released else []
    return sum((r["budget"] for r in rows if first <= r["business_date"] <= last), Decimal(0))


def period_total(unit: Unit, kind: Kind, day: date, total: Decimal, who: str, reason: str) -> Override:
    """The row of the total of the month or quarter of `day`: known from the last night before it, or the next one."""
    first, until = bounds_of(kind, day)
    entered = max(next_night(unit), first - timedelta(days=1))
    name = f"{first:%Y-%m}" if kind == "monthly_total" else f"{first.year}-q{first.month // 3 + 1}"
    if until <= entered:
        raise MoeError(f"the {WORD[kind]} {name} is over: the next night is {entered} and decides the budget of "
                       f"{entered + timedelta(days=1)}", f"plan that day's {WORD[kind]} or a later one")
    return made(unit, f"total-{name}", kind, total, reason, who, entered, until)


def target(unit: Unit, value: Decimal, until: date, who: str, reason: str) -> Override:
    """The row of a number that the unit's target has to reach, from the next night on."""
    goal = unit.budget.target
    if goal is None or goal.kind == "profit":
        raise MoeError(f"unit {unit.unit} has no target that takes a number",
                       f"add `target` with kind, value, low and high to `budget` in {unit.folder}/unit.yml; {HOW}")
    entered = next_night(unit)
    check_end(until, entered)
    return made(unit, f"target-{entered}", "target", value, reason, who, entered, until)


def line_row(unit: Unit, kind: Kind, line: str, amount: Decimal | None, until: date, who: str, reason: str) -> Override:
    """The row of a lock, floor or cap of a line from the next night on."""
    entered = next_night(unit)
    found = find_line(known_lines(unit), line)
    check_end(until, entered)
    return made(unit, f"{kind}-{entered}", kind, amount, reason, who, entered, until, line_id=found)


def check_end(until: date, entered: date) -> None:
    """Raise MoeError where a row would be over before the night that first knows it decides."""
    if until <= entered:
        raise MoeError(f"--until {until} is over: the next night is {entered} and decides the budget of "
                       f"{entered + timedelta(days=1)}", "give that day or a later one")


def made(
    unit: Unit, stem: str, kind: Kind, amount: Decimal | None, reason: str, who: str, entered: date, until: date,
    **more: Any,
) -> Override:  # fmt: skip
    """A row of a new id that begins with `stem`; `more` are its other columns. Raises MoeError on a bad one."""
    taken = {o.override_id for o in history(unit)}
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, len(taken) + 2))
    row = {"line_id": None, "kind": kind, "amount": amount, "entered_on": entered, "until": until} | more
    return signed(row | {"override_id": next(name for name in names if name not in taken)}, who, reason)


def signed(row: dict[str, Any], who: str, reason: str) -> Override:
    """A row with who and why. Raises MoeError on a bad one."""
    for name, text in (("--who", who), ("--reason", reason)):
        if not text.strip() or "\n" in text or "\r" in text or runs(text):
            raise MoeError(f"{name} is {text!r}", "give one line of text that does not begin with = + - @")
    try:
        return Override(**(row | {"who": who.strip(), "reason": reason.strip()}))
    except ValueError as error:
        raise MoeError(str(error), HOW) from error


def add(unit: Unit, row: Override, dry_run: bool = False) -> None:
    """Append a row. Raises MoeError, and writes nothing, where it cannot hold beside the rows that are there."""
    append(unit, row, None, lambda others: _check(unit, row, others), dry_run)


def end(unit: Unit, override_id: str, who: str, reason: str, dry_run: bool = False) -> Override:
    """End an override from the next night on; gives the row that says so."""
    states = {o.override_id: o for o in newest(history(unit))}
    entered = next_night(unit)
    found = states.get(override_id)
    if found is None:
        near = ", ".join(difflib.get_close_matches(override_id, states)) or ", ".join(sorted(states)[-5:]) or "none"
        raise MoeError(f"there is no override {override_id}", f"`moe plan show` lists them; the nearest: {near}")
    if found.until <= entered:
        raise MoeError(f"override {override_id} ends on {found.until} anyway, before the next night decides",
                       "nothing is left to end")
    since = max(entered, found.entered_on)  # one that starts later ends before it starts
    row = signed(vars(found) | {"entered_on": since, "until": since}, who, reason)
    append(unit, row, found, lambda _: None, dry_run)
    return row


def _check(unit: Unit, row: Override, others: list[Override]) -> None:
    """Raise MoeError where the row cannot hold beside others on some night, or the unit's own bounds forbid it."""
    cap = unit.budget.line_cap
    if row.kind in ("lock", "floor") and row.amount is not None and cap is not None and row.amount > cap:
        raise MoeError(f"a {row.kind} of {row.amount} is above the unit's largest budget of a line, {cap}",
                       f"ask for less, or raise line_cap in {unit.folder}/unit.yml")
    if row.line_id is not None:
        check_lines(unit, row, others)
        return
    for night in _nights(row, others):
        for o in active(others, night):
            if o.kind == row.kind:
                sets = "the target" if o.kind == "target" else f"that {WORD[o.kind]} to {o.amount:,.2f}"
                raise MoeError(f"{o.override_id} sets {sets} already ({o.who}: {o.reason})",
                               f"end it first: moe plan end {o.override_id} --unit {option(unit.unit)}")


def check_lines(unit: Unit, row: Override, others: list[Override]) -> None:
    """Raise MoeError where a row of lines, a request's or a person's own, cannot hold beside others on some night."""
    groups, lines = [group.name for group in unit.budget.groups], known_lines(unit)
    ids, mine = sorted(lines.names), of_lines([row], groups)
    had = np.array([lines.budget_cents.get(line, 0) for line in ids], dtype=np.int64)
    for night in _nights(row, others):
        beside = of_lines((o for o in active(others, night) if o.override_id != row.override_id), groups)
        try:
            line_limits([*(o for o in beside if o.line_id in {m.line_id for m in mine}), *mine], ids, had)
        except ValueError as error:
            raise MoeError(f"in the night of {night} it cannot hold: {error}",
                           "`moe plan show` lists what holds; `moe plan end ID` ends one") from error


def _nights(row: Override, others: list[Override]) -> list[date]:
    """Nights that a row decides and on which something new is in force."""
    starts = {row.entered_on, *(o.entered_on for o in others)}
    return sorted(night for night in starts if row.entered_on <= night < row.until)
