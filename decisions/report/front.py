"""The section "Product lines": plans of which none is better for all of them, drawn, and what more of one costs."""

from dataclasses import dataclass
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.drawing import path, ticks
from decisions.report.views import Cell, Column, Row, TableView, guess

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 14, 28
SPARE = 0.08  # of the range, around the points
SEEN = 0.005  # of a product line's range, under which two plans are the same for it
Point = tuple[str, str]  # as an SVG attribute takes it


@dataclass(frozen=True)
class Curve:
    """The front of two product lines; every string is an SVG path or a number with one decimal."""

    across: str
    up: str
    label: str
    line: str
    dots: list[Point]
    chosen: Point
    x_ticks: list[tuple[str, str]]
    y_ticks: list[tuple[str, str]]


@dataclass(frozen=True)
class Strip:
    """One of more than two product lines: each plan as a place from its least (0) to its most (100)."""

    name: str
    low: str
    high: str
    dots: list[float]
    chosen: float
    label: str


@dataclass(frozen=True)
class FrontView:
    words: list[str]
    curve: Curve | None
    strips: list[Strip]
    table: TableView


@dataclass(frozen=True)
class _Plan:
    number: int  # as people count
    values: dict[str, float]  # expected worth a day by product line
    weights: dict[str, float]
    chosen: bool
    dominated: bool


def view(data: ReportData) -> FrontView | None:
    """None where no product lines compete, and in nights from before out.front__point."""
    if data.front is None or not data.front.num_rows:
        return None
    plans = _plans(data.front.to_pylist())
    drawn = [plan for plan in plans if plan.chosen or not plan.dominated]
    names = list(plans[0].values)
    curve = _curve(drawn, names[0], names[1], data) if len(names) == 2 else None
    strips = [] if curve else [_strip(name, drawn, data) for name in names]
    return FrontView(_words(drawn, names, data), curve, strips, _table(plans, names, data))


def _plans(rows: list[dict[str, Any]]) -> list[_Plan]:
    found: dict[int, _Plan] = {}
    for r in sorted(rows, key=lambda r: (r["point"], r["product_line"])):
        plan = found.setdefault(r["point"], _Plan(r["point"] + 1, {}, {}, r["chosen"], r["dominated"]))
        plan.values[r["product_line"]], plan.weights[r["product_line"]] = r["value"], r["weight"]
    return list(found.values())


def _taken(plans: list[_Plan]) -> _Plan:
    return next(plan for plan in plans if plan.chosen)


def _outcome(value: float, data: ReportData) -> str:
    return formats.outcome(value, data.worth_unit)


def _words(plans: list[_Plan], names: list[str], data: ReportData) -> list[str]:
    """What the marked plan gives to each, then what more for each would take from the others."""
    taken = _taken(plans)
    each = _listed([f"{_outcome(value, data)} to {name}" for name, value in taken.values.items()])
    if len(plans) == 1:
        return [f"{_listed(names)} share tomorrow’s total, and one plan is the best for all of them: it brings {each} "
                "a day."]
    return [f"{_listed(names)} compete for tomorrow’s total. None of these {len(plans)} plans is better for all of "
            f"them: what one gains, another gives up. The one that tonight took is expected to bring {each} a day.",
            *(_price(name, plans, data) for name in names)]


def _price(name: str, plans: list[_Plan], data: ReportData) -> str:
    """What the next plan with more for `name` takes from the others, and gives to them, for a unit more."""
    taken, values = _taken(plans).values, [plan.values[name] for plan in plans]
    least = SEEN * (max(values) - min(values))
    more = [plan for plan in plans if plan.values[name] > taken[name] + least]
    if not more:
        return f"{name} already has the most that the money can bring it."
    step = min(more, key=lambda plan: (plan.values[name], plan.number)).values
    gain = step[name] - taken[name]
    changes = {other: (value - taken[other]) / gain for other, value in step.items() if other != name}
    costs, gifts = ([f"{other} {_outcome(sign * change, data)}" for other, change in changes.items()
                     if sign * change > SEEN] for sign in (-1, 1))
    effects = [f"{verb} {_listed(parts)}" for verb, parts in (("cost", costs), ("give", gifts)) if parts]
    return (f"Each of the next {_outcome(gain, data)} a day for {name} would "
            f"{' and '.join(effects) or 'cost the others nothing'}.")


def _curve(plans: list[_Plan], across: str, up: str, data: ReportData) -> Curve:
    points = sorted((plan.values[across], plan.values[up]) for plan in plans)
    (left, right), (bottom, top) = (_room([point[axis] for point in points]) for axis in (0, 1))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - left) / (right - left)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom)

    taken = _taken(plans)
    return Curve(
        across, up,
        f"{len(points)} plans from {_outcome(points[0][0], data)} for {across} and {_outcome(points[0][1], data)} for "
        f"{up} to {_outcome(points[-1][0], data)} and {_outcome(points[-1][1], data)}; taken: "
        f"{_outcome(taken.values[across], data)} and {_outcome(taken.values[up], data)}",
        path((x(a), y(b)) for a, b in points),
        [(f"{x(a):.1f}", f"{y(b):.1f}") for a, b in points],
        (f"{x(taken.values[across]):.1f}", f"{y(taken.values[up]):.1f}"),
        [(f"{x(t):.1f}", formats.compact(t)) for t in ticks(right, left)],
        [(f"{y(t):.1f}", formats.compact(t)) for t in ticks(top, bottom)],
    )


def _room(values: list[float]) -> tuple[float, float]:
    """The range of an axis: it begins near the points, as what is to be seen is the difference of plans."""
    low, high = min(values), max(values)
    spare = SPARE * (high - low) or max(abs(high), 1.0) * SPARE
    return low - spare, high + spare


def _strip(name: str, plans: list[_Plan], data: ReportData) -> Strip:
    values = [plan.values[name] for plan in plans]
    low, high = min(values), max(values)

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low) if high > low else 50.0

    has, least, most = (_outcome(value, data) for value in (_taken(plans).values[name], low, high))
    return Strip(name, least, most, [place(v) for v in values], place(_taken(plans).values[name]),
                 f"{name}: {has} in the plan taken, from {least} to {most} in the others")


def _table(plans: list[_Plan], names: list[str], data: ReportData) -> TableView:
    outcomes = [Column("outcome", name, numeric=True) for name in names]
    weights = [Column("weight", f"Weight of {name}", numeric=True, hint="What a unit counted when the plan was found")
               for name in names]
    return TableView(
        id="front-table",
        caption=f"Plans for tomorrow: what each product line is to bring, in {data.worth_unit} a day, and its weight",
        columns=[Column("plan", "Plan"), *outcomes, *weights, Column("note", "")],
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
