"""The commands `moe plan request`, `approve` and `refuse`: money that one region or line gives to another."""

from importlib import import_module
from typing import Annotated, Any

import typer

from moe.commands.options import UnitOption, Who, unit_of
from moe.plan_words import Amount, Currency, DryRun, Reason, Until, amount_of, entry
from moe.terminal import plain
from moe.units import option

Side = Annotated[str, typer.Argument(help="A budget line's id or name, or a group's name.")]
Asked = Annotated[str, typer.Argument(help="The request's id, as `moe plan show` lists it.")]


def request(
    giver: Side, receiver: Side, amount: Amount, until: Until, who: Who, reason: Reason, unit: UnitOption = "",
    currency: Currency = "", dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Ask that a line or group gives an amount a day to another. Nothing moves until somebody approves it."""
    found = unit_of(unit)
    row = _entry().request(found, giver, receiver, amount_of(found, amount, currency), until.date(), who, reason,
                           dry_run)  # fmt: skip
    sides = " to ".join(entry().called(found, side) for side in (row.line_id, row.to_id))
    plain.print(f"{'would write' if dry_run else 'wrote'} {row.override_id}: {row.amount:,.2f} {found.currency} a day "
                f"from {sides}, until {row.until}, waits for approval. "
                f"To decide: moe plan approve {row.override_id} --unit {option(found.unit)}")  # fmt: skip


def approve(asked: Asked, who: Who, reason: Reason, unit: UnitOption = "", dry_run: DryRun = False) -> None:
    """Approve a request: from the next night on it limits both sides."""
    found = unit_of(unit)
    row = _entry().decide(found, asked, "approved", who, reason, dry_run)
    giver, receiver = (entry().called(found, side) for side in (row.line_id, row.to_id))
    said = f"{giver} gets at most {row.from_amount:,.2f} a day, {receiver} at least {row.to_amount:,.2f}"
    plain.print(f"{'would approve' if dry_run else 'approved'} {asked}: {said}, until {row.until}")


def refuse(asked: Asked, who: Who, reason: Reason, unit: UnitOption = "", dry_run: DryRun = False) -> None:
    """Refuse a request. It stays on record."""
    _entry().decide(unit_of(unit), asked, "refused", who, reason, dry_run)
    plain.print(f"{'would refuse' if dry_run else 'refused'} {asked}")


def _entry() -> Any:
    return import_module("decisions.request_entry")
