"""A table as the page shows it: plain values that one template turns into accessible HTML."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from decisions.report import formats

MOST_ROWS = 300  # of a table that is for reading; the CSV file holds all


@dataclass(frozen=True)
class Column:
    """A column. `choose` adds a drop-down of its values above the table; `key` names it for the style."""

    key: str
    label: str
    numeric: bool = False
    hint: str = ""
    choose: bool = False


@dataclass(frozen=True)
class Cell:
    """`text` is what people read, `value` what the column sorts by, `bar` a share from -1 to 1."""

    text: str
    value: str | None = None
    sub: str = ""
    badge: str = ""
    tone: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns, and data attributes for scripts and tests."""

    cells: list[Cell]
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableView:
    """A whole table; `fold` rows are shown at first, and `note` says what is left out and where it is."""

    id: str
    caption: str
    columns: list[Column]
    rows: list[Row]
    foot: list[Row] = field(default_factory=list)
    fold: int = 30
    note: str = ""
    cards: bool = False  # on a phone every row becomes a card, where scrolling sideways would hide the point


def amount(value: Decimal | float | None, digits: int = 2, signed: bool = False, sub: str = "") -> Cell:
    """A number cell; the currency stands in the column's header."""
    return Cell(formats.number(value, digits, signed), None if value is None else str(value), sub)


def guess(value: float | None, sub: str = "") -> Cell:
    """A modelled number cell."""
    return Cell(formats.estimate(value), None if value is None else repr(value), sub)


def share(value: float | None, digits: int = 1, signed: bool = False) -> Cell:
    """A percentage cell."""
    return Cell(formats.percent(value, digits, signed), None if value is None else repr(value))


def left_out(shown: int, total: int, what: str, file: str) -> str:
    """The note under a table that does not show all its rows."""
    return "" if shown >= total else f"The first {shown:,} of {total:,} {what}. All of them are in {file}."


def ratio(part: Decimal | float, whole: Decimal | float) -> float | None:
    """part / whole, None where there is no whole."""
    return float(part) / float(whole) if whole else None


Kind = Literal[
    "clear_hold", "make_live", "failed_step", "apply", "over_plan", "under_plan", "no_spend", "quarantine", "late",
    "raise_cap", "lower_floor", "review_override", "review_group", "month_over", "month_under", "settings",
]  # fmt: skip
"Every kind of advice that the page can give; each has an entry in the playbook."


@dataclass(frozen=True)
class Action:
    """One thing to do: a verb, what to do and why, and what it is worth against leaving it.

    `gain` is expected worth a day (`decisions.report.gain`), so that unlike things can be ranked; `low` and `high` hold
    it nine times out of ten (None: not known). `at_most` marks a gain that no estimate exists for, only a ceiling.
    """

    kind: Kind
    verb: str
    title: str
    detail: str
    gain: float
    section: str
    risk: str
    otherwise: str  # what happens if nobody does it
    low: float | None = None
    high: float | None = None
    at_most: bool = False
    urgent: bool = False
