"""The commands `moe plan …`: what people decide about money, entered with a check.

The ground floor imports no room: the work is `decisions.override_entry`, named by dotted path.
"""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Annotated

import typer

from moe import plan_requests
from moe.commands.options import UnitOption, Who, unit_of
from moe.errors import MoeError
from moe.plan_words import Amount, Currency, DryRun, Line, Reason, Until, amount_of, entry, say, state
from moe.terminal import out, plain, print_rows

app = typer.Typer(help="Budgets of months and quarters, targets, locks, floors, caps and requests: enter them, show "
                       "them, end them.", no_args_is_help=True)
for command in (plan_requests.request, plan_requests.approve, plan_requests.refuse):
    app.command()(command)

@app.command("set")
def set_total(
    total: Annotated[str, typer.Option(help="What the month or quarter may spend, such as 300000.00.")],
    who: Who,
    reason: Reason,
    month: Annotated[str, typer.Option(help="The month, such as 2026-07.")] = "",
    quarter: Annotated[str, typer.Option(help="The quarter, such as 2026-q3.")] = "",
    unit: UnitOption = "",
    currency: Currency = "",
    dry_run: DryRun = False,
) -> None:
    """Set the total of a month or quarter. Every night spreads what is left of it over the days that are left."""
    found, plan = unit_of(unit), entry()
    kind, day = _period(month, quarter)
    amount = amount_of(found, total, currency)
    row = plan.period_total(found, kind, day, amount, who, reason)
    plan.add(found, row, dry_run)
    first = plan.bounds_of(kind, day)[0]
    spent, planned = plan.spent_in(found, first, row.until), plan.planned_in(found, first, row.until)
    days, since = (row.until - row.entered_on).days, row.entered_on + timedelta(days=1)
    say(found, row, dry_run)
    plain.print(f"{spent:,.2f} of it is spent, {planned:,.2f} is decided for the day before {since}; over the {days} "
                f"days from {since} that is {max(amount - spent - planned, Decimal(0)) / days:,.2f} a day (without it: "
                f"{found.budget.total:,.2f}).")


def _period(month: str, quarter: str) -> tuple[str, date]:
    """Kind of total and a day within its period. Raises MoeError unless exactly one is given, in its form."""
    if bool(month) == bool(quarter):
        raise MoeError("give either --month or --quarter", "such as --month 2026-07, or --quarter 2026-q3")
    if found := re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", month):
        return "monthly_total", date(int(found[1]), int(found[2]), 1)
    if found := re.fullmatch(r"(\d{4})-q([1-4])", quarter.lower()):
        return "quarterly_total", date(int(found[1]), 3 * int(found[2]) - 2, 1)
    raise MoeError(f"{month or quarter!r} is not a {'month' if month else 'quarter'}",
                   "write it as 2026-07, or as 2026-q3")


@app.command()
def target(
    value: Annotated[str, typer.Argument(help="What to reach, in the measure of the unit's target, such as 35.00.")],
    until: Until,
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: DryRun = False,
) -> None:
    """Set the number that the unit's target has to reach, such as the cost of a conversion, until a day."""
    found, plan = unit_of(unit), entry()
    row = plan.target(found, amount_of(found, value, ""), until.date(), who, reason)
    plan.add(found, row, dry_run)
    say(found, row, dry_run)


@app.command()
def lock(
    line: Line,
    until: Until,
    who: Who,
    reason: Reason,
    amount: Annotated[str, typer.Argument(help="Amount a day; without one the line keeps the budget it has.")] = "",
    unit: UnitOption = "",
    currency: Currency = "",
    dry_run: DryRun = False,
) -> None:
    """Hold a line at an amount a day."""
    _line("lock", line, amount, until, who, reason, unit, currency, dry_run)


@app.command()
def floor(
    line: Line, amount: Amount, until: Until, who: Who, reason: Reason, unit: UnitOption = "", currency: Currency = "",
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Give a line at least an amount a day."""
    _line("floor", line, amount, until, who, reason, unit, currency, dry_run)


@app.command()
def cap(
    line: Line, amount: Amount, until: Until, who: Who, reason: Reason, unit: UnitOption = "", currency: Currency = "",
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Give a line at most an amount a day."""
    _line("cap", line, amount, until, who, reason, unit, currency, dry_run)


@app.command()
def show(
    unit: UnitOption = "",
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """Show what holds in the next night, and what is planned for later."""
    found, kept = unit_of(unit), import_module("decisions.override_file")
    night, names = entry().next_night(found), entry().names_of(found)
    title = f"{found.name}: as the night of {night} will know it, amounts in {found.currency}"
    rows = []
    for row in sorted(kept.newest(kept.history(found)), key=lambda o: (o.entered_on, o.override_id)):
        told = state(row, night)
        if told != "over" or every:
            amount = "as it is" if row.amount is None else f"{row.amount:,.2f}"
            subjects = " → ".join(names.get(side, side) for side in (row.line_id, row.to_id) if side) or "all"
            rows.append([row.override_id, row.kind.replace("_", " "), subjects, amount, str(row.until),
                         f"{row.who}: {row.reason}", told])
    if not rows:
        out.print(f"Nothing is planned for {found.name}: {kept.path_of(found)}", highlight=False)
        return
    print_rows(["id", "what", "line", "amount", "until", "who and why", "state"], rows, title)


@app.command()
def end(
    override_id: Annotated[str, typer.Argument(help="Its id, as `moe plan show` lists it.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: DryRun = False,
) -> None:
    """End a plan from the next night on. What it said in earlier nights stays on record."""
    found = unit_of(unit)
    row = entry().end(found, override_id, who, reason, dry_run)
    plain.print(f"{'would end' if dry_run else 'ended'} {override_id}: it no longer holds from {row.until} on")


def _line(kind: str, line: str, amount: str, until: datetime, who: str, reason: str, unit: str, currency: str,
          dry_run: bool) -> None:  # fmt: skip
    found, plan = unit_of(unit), entry()
    given = amount_of(found, amount, currency) if amount else None
    row = plan.line_row(found, kind, line, given, until.date(), who, reason)
    plan.add(found, row, dry_run)
    say(found, row, dry_run)
