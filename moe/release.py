"""Releases: make a night's candidate live, go back, compare."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from moe import publish, runner, tables
from moe.errors import MoeError, PublishError
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, option

RELEASE = "out.release__night"


@dataclass(frozen=True)
class Difference:
    """One budget line in the live release and in a candidate; amounts in the unit's currency."""

    line_id: str
    line_name: str
    live: Decimal
    candidate: Decimal


def make_live(
    unit: str, night: date, *, who: str, reason: str, dry_run: bool = False, back: bool = False
) -> str:
    """Check a night's candidate and make it live; gives a sentence that says what moved.

    A held candidate is refused, and so is an older night unless `back` (a roll-back). Making live what is
    live already moves nothing.
    """
    live = publish.live("release", unit)
    if back and (live is None or night.isoformat() not in {e.moved_to for e in publish.log("release", unit)}):
        raise PublishError(f"{night} was never live for {unit}", "see `moe release show` for nights that were")
    _demand(unit, night)
    row = tables.read(RELEASE, unit, night).to_pylist()[0]
    budgets = tables.read("out.budget__line", unit, night)
    if row["held"] and not back:
        raise PublishError(f"the candidate of {night} is held: {row['hold_reason']}",
                           "mend what holds it and run the night again; the live release stays")
    total = sum(budgets.column("budget").to_pylist(), Decimal(0))
    if total != row["total"]:
        raise PublishError(f"the budgets of {night} add up to {total}, the release says {row['total']}",
                           f"run `moe run allocate bid release --unit {option(unit)} --date {night}` again")
    was = live.moved_to if live else None
    if was == night.isoformat():
        return f"{unit}: {night} is live already, nothing moved"
    sentence = f"{unit}: {was or 'nothing'} → {night}, {row['lines']} lines, {total:,.2f} {row['currency']}"
    if dry_run:
        return f"would move {sentence}"
    facts = {"lines": row["lines"], "bids": row["bids"], "total": str(total), "currency": row["currency"]}
    publish.move(
        "release", unit, night.isoformat(), expected=was, effective=night, who=who, reason=reason, facts=facts,
        forward_only=not back,
    )
    return f"live: {sentence}"


def pages_anew(unit: Unit, nights: Iterable[date]) -> list[str]:
    """Write the pages of nights again, where they are: each says whether its release is live, and has its files.

    Gives a sentence a page; one that cannot be written stops nothing, since what is live has moved already.
    """
    said = []
    for night in sorted(nights):
        if (settings().reports / unit.unit / night.isoformat() / "index.html").exists():
            try:
                runner.run(find(["report"]), unit, [night])
            except MoeError as error:
                said.append(f"the page of {night} is as it was: {error.message}")
            else:
                said.append(f"the page of {night} was written again")
    return said


def diff(unit: str, night: date) -> list[Difference]:
    """Budget lines of the live release beside those of a night's candidate, the largest change first."""
    _demand(unit, night)
    live = publish.live("release", unit)
    was = tables.read("out.budget__line", unit, date.fromisoformat(live.moved_to)).to_pylist() if live else []
    now = tables.read("out.budget__line", unit, night).to_pylist()
    names = {r["line_id"]: r["line_name"] for r in (*was, *now)}
    before = {r["line_id"]: r["budget"] for r in was}
    after = {r["line_id"]: r["budget"] for r in now}
    zero = Decimal("0.00")
    rows = [Difference(i, name, before.get(i, zero), after.get(i, zero)) for i, name in names.items()]
    return sorted(rows, key=lambda r: (-abs(r.candidate - r.live), r.line_id))


def _demand(unit: str, night: date) -> None:
    """Raises PublishError, with the nights that there are, where a night has decided nothing."""
    decided = tables.nights(RELEASE, unit)
    if night not in decided:
        there = f"the newest that have one: {', '.join(map(str, decided[:-4:-1]))}; " if decided else ""
        raise PublishError(f"the night of {night} has no release for {unit}",
                           f"{there}`moe nightly --no-publish --unit {option(unit)} --date {night}` decides it")
