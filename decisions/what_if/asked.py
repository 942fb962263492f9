"""What a person asked for: `--set google.total=+10%` as a subject, a limit and an amount."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from moe.errors import MoeError

SETTINGS = ("total", "max_step", "least_step", "line_floor", "line_cap")
"Of the whole unit."
SUBJECT = ("total", "floor", "cap", "lock")
"Of a platform, a group or a line, after its name and a dot."
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>\d+(?:\.\d+)?)(?P<percent>%?)")
EXAMPLES = "such as total=12500, total=+10%, google.total=-500, brand.lock=120 or brand.cap=none"


@dataclass(frozen=True)
class Amount:
    """`12500` sets, `+500` and `-500` add, `+10%` and `-10%` add a share, `30%` is a share, `none` takes away."""

    how: Literal["set", "add", "grow", "share", "none"]
    value: Decimal = Decimal(0)

    def of(self, present: Decimal) -> Decimal:
        """The new amount in place of `present`, unrounded."""
        match self.how:
            case "add":
                return present + self.value
            case "grow":
                return present * (1 + self.value)
            case _:
                return self.value


@dataclass(frozen=True)
class Asked:
    text: str
    subject: str | None  # None: the whole unit
    limit: str
    amount: Amount


def asked(texts: list[str]) -> list[Asked]:
    """The changes, in order. Raises MoeError that names the one at fault."""
    if not texts:
        raise MoeError("nothing was asked", f"give a change with --set, {EXAMPLES}")
    found = [_one(text) for text in texts]
    twice = [a.text for at, a in enumerate(found) if (a.subject, a.limit) in {(b.subject, b.limit) for b in found[:at]}]
    if twice:
        raise MoeError(f"{twice[0]!r} changes what another --set changes already", "give each limit once")
    return found


def _one(text: str) -> Asked:
    name, equals, amount = (part.strip() for part in text.rpartition("="))
    if not equals or not name:
        raise MoeError(f"{text!r} is not a change", f"write WHAT=AMOUNT, {EXAMPLES}")
    subject, dot, limit = (part.strip() for part in name.rpartition("."))
    if not dot:
        if limit not in SETTINGS:
            near = difflib.get_close_matches(limit, SETTINGS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise MoeError(f"{text!r}: {limit!r} is no setting of the whole unit",
                           f"{hint}One of {', '.join(SETTINGS)}; or NAME.{'|'.join(SUBJECT)} of a platform, group or "
                           "line")
        return Asked(text, None, limit, _amount(text, amount, limit))
    if limit not in SUBJECT or not subject:
        near = difflib.get_close_matches(limit, SUBJECT, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MoeError(f"{text!r}: {limit!r} is nothing that a platform, group or line has",
                       f"{hint}One of {', '.join(SUBJECT)}")
    return Asked(text, subject, limit, _amount(text, amount, limit))


def _amount(text: str, amount: str, limit: str) -> Amount:
    if amount == "none":
        return Amount("none")
    found = _NUMBER.fullmatch(amount)
    if found is None:
        raise MoeError(f"{text!r}: {amount!r} is not an amount",
                       "write plain digits, such as 1250.00, a change, such as +500, -500 or +10%, or none to take a "
                       "limit away")
    value = Decimal(found["sign"] + found["digits"])
    if found["percent"]:
        if not found["sign"] and limit != "max_step":
            raise MoeError(f"{text!r}: {amount} of what?", f"write +{amount} or -{amount} for a change, or an amount")
        return Amount("grow" if found["sign"] else "share", value / 100)
    if limit != "max_step" and len(found["digits"].partition(".")[2]) > 2:  # 1.500 may be meant as 1500
        raise MoeError(f"{text!r}: {amount} has more than two decimals",
                       "give whole cents, and no separator of thousands")
    return Amount("add" if found["sign"] else "set", value)
