"""The month or quarter: what is planned, what is spent so far, and where it will end."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from decisions.periods import bounds_of
from decisions.report import formats
from decisions.report.data import ReportData

LATELY = 7
"Planned days from which is seen what share of a budget the platforms spend."
LEAST_DAYS = 3
MOST_RATE = 2.0
"Google may spend twice a daily budget on a day: more is a fault of the plan, not a pace."


@dataclass(frozen=True)
class Pace:
    """Amounts in the unit's currency; `plan` is None where nobody set a total, and the period then is the month."""

    period: str
    plan: float | None
    spent: float
    end: float
    days_gone: int
    days_left: int
    rate: float | None  # spent ÷ planned of the last days
    words: list[str]

    @property
    def bar(self) -> dict[str, float]:
        """Per cent of the bar's width."""
        widest = max(self.plan or 0.0, self.end, self.spent, 1e-9)
        return {"spent": 100 * self.spent / widest, "end": 100 * self.end / widest,
                "plan": 100 * (self.plan or 0.0) / widest}


def pace(data: ReportData) -> Pace | None:
    """The period of the day that is decided; None where nothing of it is spent and nothing is to be."""
    decided: date = data.release["business_date"]
    kind = "monthly_total" if data.period is None else data.period.kind
    first, last = bounds_of(kind, decided)
    days_gone, days_left = (decided - first).days, (last - decided).days + 1
    spent = float(_spent(data, first))
    total, plan = float(data.release["total"]), None if data.period is None else float(data.period.total)
    if not spent and not total:
        return None
    rate = _rate(data)
    forced = _forced(data)
    end = expected_end(spent, total, days_left, 1.0 if rate is None else rate, None if forced else plan)
    name = f"{formats.MONTHS[first.month - 1]} {first.year}"
    if kind == "quarterly_total":
        name = f"{formats.MONTHS[first.month - 1]} to {formats.MONTHS[last.month - 1]} {first.year}"
    found = Pace(name, plan, spent, end, days_gone, days_left, rate, [])
    found.words.extend(_words(found, total, data, forced))
    return found


def even_pace(data: ReportData) -> Decimal | None:
    """What is left of the total that a person set, a day; None where nobody set one."""
    if data.period is None:
        return None
    decided: date = data.release["business_date"]
    first, last = bounds_of(data.period.kind, decided)
    left = max(data.period.total - _spent(data, first), Decimal(0))
    return (left / ((last - decided).days + 1)).quantize(Decimal("0.01"))


def expected_end(spent: float, total: float, days_left: int, rate: float, plan: float | None) -> float:
    """Spend at the period's end where platforms spend the share `rate` of each day's budget.

    Under a period's plan what is left of it is spread anew every night, so that only the last days can miss it.
    """
    for left in range(days_left, 0, -1):
        spent += rate * (total if plan is None else max(plan - spent, 0.0) / left)
    return spent


def _forced(data: ReportData) -> bool:
    """Whether the planned days spend more than the period leaves, as where people's floors ask for it."""
    even = even_pace(data)
    if even is None or data.ahead is None:
        return False
    budgets = data.ahead.column("budget").to_pylist()
    days = len(set(data.ahead.column("business_date").to_pylist()))
    return bool(sum(budgets, Decimal(0)) > even * days * Decimal("1.005") + days)


def _spent(data: ReportData, first: date) -> Decimal:
    if data.period is not None and data.period.spent is not None:
        return data.period.spent
    days, spend = (data.history.column(name).to_pylist() for name in ("business_date", "spend"))
    return sum((s for day, s in zip(days, spend, strict=True) if day >= first and s is not None), Decimal(0))


def _rate(data: ReportData) -> float | None:
    if data.plan_vs_actual is None:
        return None
    rows = [r for r in data.plan_vs_actual.to_pylist() if r["planned_budget"]]
    newest = max((r["business_date"] for r in rows), default=None)
    if newest is None or len({r["business_date"] for r in rows}) < LEAST_DAYS:
        return None
    lately = [r for r in rows if r["business_date"] > newest - timedelta(days=LATELY)]
    planned = sum(r["planned_budget"] for r in lately)
    return min(float(sum((r["spend"] or 0 for r in lately), Decimal(0)) / planned), MOST_RATE)


def _words(found: Pace, total: float, data: ReportData, forced: bool) -> list[str]:
    def money(amount: float) -> str:
        return formats.money(round(amount), data.currency).replace(".00", "")

    days = found.days_gone + found.days_left
    gone, left = (formats.count(n, "day") for n in (found.days_gone, found.days_left))
    so_far = f"{money(found.spent)} spent in {found.period} so far, in {gone} of {days}."
    if not found.days_gone:
        so_far = f"{found.period} begins with tomorrow’s budget: nothing of it is spent yet."
    pace_words = "" if found.rate is None else (
        f" Lately the platforms spent {formats.percent(found.rate, 0)} of what was planned, and that is counted on.")
    if found.plan is None:
        return [so_far, f"At tomorrow’s total every day it ends at about {money(found.end)}.{pace_words}",
                "Nobody has set a total for the month (moe plan set)."]
    if data.period is not None:
        by = f", set by {data.period.who}: {formats.sentence(data.period.reason)}"
        so_far = f"The plan for {found.period} is {money(found.plan)}{by} {so_far}"
    part = found.spent / found.plan if found.plan else 0.0
    over = formats.percent(found.days_gone / days, 0)
    share = f"That is {formats.percent(part, 0)} of the plan after {over} of the days." if found.days_gone else ""
    miss = found.end - found.plan
    ends = "on plan" if abs(miss) < 0.005 * found.plan else f"{money(abs(miss))} {'over' if miss > 0 else 'under'}"
    ahead = f"What is left is spread evenly over the {left} left, {money(total)} tomorrow, so it should end"
    if forced:
        even = money(float(even_pace(data) or 0))
        ahead = (f"Floors ask for {money(total)} tomorrow, where {even} a day is left: lower floors or raise it. "
                 f"Kept up for {left}, it ends")
    return [text for text in (so_far, share, f"{ahead} at about {money(found.end)}: {ends}.{pace_words}") if text]
