"""What changed since yesterday and why: the unit's causes in words, and every line's waterfall as compact numbers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData

CAUSES = {
    "on_its_way": ("Still on its way", "what yesterday’s data already asked for, and one night’s step had held back"),
    "calendar": ("The calendar", "tomorrow is another day of the week and season"),
    "new_data": ("New data", "what the newest days of spend and outcome teach"),
    "experiment": ("An experiment", "what a test taught that observed spend could not"),
    "total": ("Tonight’s total", "there is more or less money to share out than yesterday"),
    "step": ("Only one step a night", "held back: a budget may move only so far in one night; the rest follows"),
    "spare": ("Other lines’ steps", "money that others may not take yet is kept here meanwhile, or what they may not "
                                   "give up yet is missing here"),
    "limit": ("A new limit", "a floor, cap or group that yesterday’s budgets do not keep, or the most that the data "
                                "now support"),
    "person": ("A person", "an override that began or ended, here or on another line"),
    "request": ("A request", "a reallocation that was asked for and approved"),
    "days_ahead": ("The days ahead", "tomorrow is planned together with the days after it"),
}  # fmt: skip
"By code: the label, and what it means; the order is that of the bars."
ZERO = Decimal(0)


@dataclass(frozen=True)
class Moved:
    """What one cause moved over all lines; bars are shares of the largest, from 0 to 1."""

    label: str
    means: str
    up: str
    down: str
    words: str
    up_bar: float
    down_bar: float


@dataclass(frozen=True)
class Changes:
    words: list[str]
    moved: list[Moved]
    lines: dict[str, Any]  # for the page's script: see `_numbers`


def changes(data: ReportData) -> Changes | None:
    """None in nights without out.budget_change__line_cause."""
    if data.changes is None:
        return None
    rows = data.changes.select(["line_id", "cause", "amount"]).to_pylist()
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        amounts[row["cause"]].append(row["amount"])
    causes = [cause for cause in CAUSES if cause in amounts]
    sums = {c: (_sum(a for a in amounts[c] if a > 0), _sum(a for a in amounts[c] if a < 0)) for c in causes}
    widest = max((max(up, -down) for up, down in sums.values()), default=ZERO) or Decimal(1)
    moved = [
        Moved(
            *CAUSES[c],
            formats.number(sums[c][0], 2, signed=True), formats.number(sums[c][1], 2, signed=True),
            f"{formats.count(sum(a > 0 for a in amounts[c]), 'line')} up, {sum(a < 0 for a in amounts[c])} down",
            float(sums[c][0] / widest), float(-sums[c][1] / widest),
        )
        for c in causes
    ]  # fmt: skip
    return Changes(_words(sums, data), moved, _numbers(rows, causes, data))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _words(sums: dict[str, tuple[Decimal, Decimal]], data: ReportData) -> list[str]:
    before, after = (_sum(data.budgets.column(name).to_pylist()) for name in ("previous_budget", "budget"))

    def money(amount: Decimal) -> str:
        return formats.money(amount, data.currency)

    total = f"The total stays at {money(after)}." if before == after else (
        f"The total goes from {money(before)} to {money(after)}.")
    if not sums:
        return [f"{total} No line’s budget changes."]
    said = [total]
    pulls = {c: max(up, -down) for c, (up, down) in sums.items() if c not in ("step", "spare")}
    if pulls:
        largest = max(pulls, key=lambda c: pulls[c])
        label, means = CAUSES[largest]
        said.append(f"Most of tonight’s changes come from “{label}”: {means}. It would move {money(pulls[largest])}.")
    if "step" in sums:
        held = -sums["step"][1]
        if held:
            said.append(f"Of what lines should gain, {money(held)} wait for the next nights, because a budget may move "
                        "only so far in one night.")
    return said


def _numbers(rows: list[dict[str, Any]], causes: list[str], data: ReportData) -> dict[str, Any]:
    """{"causes": [[label, meaning]], "lines": {line_id: [yesterday, tomorrow, [[cause, amount], …]]}}, all in cents."""
    place = {cause: at for at, cause in enumerate(causes)}
    told: dict[str, list[list[int]]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r["line_id"], place[r["cause"]])):
        told[row["line_id"]].append([place[row["cause"]], int(row["amount"] * 100)])
    budgets = {r["line_id"]: r for r in data.budgets.to_pylist()}
    lines = {line: [int(budgets[line]["previous_budget"] * 100), int(budgets[line]["budget"] * 100), steps]
             for line, steps in told.items() if line in budgets}  # fmt: skip
    return {"currency": data.currency, "causes": [list(CAUSES[c]) for c in causes], "lines": lines}
