"""The picture of a front of product lines: a curve for two, strips for more; see `decisions.report.front`."""

from collections.abc import Callable
from dataclasses import dataclass

from decisions.report import formats
from decisions.report.drawing import path, ticks

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 14, 28
SPARE = 0.08  # of the range, around the points
Point = tuple[str, str]  # as an SVG attribute takes it


@dataclass(frozen=True)
class Plan:
    """One plan of the front."""

    number: int  # as people count
    values: dict[str, float]  # expected worth a day by product line
    weights: dict[str, float]
    chosen: bool
    dominated: bool


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


def taken(plans: list[Plan]) -> Plan:
    """The plan that the night took."""
    return next(plan for plan in plans if plan.chosen)


def curve(plans: list[Plan], across: str, up: str, said: Callable[[float], str]) -> Curve:
    """The front of the product lines `across` and `up`; `said` writes an outcome."""
    points = sorted((plan.values[across], plan.values[up]) for plan in plans)
    (left, right), (bottom, top) = (_room([point[axis] for point in points]) for axis in (0, 1))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - left) / (right - left)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom)

    chosen = taken(plans).values
    return Curve(
        across, up,
        f"{len(points)} plans from {said(points[0][0])} for {across} and {said(points[0][1])} for "
        f"{up} to {said(points[-1][0])} and {said(points[-1][1])}; taken: "
        f"{said(chosen[across])} and {said(chosen[up])}",
        path((x(a), y(b)) for a, b in points),
        [(f"{x(a):.1f}", f"{y(b):.1f}") for a, b in points],
        (f"{x(chosen[across]):.1f}", f"{y(chosen[up]):.1f}"),
        [(f"{x(t):.1f}", formats.compact(t)) for t in ticks(right, left)],
        [(f"{y(t):.1f}", formats.compact(t)) for t in ticks(top, bottom)],
    )


def _room(values: list[float]) -> tuple[float, float]:
    """The range of an axis: it begins near the points, as what is to be seen is the difference of plans."""
    low, high = min(values), max(values)
    spare = SPARE * (high - low) or max(abs(high), 1.0) * SPARE
    return low - spare, high + spare


def strips(plans: list[Plan], names: list[str], said: Callable[[float], str]) -> list[Strip]:
    """The plans along each product line; `said` writes an outcome."""
    return [_strip(name, plans, said) for name in names]


def _strip(name: str, plans: list[Plan], said: Callable[[float], str]) -> Strip:
    values = [plan.values[name] for plan in plans]
    low, high = min(values), max(values)

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low) if high > low else 50.0

    has, least, most = (said(value) for value in (taken(plans).values[name], low, high))
    return Strip(name, least, most, [place(v) for v in values], place(taken(plans).values[name]),
                 f"{name}: {has} in the plan taken, from {least} to {most} in the others")
