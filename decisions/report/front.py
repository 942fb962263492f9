"""The section "Product lines": plans of which none is better for all of them, drawn, and what more of one costs."""

from dataclasses import dataclass
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.front_picture import Curve, Plan, Strip, curve, strips, taken
from decisions.report.views import Cell, Column, Row, TableView, guess

SEEN = 0.005  # of a product line's range, under which two plans are the same for it


@dataclass(frozen=True)
class FrontView:
    words: list[str]
    curve: Curve | None
    strips: list[Strip]
    table: TableView


def view(data: ReportData) -> FrontView | None:
    """None where no product lines compete, and in nights from before out.front__point."""
    if data.front is None or not data.front.num_rows:
        return None
    plans = _plans(data.front.to_pylist())
    drawn = [plan for plan in plans if plan.chosen or not plan.dominated]
    names = list(plans[0].values)

    def said(value: float) -> str:
        return _outcome(value, data)

    return FrontView(_words(drawn, names, data), curve(drawn, names[0], names[1], said) if len(names) == 2 else None,
                     strips(drawn, names, said) if len(names) > 2 else [], _table(plans, names, data))


def _plans(rows: list[dict[str, Any]]) -> list[Plan]:
    found: dict[int, Plan] = {}
    for r in sorted(rows, key=lambda r: (r["point"], r["product_line"])):
        plan = found.setdefault(r["point"], Plan(r["point"] + 1, {}, {}, r["chosen"], r["dominated"]))
        plan.values[r["product_line"]], plan.weights[r["product_line"]] = r["value"], r["weight"]
    return list(found.values())


def _outcome(value: float, data: ReportData) -> str:
    return formats.outcome(value, data.worth_unit)


def _words(plans: list[Plan], names: list[str], data: ReportData) -> list[str]:
    """What the marked plan gives to each, then what more for each would take from the others."""
    each = _listed([f"{_outcome(value, data)} to {name}" for name, value in taken(plans).values.items()])
    if len(plans) == 1:
        return [f"{_listed(names)} share tomorrow’s total, and one plan is the best for all of them: it brings {each} "
                "a day."]
    return [f"{_listed(names)} compete for tomorrow’s total. None of these {len(plans)} plans is better for all of "
            f"them: what one gains, another gives up. The one that tonight took is expected to bring {each} a day.",
            *(_price(name, plans, data) for name in names)]


def _price(name: str, plans: list[Plan], data: ReportData) -> str:
    """What the next plan with more for `name` takes from the others, and gives to them, for a unit more."""
    has, values = taken(plans).values, [plan.values[name] for plan in plans]
    least = SEEN * (max(values) - min(values))
    more = [plan for plan in plans if plan.values[name] > has[name] + least]
    if not more:
        return f"{name} already has the most that the money can bring it."
    step = min(more, key=lambda plan: (plan.values[name], plan.number)).values
    gain = step[name] - has[name]
    changes = {other: (value - has[other]) / gain for other, value in step.items() if other != name}
    costs, gifts = ([f"{other} {_outcome(sign * change, data)}" for other, change in changes.items()
                     if sign * change > SEEN] for sign in (-1, 1))
    effects = [f"{verb} {_listed(parts)}" for verb, parts in (("cost", costs), ("give", gifts)) if parts]
    return (f"Each of the next {_outcome(gain, data)} a day for {name} would "
            f"{' and '.join(effects) or 'cost the others nothing'}.")


def _table(plans: list[Plan], names: list[str], data: ReportData) -> TableView:
    outcomes = [Column("outcome", name, numeric=True) for name in names]
    weights = [Column("weight", f"Weight of {name}", numeric=True, hint="What a unit counted when the plan was found")
               for name in names]
    return TableView(
        id="front-table",
        caption=f"Plans for tomorrow: what each product line is to bring, in {data.worth_unit} a day, and its weight",
        columns=[Column("plan", "Plan"), *outcomes, *weights, Column("taken", "Tonight")],
        rows=[Row([
            Cell(str(plan.number)),
            *(guess(plan.values[name]) for name in names),
            *(Cell(formats.number(plan.weights[name], 3), repr(plan.weights[name])) for name in names),
            Cell("taken" if plan.chosen else "", tone="good" if plan.chosen else ""),
        ]) for plan in plans],
        note=_known(data),
    )  # fmt: skip


def _known(data: ReportData) -> str:
    """How much better a plan may be that lies between these."""
    distance = None if data.front is None else data.front["distance"][0].as_py()
    if distance is None:
        return "How much better a plan between these could be is not known."
    return f"No plan between these is better by more than {formats.percent(distance, 1)} of what there is to choose."


def _listed(parts: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
