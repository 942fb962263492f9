"""The command `moe`."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moe.errors import MoeError
from moe.options import UnitOption, out
from moe.plan import app as plan_app
from moe.settings import settings
from moe.what_if import HELP as WHAT_IF_HELP
from moe.what_if import what_if

app = typer.Typer(help="Marketing optimization engine: run nights, look at tables, publish releases.",
                  no_args_is_help=True, pretty_exceptions_enable=False)
release_app = typer.Typer(help="What is live: show it, compare it with a candidate, go back.", no_args_is_help=True)
app.add_typer(release_app, name="release")
model_app = typer.Typer(help="The model: show it, compare a challenger with it, go back.", no_args_is_help=True)
app.add_typer(model_app, name="model")
app.add_typer(plan_app, name="plan")
app.command("what-if", help=WHAT_IF_HELP)(what_if)
err = Console(stderr=True, markup=False)

DateOption = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night D.")]


def _unit(name: str) -> Any:
    from moe.units import load_unit

    return load_unit(name or settings().unit)


def _day(value: datetime | None) -> date:
    if value is None:
        raise MoeError("no night was given", "add --date YYYY-MM-DD")
    return value.date()


def _show_record(record: Any) -> None:
    """A line for people on the terminal; the JSON line where the output is read by a program."""
    if sys.stdout.isatty():
        mark = {"done": ("✓", "green"), "skipped": ("–", "yellow"), "failed": ("✗", "red")}[record.status]
        rows = ", ".join(f"{name} {count:,}" for name, count in record.rows_out.items())
        out.print(Text.assemble(mark, f" {record.date} {record.job:<10} {record.seconds:7.2f} s  "
                                      f"{record.reason or rows}"))
    else:
        print(json.dumps(asdict(record), sort_keys=True), flush=True)


@app.command()
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
    first, last = (since.date(), until.date()) if since and until else (_day(day), _day(day))
    if first > last:
        raise MoeError(f"--from {first} is after --to {last}", "swap them")
    who = _unit(unit)
    nights = [first + timedelta(days=d) for d in range((last - first).days + 1)]
    found = find(jobs)
    if history:
        runner.build_history(found, who, first, _show_record)
    runner.run(found, who, nights, _show_record, replace)


@app.command()
def nightly(
    unit: UnitOption = "",
    day: DateOption = None,
    publish: Annotated[bool, typer.Option(help="Make the night's release live, unless a check holds it.")] = True,
) -> None:
    """Run a whole night through Airflow's `nightly` DAG, showing each step, and end with what was decided."""
    from moe.nightly import nightly as run_nightly

    raise typer.Exit(run_nightly(unit or settings().unit, day.date() if day else None, publish))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def airflow(context: typer.Context) -> None:
    """Run an Airflow command with this store's settings: `moe airflow standalone`, `moe airflow backfill …`."""
    from moe.nightly import airflow as run_airflow

    raise typer.Exit(run_airflow(context.args))


@app.command()
def jobs() -> None:
    """List the jobs of a night, and those that watch it, with what they read and write."""
    from moe.jobs import JOBS

    table = Table("job", "reads", "writes", "engine", "needs D−1")
    for job in JOBS:
        reads = "\n".join(dict.fromkeys(f"{r.table} ({r.how.replace('_', ' ')})" for r in job.reads.values()))
        table.add_row(job.name, reads, "\n".join(job.writes), job.engine, "yes" if job.needs_night_before else "")
    out.print(table)


@app.command()
def tables(unit: UnitOption = "") -> None:
    """List tables with their nights and size."""
    from moe import tables as store
    from moe.contracts import contracts

    name = _unit(unit).unit
    table = Table("table", "nights", "first", "last", "MB", "what it holds")
    for entry in store.tables():
        nights = store.nights(entry, name)
        size = sum(store.partition(entry, name, night).stat().st_size for night in nights) / 1e6
        span = (str(nights[0]), str(nights[-1])) if nights else ("", "")
        text = contracts()[entry].description if entry in contracts() else ""
        table.add_row(entry, str(len(nights)), *span, f"{size:.1f}" if nights else "", text)
    out.print(table)


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="Its name, such as out.budget__line: see `moe tables`.")],
    day: DateOption = None,
    unit: UnitOption = "",
    rows: Annotated[int, typer.Option(help="Rows to show.")] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="All rows as CSV.")] = False,
) -> None:
    """Show a table's partition of a night (the newest where no --date is given)."""
    from moe import tables as store
    from moe.contracts import contract

    name = _unit(unit).unit
    if table not in store.tables():
        contract(table)  # says which names are near
    nights = store.nights(table, name)
    if day is None and not nights:
        raise MoeError(f"{table} holds nothing for unit {name}", "see `moe tables`")
    night = day.date() if day else nights[-1]
    data = store.read(table, name, night)
    if as_csv:
        import pyarrow.csv

        pyarrow.csv.write_csv(data, sys.stdout.buffer)
        return
    shown = Table(*[c for c in data.column_names if c not in ("unit", "night")],
                  title=f"{table} · {name} · {night} · {data.num_rows:,} rows")
    for row in data.slice(0, rows).to_pylist():
        shown.add_row(*["" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v)
                        for k, v in row.items() if k not in ("unit", "night")])
    out.print(shown)


