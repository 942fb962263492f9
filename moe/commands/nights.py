"""Nights: run jobs or the whole DAG, and list what can be run."""

import json
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from moe.commands.options import DateOption, UnitOption, day_of, unit_of
from moe.errors import MoeError
from moe.settings import settings
from moe.terminal import MARKS, out


def run(
    jobs: Annotated[list[str], typer.Argument(help="Jobs in any order, or `night` for all (see `moe jobs`).")],
    unit: UnitOption = "",
    day: DateOption = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First night.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last night.")] = None,
    history: Annotated[bool, typer.Option(help="First do the earlier nights that are missing.")] = True,
    replace: Annotated[bool, typer.Option(help="Accept a delivery that differs from the one landed.")] = False,
) -> None:
    """Run jobs for one night, or for several in one process (equal to night by night). Publishes nothing."""
    from moe import runner
    from moe.jobs import find

    if (day is None) == (since is None or until is None):
        raise MoeError("which nights?", "give either --date, or --from and --to")
    first, last = (since.date(), until.date()) if since and until else (day_of(day), day_of(day))
    if first > last:
        raise MoeError(f"--from {first} is after --to {last}", "swap them")
    who = unit_of(unit)
    nights = [first + timedelta(days=d) for d in range((last - first).days + 1)]
    found = find(jobs)
    if history:
        runner.build_history(found, who, first, _show_record)
    runner.run(found, who, nights, _show_record, replace)


def nightly(
    unit: UnitOption = "",
    day: DateOption = None,
    publish: Annotated[bool, typer.Option(help="Make the night's release live, unless a check holds it.")] = True,
) -> None:
    """Run a whole night through Airflow's `nightly` DAG, showing each step, and end with what was decided."""
    from moe.nightly import nightly as run_nightly

    raise typer.Exit(run_nightly(unit or settings().unit, day.date() if day else None, publish))


def airflow(context: typer.Context) -> None:
    """Run an Airflow command with this store's settings: `moe airflow standalone`, `moe airflow backfill …`."""
    from moe.nightly import airflow as run_airflow

    raise typer.Exit(run_airflow(context.args))


def jobs() -> None:
    """List the jobs of a night, and those that watch it, with what they read and write."""
    from moe.jobs import JOBS

    table = Table("job", "reads", "writes", "engine", "needs D−1")
    for job in JOBS:
        reads = "\n".join(dict.fromkeys(f"{r.table} ({r.how.replace('_', ' ')})" for r in job.reads.values()))
        table.add_row(job.name, reads, "\n".join(job.writes), job.engine, "yes" if job.needs_night_before else "")
    out.print(table)


def _show_record(record: Any) -> None:
    """A line for people on the terminal; the JSON line where the output is read by a program."""
    if sys.stdout.isatty():
        rows = ", ".join(f"{name} {count:,}" for name, count in record.rows_out.items())
        out.print(MARKS[record.status],
                  f"{record.date} {record.job:<10} {record.seconds:7.2f} s  {record.reason or rows}")
    else:
        print(json.dumps(asdict(record), sort_keys=True), flush=True)
