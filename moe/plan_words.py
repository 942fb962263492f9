"""What the commands `moe plan …` share: their options, and how rows and amounts are read and told."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Annotated, Any

import typer

from moe.errors import MoeError
from moe.terminal import plain
from moe.units import Unit, option

Reason = Annotated[str, typer.Option(help="Why, in a sentence: the report shows it.")]
Until = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it holds.")]
Line = Annotated[str, typer.Argument(help="A budget line's id, or its name.")]
Amount = Annotated[str, typer.Argument(help="Amount a day in the unit's currency, such as 120.00.")]
Currency = Annotated[str, typer.Option(help="Currency of the amount; the unit's own where it is not given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check it, say what would be written, and write nothing.")]

AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,2})?")
"As tables hold it, DECIMAL(18, 2). Not 1.500, which half of the world reads as fifteen hundred."


def say(unit: Unit, row: Any, dry_run: bool) -> None:
    amount = "the budget that it has" if row.amount is None else f"{row.amount:,.2f} {unit.currency}"
    on, since = f" on {entry().called(unit, row.line_id)}" if row.line_id else "", row.entered_on + timedelta(days=1)
    plain.print(f"{'would write' if dry_run else 'wrote'} {row.override_id}: {row.kind.replace('_', ' ')} of {amount}"
                f"{on}, from {since} to {row.until}. "
                f"To end it: moe plan end {row.override_id} --unit {option(unit.unit)}")


def state(row: Any, night: date) -> str:
    """What a row is in the next night."""
    if row.until <= night:
        return "over"
    if row.kind == "request" and row.state != "approved":
        return "waits for approval" if row.state == "requested" else "refused"
    return "in force" if row.entered_on <= night else f"from {row.entered_on + timedelta(days=1)}"


def amount_of(unit: Unit, text: str, currency: str) -> Decimal:
    """An amount as it was typed. Raises MoeError for another currency, or where it could be read in two ways."""
    if currency and currency.upper() != unit.currency:
        raise MoeError(f"unknown currency {currency} here: the budgets of {unit.unit} are in {unit.currency}",
                       f"convert the amount and give it in {unit.currency}")
    if not AMOUNT.fullmatch(text):
        raise MoeError(f"{text!r} is not an amount", "write it in plain digits, such as 1250.00: no sign, no separator "
                                                     "of thousands, at most two decimals")
    return Decimal(text)


def entry() -> Any:
    return import_module("decisions.override_entry")
