"""Numbers, amounts and dates as people read them; the same everywhere on the page.

Day and month names are written out here because `strftime` follows the machine's locale, and the same
night must give the same bytes everywhere.
"""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

Number = int | float | Decimal

NBSP = "\u00a0"
MINUS = "\u2212"
NOTHING = "\u2013"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December")  # fmt: skip


def number(value: Number | None, digits: int = 0, signed: bool = False) -> str:
    """1,234.50; with `signed` +1,234.50; a zero never has a sign; an en dash where nothing is known."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    text = f"{value:,.{digits}f}"
    negative = text.startswith("-")
    text = text.lstrip("-")
    if not any(c in "123456789" for c in text):
        return text
    return (MINUS if negative else "+" if signed else "") + text


def _with_unit(text: str, unit: str) -> str:
    return text if text == NOTHING else f"{text}{NBSP}{unit}"


def money(value: Number | None, currency: str, signed: bool = False) -> str:
    """1,234.50 USD."""
    return _with_unit(number(value, 2, signed), currency)


def percent(share: Number | None, digits: int = 1, signed: bool = False) -> str:
    """12.3 % for 0.123."""
    return _with_unit(number(None if share is None else share * 100, digits, signed), "%")


def estimate(value: Number | None, signed: bool = False, beside: Number = 0) -> str:
    """A modelled number without false precision: no decimals from 100 up, else at most two.

    `beside` is the largest number that stands next to it, so that both show the same decimals.
    """
    size = max(abs(float(value or 0)), abs(float(beside)))
    return number(value, 0 if size >= 100 else 1 if size >= 10 else 2, signed)


def outcome(value: Number | None, unit: str, signed: bool = False, beside: Number = 0) -> str:
    """An estimate with its unit: 3,400 USD or 12.3 conversions."""
    return _with_unit(estimate(value, signed, beside), unit)


def compact(value: float) -> str:
    """A number for an axis: 250, 1.2k, 3M."""
    sizes: tuple[tuple[float, str], ...] = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
    for size, letter in sizes:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def long_day(day: date) -> str:
    """Friday 12 June 2026."""
    return f"{DAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def short_day(day: date) -> str:
    """Fri 12 Jun."""
    return f"{DAYS[day.weekday()][:3]}{NBSP}{day.day}{NBSP}{MONTHS[day.month - 1][:3]}"


def instant(text: str) -> str:
    """Fri 12 Jun, 04:12 UTC for an ISO instant; any other text as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if at.tzinfo is None:
        return text
    at = at.astimezone(UTC)
    return f"{short_day(at)}, {at:%H:%M}{NBSP}UTC"


def count(n: int, noun: str) -> str:
    """1 line, 1,200 lines."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def sentence(text: str) -> str:
    """Text that others wrote, closed so that another sentence may follow."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."
