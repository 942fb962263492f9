"""Rules of a contract: each is one Great Expectations expectation, and one SQL predicate for its failing rows."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from moe.contracts import Column, Contract

UNREADABLE = "unreadable_"
"""Prefix of the columns that hold delivered texts which their type cannot read (null where it can)."""

_READS = {
    "BIGINT": "a whole number", "INTEGER": "a whole number", "DOUBLE": "a number", "DATE": "a date (YYYY-MM-DD)",
    "TIMESTAMPTZ": "an instant (YYYY-MM-DD HH:MM:SS, UTC)", "BOOLEAN": "true or false",
}


@dataclass(frozen=True)
class Rule:
    """`expectation` names a Great Expectations class and its arguments; `fails` is true for a failing row."""

    name: str
    column: str
    expectation: tuple[str, dict[str, Any]]
    fails: str
    value: str
    remedy: str
    severity: Literal["critical", "warning"] = "critical"


def reads_as(type_: str) -> str:
    """What a type wants, in words."""
    return "an exact number" if type_.startswith("DECIMAL") else _READS.get(type_, "text")


def rules(
    contract: Contract,
    window: tuple[date, date] | None = None,
    date_column: str = "",
    typed: bool = False,
) -> list[Rule]:
    """All rules of a contract: readable, required, ranges, allowed values, date window, unique key.

    `typed`: the columns have their types already, so that nothing can be unreadable.
    """
    found = [rule for column in contract.columns for rule in _of_column(column, typed)]
    if window and date_column:
        first, last = window
        found.append(Rule(
            "date outside the delivery", date_column,
            ("ExpectColumnValuesToBeBetween",
             {"column": date_column, "min_value": first.isoformat(), "max_value": last.isoformat()}),
            f"\"{date_column}\" not between date '{first}' and date '{last}'", f'cast("{date_column}" as varchar)',
            f"this delivery covers {first} to {last}: deliver other dates in their own night",
        ))
    if contract.key:
        key = list(contract.key)
        name = "ExpectCompoundColumnsToBeUnique" if len(key) > 1 else "ExpectColumnValuesToBeUnique"
        quoted = ", ".join(f'"{c}"' for c in key)
        found.append(Rule(
            "duplicated key", "+".join(key),
            (name, {"column_list": key} if len(key) > 1 else {"column": key[0]}),
            f"count(*) over (partition by {quoted}) > 1", f"concat_ws(' + ', {quoted})",
            "all rows of the key are kept out, since none is known to be right: deliver one row a key",
        ))
    for a, b in contract.not_above:
        found.append(Rule(
            f"{a} above {b}", a,
            ("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": b, "column_B": a, "or_equal": True}),
            f'"{a}" > "{b}"', f'cast("{a}" as varchar)', "ask the source whether this is right", "warning",
        ))
    return found


def _of_column(column: Column, typed: bool) -> list[Rule]:
    name, quoted, unread = column.name, f'"{column.name}"', f'"{UNREADABLE}{column.name}"'
    text = f"cast({quoted} as varchar)"
    found: list[Rule] = []
    delivered = column.type != "VARCHAR" and not typed
    if delivered:
        found.append(Rule(
            "not readable", name, ("ExpectColumnValuesToBeNull", {"column": UNREADABLE + name}),
            f"{unread} is not null", unread, f"write {reads_as(column.type)}",
        ))
    if column.required:
        found.append(Rule(
            "missing", name, ("ExpectColumnValuesToNotBeNull", {"column": name}),
            f"{quoted} is null" + (f" and {unread} is null" if delivered else ""),
            "cast(null as varchar)", "this column must have a value",
        ))
    if column.minimum is not None or column.maximum is not None:
        low, high = column.minimum, column.maximum
        parts = [f"{quoted} < {low}"] if low is not None else []
        parts += [f"{quoted} > {high}"] if high is not None else []
        said = " and ".join([f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None))
        found.append(Rule(
            "out of range", name,
            ("ExpectColumnValuesToBeBetween", {"column": name, "min_value": low, "max_value": high}),
            " or ".join(parts), text, f"the value must be {said}",
        ))
    if column.allowed:
        listed = ", ".join("'" + v.replace("'", "''") + "'" for v in column.allowed)
        found.append(Rule(
            "not an allowed value", name,
            ("ExpectColumnValuesToBeInSet", {"column": name, "value_set": list(column.allowed)}),
            f"{quoted} not in ({listed})", text, f"one of: {', '.join(column.allowed)}",
        ))
    return found
