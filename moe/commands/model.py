"""The model: train it, compare it, go back, and bring its features online."""

import json
import re
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from moe.commands.options import DateOption, Reason, UnitOption, Who, at, day_of, unit_of
from moe.settings import settings
from moe.terminal import out, plain, print_rows

app = typer.Typer(help="The model: show it, compare a challenger with it, go back.", no_args_is_help=True)


def train(day: DateOption = None, unit: UnitOption = "") -> None:
    """Train a challenger on what was known in a night; a unit's first one becomes champion at once."""
    from moe.train import train as run_training

    result = run_training(unit_of(unit), day_of(day))
    out.print_json(json.dumps(result, default=str))


def online(day: DateOption = None, unit: UnitOption = "") -> None:
    """Bring the features of a night online (forward only), and print the address at which serving reads them."""
    from moe.online import bring

    name = unit_of(unit).unit
    out.print(bring(name, day_of(day)))
    address = settings().online_address(name)
    shown = re.sub(r"(//[^:/@]*:).*@", r"\1…@", address)  # logs and screens are read by more people than the setting
    plain.print(f"Address: {shown}" + ("" if shown == address else " (… stands for the password of MOE_ONLINE_STORE)"))


@app.command()
def show(unit: UnitOption = "") -> None:
    """Show which model is champion, and how it came to be."""
    from moe import publish

    name = unit_of(unit).unit
    live = publish.live("model", name)
    rows = [["champion" if entry == live else "", at(entry.at), entry.who, entry.moved_from or "", entry.moved_to,
             entry.effective, entry.reason] for entry in publish.log("model", name)]
    if not rows:
        out.print(f"{name} has no model")
        return
    print_rows(["", "at, UTC", "who", "from", "to", "effective", "reason"], rows, f"models of {name}")


@app.command()
def promote(
    who: Who,
    reason: Reason,
    day: DateOption = None,
    unit: UnitOption = "",
    despite: Annotated[bool, typer.Option("--despite-checks", help="Promote though a check says no.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Compare, and move nothing.")] = False,
) -> None:
    """Compare the newest challenger with the champion on rows that neither saw, and let it take over if better."""
    from moe.train import promote

    verdict = promote(unit_of(unit), day_of(day), who=who, reason=reason, despite=despite, dry_run=dry_run)
    table = Table("check", "", "what was found")
    for check in verdict["checks"]:
        passed = Text("passed", "green") if check["passed"] else Text("failed", "red")
        table.add_row(check["name"], passed, check["said"])
    out.print(table if table.rows else "no champion to compare with")
    out.print(verdict["said"])
    plain.print(f"curves of the bid: {verdict['bid_response']}")


@app.command()
def rollback(
    to: Annotated[str, typer.Argument(help="Version that was champion before; its first digits are enough.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make an earlier champion champion again, from the next night on."""
    from moe.train import rollback

    out.print(rollback(unit_of(unit), to, who=who, reason=reason, dry_run=dry_run))