@app.command()
def ledger(day: DateOption = None, unit: UnitOption = "") -> None:
    """List the runs of jobs, newest last."""
    from moe import ledger as book

    table = Table("at", "night", "job", "status", "s", "rows out", "code", "reason")
    for r in book.records(_unit(unit).unit, day.date() if day else None)[-200:]:
        rows = ", ".join(f"{count:,}" for count in r["rows_out"].values())
        table.add_row(r["at"], r["date"], r["job"], r["status"], f"{r['seconds']:.1f}", rows, r["code"], r["reason"])
    out.print(table)


@app.command()
def up() -> None:
    """Start Airflow, MLflow, the serving process and the archive of reports on this machine, and say where they are."""
    from moe import services

    with out.status("starting") as status:
        started = services.up(status.update)
    for service in started:
        out.print(f"{service.name:<8} {service.address}  {service.says}")
    out.print(f"Log in to Airflow: {services.airflow_login()}\nEnd all of it: moe down. Logs: {settings().logs}")


@app.command()
def down() -> None:
    """End everything that `moe up` started."""
    from moe import services

    ended = services.down()
    out.print(f"ended: {', '.join(ended)}" if ended else "nothing was running")


@app.command()
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


@app.command()
def train(day: DateOption = None, unit: UnitOption = "") -> None:
    """Train a challenger on what was known in a night; a unit's first one becomes champion at once."""
    from moe.train import train as run_training

    result = run_training(_unit(unit), _day(day))
    out.print_json(json.dumps(result, default=str))


@app.command()
def online(day: DateOption = None, unit: UnitOption = "") -> None:
    """Bring the features of a night online (forward only), and print the address at which serving reads them."""
    from moe.online import bring

    name = _unit(unit).unit
    out.print(bring(name, _day(day)))
    out.print(f"Address: {settings().online_address(name)}", soft_wrap=True)


@app.command()
def follow(
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would change, and change nothing.")] = False,
    prune: Annotated[bool, typer.Option(help="Also delete from S3 what this store no longer has.")] = False,
) -> None:
    """Make PostgreSQL and S3, where they are set, equal to what is live. Can be repeated."""
    from moe import follow as followers

    name = _unit(unit).unit
    for sentence in followers.follow(name, dry_run) or ["nothing is set to follow: MOE_POSTGRES_URL, MOE_S3_URL"]:
        out.print(sentence, highlight=False)
    if prune and settings().s3_url:
        from moe.follow import s3

        gone = s3.prune(name, dry_run)
        out.print(*gone, f"{'would delete' if dry_run else 'deleted'} {len(gone)} files from S3", sep="\n")


@app.command()
def restore(
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would be fetched.")] = False,
    bundle_only: Annotated[bool, typer.Option(help="Fetch the live model bundle alone, for serving.")] = False,
) -> None:
    """Fetch a unit's tables, bundles, reports and publication logs from S3. Replaces nothing that is here."""
    from moe.follow.restore import restore as run_restore

    out.print(run_restore(_unit(unit).unit, dry_run, bundle_only), highlight=False)


@app.command()
def pages() -> None:
    """Write one page a table to docs/tables, from the contracts."""
    from moe.pages import folder, write

    out.print(f"{write()} pages in {folder()}")


