"""The commands `moe plan …`: what people decide about money, entered with a check.

The ground floor imports no room: the work is `decisions.override_entry`, named by dotted path.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from moe.errors import MoeError
from moe.settings import settings
from moe.units import Unit, load_unit, option

app = typer.Typer(help="Monthly budgets, locks, floors and caps: enter them, show them, end them.",
                  no_args_is_help=True)
out = Console()

UnitOption = Annotated[str, typer.Option("--unit", help="A unit's name, or the path of its unit.yml.")]
Who = Annotated[str, typer.Option(help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence: the report shows it.")]
Until = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it holds.")]
Line = Annotated[str, typer.Argument(help="A budget line's id, or its name.")]
Amount = Annotated[str, typer.Argument(help="Amount a day in the unit's currency, such as 120.00.")]
Currency = Annotated[str, typer.Option(help="Currency of the amount; the unit's own where it is not given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check it, say what would be written, and write nothing.")]


@app.command("set")
def set_month(
    month: Annotated[datetime, typer.Option(formats=["%Y-%m"], help="The month, such as 2026-07.")],
    total: Annotated[str, typer.Option(help="What the month may spend, such as 300000.00.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    currency: Currency = "",
    dry_run: DryRun = False,
) -> None:
    """Set a month's total budget. Every night spreads what is left of it over the days that are left."""
    found, plan = _unit(unit), _plan()
    first, amount = month.date().replace(day=1), _amount(found, total, currency)
    row = plan.month_total(found, first, amount, who, reason)
    plan.add(found, row, dry_run)
    spent = plan.spent_in(found, first)
    days = (row.until - row.entered_on).days
    _say(found, row, dry_run)
    out.print(f"{spent:,.2f} of it is spent; over the {days} days from {row.entered_on + timedelta(days=1)} that is "
              f"{max(amount - spent, Decimal(0)) / days:,.2f} a day (without it: {found.budget.total:,.2f}).",
              highlight=False, soft_wrap=True)


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
    found, kept = _unit(unit), import_module("decisions.override_file")
    night = _plan().next_night(found)
    title = f"{found.name}: as the night of {night} will know it, amounts in {found.currency}"
    table = Table(Column("id", no_wrap=True), "what", "line", Column("amount", no_wrap=True, justify="right"),
                  Column("until", no_wrap=True), "who and why", Column("", no_wrap=True), title=title)
    for row in sorted(kept.newest(kept.history(found)), key=lambda o: (o.entered_on, o.override_id)):
        state = _state(row, night)
        if state != "over" or every:
            amount = "as it is" if row.amount is None else f"{row.amount:,.2f}"
            table.add_row(row.override_id, row.kind.replace("_", " "), row.line_id or "all", amount, str(row.until),
                          f"{row.who}: {row.reason}", state)
    out.print(table if table.rows else f"Nothing is planned for {found.name}: {kept.path_of(found)}",
              highlight=False)


@app.command()
def end(
    override_id: Annotated[str, typer.Argument(help="Its id, as `moe plan show` lists it.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: DryRun = False,
) -> None:
    """End a plan from the next night on. What it said in earlier nights stays on record."""
    found = _unit(unit)
    row = _plan().end(found, override_id, who, reason, dry_run)
    out.print(f"{'would end' if dry_run else 'ended'} {override_id}: it no longer holds from {row.until} on",
              highlight=False, soft_wrap=True)


def _line(kind: str, line: str, amount: str, until: datetime, who: str, reason: str, unit: str, currency: str,
          dry_run: bool) -> None:  # fmt: skip
    found, plan = _unit(unit), _plan()
    given = _amount(found, amount, currency) if amount else None
    row = plan.line_row(found, kind, line, given, until.date(), who, reason)
    plan.add(found, row, dry_run)
    _say(found, row, dry_run)


def _say(unit: Unit, row: Any, dry_run: bool) -> None:
    amount = "the budget that it has" if row.amount is None else f"{row.amount:,.2f} {unit.currency}"
    on, since = f" on {row.line_id}" if row.line_id else "", row.entered_on + timedelta(days=1)
    out.print(f"{'would write' if dry_run else 'wrote'} {row.override_id}: {row.kind.replace('_', ' ')} of {amount}"
              f"{on}, from {since} to {row.until}. "
              f"To end it: moe plan end {row.override_id} --unit {option(unit.unit)}", highlight=False, soft_wrap=True)


def _state(row: Any, night: date) -> str:
    if row.until <= night:
        return "over"
    return "in force" if row.entered_on <= night else f"from {row.entered_on + timedelta(days=1)}"


def _amount(unit: Unit, text: str, currency: str) -> Decimal:
    if currency and currency.upper() != unit.currency:
        raise MoeError(f"unknown currency {currency} here: the budgets of {unit.unit} are in {unit.currency}",
                       f"convert the amount and give it in {unit.currency}")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount != round(amount, 2):
        raise MoeError(f"{text!r} is not an amount", "write it in plain digits, such as 1250.00: no sign, no separator "
                                                     "of thousands, at most two decimals")
    return amount


def _unit(name: str) -> Unit:
    return load_unit(name or settings().unit)


def _plan() -> Any:
    return import_module("decisions.override_entry")
