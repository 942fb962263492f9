"""The caps, floors and overrides that cost money: what each costs a day in words, and what a person could move."""

from collections.abc import Iterator
from typing import Any

from decisions.report.data import ReportData
from decisions.report.formats import NBSP, count, number, outcome, sentence
from decisions.report.gain import curves_of, draws_of, elsewhere, lines_of, range_of, response, risk, spend_of, worth
from decisions.report.views import Action, Kind

SMALL = 0.002  # below this share of the total, at its price, an action is not worth a person's minute
ROOM = 0.01  # share of the total by which a group's limit is judged
STEP = 0.1  # limits of lines are judged by moving them a tenth: the curve is trusted near the budget, not far away
WORTH = 1.15  # a limit is named when its line's next return is this much better (or worse) than elsewhere
MOST = 12  # sentences
HUNDRED = 100
LIMIT = {
    **dict.fromkeys(("step_up", "step_down"), "step"),  # moves on by itself tomorrow
    **dict.fromkeys(("locked", "override_cap", "override_floor"), "lock"),
}  # reason code -> limit, where the binding alone does not tell whose limit it is
KINDS: dict[str, tuple[Kind, str, str]] = {
    "cap": ("raise_cap", "Raise", "Raise the cap on {}"),
    "floor": ("lower_floor", "Lower", "Lower the floor of {}"),
    "lock": ("review_override", "Review", "Review the override on {}"),
}


def group_limits(data: ReportData) -> Iterator[Action]:
    """Limits of groups that cost more than a little, by what they cost a day, or by what little room would bring."""
    costs = {r["limit"]: r["cost"] for r in _rows(data.limit_costs) if r["subject_kind"] == "group"}
    for row in _rows(data.limits):
        gain = costs.get(row["limit"], row["price"] * ROOM * float(data.release["total"]))
        least = SMALL if row["limit"] in costs else SMALL * ROOM
        if row["subject_kind"] != "group" or gain < worth(least * float(data.release["total"]), data):
            continue
        last = outcome(row["price"] * HUNDRED, data.worth_unit)
        hundred = f"{HUNDRED}{NBSP}{data.currency}"
        title = f"Review the {row['limit']}: its last {hundred} cost {last} a day"
        detail = f"{hundred} moved to where money would go without it would bring {last} more a day."
        yield Action("review_group", "Review", title, detail, gain, "limits", risk(None), _stays(gain, data))


def limits(data: ReportData) -> Iterator[Action]:
    """Caps, floors and locks that cost more than a little, where the data support going further."""
    curves = curves_of(data)
    drawn = draws_of(data)
    price = None if drawn is None else elsewhere(data, drawn)
    for at, row in enumerate(lines_of(data)):
        budget, returns, curve = float(row["budget"]), row["marginal_value"], curves.get(row["line_id"])
        shadow = row["money_price"]  # where its group's limit lets money go
        step = STEP * budget * (1 if returns > shadow else -1)
        if row["binding"] == "none" or abs(returns - shadow) * abs(step) < worth(SMALL * float(data.release["total"]),
                                                                                data):
            continue
        too_low = returns > WORTH * shadow and budget <= (curve["spend_high"] if curve else budget)
        too_high = returns * WORTH < shadow
        found = LIMIT.get(row["reason_code"], row["binding"])
        if (found, too_low, too_high) not in {("cap", True, False), ("floor", False, True),
                                              ("lock", True, False), ("lock", False, True)}:
            continue
        gain = (returns - shadow) * step
        if curve:
            gain = response(curve, budget + step) - response(curve, budget) - shadow * step
        low = high = chance = None
        if drawn is not None and price is not None:
            a, k = drawn.a[:, at], drawn.k[:, at]
            to, now = budget + step, spend_of(data, "budget")[at]
            there = price * (shadow / max(float(data.release["shadow_price"]), 1e-300))
            low, high, chance = range_of(a * to / (to + k) - a * now / (now + k) - there * step)
        digits = 2 if data.objective == "conversion_value" else 3
        kind, verb, title = KINDS[found]
        here = number(returns, digits) + (" of worth" if data.weights else "")
        detail = (f"The next {data.currency} returns {here} here and {number(shadow, digits)} elsewhere. The gain is "
                  f"that of moving it by a tenth. {sentence(row['reason'])}")
        yield Action(kind, verb, title.format(row["line_name"]), detail, gain, "limits", risk(chance),
                     _stays(gain, data), low, high)


def sentences(data: ReportData) -> list[str]:
    """What each limit costs a day, dearest first, and what more of the total would bring; [] in older nights."""
    rows = _rows(data.limit_costs)
    lines = {r["line_id"]: r for r in lines_of(data)}
    said = [_sentence(row, lines, data) for row in rows
            if row["subject_kind"] in ("group", "line") and row["cost"] >= _least(data)]
    found = [text for text in said if text]
    if len(found) > MOST:
        found = [*found[:MOST], f"And {count(len(found) - MOST, 'smaller one')}."]
    for row in rows:
        if row["subject_kind"] == "steps" and row["cost"] >= _least(data):
            cost = outcome(row["cost"], data.worth_unit)
            found.append(f"The largest step a night holds back {cost} a day tonight. That passes by itself: each night "
                         "budgets go a step further, and stop where the data no longer ask for it.")
        if row["subject_kind"] == "total":
            more = outcome(row["cost"], data.worth_unit)
            found.append(f"{HUNDRED}{NBSP}{data.currency} more of total a day would bring about {more} more a day.")
    return found


def _sentence(row: dict[str, Any], lines: dict[str, dict[str, Any]], data: ReportData) -> str:
    cost = outcome(row["cost"], data.worth_unit)
    shadow = float(data.release["shadow_price"])
    if row["subject_kind"] == "group":
        prices = {(p["subject"], p["limit"]): p["price"] for p in _rows(data.limits)}
        price = prices.get((row["subject"], row["limit"]), 0.0)
        holds_up = row["limit"].startswith(("floor", "least"))
        what, inside = f"The {row['limit']}", shadow + (-price if holds_up else price)
    else:
        line = lines.get(row["subject"])
        if line is None:
            return ""
        override = row["limit"].startswith("override")
        what = f"The {'override' if override else row['limit']} on {line['line_name']}"
        inside, shadow = float(line["marginal_value"]), float(line["money_price"])
        holds_up = inside < shadow
    here, there = (outcome(max(value, 0.0) * HUNDRED, data.worth_unit) for value in (inside, shadow))
    last = f"last {HUNDRED}{NBSP}{data.currency}" if holds_up else f"next {HUNDRED}{NBSP}{data.currency}"
    if holds_up:
        text = f"its {last} bring {here} there and would bring {there} elsewhere{_times(shadow, inside)}"
    else:
        text = f"the {last} there would bring {here}, elsewhere they bring {there}{_times(inside, shadow)}"
    return f"{what} costs about {cost} a day: {text}."


def _times(more: float, less: float) -> str:
    return f", {more / less:.1f} times as much" if less > 0 and 1.05 <= more / less <= 20 else ""


def _stays(gain: float, data: ReportData) -> str:
    return f"About {outcome(gain, data.worth_unit)} a day stay unearned for as long as it stands."


def _least(data: ReportData) -> float:
    """Less than this costs nothing that a person would see."""
    return 0.5 if data.objective == "conversion_value" else 0.05


def _rows(table: Any) -> list[dict[str, Any]]:
    return [] if table is None else table.to_pylist()
