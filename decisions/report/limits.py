"""The caps, floors and overrides that cost money: what a person could move, and by how much it pays."""

from collections.abc import Iterator

from decisions.report.data import ReportData
from decisions.report.formats import number, sentence
from decisions.report.gain import as_money
from decisions.report.views import Action

SMALL = 0.002  # below this share of the total an action is not worth a person's minute
ROOM = 0.01  # share of the total by which a group's limit is judged
STEP = 0.1  # limits are judged by moving them a tenth: the curve is trusted near the budget, not far away
WORTH = 1.15  # a limit is named when its line's next return is this much better (or worse) than elsewhere
LIMIT = {
    **dict.fromkeys(("step_up", "step_down"), "step"),  # moves on by itself tomorrow
    **dict.fromkeys(("locked", "override_cap", "override_floor"), "lock"),
}  # reason code -> limit, where the binding alone does not tell whose limit it is


def group_limits(data: ReportData) -> Iterator[Action]:
    """Limits of groups that cost more than a little, by what a hundredth of the night's money more room would bring."""
    for row in (data.limits.to_pylist() if data.limits is not None else []):
        stake = as_money(row["price"] * ROOM * float(data.release["total"]), data)
        if row["subject_kind"] != "group" or stake < SMALL * ROOM * float(data.release["total"]):
            continue
        price = number(row["price"], 2 if data.objective == "conversion_value" else 3)
        unit = "" if data.objective == "conversion_value" else " conversions"
        title = f"Review the {row['limit']}: its last {data.currency} costs {price}{unit} a day"
        detail = f"One {data.currency} moved to where money would go without it would bring {price}{unit} more a day."
        yield Action("Review", title, detail, stake, "curves")


def limits(data: ReportData) -> Iterator[Action]:
    """Caps, floors and locks that cost more than a little, where the data support going further."""
    elsewhere = data.release["shadow_price"]
    supported = {row["line_id"]: row["spend_high"] for row in data.curves.to_pylist()}
    for row in data.budgets.to_pylist():
        name, budget, returns = row["line_name"], float(row["budget"]), row["marginal_value"]
        step = STEP * budget
        stake = as_money(abs(returns - elsewhere) * step, data)
        if row["binding"] == "none" or stake < SMALL * float(data.release["total"]):
            continue
        too_low = returns > WORTH * elsewhere and budget <= supported.get(row["line_id"], budget)
        too_high = returns * WORTH < elsewhere
        match LIMIT.get(row["reason_code"], row["binding"]), too_low, too_high:
            case "step", _, _:
                continue
            case "cap", True, _:
                verb, title = "Raise", f"Raise the cap on {name}"
            case "floor", _, True:
                verb, title = "Lower", f"Lower the floor of {name}"
            case ("lock", True, _) | ("lock", _, True):
                verb, title = "Review", f"Review the override on {name}"
            case _:
                continue
        digits = 2 if data.objective == "conversion_value" else 3
        title += f": the next {data.currency} returns {number(returns, digits)}"
        detail = f"Elsewhere it returns {number(elsewhere, digits)}. {sentence(row['reason'])}"
        yield Action(verb, title, detail, stake, "curves")
