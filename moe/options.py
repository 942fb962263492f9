"""What every command of `moe` shares: the option `--unit`, and the terminal that it prints on."""

from typing import Annotated

import typer
from rich.console import Console

out = Console(markup=False)
"Names of campaigns hold brackets (`Brand [exact]`): nothing that is printed may be read as markup."

UnitOption = Annotated[str, typer.Option(
    "--unit", help="A unit's name, or the path of its unit.yml (default: MOE_UNIT, or the shipped advertiser).")]
