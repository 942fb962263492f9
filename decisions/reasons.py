"""Why a line gets what it gets, in a sentence for a marketing operator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decisions.allocation import Allocation
from decisions.curves import Curves
from decisions.limits import Bounds, money
from decisions.overrides import LineLimits, Override

BOUNDS = ("floor", "cap")
"What holds a line by itself; anything else that holds it is the limit of a group."


class Reason(NamedTuple):
    code: str
    text: str
    override_id: str | None = None
    "The override that the budget rests on."


REASON_CODES = (
    *("locked", "override_floor", "override_cap", "floor", "cap", "step_up", "step_down"),
    *("raised", "lowered", "kept", "stopped", "not_funded"),
)


def reason(
    previous_cents: ArrayLike,
    allocation: Allocation,
    limits: Bounds,
    curves: Curves,
    overrides: LineLimits | None = None,
    supported: ArrayLike | None = None,
    *,
    currency: str = "dollar",
    weights: ArrayLike = 1.0,
) -> list[Reason]:
    """For each line a code (one of `REASON_CODES`) and a short sentence that says why it gets what it gets.

    The sentence compares what the next currency unit returned at the previous budget with the shadow
    price, which is what it returns tonight wherever money is free to move: a free line rises exactly if
    that is more. `supported` (n,) cents are the most that the data support, where that is a limit.
    `weights` (n,) are the worth of a unit of each line's outcome: returns are told in worth where they differ.
    """
    supported = None if supported is None else np.asarray(supported, dtype=np.int64)
    previous = np.asarray(previous_cents, dtype=np.int64)
    weights = np.broadcast_to(np.asarray(weights, dtype=np.float64), previous.shape)
    first, marginal = curves.marginal(0) * weights, curves.marginal(previous / 100) * weights
    price, of_worth = allocation.money_price * weights, " of worth" if (weights != 1).any() else ""

    def why(at: int) -> Reason:
        old, new, binding = int(previous[at]), int(allocation.budget_cents[at]), str(allocation.binding[at])
        moved = "Raised" if new > old else "Lowered" if new < old else "Held"
        person = _person(at, new, binding, overrides)
        if person is not None:
            signed = f"by {person.who} until {person.until}: {person.reason}"
            if person.kind == "lock":
                return Reason("locked", f"Locked {signed}", person.override_id)
            code = f"override_{person.kind}"
            return Reason(code, f"{_to(moved)} the {person.kind} of {money(new)} set {signed}", person.override_id)
        unknown = "" if curves.days_observed[at] else "; not observed yet, so judged like the other lines"
        if binding == "minimum":
            return Reason("floor", f"{_to(moved)} its minimum of {money(new)}: below it the line does not run")
        rule = {"floor": limits.lower_from, "cap": limits.upper_from}[binding][at] if binding in BOUNDS else ""
        if rule == "step":
            # The least step speaks as an amount, the relative one as a share.
            change = abs(new - old)
            size = f"{limits.step * 100:.3g} %" if change <= limits.step * old + 1 else money(change)
            size += ", widened to reach the total" if limits.widened_step is not None else ""
            code = "step_up" if binding == "cap" else "step_down"
            return Reason(code, f"{moved} by the largest step allowed ({size}){unknown}")
        if rule == "cap" and supported is not None and new >= supported[at]:
            return Reason(rule, f"{_to(moved)} {money(new)}: the data do not support more yet")
        if rule == "cap" or (rule == "floor" and new > 0):
            return Reason(rule, f"{_to(moved)} its {rule} of {money(new)}")

        against = f"against {_rate(price[at])} across the lines"
        if binding not in ("", "off", *BOUNDS):
            against = f"against {_rate(price[at])} within the {binding}, " \
                      f"{_rate(allocation.shadow_price)} elsewhere"
        if new == 0:
            code, word = ("stopped", "Stopped") if old > 0 else ("not_funded", "Not funded")
            text = f"{word}: the first {currency} here would return {_rate(first[at])}{of_worth}"
            text += ", and it runs from its minimum on" if binding == "off" else ""
        elif abs(new - old) <= max(0.005 * old, 1):
            code, text = "kept", f"Kept: the next {currency} here returns {_rate(marginal[at])}{of_worth}"
        else:
            code, text = moved.lower(), f"{moved}: the next {currency} here returned {_rate(marginal[at])}{of_worth}"
        return Reason(code, f"{text}, {against}{unknown}")

    return [why(at) for at in range(previous.size)]


def _person(at: int, budget: int, binding: str, overrides: LineLimits | None) -> Override | None:
    """The override that the budget rests on, if it rests on one."""
    if overrides is None:
        return None
    low, high = overrides.floor_by[at], overrides.cap_by[at]
    on_low, on_high = budget == overrides.floor_cents[at], budget == overrides.cap_cents[at]
    for it, on in ((low, on_low), (high, on_high)):
        if it is not None and on and it.kind == "lock":
            return it
    if on_high and (binding == "cap" or (binding == "floor" and not on_low)):
        return high
    return low if on_low and binding else None


def _to(moved: str) -> str:
    return "Held at" if moved == "Held" else f"{moved} to"


def _rate(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"
