"""Whether a campaign's contract is kept, and from when on that can be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from decisions.criteria.kpis import KPIS, Kpi, Series
from decisions.criteria.noise import Noise
from decisions.names import names_it

Status = Literal["reached", "on_the_way", "missed", "cannot_tell_yet", "not_judged"]
MOST_DAYS = 180
"Days ahead for which it is said when something can be told."
LEAST_LEAN = 0.2
"A pattern of the week that says less is not believed."
SHOWN_AFTER = 28
"Days for which a contract that is over stays in the table."


@dataclass(frozen=True)
class Verdict:
    """What becomes of one criterion in a night. Values are a mean of a day or a ratio, as the KPI is."""

    status: Status
    note: str = ""  # why it is not judged
    value: float | None = None
    low: float | None = None  # 95 % interval of the level behind the value
    high: float | None = None
    clear: bool = False  # the interval leaves the target out
    days_known: int = 0
    days_needed: int | None = None  # None: more than `MOST_DAYS`
    told_on: date | None = None  # the night from which it can be told
    faster_kpi: str | None = None  # another that shows the same effect on the days of the contract, or sooner
    faster_days: int | None = None


def lines_of(campaign: str, names: Mapping[str, str]) -> list[str]:
    """Lines that a criterion's campaign means: an id or a name, `*` for any text; `names` by id."""
    if campaign in names:
        return [campaign]
    return sorted(line for line, name in names.items() if names_it([campaign], line, name))


def faults(
    rows: Iterable[Mapping[str, Any]], names: Mapping[str, str], has: Iterable[str], night: date
) -> dict[str, str]:
    """Why criteria cannot be judged, by id, each with what to do; nothing for those that can."""
    found: dict[str, str] = {}
    judged: list[Mapping[str, Any]] = []
    for r in sorted(rows, key=lambda r: (r["entered_on"], r["criterion_id"])):
        twin = next((o for o in judged if o["campaign"] == r["campaign"] and o["start_date"] <= r["end_date"]
                     and r["start_date"] <= o["end_date"]), None)
        if r["end_date"] < r["start_date"]:
            said = f"It ends on {r['end_date']}, before it starts on {r['start_date']}: mend the dates."
        elif not lines_of(r["campaign"], names):
            said = f"There is no campaign {r['campaign']!r}: give a budget line’s id or name, as curves.csv lists them."
        elif r["kpi"] not in has:
            said = (f"The unit has no {KPIS[r['kpi']].words}: choose one of "
                    f"{', '.join(k.words for k in KPIS.values() if k.name in has)}.")
        elif not np.isfinite(float(r["target"])) or r["target"] <= 0:
            said = f"Its target is {r['target']}: give a number above 0."
        elif r["end_date"] < night - timedelta(days=SHOWN_AFTER):
            said = f"It expired on {r['end_date']}: enter a new one, or withdraw it by `until`."
        elif twin is not None:
            said = (f"{twin['criterion_id']} holds for the same campaign from {twin['start_date']} to "
                    f"{twin['end_date']}: withdraw one of the two.")
        else:
            judged.append(r)
            continue
        found[r["criterion_id"]] = said
    return found


def judge(row: Mapping[str, Any], known: Series, has: Iterable[str]) -> Verdict:
    """The verdict on a criterion (a row of core.criterion__campaign) whose campaign's days are `known`.

    While its days run it is judged once enough of them are known to show its minimum effect, on the level behind them;
    when all are known its figure decides, and `clear` says whether that is more than chance.
    """
    kpi, effect, target = KPIS[row["kpi"]], float(row["minimum_effect"]), float(row["target"])
    start, end = row["start_date"], row["end_date"]
    length, delay, days = (end - start).days + 1, known.delay_of(kpi), known.days(start, end)
    noise = known.noise(kpi, start)
    needed = None if noise is None else noise.days_for(effect, MOST_DAYS)
    told = None if needed is None else start + timedelta(days=needed - 1 + delay)
    over = known.night >= end + timedelta(days=delay)
    got = int(known.known(kpi)[days].sum())
    value = known.value(kpi, days) if got else None
    other = _faster(known, kpi, effect, length, needed, has)
    if value is None or noise is None:
        return Verdict("cannot_tell_yet", value=value, days_known=got, days_needed=needed, told_on=told, **other)
    level = value if over else value / _lean(known, kpi, noise, days)
    width = abs(level) * noise.half_width(got)
    low, high = max(level - width, 0.0), level + width
    kept = level <= target if kpi.lower_is_better else level >= target
    clear = not low <= target <= high
    if over:
        status: Status = "reached" if kept else "missed"
    elif needed is None or got < needed:
        status = "cannot_tell_yet"
    else:
        status = "on_the_way" if kept else "missed" if clear else "cannot_tell_yet"
    return Verdict(status, "", level, low, high, clear, got, needed, told, **other)


def _lean(known: Series, kpi: Kpi, noise: Noise, days: slice) -> float:
    """What the known days' weekdays bring, over what a whole week's do."""
    lean = noise.weekday[known.weekdays(days)[known.known(kpi)[days]]].mean() - noise.weekday.mean()
    return max(1 + float(lean), LEAST_LEAN)


def _faster(
    known: Series, kpi: Kpi, effect: float, length: int, needed: int | None, has: Iterable[str]
) -> dict[str, Any]:
    """The next KPI, from what counts most, that shows the effect on the contract's days where its own does not."""
    if needed is not None and needed <= length:
        return {}
    for other in KPIS.values():
        noise = known.noise(other) if other.name != kpi.name and other.name in has else None
        days = None if noise is None else noise.days_for(effect, length)
        if days is not None:
            return {"faster_kpi": other.name, "faster_days": days}
    return {}
