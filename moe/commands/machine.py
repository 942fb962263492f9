"""This machine: services that run on it, and what is missing on it."""

import typer
from rich.table import Table
from rich.text import Text

from moe.settings import settings
from moe.terminal import out


def up() -> None:
    """Start Airflow, MLflow, the serving process and the archive of reports on this machine, and say where they are."""
    from moe import services

    with out.status("starting") as status:
        started = services.up(status.update)
    for service in started:
        out.print(f"{service.name:<8} {service.address}  {service.says}")
    out.print(f"Log in to Airflow: {services.airflow_login()}\nEnd all of it: moe down. Logs: {settings().logs}")


def down() -> None:
    """End everything that `moe up` started."""
    from moe import services

    ended = services.down()
    out.print(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def doctor() -> None:
    """Tell what is missing on this machine, and what to do."""
    from moe.doctor import checks

    table = Table("what", "state", "found", "what to do")
    found = checks()
    for check in found:
        table.add_row(check.what, Text("ok", "green") if check.ok else Text("missing", "red"), check.found,
                      "" if check.ok else check.remedy)
    out.print(table)
    raise typer.Exit(0 if all(check.ok or check.optional for check in found) else 1)
