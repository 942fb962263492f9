"""Requests to move money from a line or group to another: asked for, then approved or refused, each signed."""

from datetime import date
from decimal import Decimal

from decisions.names import lines_of
from decisions.override_entry import Lines, check_end, check_lines, find_line, known_lines, made, next_night, signed
from decisions.override_file import append, history, newest
from decisions.overrides import Override, State
from moe.errors import MoeError
from moe.units import Unit


def request(
    unit: Unit, giver: str, receiver: str, amount: Decimal, until: date, who: str, reason: str, dry_run: bool = False
) -> Override:
    """Ask for `amount` a day to move; it says nothing until somebody approves it."""
    lines, entered = known_lines(unit), next_night(unit)
    check_end(until, entered)
    sides = [subject(unit, lines, wanted) for wanted in (giver, receiver)]
    row = made(unit, f"request-{entered}", "request", amount, reason, who, entered, until, line_id=sides[0],
               to_id=sides[1], state="requested")  # fmt: skip
    append(unit, row, None, lambda _: None, dry_run)
    return row


def decide(unit: Unit, override_id: str, state: State, who: str, reason: str, dry_run: bool = False) -> Override:
    """Approve or refuse a request from the next night on.

    Approved, the giver gets at most its newest budget less the amount, the receiver at least its own and the amount.
    Raises MoeError where it is no request that waits, or where it cannot hold.
    """
    found = {o.override_id: o for o in newest(history(unit)) if o.kind == "request"}.get(override_id)
    entered = next_night(unit)
    if found is None or found.state != "requested":
        what = "there is no request" if found is None else f"the request is {found.state} already:"
        raise MoeError(f"{what} {override_id}", "`moe plan show` lists those that wait; `moe plan end` ends one")
    if found.until <= max(entered, found.entered_on):
        raise MoeError(f"the request {override_id} ended on {found.until}, before the next night decides",
                       "ask for it again with a later end")
    row = vars(found) | {"state": state, "entered_on": max(entered, found.entered_on)}
    if state == "approved":
        assert found.amount is not None and found.line_id is not None and found.to_id is not None
        lines = known_lines(unit)
        had, gets = (_budget(unit, lines, side) for side in (found.line_id, found.to_id))
        if had < found.amount:
            raise MoeError(f"{found.line_id} has {had:,.2f} a day, less than the {found.amount:,.2f} asked for",
                           "refuse it, and ask for less")
        row |= {"from_amount": had - found.amount, "to_amount": gets + found.amount}
    decided = signed(row, who, f"{reason.strip()} (asked for by {found.who}: {found.reason})" if reason.strip() else "")
    append(unit, decided, found, lambda others: _check(unit, decided, others), dry_run)
    return decided


def subject(unit: Unit, lines: Lines, wanted: str) -> str:
    """A group's name or a line's id. Raises MoeError with the nearest lines where it is neither."""
    return wanted if wanted in {group.name for group in unit.budget.groups} else find_line(lines, wanted)


def _budget(unit: Unit, lines: Lines, side: str) -> Decimal:
    """The newest budget of a line, or of all lines under a group."""
    under = lines_of(unit.budget.groups, lines.names).get(side, {side})
    return Decimal(sum(lines.budget_cents.get(line, 0) for line in under)).scaleb(-2)


def _check(unit: Unit, row: Override, others: list[Override]) -> None:
    """Raise MoeError where the lines' own limits, or the unit's, leave no room for the request."""
    groups, cap = {group.name for group in unit.budget.groups}, unit.budget.line_cap
    if row.state == "approved" and row.to_id not in groups and cap is not None and (row.to_amount or 0) > cap:
        raise MoeError(f"{row.to_id} would get {row.to_amount:,.2f}, above the unit's largest budget of a line, {cap}",
                       f"refuse it and ask for less, or raise line_cap in {unit.folder}/unit.yml")
    check_lines(unit, row, others)
