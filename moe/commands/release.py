"""What is live: show it, compare it, move it, and let PostgreSQL and S3 follow."""

from datetime import date, datetime
from typing import Annotated

import typer
from rich.table import Table

from moe.commands.options import Reason, UnitOption, Who, at, unit_of
from moe.settings import settings
from moe.terminal import out, plain, print_rows
from moe.units import Unit

app = typer.Typer(help="What is live: show it, compare it with a candidate, go back.", no_args_is_help=True)


def follow(
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would change, and change nothing.")] = False,
    prune: Annotated[bool, typer.Option(help="Also delete from S3 what this store no longer has.")] = False,
) -> None:
    """Make PostgreSQL and S3, where they are set, equal to what is live. Can be repeated."""
    from moe import follow as followers

    name = unit_of(unit).unit
    for sentence in followers.follow(name, dry_run) or ["nothing is set to follow: MOE_POSTGRES_URL, MOE_S3_URL"]:
        plain.print(sentence)
    if prune and settings().s3_url:
        from moe.follow import s3

        gone = s3.prune(name, dry_run)
        out.print(*gone, f"{'would delete' if dry_run else 'deleted'} {len(gone)} files from S3", sep="\n")


def restore(
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would be fetched.")] = False,
    bundle_only: Annotated[bool, typer.Option(help="Fetch the live model bundle alone, for serving.")] = False,
) -> None:
    """Fetch a unit's tables, bundles, reports and publication logs from S3. Replaces nothing that is here."""
    from moe.follow.restore import restore as run_restore

    plain.print(run_restore(unit_of(unit).unit, dry_run, bundle_only))


@app.command()
def show(unit: UnitOption = "") -> None:
    """Show what is live, and how it came to be."""
    from moe import publish

    name = unit_of(unit).unit
    live = publish.live("release", name)
    rows = [["live" if entry == live else "", at(entry.at), entry.who, entry.moved_from or "", entry.moved_to,
             entry.effective, entry.reason, ", ".join(f"{k} {v}" for k, v in entry.facts.items())]
            for entry in publish.log("release", name)]
    if not rows:
        out.print(f"nothing is live for {name}")
        return
    print_rows(["", "at, UTC", "who", "from", "to", "effective", "reason", "facts"], rows, f"releases of {name}")


@app.command()
def diff(
    to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night to compare with.")],
    unit: UnitOption = "",
) -> None:
    """Compare the budgets of a night's candidate with those that are live."""
    from moe.release import diff

    name = unit_of(unit).unit
    table = Table("budget line", "live", "candidate", "change", title=f"{name}: live against {to.date()}")
    for row in diff(name, to.date()):
        table.add_row(row.line_name, f"{row.live:,.2f}", f"{row.candidate:,.2f}",
                      f"{row.candidate - row.live:+,.2f}")
    out.print(table)


@app.command()
def publish(
    to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night whose candidate goes live.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make a night's candidate live (forward only). A held candidate is refused."""
    _move(unit_of(unit), to.date(), who=who, reason=reason, dry_run=dry_run)


@app.command()
def rollback(
    to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night to go back to.")],
    who: Who,
    reason: Reason,
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make the release of an earlier night live again."""
    _move(unit_of(unit), to.date(), who=who, reason=reason, dry_run=dry_run, back=True)


def _move(unit: Unit, to: date, *, who: str, reason: str, dry_run: bool, back: bool = False) -> None:
    """Move what is live; the pages of both nights and the followers come after."""
    from moe import publish
    from moe.follow import follow
    from moe.release import make_live, pages_anew

    before = publish.live("release", unit.unit)
    out.print(make_live(unit.unit, to, who=who, reason=reason, dry_run=dry_run, back=back))
    if dry_run:
        return
    nights = {to} | ({date.fromisoformat(before.moved_to)} if before else set())
    for sentence in (*pages_anew(unit, nights), *follow(unit.unit)):
        plain.print(sentence)
