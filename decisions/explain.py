"""Why each line's budget changed since yesterday: a waterfall in cents that adds up exactly.

Yesterday's budget becomes tonight's in steps, and each step lets one thing change. Between the two ends every step is
the best split of one `Problem`, so a bar is what that thing moved, given those before it (a telescoping sum; the order
is `CAUSES`). The rules that stood yesterday stand from the first step on: tonight's limits and overrides, eased as far
as yesterday's budgets need. So a rule is a cause only where it is new, and a line that has rested on its floor for
weeks shows nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decisions.plan import Group, Override, Problem, Total, solve
from decisions.plan.problem import MOST
from decisions.response import Response

IntArray = NDArray[np.int64]

CAUSES = ("on_its_way", "calendar", "new_data", "experiment", "total", "step", "spare", "limit", "person", "request",
          "days_ahead")
"""In the order in which they are let in; one that changes nothing is not told.

`on_its_way`: what yesterday's curves already wanted and a step, or a rule that is over, held back. `calendar`: tomorrow
is another day of the week and season. `step` takes back what goes further on the line than one night may, and `spare`
is the money that other lines' steps leave over or ask for: without the two apart, a step would seem to raise a line
that is on its way down. `limit`: a rule of the unit that yesterday's budgets do not keep. `days_ahead`: tomorrow is
planned together with later days.
"""
ROUNDING = 2
"Cents: two splits that differ by no more on any line are one."


@dataclass(frozen=True)
class Yesterday:
    """What the night before knew of tonight's n lines."""

    cents: IntArray  # (n,) its budgets
    responses: Sequence[Response] | None  # by its curves, of the day that it decided; None: it had none
    tomorrow: Sequence[Response] | None = None  # by its curves, of the day that tonight decides
    ended: Sequence[str] = ()  # lines that an override held then and does not any more


def waterfall(
    tonight: Problem,
    budget_cents: IntArray,
    yesterday: Yesterday,
    untested: Sequence[Response] | None = None,
    requests: Collection[str] = (),
    ahead: bool = False,
) -> dict[str, IntArray]:
    """Cents (n,) by cause, in the order of `CAUSES`; they add up to `budget_cents` less yesterday's.

    `tonight` is the question of one day, at the total that it got. `untested` are its responses as they would be
    without experiments (None: there are none), `requests` the names of its overrides and groups that somebody asked
    for and another approved; `ahead` says that the budgets come from a plan of more days.
    """
    steps = chain(tonight, yesterday, untested, requests)
    if ahead:
        steps["days_ahead"] = tonight
    at, states = yesterday.cents, []
    for cause, problem in list(steps.items())[:-1]:
        # Rules that hold only with what comes later, or a question on whose edge the solver fails: an explanation must
        # not stop a night whose own plan stands, so the cause is told together with the next one.
        with contextlib.suppress(ValueError):
            at = _one_night(problem, at) if cause == "step" else solve(problem).cents[0]
        states.append(at)
    states = _without_rounding(yesterday.cents, [*states, np.asarray(budget_cents, dtype=np.int64)])
    moved = zip(steps, [yesterday.cents, *states], states, strict=False)
    return {cause: after - before for cause, before, after in moved if (after != before).any()}


def _one_night(problem: Problem, wanted: IntArray) -> IntArray:
    """As near to `wanted` (n,) as one night may go; the lines do not add up to the total."""
    if problem.steps is None:
        return wanted
    had = np.asarray(problem.steps.previous_cents, dtype=np.int64)
    reach = np.maximum(problem.steps.share * had, problem.steps.least_cents)
    near = np.clip(wanted, np.ceil(had - reach - 1e-6), np.floor(had + reach + 1e-6)).astype(np.int64)
    lower, upper = (np.broadcast_to(np.asarray(cents, dtype=np.int64), (problem.days, had.size))[0]
                    for cents in (problem.lower_cents, problem.upper_cents))
    return np.asarray(np.minimum(np.maximum(near, lower), upper), dtype=np.int64)


