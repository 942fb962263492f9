"""The page over all nights of a unit: a calendar, and two nights side by side.

`render` writes `index.html` above the nights' folders. What the comparison needs of a night lies in that night's own
folder as `compare.js` (`comparable`), and the page loads the two that a person chooses: as a script, because a page
opened from a file may load a script beside it, and nothing else.
"""

import calendar
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from markupsafe import Markup

from decisions.report import formats
from decisions.report.budgets import BINDING, STEPS
from decisions.report.files import write
from decisions.report.templating import asset, embedded, environment, policy

State = Literal["live", "was_live", "candidate", "held", "failed", "missing"]
COMPARE = "compare.js"
STYLES = ("report.css", "archive.css")
WORDS: dict[State, tuple[str, str, str]] = {  # sign, word, what it means
    "live": ("●", "live", "its budgets are the ones to apply"),
    "was_live": ("●", "was live", "its budgets were live, until a later release took over"),
    "candidate": ("○", "candidate", "it passed its checks and was never made live"),
    "held": ("▲", "held", "a check said no; the release before it stayed"),
    "failed": ("×", "failed", "a step failed, so there is no release"),
    "missing": ("–", "not run", "no night was run for that day"),
}


@dataclass(frozen=True)
class PastNight:
    """One night of the archive. `why` is the hold's reason or the failure; `page` and `budgets`: what can be opened."""

    night: date
    state: State
    total: Decimal | None = None
    lines_changed: int = 0
    why: str = ""
    page: bool = False
    budgets: bool = False


@dataclass(frozen=True)
class Month:
    """A month as weeks of seven days from Monday; None outside the month or the archive."""

    name: str
    weeks: list[list[tuple[int, PastNight | None] | None]]


def render(unit: str, unit_name: str, currency: str, nights: Sequence[PastNight], folder: Path) -> Path:
    """Write the page over `nights` (any order) into `folder`, above the folders of the nights; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(nights, key=lambda n: n.night)
    scripts = [asset("archive.js")]
    states = Counter(n.state for n in ordered)
    text = environment().get_template("archive.html.j2").render(
        unit=unit,
        unit_name=unit_name,
        currency=currency,
        nights=ordered,
        months=months(ordered),
        label=lambda n: label(n, currency),
        words=WORDS,
        counts={state: states[state] for state in WORDS if states[state]},
        live=next((n for n in ordered if n.state == "live"), None),
        choices_json=embedded([[n.night.isoformat(), WORDS[n.state][1]] for n in reversed(ordered) if n.budgets]),
        styles=Markup("\n".join(asset(name) for name in STYLES)),  # noqa: S704 - our own files
        script=Markup(scripts[0]),  # noqa: S704 - our own file
        policy=policy(scripts, also="'self' file:"),
    )  # fmt: skip
    page = folder / "index.html"
    write(page, text.encode())
    return page


def months(nights: Sequence[PastNight]) -> list[Month]:
    """The months from the last night back to the first."""
    if not nights:
        return []
    by_day = {n.night: n for n in nights}
    first, last = min(by_day), max(by_day)
    found = []
    year, month = last.year, last.month
    while (year, month) >= (first.year, first.month):
        weeks = [[None if day.month != month else (day.day, by_day.get(day)) for day in week]
                 for week in calendar.Calendar().monthdatescalendar(year, month)]
        found.append(Month(f"{formats.MONTHS[month - 1]} {year}", weeks))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found


def label(night: PastNight, currency: str) -> str:
    """The cell in words, for a pointer and for a screen reader."""
    parts = [f"Night of {formats.long_day(night.night)}: {WORDS[night.state][1]}"]
    if night.total is not None:
        parts.append(f"{formats.money(night.total, currency)}, {formats.count(night.lines_changed, 'line')} changed")
    parts += [night.why] if night.why else []
    parts += [] if night.page else ["no page"]
    return ". ".join(part.rstrip(".") for part in parts) + "."


def comparable(night: date, release: dict[str, Any], budgets: pa.Table) -> bytes:
    """`compare.js` of a night: budgets in cents by line, and the reasons, each text once."""
    reasons: dict[str, int] = {}
    lines = []
    for row in sorted(budgets.to_pylist(), key=lambda r: r["line_id"]):
        badge = STEPS.get(row["reason_code"]) or BINDING.get(row["binding"], "")
        at = reasons.setdefault(row["reason"], len(reasons))
        lines.append([row["line_id"], row["line_name"], row["platform"], _cents(row["budget"]), at, badge])
    told = {"night": night.isoformat(), "day": formats.long_day(release["business_date"]),
            "total": _cents(release["total"]), "held": release["hold_reason"] if release["held"] else "",
            "reasons": list(reasons), "lines": lines}
    return f"compareNight({embedded(told)});\n".encode()


def _cents(amount: Decimal) -> int:
    return int(amount.scaleb(2))
