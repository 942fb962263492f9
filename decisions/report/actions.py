"""The things to do today: a few clear rules over the night's tables, ranked by what each is worth.

Everything is on one scale, the expected worth a day (`decisions.report.gain`): money that is only spend counts with
what the next currency unit of total would bring.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from decisions.report import applied, pacing
from decisions.report.data import ReportData
from decisions.report.formats import count, long_day, money, number, outcome, percent, sentence, short_day
from decisions.report.gain import curves_of, draws_of, elsewhere, expected_gain, range_of, response, risk, worth
from decisions.report.limits import SMALL, group_limits, limits
from decisions.report.views import Action, Kind

SHOWN = 3
OFF_PLAN = 0.25  # spend further than this from its plan; platforms overdeliver a day by up to 20 % by design
OFF_MONTH = 0.02  # share of the total of a month or quarter by which its end may miss it
NO_MONEY = "None to money: it only makes tonight’s numbers right."


def actions(data: ReportData) -> list[Action]:
    """Every action of the night, urgent ones first, then by what it is worth."""
    found = [
        *_publish(data),
        *_failed_steps(data),
        *_apply(data),
        *applied.actions(data),
        *_month(data),
        *_off_plan(data),
        *_quarantined(data),
        *limits(data),
        *group_limits(data),
        *_late(data),
    ]
    return sorted(found, key=lambda a: (not a.urgent, -a.gain, a.verb, a.title))


def _publish(data: ReportData) -> Iterator[Action]:
    live = "nothing is live"
    if data.live_night is not None:
        live = f"the budgets of the night of {long_day(data.live_night)} stay live"
    gain = expected_gain(data)
    value = outcome(gain.value, data.worth_unit, signed=True)
    worst = risk(gain.chance)
    if data.status == "held":
        detail = f"{sentence(data.release['hold_reason'])} Until then {live}: do not apply tonight’s budgets."
        yield Action("clear_hold", "Decide", "Clear the hold on tonight’s budgets", detail, max(gain.value, 0.0), "top",
                     f"A check says no, so the estimate itself may be wrong. {worst}",
                     f"Yesterday’s budgets go on: {value} a day are not earned, if the estimate holds.",
                     gain.low, gain.high, urgent=True)
    elif data.status == "candidate" and data.release["lines_changed"]:
        detail = f"They passed every check and are not live; {live}."
        yield Action("make_live", "Decide", "Make tonight’s budgets live, or leave them", detail, max(gain.value, 0.0),
                     "top", worst, f"{sentence(live.capitalize())} Nothing breaks.", gain.low, gain.high)


def _failed_steps(data: ReportData) -> Iterator[Action]:
    for step in data.steps:
        if step["status"] == "failed":
            detail = step["reason"] or "No reason was written down."
            yield Action("failed_step", "Fix", f"Step {step['job']} failed", detail, 0.0, "steps", NO_MONEY,
                         "What the step makes is missing or old, tonight and until it runs.", urgent=True)


def _apply(data: ReportData) -> Iterator[Action]:
    """The largest move from one line to another stands for all of them: they are applied together."""
    moves = [(row["budget"] - row["previous_budget"], row) for row in data.budgets.to_pylist()]
    moves = [m for m in moves if m[0]]
    if data.status != "live" or not moves:
        return
    up, taker = max(moves, key=lambda m: m[0])
    down, giver = min(moves, key=lambda m: m[0])
    gain = expected_gain(data)
    amount = money(min(up, -down) if up > 0 > down else max(up, -down), data.currency)
    if up > 0 > down:
        title = f"Move {amount} from {giver['line_name']} to {taker['line_name']}"
    elif up > 0:
        title = f"Raise {taker['line_name']} by {amount}"
    else:
        title = f"Lower {giver['line_name']} by {amount}"
    rest = len(moves) - (2 if up > 0 > down else 1)
    detail = sentence(taker["reason"] if up > 0 else giver["reason"])
    if rest:
        detail = f"The largest move; {count(rest, 'other line')} change too, and all of them count here. {detail}"
    together = outcome(gain.value, data.worth_unit, signed=True)
    sure = risk(gain.chance)
    yield Action("apply", "Apply", title, detail, gain.value, "apply", sure,
                 f"The platforms go on with yesterday’s budgets, and {together} a day stay where they are.",
                 gain.low, gain.high)


def _month(data: ReportData) -> Iterator[Action]:
    """A month's or quarter's total that will be missed, by more than a little, the way things go."""
    pace = pacing.pace(data)
    if pace is None or pace.plan is None or abs(pace.end - pace.plan) <= OFF_MONTH * pace.plan:
        return
    miss = pace.end - pace.plan
    over = miss > 0
    kind: Kind = "month_over" if over else "month_under"
    title = f"{pace.period} will end {money(abs(miss), data.currency)} {'over' if over else 'under'} its total"
    yield Action(kind, "Decide", title, pace.words[-1], worth(abs(miss) / max(pace.days_left, 1), data), "pace",
                 "Some: it supposes that platforms go on spending as in the last days.",
                 f"It ends at about {money(pace.end, data.currency)}.", at_most=True)


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
        kind: Kind = "over_plan" if miss > 0 else "under_plan"
        if row["spend"] is None:
            title, kind = f"{row['line_name']} reported no spend for {short_day(day)}", "no_spend"
        check = (
            "check that the platform has the released budget"
            if miss > 0
            else "check disapproved ads, payment, audience size and bids that are too low"
        )
        check = applied.because(row["line_id"], day, data) or check
        detail = f"Planned {money(planned, data.currency)}, spent {money(spend, data.currency)}: {check}."
        gain, low, high, chance = _worth_of_plan(row["line_id"], planned, spend, data)
        otherwise = "On a day like that again its budget lies idle."
        if miss > 0:
            otherwise = "A day like that again spends what other lines were to get."
        yield Action(kind, "Look", title, detail, gain, "plan", risk(chance), otherwise, low, high)


def _worth_of_plan(
    line: str, planned: float, spend: float, data: ReportData
) -> tuple[float, float | None, float | None, float | None]:
    """What the planned spend would bring more than what was spent, the difference going elsewhere or coming from
    there; with its range and its chance of being a gain."""
    shadow, curves = float(data.release["shadow_price"]), curves_of(data)
    lines = data.budgets.column("line_id").to_pylist()
    if line not in curves or line not in lines:
        return worth(abs(planned - spend), data), None, None, None
    # Money that was not spent is lost to the day; money that was spent beyond the plan is missing elsewhere.
    price = shadow if spend > planned else 0.0
    gain = response(curves[line], planned) - response(curves[line], spend) + price * (spend - planned)
    drawn = draws_of(data)
    if drawn is None:
        return max(gain, 0.0), None, None, None
    a, k = (x[:, lines.index(line)] for x in (drawn.a, drawn.k))
    other = elsewhere(data, drawn) if spend > planned else 0.0
    low, high, chance = range_of(a * planned / (planned + k) - a * spend / (spend + k) + other * (spend - planned))
    return max(gain, 0.0), low, high, chance


def _quarantined(data: ReportData) -> Iterator[Action]:
    files: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in data.quarantine.to_pylist():
        files[row["source"], row["file"]].append(row)
    for (source, file), rows in sorted(files.items()):
        spend = {row["row"]: 0.0 for row in rows}
        spend |= {row["row"]: float(row["spend"]) for row in rows if row["spend"]}  # on the first fault of a row alone
        faults = Counter((r["rule"], r["column"], r["remedy"]) for r in rows)
        rule, column, remedy = min(faults, key=lambda fault: (-faults[fault], fault))
        title = f"{count(len(spend), 'row')} of {source} {'was' if len(spend) == 1 else 'were'} quarantined"
        missing = sum(spend.values())
        detail = f"{file}: {rule} in {column}. {sentence(remedy)}"
        if missing:
            detail += f" Their spend, {number(missing, 2)} in the file’s currency, is missing from tonight’s numbers."
        yield Action("quarantine", "Fix", title, detail, worth(missing, data), "problems", NO_MONEY,
                     "The curves and the spend so far go on without these rows.", at_most=bool(missing))


def _late(data: ReportData) -> Iterator[Action]:
    for row in data.warnings.to_pylist():
        if row["finding"] == "late":
            yield Action("late", "Look", f"{row['source']} delivered late", row["message"], 0.0, "problems", NO_MONEY,
                         "The next night takes up what has come by then.")
