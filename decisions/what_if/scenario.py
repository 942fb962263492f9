"""What was asked, put into the unit's settings and the people's overrides: in memory, with words for each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from decisions.names import likeness, lines_of
from decisions.what_if.asked import SETTINGS, Asked
from decisions.what_if.tree import with_group
from moe.errors import MoeError, key_faults
from moe.units import BETWEEN, Budget, Group

WHO = "what-if"
DAYS = 366
"A supposed override holds for longer than any plan looks ahead."
TOTALS = {"monthly_total": "month's total", "quarterly_total": "quarter's total", "target": "target"}
"Overrides that set the day's total, by kind."
NEAR = 0.5
"Likeness from which a name is worth suggesting."


@dataclass(frozen=True)
class World:
    """The plan as it stands: what a relative amount is relative to, and whom a name can mean."""

    night: date
    total: Decimal  # a day
    names: dict[str, str]  # of every line that the night knows, by id
    platforms: dict[str, set[str]]  # their lines
    budgets: dict[str, Decimal]  # tomorrow's, of the lines that have one


@dataclass(frozen=True)
class Scenario:
    """Settings and overrides (rows of core.override__override) as they would be."""

    budget: Budget
    overrides: tuple[dict[str, Any], ...]
    words: tuple[str, ...] = ()


def apply(asked: Sequence[Asked], now: Scenario, world: World) -> Scenario:
    """The scenario after every change, in order. Raises MoeError on a name that nobody has, or that several have."""
    for one in asked:
        kind, name = ("unit", "") if one.subject is None else find(one.subject, one.limit, now.budget.groups, world)
        try:
            if kind == "unit":
                now = _setting(one, now, world)
            elif kind == "line":
                now = _line(one, name, now, world)
            else:
                now = _group(one, name, now, world)
        except ValidationError as error:
            raise MoeError(f"{one.text!r}: {key_faults(error)}", "give an amount that the unit's file could have") \
                from error
    return now


def find(wanted: str, limit: str, groups: Sequence[Group], world: World) -> tuple[str, str]:
    """Whom a name means: ('group' | 'platform' | 'line', its name or id).

    A whole name goes before one of a line's dimensions (its campaign, its region), that before a part of one, a group
    before a platform before a line; only lines are locked.
    """
    levels = [("group", {g.name: g.name for g in groups}), ("platform", {p: p for p in world.platforms}),
              ("line", {line: line for line in world.names}), ("line", world.names)]
    if limit == "lock":
        levels = levels[2:] + levels[:2]
    key = wanted.casefold()
    for fits in (key.__eq__, lambda text: key in text.split(BETWEEN), lambda text: key in text):
        for kind, known in levels:
            hits = sorted(at for at, text in known.items() if fits(text.casefold()))
            if len(hits) == 1:
                return kind, hits[0]
            if hits:
                some = ", ".join(_shown(hit, world) for hit in hits[:6]) + (", …" if len(hits) > 6 else "")
                raise MoeError(f"{wanted!r} can mean {len(hits)} {kind}s: {some}", "give one's whole id or name")
    near = sorted((-likeness(key, text), level, f"{kind} {_shown(at, world)}")
                  for level, (kind, known) in enumerate(levels) for at, text in known.items())
    hints = list(dict.fromkeys(shown for score, _, shown in near if -score >= NEAR))[:4]
    lists = f"platforms: {', '.join(sorted(world.platforms))}; `moe show out.budget__line` lists the lines"
    raise MoeError(f"there is no platform, group or line {wanted!r} in the night of {world.night}",
                   f"did you mean: {'; '.join(hints)}?" if hints else lists)


def _shown(at: str, world: World) -> str:
    name = world.names.get(at, at)
    return at if name == at else f"{name} ({at})"


def _new(one: Asked, present: Decimal) -> Decimal | None:
    """The amount in place of `present`; None where the limit is taken away."""
    if one.amount.how == "none":
        return None
    new = one.amount.of(present)
    if one.limit != "max_step":  # a share of a budget, not money
        new = new.quantize(Decimal("0.01"))
    if new < 0:
        raise MoeError(f"{one.text!r} would make {_amount(new)} of {_amount(present)}", "an amount is 0 or more")
    return new


def _setting(one: Asked, now: Scenario, world: World) -> Scenario:
    present = world.total if one.limit == "total" else getattr(now.budget, one.limit)
    if present is None and one.amount.how in ("add", "grow"):
        raise MoeError(f"{one.text!r}: the unit has no {one.limit} to change", "give an amount")
    new = _new(one, Decimal(str(present or 0)))
    if new is None and one.limit != "line_cap":
        raise MoeError(f"{one.text!r}: the unit needs its {one.limit}", f"give an amount for {one.limit}")
    # A day's total in the question is fixed: it does not follow a target that the unit may have.
    settings = {k: v for k, v in now.budget.model_dump().items() if not (one.limit == "total" and k == "target")}
    budget = Budget.model_validate(settings | {one.limit: new})
    aside = [o for o in now.overrides if one.limit == "total" and o["kind"] in TOTALS]
    kept = tuple(o for o in now.overrides if o not in aside)
    show = _share if one.limit == "max_step" else _amount
    words = f"{SETTING_WORDS[one.limit]}: {show(present)} → {show(new)}"
    words += "".join(f"; the {TOTALS[o['kind']]} of {_amount(o['amount'])} ({o['who']}) is left aside"
                     for o in aside if o["until"] > world.night)
    return Scenario(budget, kept, (*now.words, words))


SETTING_WORDS = dict(zip(SETTINGS, (
    "total of a day", "largest step of a line in a night", "least step of a line", "least budget of a line",
    "largest budget of a line"), strict=True))


def _group(one: Asked, name: str, now: Scenario, world: World) -> Scenario:
    if one.limit == "lock":
        raise MoeError(f"{one.text!r}: {name} is no single line", f"say {name}.total to fix what it spends in all")
    groups = now.budget.groups
    if name not in {g.name for g in groups}:
        groups = with_group(groups, name, world.platforms[name], world.names)
    group = next(g for g in groups if g.name == name)
    lines = lines_of(groups, world.names)[name]
    spends = sum((world.budgets.get(line, Decimal(0)) for line in lines), Decimal(0))
    limits = ("floor", "cap") if one.limit == "total" else (one.limit,)
    present = None if one.limit == "total" else getattr(group, one.limit)
    new = _new(one, spends if present is None else present)
    changed = Group.model_validate(group.model_dump() | dict.fromkeys(limits, new))
    budget = now.budget.model_copy(update={"groups": tuple(changed if g is group else g for g in groups)})
    planned = "none" if new is None else f"{_amount(spends)} planned"
    before = planned if present is None else _amount(present)
    return replace(now, budget=budget, words=(*now.words, f"{one.limit} of {name}: {before} → {_amount(new)} a day"))


def _line(one: Asked, line: str, now: Scenario, world: World) -> Scenario:
    if one.limit == "total":
        raise MoeError(f"{one.text!r}: {_shown(line, world)} is one line", "say .lock to fix it, or .floor or .cap")
    last = world.night + timedelta(days=DAYS)
    # A lock goes with whatever else is said of the line, and whatever is said of it ends a lock.
    gone = [o for o in now.overrides if o["line_id"] == line and o["until"] > world.night and o["who"] != WHO
            and (o["kind"] == one.limit or "lock" in (one.limit, o["kind"]))]
    same = next((o for o in gone if o["kind"] == one.limit and o["amount"] is not None), None)
    spends = world.budgets.get(line, Decimal(0))
    kept = tuple(o for o in now.overrides if o not in gone)
    what = f"{one.limit} of {_shown(line, world)}"
    new = _new(one, spends if same is None else same["amount"])
    if new is None:
        if not any(o["kind"] == one.limit for o in gone):
            raise MoeError(f"{one.text!r}: nobody set a {one.limit} on {_shown(line, world)}",
                           "`moe plan show` lists what people set")
        kept = tuple(o for o in now.overrides if o not in gone or o["kind"] != one.limit)
        return replace(now, overrides=kept, words=(*now.words, f"{what}: none any more"))
    row = {"override_id": f"{WHO}-{len(now.words) + 1}", "kind": one.limit, "line_id": line, "amount": new,
           "reason": "asked", "who": WHO, "entered_on": world.night, "until": last}
    before = f"{_amount(spends)} planned" if same is None else _amount(same["amount"])
    words = f"{what}: {before} → {_amount(new)} a day"
    words += "".join(f"; the {o['kind']} of {o['who']} is left aside" for o in gone if o is not same)
    return replace(now, overrides=(*kept, row), words=(*now.words, words))


def _amount(value: Decimal | None) -> str:
    return "none" if value is None else f"{value:,.2f}"


def _share(value: float | Decimal | None) -> str:
    return "none" if value is None else f"{float(value) * 100:.4g} %"
