"""A simulated week in which the loop closes: nights, a drift, a retrain, a promotion, a roll-back. `make demo`.

Runs the real jobs in one process, in a home of its own that it makes anew. The drift is planted in what the site
delivers: its second pages stop counting, so that most visits look like bounces.
"""

import logging
import os
import shutil
import warnings
import zlib
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from moe import publish, release, runner, tables
from moe.jobs import NIGHT, find
from moe.settings import settings
from moe.train import promote, rollback, train
from moe.units import Unit, load_unit
from simulator.deliveries import deliver
from simulator.world import World

EVENTS_A_DAY = 2_000
HISTORY, WEEK = 42, 7
"Nights before the week, which the model learns from, and nights of the week: a week of them judges the challenger."
BROKEN = 0.8
"Share of visitors whose further pages are lost."
REQUESTS = "out.retrain_request__night"
DECIDES = [job for job in NIGHT if not job.history and job.writes]

out = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """The week, from an empty home to the roll-back."""
    warnings.simplefilter("ignore")  # of libraries, nothing for a person to do
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    home = settings().home / "demo"
    shutil.rmtree(home, ignore_errors=True)
    os.environ["MOE_HOME"] = str(home)
    settings.cache_clear()
    unit = load_unit("advertiser")
    world = World(first_day=unit.first_night, events_per_day=EVENTS_A_DAY)
    before = unit.first_night + timedelta(days=HISTORY - 1)
    week = [before + timedelta(days=day) for day in range(1, WEEK + 1)]

    _head(f"{HISTORY} nights of history, {unit.first_night} to {before}, and the first model")
    deliver(world, before, settings().deliveries, settings().truth)
    runner.with_history([job for job in NIGHT if job.history], unit, before)
    first = train(unit, before, who="demo")
    out.print(first["click_rate"]["said"], first["status"], sep="\n")

    _head("The week: from its first night on the site loses every second page")
    asked = None
    for night in week:
        deliver(world, night, settings().deliveries, settings().truth)
        _break_site(night)
        _night(unit, night)
        row = tables.read(REQUESTS, unit.unit, night).to_pylist()[0]
        if row["requested"] and asked is None:
            asked = night
            out.print(f"[bold]monitoring asks for a new model:[/] {row['reasons']}")
    if asked is None:
        out.print("monitoring asked for nothing: the model is trained anyway")

    _head(f"Retrain on what was known in {week[-1]}, and compare with the champion")
    again = train(unit, week[-1], who="demo")
    out.print(f"challenger {again['version']} on {again['rows']:,} rows")
    verdict = promote(unit, week[-1], who="demo", reason="the week's drift")
    for check in verdict["checks"]:
        out.print(f"{'[green]passed[/]' if check['passed'] else '[red]failed[/]'} {check['name']}: {check['said']}")
    out.print(verdict["said"])
    if not verdict["promoted"] and verdict["checks"]:
        out.print("[bold]A person overrules the checks, and says why:[/]")
        verdict = promote(unit, week[-1], who="demo", reason="shows a promotion", despite=True)
        out.print(verdict["said"])

    _head("Roll back")
    if verdict["promoted"]:
        out.print(rollback(unit, first["version"], who="demo", reason="bids jumped"))
    for entry in publish.log("model", unit.unit):
        out.print(f"  {entry.moved_from or 'nothing'} → {entry.moved_to}, from the night of {entry.effective}: "
                  f"{entry.reason}")
    _look(unit, week[-1])


def _night(unit: Unit, night: date) -> None:
    """One night as scheduled: jobs, release, monitoring."""
    runner.with_history([job for job in NIGHT if job.history], unit, night)
    runner.run(DECIDES, unit, [night])
    live = release.make_live(unit.unit, night, who="demo", reason="scheduled night")
    runner.run(find(["docs", "report", "monitor"]), unit, [night])  # the page says what is live by then
    out.print(f"night of {night}: {live}")


def _break_site(night: date) -> None:
    """Of most visitors, keep the first view of a page alone: the delivery is written anew before it is landed."""
    (path,) = sorted((settings().deliveries / "web" / night.isoformat()).glob("*.parquet"))
    events = pq.read_table(path).sort_by("occurred_at")
    visitors = events["visitor_id"].to_pylist()
    is_view = pc.equal(events["event_name"], "page_view").to_pylist()
    seen: set[str] = set()
    kept = []
    for visitor, view in zip(visitors, is_view, strict=True):
        lost = view and visitor in seen and zlib.crc32(visitor.encode()) % 100 < 100 * BROKEN
        kept.append(not lost)
        if view:
            seen.add(visitor)
    _write(path, events.filter(pa.array(kept)))


def _write(path: Path, events: pa.Table) -> None:
    beside = path.with_suffix(".tmp")
    pq.write_table(events, beside)
    beside.replace(path)


def _look(unit: Unit, night: date) -> None:
    page = settings().report(unit.unit, night) / "index.html"
    out.print(f"\nReport: {page.as_uri()}\nMonitoring: "
              f"{(settings().monitoring(unit.unit, night) / 'index.html').as_uri()}\n"
              f"Look further: MOE_HOME={settings().home} moe show {REQUESTS} --date {night}; moe model show; moe up")


def _head(text: str) -> None:
    out.print(f"\n[bold]── {text}[/]")


if __name__ == "__main__":
    main()