@app.command()
def replay(
    log: Annotated[Path, typer.Argument(help="Auction log: CSV, tab separated (.gz too), or Parquet.")],
    budgets: Annotated[str, typer.Option(help="Shares of what the judged part cost.")] = "1/64,1/32,1/16,1/8,1/4,1/2",
    strategies: Annotated[str, typer.Option(help="Of constant, mcpc, linear, ortb, ours; all if not said.")] = "",
    names: Annotated[list[str] | None, typer.Option(
        "--map", help="Our column=the log's, as market_price=payprice; more after commas, or --map again.")] = None,
    features: Annotated[str, typer.Option(help="Columns to learn a click rate from, where the log has none.")] = "",
    first_price: Annotated[bool, typer.Option("--first-price", help="The winner pays its bid.")] = False,
    conversions: Annotated[bool, typer.Option("--conversions", help="Bid for conversions, not clicks.")] = False,
    price_per: Annotated[int, typer.Option(help="Impressions that a price is for: 1000 or 1.")] = 1000,
    train_share: Annotated[float, typer.Option(help="Share of the log's time that trains; the rest is judged.")] = 0.6,
    campaign: Annotated[str | None, typer.Option(help="Only the rows of this campaign.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Replay bidding strategies on an auction log, under budgets: what each would have bought."""
    from moe import replay as auctions

    found = auctions.replay(
        log, auctions.words(budgets), auctions.words(strategies), auctions.pairs(auctions.words(",".join(names or []))),
        first_price=first_price, conversions=conversions, price_per=price_per, train_share=train_share,
        campaign=campaign, features=auctions.words(features))
    table = Table(*auctions.SHOWN, title=f"{log.name}: {'first' if first_price else 'second'} price",
                  caption=auctions.caption(found))
    for row, after in zip(found, [*found[1:], None], strict=True):
        table.add_row(*[auctions.shown(name, row[name]) for name in auctions.SHOWN],
                      end_section=after is None or after["strategy"] != row["strategy"])
    out.print(table)
    if csv is not None:
        auctions.write(found, csv)


def _at(instant: str) -> str:
    return instant[:16].replace("T", " ")


@model_app.command("show")
def model_show(unit: UnitOption = "") -> None:
    """Show which model is champion, and how it came to be."""
    from moe import publish

    name = _unit(unit).unit
    table = Table("", "at, UTC", "who", "from", "to", "effective", "reason", title=f"models of {name}")
    live = publish.live("model", name)
    for entry in publish.log("model", name):
        table.add_row(Text("champion" if entry == live else "", "green"), _at(entry.at), entry.who, entry.moved_from,
                      entry.moved_to, entry.effective, entry.reason)
    out.print(table if table.rows else f"{name} has no model")


@model_app.command("promote")
def model_promote(
    who: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    day: DateOption = None,
    unit: UnitOption = "",
    despite: Annotated[bool, typer.Option("--despite-checks", help="Promote though a check says no.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Compare, and move nothing.")] = False,
) -> None:
    """Compare the newest challenger with the champion on rows that neither saw, and let it take over if better."""
    from moe.train import promote

    verdict = promote(_unit(unit), _day(day), who=who, reason=reason, despite=despite, dry_run=dry_run)
    table = Table("check", "", "what was found")
    for check in verdict["checks"]:
        mark = Text("passed", "green") if check["passed"] else Text("failed", "red")
        table.add_row(check["name"], mark, check["said"])
    out.print(table if table.rows else "no champion to compare with")
    out.print(verdict["said"])


@model_app.command("rollback")
def model_rollback(
    to: Annotated[str, typer.Argument(help="Version that was champion before; its first digits are enough.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make an earlier champion champion again, from the next night on."""
    from moe.train import rollback

    out.print(rollback(_unit(unit), to, who=who, reason=reason, dry_run=dry_run))


@release_app.command("show")
def release_show(unit: UnitOption = "") -> None:
    """Show what is live, and how it came to be."""
    from moe import publish

    name = _unit(unit).unit
    table = Table("", "at, UTC", "who", "from", "to", "effective", "reason", "facts", title=f"releases of {name}")
    live = publish.live("release", name)
    for entry in publish.log("release", name):
        facts = ", ".join(f"{k} {v}" for k, v in entry.facts.items())
        table.add_row(Text("live" if entry == live else "", "green"), _at(entry.at), entry.who, entry.moved_from,
                      entry.moved_to, entry.effective, entry.reason, facts)
    out.print(table if table.rows else f"nothing is live for {name}")


@release_app.command("diff")
def release_diff(to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night to compare with.")],
                 unit: UnitOption = "") -> None:
    """Compare the budgets of a night's candidate with those that are live."""
    from moe.release import diff

    name = _unit(unit).unit
    table = Table("budget line", "live", "candidate", "change", title=f"{name}: live against {to.date()}")
    for row in diff(name, to.date()):
        table.add_row(row.line_name, f"{row.live:,.2f}", f"{row.candidate:,.2f}",
                      f"{row.candidate - row.live:+,.2f}")
    out.print(table)


@release_app.command("publish")
def release_publish(
    to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night whose candidate goes live.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make a night's candidate live (forward only). A held candidate is refused."""
    from moe.release import make_live

    out.print(make_live(_unit(unit).unit, to.date(), who=who, reason=reason, dry_run=dry_run))
    _followed(unit, dry_run)


@release_app.command("rollback")
def release_rollback(
    to: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Night to go back to.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    unit: UnitOption = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would move, and move nothing.")] = False,
) -> None:
    """Make the release of an earlier night live again."""
    from moe.release import make_live

    out.print(make_live(_unit(unit).unit, to.date(), who=who, reason=reason, dry_run=dry_run, back=True))
    _followed(unit, dry_run)


def _followed(unit: str, dry_run: bool) -> None:
    from moe.follow import follow

    if not dry_run:
        for sentence in follow(_unit(unit).unit):
            out.print(sentence, highlight=False)


def _guard(command: Callable[[], None]) -> NoReturn:
    try:
        command()
    except MoeError as error:
        said = Text.assemble((error.message, "red bold"), "\n", ("What to do:", "bold"), f" {error.remedy}")
        err.print(said, soft_wrap=True)  # a command in it stays in one piece, to be copied
        sys.exit(1)
    sys.exit(0)


def main() -> NoReturn:
    """Entry point: errors that a person can put right are printed without a traceback."""
    _guard(app)


if __name__ == "__main__":
    main()
