"""The page over all nights of a unit, from its releases, the publication log and the ledger."""

from datetime import date, timedelta
from pathlib import Path

from decisions.report.archive import COMPARE, PastNight, State, comparable, render
from decisions.report.files import write
from moe import ledger, publish, tables
from moe.errors import MissingInput
from moe.jobs import NIGHT, Night

RELEASE, BUDGETS = "out.release__night", "out.budget__line"


def archive(night: Night) -> Path:
    """Write the page over all nights that the unit has so far, also those after `night`; gives its path."""
    unit, folder = night.unit.unit, night.settings.reports / night.unit.unit
    released = tables.nights(RELEASE, unit)
    pages = {date.fromisoformat(page.parent.name) for page in folder.glob("????-??-??/index.html")}
    known = sorted({*released, *pages, night.date})
    days = [known[0] + timedelta(days=n) for n in range((known[-1] - known[0]).days + 1)]
    entry = publish.live("release", unit)
    live = date.fromisoformat(entry.moved_to) if entry else None
    was_live = {date.fromisoformat(moved.moved_to) for moved in publish.log("release", unit)}
    nights = [_released(unit, day, _became(day, live, was_live), folder / day.isoformat()) if day in released
              else _without_release(unit, day, day in pages) for day in days]
    return render(unit, night.unit.name, night.unit.currency, nights, folder)


def _became(day: date, live: date | None, was_live: set[date]) -> State:
    return "live" if day == live else "was_live" if day in was_live else "candidate"


def _released(unit: str, day: date, became: State, folder: Path) -> PastNight:
    row = tables.read(RELEASE, unit, day).to_pylist()[0]
    state: State = "held" if row["held"] and became == "candidate" else became
    return PastNight(day, state, row["total"], row["lines_changed"], row["hold_reason"] if row["held"] else "",
                     page=(folder / "index.html").exists(), budgets=_comparable(unit, day, row, folder))


def _comparable(unit: str, day: date, release: dict[str, object], folder: Path) -> bool:
    """Keep the night's `compare.js` as new as its budgets; False where the night has none."""
    budgets, kept = tables.partition(BUDGETS, unit, day), folder / COMPARE
    if not budgets.exists():
        return False
    if kept.exists() and kept.stat().st_mtime_ns > budgets.stat().st_mtime_ns:
        return True
    try:
        content = comparable(day, release, tables.read(BUDGETS, unit, day))
    except MissingInput:  # removed since we looked
        return False
    folder.mkdir(parents=True, exist_ok=True)
    write(kept, content)
    return True


def _without_release(unit: str, day: date, page: bool) -> PastNight:
    done = ledger.newest(unit, day)
    failed = [done[job.name] for job in NIGHT if done.get(job.name, {}).get("status") == "failed"]
    if failed:
        return PastNight(day, "failed", why=f"{failed[0]['job']}: {failed[0]['reason'].splitlines()[0]}", page=page)
    return PastNight(day, "missing", page=page)
