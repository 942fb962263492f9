"""The night decided twice, as it stands and with the change: what that costs or gains, and where the money goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.draws import from_table
from decisions.jobs.groups import LINE_LIMITS
from decisions.jobs.responses import curves_of, day_value
from decisions.names import newest_names
from decisions.plan.conflict import Infeasible, Limit
from decisions.what_if.asked import asked
from decisions.what_if.scenario import WHO, Scenario, World, apply
from moe import runner, tables
from moe.errors import MoeError
from moe.jobs import BY_NAME, Night
from moe.units import Unit

BUDGETS, WHOLE = "out.budget__line", "out.allocation__night"
JOB = BY_NAME["allocate"]
ZERO = Decimal(0)
WIDER = (0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
"Largest steps that are tried where the usual one stands in the way."


@dataclass(frozen=True)
class Line:
    """One budget line before and after; values are expected outcomes of the day that the night decides."""

    line_id: str
    line_name: str
    platform: str
    budget_before: Decimal
    budget_after: Decimal
    value_before: float
    value_after: float
    held_by: str  # the limit that it rests on with the change; empty where it is free to move
    reason: str  # why it gets what it gets, with the change

    @property
    def change(self) -> Decimal:
        return self.budget_after - self.budget_before


@dataclass(frozen=True)
class Conflict:
    """Why it cannot be done."""

    said: str
    limits: tuple[str, ...]  # that cannot all hold, each in words
    repair: tuple[str, ...]  # the cheapest way out: how far each must give way
    wider_step: float | None  # the smallest of `WIDER` with which it can be done as asked; None where none helps


@dataclass(frozen=True)
class Answer:
    unit: str
    night: date
    day: date  # that the night decides
    currency: str
    objective: str
    changes: tuple[str, ...]
    total_before: Decimal
    value_before: float
    price_before: float  # outcome of one more currency unit of total
    conflict: Conflict | None = None  # then nothing below is known
    total_after: Decimal = ZERO
    value_after: float = 0.0
    price_after: float = 0.0
    gain_low: float | None = None  # 90 % of the draws; None where the night kept none
    gain_high: float | None = None
    probability_better: float | None = None  # of a higher outcome than without the change
    lines: tuple[Line, ...] = ()  # the largest change first
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def gain(self) -> float:
        return self.value_after - self.value_before


def ask(unit: Unit, night: date | None, sets: list[str]) -> Answer:
    """What a night, the newest if None, would have decided with the changes `sets`. Writes nothing.

    Raises MoeError where a change makes no sense or the night cannot be decided even without it.
    """
    started = time.perf_counter()
    wanted, that = asked(sets), _night(unit, night)
    inputs = runner.inputs(JOB, that)
    before = _decide(that, inputs)
    whole = before[WHOLE].to_pylist()[0]
    world = _world(that, inputs["history"], before[BUDGETS], whole)
    said = inputs["overrides"].to_pylist()
    scenario = apply(wanted, Scenario(unit.budget, tuple(said)), world)
    answer = Answer(unit.unit, that.date, that.decided_day, unit.currency, unit.objective, scenario.words,
                    whole["total_configured"], whole["expected_value"], whole["shadow_price"],
                    notes=_differs(that, before[BUDGETS]))
    changed = unit.model_copy(update={"budget": scenario.budget})
    overrides = pa.Table.from_pylist(list(scenario.overrides), schema=inputs["overrides"].schema)
    inputs |= {"overrides": overrides}
    try:
        after = _decide(Night(changed, that.date), inputs)
    except MoeError as error:
        conflict = _conflict(error, world, _wider(Night(changed, that.date), inputs))
        return replace(answer, conflict=conflict, seconds=time.perf_counter() - started)
    answer = _compared(answer, before, after)
    return replace(answer, **_sure(that, answer.lines, inputs), seconds=time.perf_counter() - started)


def _night(unit: Unit, night: date | None) -> Night:
    decided = tables.nights(WHOLE, unit.unit)
    if not decided:
        raise MoeError(f"unit {unit.unit} has no night yet that could be decided otherwise", "run one: moe nightly")
    if night is not None and night not in decided:
        near = min(decided, key=lambda d: abs((d - night).days))
        raise MoeError(f"the night of {night} was not decided for unit {unit.unit}",
                       f"leave --date out for the newest, {decided[-1]}; the nearest one is {near}")
    return Night(unit, night or decided[-1])


def _decide(night: Night, inputs: dict[str, Any]) -> dict[str, pa.Table]:
    return JOB.function()(night, **inputs)


def _world(night: Night, history: pa.Table, budgets: pa.Table, whole: dict[str, Any]) -> World:
    names = newest_names(history.select(["business_date", "line_id", "line_name"]).to_pylist())
    rows = budgets.to_pylist()
    names |= {r["line_id"]: r["line_name"] for r in rows}
    platforms: dict[str, set[str]] = {}
    for r in rows:
        platforms.setdefault(r["platform"], set()).add(r["line_id"])
    return World(night.date, whole["total_configured"], names, platforms, {r["line_id"]: r["budget"] for r in rows})


def _differs(night: Night, budgets: pa.Table) -> tuple[str, ...]:
    """A note where the settings, the overrides or the code are not those of the night any more."""
    decided = {r["line_id"]: r["budget"] for r in tables.read(BUDGETS, night.unit.unit, night.date).to_pylist()}
    if decided == {r["line_id"]: r["budget"] for r in budgets.to_pylist()}:
        return ()
    return ("Before is the night decided again as its tables and settings are now: that is not what it decided then.",)


def _wider(night: Night, inputs: dict[str, Any]) -> float | None:
    for step in WIDER:
        if step > night.unit.budget.max_step:
            budget = night.unit.budget.model_copy(update={"max_step": step})
            try:
                _decide(Night(night.unit.model_copy(update={"budget": budget}), night.date), inputs)
            except MoeError:
                continue
            return step
    return None


def _conflict(error: MoeError, world: World, wider: float | None) -> Conflict:
    cause = error.__cause__
    if not isinstance(cause, Infeasible):
        return Conflict(error.message, (), (), wider)

    def words(limit: Limit, between: str) -> str:
        subject = world.names.get(limit.subject, limit.subject)
        name = "largest step" if limit.name == "step" else limit.name
        name = "what is asked" if name.startswith(f"override {WHO}") else name
        return f"{name}{'' if subject in name else f' of {subject}'}{between} {limit.cents / 100:,.2f}"

    return Conflict(error.message, tuple(words(x, ":") for x in cause.conflict),
                    tuple(words(x, " gives way by") for x in cause.repair), wider)


def _compared(answer: Answer, before: dict[str, pa.Table], after: dict[str, pa.Table]) -> Answer:
    old, new = ({r["line_id"]: r for r in outputs[BUDGETS].to_pylist()} for outputs in (before, after))
    lines = []
    for line in sorted({*old, *new}):
        was, now = old.get(line), new.get(line)
        row = now or was
        assert row is not None
        lines.append(Line(
            line, row["line_name"], row["platform"], was["budget"] if was else ZERO, now["budget"] if now else ZERO,
            was["expected_value"] if was else 0.0, now["expected_value"] if now else 0.0,
            _held(now) if now else "", now["reason"] if now else ""))
    lines.sort(key=lambda line: (-abs(line.change), line.line_id))
    whole = after[WHOLE].to_pylist()[0]
    earlier = set((before[WHOLE].to_pylist()[0]["notes"] or "").splitlines())
    notes = tuple(n for n in (whole["notes"] or "").splitlines() if n and n not in earlier)
    return replace(answer, total_after=whole["total_configured"], value_after=whole["expected_value"],
                   price_after=whole["shadow_price"], lines=tuple(lines), notes=(*answer.notes, *notes))


def _held(row: dict[str, Any]) -> str:
    if row["binding"] == "none":
        return ""
    return "a group" if row["binding"] == "group" else LINE_LIMITS.get(row["reason_code"], row["binding"])


def _sure(night: Night, lines: tuple[Line, ...], inputs: dict[str, Any]) -> dict[str, Any]:
    """The gain in each draw of the night's curves, both plans in the same draw; nothing where the night kept none."""
    ids, names = [line.line_id for line in lines], [line.line_name for line in lines]
    try:
        drawn = from_table(inputs["drawn"]).of(ids)
    except ValueError:
        return {}
    value = day_value(night, ids, names, curves_of(inputs["curves"], ids), inputs["demand"])
    before, after = (value(drawn, np.array([float(b) for b in budgets])) for budgets in zip(
        *((line.budget_before, line.budget_after) for line in lines), strict=True))
    low, high = np.quantile(after - before, [0.05, 0.95])
    return {"gain_low": float(low), "gain_high": float(high),
            "probability_better": float((after > before).mean())}
