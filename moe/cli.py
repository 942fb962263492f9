"""The command `moe`: its commands in the order of its help."""

import sys
from typing import NoReturn

import typer
from rich.text import Text

from moe.commands import machine, model, nights, release, replay, store
from moe.errors import MoeError
from moe.plan import app as plan_app
from moe.terminal import err
from moe.what_if import HELP as WHAT_IF_HELP
from moe.what_if import what_if

FOR_AIRFLOW = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(help="Marketing optimization engine: run nights, look at tables, publish releases.",
                  no_args_is_help=True, pretty_exceptions_enable=False)
app.command("what-if", help=WHAT_IF_HELP)(what_if)
app.command()(nights.run)
app.command()(nights.nightly)
app.command(context_settings=FOR_AIRFLOW, add_help_option=False)(nights.airflow)
for command in (nights.jobs, store.tables, store.show, store.ledger, machine.up, machine.down, machine.doctor,
                model.train, model.online, release.follow, release.restore, store.pages, replay.replay):
    app.command()(command)
app.add_typer(release.app, name="release")
app.add_typer(model.app, name="model")
app.add_typer(plan_app, name="plan")


def main() -> NoReturn:
    """Entry point: errors that a person can put right are printed without a traceback."""
    try:
        app()
    except MoeError as error:
        said = Text.assemble((error.message, "red bold"), "\n", ("What to do:", "bold"), f" {error.remedy}")
        err.print(said, soft_wrap=True)  # a command in it stays in one piece, to be copied
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
