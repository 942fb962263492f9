"""The things to do today: a few clear rules over the night's tables, ranked by money at stake.

A stake is an amount of the unit's currency a day. A gain in conversions is turned into money by what the
next conversion costs (one over the release's shadow price), so that unlike things can be ranked.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from decisions.report import applied
from decisions.report.data import ReportData
from decisions.report.formats import count, long_day, money, number, outcome, percent, sentence, short_day
from decisions.report.gain import as_money, expected_gain
from decisions.report.limits import SMALL, group_limits, limits
from decisions.report.views import Action

SHOWN = 3
OFF_PLAN = 0.25  # spend further than this from its plan; platforms overdeliver a day by up to 20 % by design


def actions(data: ReportData) -> list[Action]:
    """Every action of the night, urgent ones first, then by money at stake."""
    found = [
        *_publish(data),
        *_failed_steps(data),
        *_apply(data),
        *applied.actions(data),
        *_off_plan(data),
        *_quarantined(data),
        *limits(data),
        *group_limits(data),
        *_late(data),
    ]
    return sorted(found, key=lambda a: (not a.urgent, -a.stake, a.verb, a.title))


def _publish(data: ReportData) -> Iterator[Action]:
    live = "nothing is live"
    if data.live_night is not None:
        live = f"the budgets of the night of {long_day(data.live_night)} stay live"
    gain = expected_gain(data)
    stake = max(as_money(gain.value, data), 0.0)
    if data.status == "held":
        detail = f"{sentence(data.release['hold_reason'])} Until then {live}: do not apply tonight’s budgets."
        yield Action("Decide", "Clear the hold on tonight’s budgets", detail, stake, "top", urgent=True)
    elif data.status == "candidate" and data.release["lines_changed"]:
        detail = (
            f"They passed every check and are not live; {live}. Expected gain "
            f"{outcome(gain.value, data.objective, data.currency, signed=True)} a day."
        )
        yield Action("Decide", "Make tonight’s budgets live, or leave them", detail, stake, "top")


def _failed_steps(data: ReportData) -> Iterator[Action]:
    for step in data.steps:
        if step["status"] == "failed":
            detail = step["reason"] or "No reason was written down."
            yield Action("Fix", f"Step {step['job']} failed", detail, 0.0, "steps", urgent=True)


def _apply(data: ReportData) -> Iterator[Action]:
    """The largest move from one line to another stands for all of them: they are applied together."""
    moves = [(row["budget"] - row["previous_budget"], row) for row in data.budgets.to_pylist()]
    moves = [m for m in moves if m[0]]
    if data.status != "live" or not moves:
        return
    up, taker = max(moves, key=lambda m: m[0])
    down, giver = min(moves, key=lambda m: m[0])
    gain = expected_gain(data).value
    amount = money(min(up, -down) if up > 0 > down else max(up, -down), data.currency)
    if up > 0 > down:
        title = f"Move {amount} from {giver['line_name']} to {taker['line_name']}"
    elif up > 0:
        title = f"Raise {taker['line_name']} by {amount}"
    else:
        title = f"Lower {giver['line_name']} by {amount}"
    rest = len(moves) - (2 if up > 0 > down else 1)
    together = outcome(gain, data.objective, data.currency, signed=True)
    detail = f"All changes together: {together} expected a day."
    if rest:
        detail = f"The largest move; {count(rest, 'other line')} change too. {detail}"
    detail += f" {sentence(taker['reason'] if up > 0 else giver['reason'])}"
    yield Action("Apply", title, detail, abs(as_money(gain, data)), "budgets")


def _off_plan(data: ReportData) -> Iterator[Action]:
    table = data.plan_vs_actual
    if table is None:
        return
    rows = table.to_pylist()
    day = max((row["business_date"] for row in rows if row["planned_budget"] is not None), default=None)
    for row in rows:
        planned, spend = float(row["planned_budget"] or 0), float(row["spend"] or 0)
        miss = spend - planned
        if row["business_date"] != day or abs(miss) <= OFF_PLAN * planned:
            continue
        if abs(miss) < SMALL * float(data.release["total"]):
            continue
        much = "without a plan"
        if planned:
            much = f"{percent(abs(miss) / planned, 0)} {'more' if miss > 0 else 'less'} than planned"
        title = f"{row['line_name']} spent {much} on {short_day(day)}"
        if row["spend"] is None:
            title = f"{row['line_name']} reported no spend for {short_day(day)}"
        check = (
            "check that the platform has the released budget"
            if miss > 0
            else "check disapproved ads, payment, audience size and bids that are too low"
        )
        check = applied.because(row["line_id"], day, data) or check
        detail = f"Planned {money(planned, data.currency)}, spent {money(spend, data.currency)}: {check}."
        yield Action("Look", title, detail, abs(miss), "plan")


def _quarantined(data: ReportData) -> Iterator[Action]:
    files: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in data.quarantine.to_pylist():
        files[row["source"], row["file"]].append(row)
    for (source, file), rows in sorted(files.items()):
        spend = {row["row"]: float(row["spend"] or 0) for row in rows}
        faults = Counter((r["rule"], r["column"], r["remedy"]) for r in rows)
        rule, column, remedy = min(faults, key=lambda fault: (-faults[fault], fault))
        title = f"{count(len(spend), 'row')} of {source} {'was' if len(spend) == 1 else 'were'} quarantined"
        missing = sum(spend.values())
        detail = f"{file}: {rule} in {column}. {sentence(remedy)}"
        if missing:
            detail += f" Their spend, {number(missing, 2)}, is missing from tonight’s numbers."
        yield Action("Fix", title, detail, missing, "problems")


def _late(data: ReportData) -> Iterator[Action]:
    for row in data.warnings.to_pylist():
        if row["finding"] == "late":
            yield Action("Look", f"{row['source']} delivered late", row["message"], 0.0, "problems")
