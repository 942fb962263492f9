"""What became of a release on the platforms: one state from readings and releases day by day, and its cents by line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal

CENT = Decimal("0.01")
ROUND_TO = (1, 5, 10)
"People round to these; a budget that is set to a multiple of one of them, nearest to the released one, was rounded."
FIRST = "It is the first reading, so whether somebody changed it before is not known."


@dataclass(frozen=True)
class Verdict:
    """A state of out.applied__line, the first reading since which the amounts are these, and what to know of it."""

    state: str
    since: date
    note: str = ""


def judge(day: date, readings: Mapping[date, Sequence[Decimal]], released: Mapping[date, Decimal]) -> Verdict:
    """The state at the end of `day`.

    `readings` holds, for the days that were read and always in one order, what each campaign or ad set has; `released`
    their budget in the release of each day. Both have `day`; later days count for nothing.
    """
    days = sorted(d for d in readings if d <= day)
    amounts, goal = readings[day], released[day]
    total, since = sum(amounts, Decimal(0)), _run(days, lambda d: readings[d] == amounts)
    first = _run(sorted(d for d in released if d <= day), lambda d: released[d] == goal)
    if total == goal:
        late = any(first <= d < since for d in days)
        return Verdict("applied_late" if late else "as_released", since)
    before = [d for d in days if d < first] or [d for d in days if d < day][:1]
    slipped = slip(total, goal)
    if not before:
        return Verdict("changed_by_hand" if slipped else "not_applied", since, slipped or FIRST)
    moved = [was != now for was, now in zip(readings[before[-1]], amounts, strict=True)]
    if not any(moved):
        by_hand = before[-1] >= first and slipped  # wrong from the first reading on, which came with this release
        return Verdict("changed_by_hand" if by_hand else "not_applied", since, slipped)
    if not all(moved):
        return Verdict("partly_applied", since, f"{sum(moved)} of its {len(moved)} campaigns or ad sets were changed.")
    earlier = [d for d in released if d < first and released[d] == total]
    if earlier:
        return Verdict("applied_late", since, f"It has the budget that was released for {max(earlier)}.")
    return Verdict("changed_by_hand", since, slipped)


def _run(days: Sequence[date], same: Callable[[date], bool]) -> date:
    """The first day of the unbroken run of days, back from the last, that are the same."""
    start = days[-1]
    for day in reversed(days):
        if not same(day):
            break
        start = day
    return start


def slip(set_to: Decimal, released: Decimal) -> str:
    """The typing error that turns one amount into the other, in words; empty where none does."""
    if set_to == released or not set_to or not released:
        return ""
    if set_to in (released * 10, released * 100) or released in (set_to * 10, set_to * 100):
        return "A digit or the decimal point looks wrong."
    for unit in ROUND_TO:
        if set_to == (released / unit).quantize(Decimal(1)) * unit:
            return "It looks rounded to a whole amount." if unit == 1 else f"It looks rounded to a multiple of {unit}."
    typed, meant = (str(int((amount / CENT).to_integral_value())) for amount in (set_to, released))
    wrong = [at for at, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b]
    if len(typed) == len(meant) and len(wrong) == 2 and wrong[1] == wrong[0] + 1 and sorted(typed) == sorted(meant):
        return "Two digits look swapped."
    return ""


def split(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """`total` in proportion to the weights (evenly where all are 0), in cents that add up; ties to the first."""
    whole = sum(weights, Decimal(0))
    shares = [total * w / whole if whole else total / len(weights) for w in weights]
    parts = [share.quantize(CENT, ROUND_DOWN) for share in shares]
    left = int((total - sum(parts, Decimal(0))) / CENT)
    order = sorted(range(len(parts)), key=lambda at: (parts[at] - shares[at], at))
    for at in order[:left]:
        parts[at] += CENT
    return parts
