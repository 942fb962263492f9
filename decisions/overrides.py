"""What a person says about money: limits of lines, totals, a target, requests, each dated, signed and explained.

A row is checked when it is made; rows against each other, and against the night's lines, in `line_limits`.
An override that has ended, or that starts later, says nothing. Totals of periods are spread in `decisions.periods`,
requests become limits in `decisions.requests`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["lock", "floor", "cap", "monthly_total", "quarterly_total", "target", "request"]
State = Literal["requested", "approved", "refused"]
OF_ALL = ("monthly_total", "quarterly_total", "target")
"Kinds that are of the whole unit: they name no line."
COLUMNS = ("override_id", "kind", "line_id", "amount", "reason", "who", "entered_on", "until")
MORE = ("to_id", "state", "from_amount", "to_amount")
"Columns of requests, which a file without any may leave out."
NONE = -1  # in arrays of cents: nobody said anything


@dataclass(frozen=True)
class Override:
    """One instruction; amounts in currency units a day (totals: a calendar month or quarter; `target`: the number in
    the unit's own measure, such as the cost of a conversion).

    A lock without an amount keeps the line at the budget that it has. A request asks to move `amount` a day from the
    line or group `line_id` to `to_id`; once approved, the first gets at most `from_amount` and the second at least
    `to_amount`. Raises ValueError on a bad row.
    """

    override_id: str
    kind: Kind
    line_id: str | None
    amount: Decimal | None
    reason: str
    who: str
    entered_on: date
    until: date
    to_id: str | None = None
    state: State | None = None
    from_amount: Decimal | None = None
    to_amount: Decimal | None = None

    def __post_init__(self) -> None:
        if (problem := self._problem()) is not None:
            raise ValueError(f"override {self.override_id}: {problem}")

    def _problem(self) -> str | None:
        if self.kind not in get_args(Kind):
            return f"unknown kind {self.kind!r}: use one of {', '.join(get_args(Kind))}"
        if (self.line_id is None) != (self.kind in OF_ALL):
            return f"a {self.kind} {'takes no' if self.line_id is not None else 'needs a'} line"
        if self.amount is None and self.kind != "lock":
            return f"a {self.kind} needs an amount"
        for amount in (self.amount, self.from_amount, self.to_amount):
            if amount is not None and (not amount.is_finite() or amount < 0):
                return f"the amount is {amount}: it must be a number that is not negative"
            if amount is not None and amount != amount.quantize(Decimal("0.01")):
                return f"the amount {amount} has more than two decimals"
        if self.kind == "target" and not self.amount:
            return "a target must be above 0"
        if self.until < self.entered_on:
            return f"it ends on {self.until}, before it was entered on {self.entered_on}"
        return self._request_problem()

    def _request_problem(self) -> str | None:
        if self.kind != "request":
            given = [name for name in MORE if getattr(self, name) is not None]
            return f"{', '.join(given)} belong to requests, not to a {self.kind}" if given else None
        if self.to_id is None or self.to_id == self.line_id:
            return "a request needs a line or group in `to_id` that is not the one in `line_id`"
        if self.state not in get_args(State):
            return f"the state of a request is {self.state!r}: use one of {', '.join(get_args(State))}"
        if self.state == "approved" and (self.from_amount is None or self.to_amount is None):
            return "an approved request needs from_amount and to_amount: `moe plan approve` fills them in"
        return None

    @property
    def cents(self) -> int:
        """The amount in cents; `NONE` without one."""
        return NONE if self.amount is None else int(self.amount * 100)


@dataclass(frozen=True, eq=False)
class LineLimits:
    """The overrides of each of n lines: the tightest floor and cap, and whose they are. A lock is both."""

    floor_cents: NDArray[np.int64]  # (n,), `NONE` where there is none
    cap_cents: NDArray[np.int64]  # (n,), `NONE` where there is none
    floor_by: tuple[Override | None, ...]
    cap_by: tuple[Override | None, ...]


def active(overrides: Iterable[Override], night: date) -> tuple[Override, ...]:
    """Those in force for the decision of the night of D = `night`, which is the budget of D+1."""
    return tuple(o for o in overrides if o.entered_on <= night and o.until >= night + timedelta(days=1))


def line_limits(
    overrides: Iterable[Override], line_ids: Sequence[str], previous_cents: NDArray[np.int64]
) -> LineLimits:
    """Floors and caps of the lines `line_ids` (n,) from the active overrides.

    `previous_cents` (n,) is what a lock without an amount keeps. Of several floors on a line the highest
    holds, of several caps the lowest. Raises ValueError, with every problem in one message, where an override
    names an unknown line or where two on the same line cannot both hold.
    """
    index = {line_id: at for at, line_id in enumerate(line_ids)}
    floor, cap = np.full(len(index), NONE, dtype=np.int64), np.full(len(index), NONE, dtype=np.int64)
    floor_by: list[Override | None] = [None] * len(index)
    cap_by: list[Override | None] = [None] * len(index)
    problems = []
    # A lock goes last, so that where it agrees with a floor or a cap the report names the lock.
    for o in sorted(overrides, key=lambda o: (o.kind == "lock", o.entered_on, o.override_id)):
        if o.line_id is None or o.kind == "request":
            continue
        if o.line_id not in index:
            problems.append(f"override {o.override_id}: the {o.kind} is on an unknown line {o.line_id!r}")
            continue
        at = index[o.line_id]
        cents = int(previous_cents[at]) if o.amount is None else o.cents
        if o.kind in ("lock", "floor") and cents >= floor[at]:
            floor[at], floor_by[at] = cents, o
        if o.kind in ("lock", "cap") and (cap[at] == NONE or cents <= cap[at]):
            cap[at], cap_by[at] = cents, o
    for low, high, low_o, high_o in zip(floor, cap, floor_by, cap_by, strict=True):
        if low_o is not None and high_o is not None and low > high:
            under, over = (
                f"the {o.kind} {o.override_id} of {cents / 100:,.2f} ({o.who})"
                for o, cents in ((low_o, low), (high_o, high))
            )
            problems.append(f"line {low_o.line_id!r}: {under} is above {over}: end one of them")
    if problems:
        raise ValueError("; ".join(problems))
    return LineLimits(floor, cap, tuple(floor_by), tuple(cap_by))