def _without_rounding(first: IntArray, states: list[IntArray]) -> list[IntArray]:
    """Splits that differ by rounding alone made equal, from both ends, which stay as they are."""
    states = list(states)
    for i in range(len(states) - 2, -1, -1):
        if np.abs(states[i] - states[i + 1]).max(initial=0) <= ROUNDING:
            states[i] = states[i + 1]
    for i in range(len(states) - 1):
        before = states[i - 1] if i else first
        if np.abs(states[i] - before).max(initial=0) <= ROUNDING:
            states[i] = before
    return states


def chain(
    tonight: Problem, yesterday: Yesterday, untested: Sequence[Response] | None, requests: Collection[str]
) -> dict[str, Problem]:
    """The problem of each cause that differs from the one before, the last one being tonight's."""
    known = _standing(tonight, yesterday)
    eased = {group.name: group for group in known.groups}
    steps = {} if yesterday.responses is None else {"on_its_way": replace(known, responses=yesterday.responses)}
    if yesterday.responses is not None and yesterday.tomorrow is not None:
        steps["calendar"] = replace(known, responses=yesterday.tomorrow)
    steps["new_data"] = replace(known, responses=untested or tonight.responses)
    if untested is not None:
        steps["experiment"] = known
    steps["total"] = replace(known, total=tonight.total)
    steps["step"] = steps["spare"] = replace(steps["total"], steps=tonight.steps)
    steps["limit"] = replace(
        steps["spare"], lower_cents=tonight.lower_cents, upper_cents=tonight.upper_cents,
        groups=[eased[g.name] if g.name in requests else g for g in tonight.groups],
        minimum_cents=tonight.minimum_cents)  # fmt: skip
    standing = set(known.overrides)
    people = [o for o in tonight.overrides if o.name not in requests or o in standing]
    if set(people) != standing:
        steps["person"] = replace(steps["limit"], overrides=people)
    if len(people) < len(tonight.overrides) or any(g.name in requests for g in tonight.groups):
        steps["request"] = tonight
    return steps


def _standing(tonight: Problem, yesterday: Yesterday) -> Problem:
    """Tonight's problem with yesterday's total, without steps, and with every rule eased until yesterday's budgets
    keep it."""
    cents = np.asarray(yesterday.cents, dtype=np.int64)
    had = dict(zip(tonight.names, cents.tolist(), strict=True))
    groups = _eased(tonight.groups, had)
    minimum = np.asarray(tonight.minimum_cents, dtype=np.int64)
    kept = [o for o in tonight.overrides
            if (o.floor_cents or 0) <= had.get(o.line, 0) <= (MOST if o.cap_cents is None else o.cap_cents)]
    held = [Override(f"ended on {line}", line, had[line], had[line]) for line in yesterday.ended if line in had]
    return replace(
        tonight,
        lower_cents=np.minimum(tonight.lower_cents, cents),
        upper_cents=np.maximum(tonight.upper_cents, cents),
        minimum_cents=np.where(cents > 0, np.minimum(minimum, cents), minimum),
        groups=groups, steps=None, overrides=[*kept, *held], total=Total.daily(int(cents.sum())),
        status_quo_cents=np.tile(cents, (tonight.days, 1)),
    )


def _eased(groups: Sequence[Group], had: Mapping[str, int]) -> list[Group]:
    children = {group.name: [g.name for g in groups if g.parent == group.name] for group in groups}
    by_name = {group.name: group for group in groups}

    def spent(name: str) -> int:
        return sum(had[line] for line in by_name[name].lines) + sum(spent(child) for child in children[name])

    def eased(group: Group) -> Group:
        own = spent(group.name)
        whole = spent(group.parent) if group.share_of == "parent" and group.parent else sum(had.values())
        share = own / whole if whole else 0.0
        return replace(
            group,
            floor_cents=None if group.floor_cents is None else np.minimum(group.floor_cents, own),
            cap_cents=None if group.cap_cents is None else np.maximum(group.cap_cents, own),
            horizon_cap_cents=None,  # says nothing of one day
            share_low=None if group.share_low is None else min(group.share_low, share),
            share_high=None if group.share_high is None else max(group.share_high, share),
        )

    return [eased(group) for group in groups]
