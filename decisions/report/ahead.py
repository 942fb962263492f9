"""The section "The days ahead": the plan day by day as stacked bars, by platform and by group, and its pacing."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.pacing import even_pace
from decisions.report.views import Cell, Column, Row, TableView, amount

MOST_PARTS = 5  # of a bar; smaller ones stand together
OTHERS = "all others"
NO_GROUP = "in no group"
VISIBLE = Decimal("0.005")  # share of a day's total from which a shift is worth a sentence
CENT, ZERO = Decimal("0.01"), Decimal("0.00")
Amounts = dict[date, dict[str, Decimal]]


@dataclass(frozen=True)
class Bar:
    """One day; `widths` are per cent of the room, in the order of the parts."""

    day: str
    label: str
    total: str
    widths: list[float]


@dataclass(frozen=True)
class Split:
    """The plan by one property of its lines."""

    title: str
    parts: list[str]
    bars: list[Bar]
    table: TableView


@dataclass(frozen=True)
class Ahead:
    """What the template needs; `even` is where even pace would end a bar, in per cent, where somebody set a total."""

    words: list[str]
    splits: list[Split]
    even: float | None


def ahead(data: ReportData) -> Ahead | None:
    """None in nights from before out.plan__line_day."""
    if data.ahead is None or not data.ahead.num_rows:
        return None
    rows = data.ahead.to_pylist()
    platforms = _by_day((r["business_date"], r["platform"], r["budget"]) for r in rows)
    groups = _by_day((r["business_date"], data.groups.get(r["line_id"], NO_GROUP), r["budget"]) for r in rows)
    most: dict[date, Decimal] = defaultdict(lambda: ZERO)
    for r in rows:
        most[r["business_date"]] += r["most_delivered"]
    even = even_pace(data)
    widest = max(*(sum(parts.values(), ZERO) for parts in platforms.values()), even or ZERO, CENT)
    by = {"By platform": platforms} | ({"By group": groups} if data.groups else {})
    splits = [_split(title, amounts, most, widest, data) for title, amounts in by.items()]
    return Ahead(_words(platforms, even, data), splits, None if even is None else float(100 * even / widest))


def _by_day(amounts: Iterable[tuple[date, str, Decimal]]) -> Amounts:
    """Sums by day and part, the largest part first; parts beyond `MOST_PARTS` are one."""
    found: Amounts = defaultdict(lambda: defaultdict(lambda: ZERO))
    whole: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for day, part, budget in amounts:
        found[day][part] += budget
        whole[part] += budget
    largest = sorted(whole, key=lambda part: (-whole[part], part))
    shown, rest = (largest, []) if len(largest) <= MOST_PARTS + 1 else (largest[:MOST_PARTS], largest[MOST_PARTS:])
    together = {OTHERS: rest} if rest else {}
    return {day: {**{part: found[day][part] for part in shown},
                  **{name: sum((found[day][part] for part in parts), ZERO) for name, parts in together.items()}}
            for day in sorted(found)}  # fmt: skip


def _split(title: str, amounts: Amounts, most: dict[date, Decimal], widest: Decimal, data: ReportData) -> Split:
    parts = list(next(iter(amounts.values())))
    bars = [
        Bar(
            formats.short_day(day),
            ", ".join(f"{part} {formats.number(budget, 2)}" for part, budget in of.items()),
            formats.number(sum(of.values(), ZERO), 2),
            [float(100 * budget / widest) for budget in of.values()],
        )
        for day, of in amounts.items()
    ]
    columns = [Column("day", "Day"), *(Column("part", part, numeric=True) for part in parts),
               Column("total", "Total", numeric=True),
               Column("most", "Platforms may spend", numeric=True, hint="The most, by their own delivery rules")]
    rows = [Row([Cell(formats.short_day(day), day.isoformat()), *(amount(budget) for budget in of.values()),
                 amount(sum(of.values(), ZERO)), amount(most[day])]) for day, of in amounts.items()]
    caption = f"The days ahead {title.lower()}, in {data.currency}"
    table = TableView(f"ahead-{title.split()[-1]}-table", caption, columns, rows, fold=31)
    return Split(title, parts, bars, table)


def _words(amounts: Amounts, even: Decimal | None, data: ReportData) -> list[str]:
    """The plan in sentences: how much, how sure, where money goes, and beside even pace."""

    def money(value: Decimal) -> str:
        return formats.money(value, data.currency)

    days, totals = list(amounts), [sum(of.values(), ZERO) for of in amounts.values()]
    if len(days) == 1:
        said = [f"Only {formats.long_day(days[0])} is planned, with {money(totals[0])}."]
    else:
        each = f"{money(totals[0])} each day" if len(set(totals)) == 1 else (
            f"from {money(min(totals))} to {money(max(totals))} a day")
        said = [f"{formats.count(len(days), 'day')} are planned, to {formats.long_day(days[-1])}: "
                f"{money(sum(totals, ZERO))} in all, {each}. The first is tomorrow and is decided; the others are "
                "decided again every night, with what is known by then."]  # fmt: skip
    moves = {part: amounts[days[-1]][part] - value for part, value in amounts[days[0]].items()}
    moved = [f"{part} goes from {money(amounts[days[0]][part])} to {money(amounts[days[-1]][part])}"
             for part in sorted(moves, key=lambda part: (-abs(moves[part]), part))[:2]
             if abs(moves[part]) > VISIBLE * totals[0]]
    if moved:
        said.append(f"From the first to the last of them {' and '.join(moved)}.")
    if even is not None:
        miss = totals[0] - even
        beside = "tomorrow is on it" if abs(miss) <= VISIBLE * even else (
            f"tomorrow lies {money(abs(miss))} {'above' if miss > 0 else 'below'} it")
        said.append(f"Spread evenly, what is left of the total that was set is {money(even)} a day (the mark in the "
                    f"bars): {beside}.")
    return said
