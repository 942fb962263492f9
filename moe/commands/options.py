"""Options that commands share, and the reading of them."""

from datetime import date, datetime
from typing import Annotated

import typer

from moe.errors import MoeError
from moe.settings import settings
from moe.units import Unit, load_unit

UnitOption = Annotated[str, typer.Option(
    "--unit", help="A unit's name, or the path of its unit.yml (default: MOE_UNIT, or the shipped advertiser).")]
DateOption = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night D.")]
Who = Annotated[str, typer.Option(help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why.")]


def unit_of(name: str) -> Unit:
    """The unit of the option, or the settings' own."""
    return load_unit(name or settings().unit)


def at(instant: str) -> str:
    """An instant (ISO 8601, UTC) to the minute, for people."""
    return instant[:16].replace("T", " ")


def day_of(value: datetime | None) -> date:
    """The night of the option. Raises MoeError where none was given."""
    if value is None:
        raise MoeError("no night was given", "add --date YYYY-MM-DD")
    return value.date()
