"""What people overrode, and how those lines and the model's did over time: figures to talk about, not a verdict.

Only days that a live release decided count, and returns only where the outcome of the day is known. Nobody overrides
lines by lot, so no difference here is an effect of overriding; the words on the page say so.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from decisions.report.data import ReportData

DAYS = 56
BEFORE = 14  # days before an override with which the line is compared
ZERO = Decimal("0.00")


@dataclass
class Sum:
    """Spend and outcome of some line-days."""

    spend: float = 0.0
    outcome: float = 0.0

    def add(self, spend: float, outcome: float) -> None:
        self.spend += spend
        self.outcome += outcome

    @property
    def rate(self) -> float | None:
        return self.outcome / self.spend if self.spend > 0 else None


@dataclass
class Week:
    """Seven days from `first`: what was overridden, and what both kinds of line-days returned."""

    first: date
    lines: set[str] = field(default_factory=set)
    money: Decimal = ZERO
    total: Decimal = ZERO
    people: Sum = field(default_factory=Sum)
    model: Sum = field(default_factory=Sum)


@dataclass
class Episode:
    """One override of a line: its days, the money under it, and what it and the model's lines returned."""

    line_id: str
    name: str
    reason: str
    days: list[date] = field(default_factory=list)
    money: Decimal = ZERO
    before: Sum = field(default_factory=Sum)
    under: Sum = field(default_factory=Sum)
    model_before: Sum = field(default_factory=Sum)
    model_under: Sum = field(default_factory=Sum)


@dataclass(frozen=True)
class Adoption:
    """All of it, over the last `DAYS` days; `nights` were decided, of which `live` went live."""

    weeks: list[Week]
    episodes: list[Episode]
    nights: int
    live: int


def adoption(data: ReportData) -> Adoption:
    """`data.past`, newest `DAYS` days, against the history that tonight knows."""
    if data.past is None or not data.past.num_rows:
        return Adoption([], [], 0, 0)
    first = data.release["business_date"] - timedelta(days=DAYS - 1)
    past = data.past.filter(pc.greater_equal(data.past["business_date"], first))
    nights = pc.count_distinct(past["business_date"]).as_py()
    past = past.filter(past["live"])
    known = _known(data)
    live = pc.count_distinct(past["business_date"]).as_py()
    return Adoption(_weeks(past, known), _episodes(past, known), nights, live)


def _known(data: ReportData) -> pa.Table:
    """line_id, business_date, spend and outcome of the line-days whose outcome is known."""
    history, outcome = data.history, data.history[data.objective]
    spend = pc.fill_null(pc.cast(history["spend"], pa.float64()), 0.0)
    known = pc.and_(pc.fill_null(history["outcome_known"], False), pc.is_valid(outcome))
    return pa.table({"line_id": history["line_id"], "business_date": history["business_date"], "spent": spend,
                     "outcome": pc.cast(outcome, pa.float64())}).filter(known)  # fmt: skip


def _weeks(past: pa.Table, known: pa.Table) -> list[Week]:
    """Weeks of seven days back from the newest one, oldest first."""
    if not past.num_rows:
        return []
    last = pc.max(past["business_date"]).as_py()
    weeks: dict[int, Week] = {}
    # Sorted, so that sums of floats do not depend on the order in which a join gives its rows.
    joined = past.join(known, ["line_id", "business_date"], join_type="left outer", use_threads=False)
    joined = joined.sort_by([("business_date", "ascending"), ("line_id", "ascending")])
    ago = (np.datetime64(last) - joined["business_date"].to_numpy()).astype("timedelta64[D]").astype(int) // 7
    columns = (joined[name].to_pylist() for name in ("line_id", "budget", "override_id", "spent", "outcome"))
    for at, line, budget, override, spent, outcome in zip(ago.tolist(), *columns, strict=True):
        week = weeks.setdefault(at, Week(last - timedelta(days=7 * at + 6)))
        week.total += budget
        if override is not None:
            week.lines.add(line)
            week.money += budget
        if spent is not None:
            (week.model if override is None else week.people).add(spent, outcome)
    return [weeks[at] for at in sorted(weeks, reverse=True)]


def _episodes(past: pa.Table, known: pa.Table) -> list[Episode]:
    """Overrides by money, the largest first."""
    found: dict[tuple[str, str], Episode] = {}
    for r in past.filter(pc.is_valid(past["override_id"])).sort_by("business_date").to_pylist():
        episode = found.setdefault((r["line_id"], r["override_id"]), Episode(r["line_id"], "", ""))
        episode.name, episode.reason = r["line_name"], r["reason"]
        episode.days.append(r["business_date"])
        episode.money += r["budget"]
    overridden = sorted({line for line, _ in found})
    mine = pc.is_in(known["line_id"], pa.array(overridden, pa.string()))
    of_line: dict[str, dict[date, tuple[float, float]]] = defaultdict(dict)
    for r in known.filter(mine).to_pylist():
        of_line[r["line_id"]][r["business_date"]] = (r["spent"], r["outcome"])
    model = known.filter(pc.invert(mine)).sort_by([("business_date", "ascending"), ("line_id", "ascending")])
    daily = model.group_by("business_date", use_threads=False).aggregate([("spent", "sum"), ("outcome", "sum")])
    of_model = {r["business_date"]: (r["spent_sum"], r["outcome_sum"]) for r in daily.to_pylist()}
    free = {line: {day for e in found.values() if e.line_id == line for day in e.days} for line in overridden}
    for episode in found.values():
        start = episode.days[0]
        earlier = [start - timedelta(days=n) for n in range(1, BEFORE + 1)]
        earlier = [day for day in earlier if day not in free[episode.line_id]]
        for days, own, others in ((earlier, episode.before, episode.model_before),
                                  (episode.days, episode.under, episode.model_under)):
            for day in days:
                if day in of_line[episode.line_id] and day in of_model:
                    own.add(*of_line[episode.line_id][day])
                    others.add(*of_model[day])
    return sorted(found.values(), key=lambda e: (-e.money, e.line_id, e.days[0]))
