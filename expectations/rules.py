"""Rules of a contract. A check is one Great Expectations expectation over one rule or several of a kind; a rule
is one SQL predicate for its failing rows.

Rules of a kind share an expectation (all required columns, all columns of at least 0), because each costs
5 ms a night, however few the rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

from moe.contracts import Column, Contract

GIVEN, UNREADABLE = "given_", "unreadable_"
"""Prefixes of the columns that stand beside a typed one: the delivered text, and the text where the type
cannot read it."""

_READS = {
    "BIGINT": "a whole number", "INTEGER": "a whole number", "DOUBLE": "a number", "DATE": "a date (YYYY-MM-DD)",
    "TIMESTAMPTZ": "an instant (YYYY-MM-DD HH:MM:SS, UTC)", "BOOLEAN": "true or false",
}


@dataclass(frozen=True)
class Rule:
    """`fails` is true for a failing row, `value` its text, both SQL."""

    name: str
    columns: tuple[str, ...]
    fails: str
    value: str
    remedy: str

    @property
    def column(self) -> str:
        return "+".join(self.columns)


@dataclass(frozen=True)
class Check:
    """`expectation` is a Great Expectations class, `terms` the columns that it sees, with their SQL."""

    expectation: str
    arguments: dict[str, Any]
    terms: dict[str, str]
    description: str
    rules: tuple[Rule, ...]
    severity: Literal["critical", "warning"] = "critical"


def reads_as(type_: str) -> str:
    """What a type wants, in words."""
    return "an exact number" if type_.startswith("DECIMAL") else _READS.get(type_, "text")


def checks(
    contract: Contract,
    window: tuple[date, date] | None = None,
    date_column: str = "",
    from_text: Mapping[str, str] | None = None,
) -> list[Check]:
    """All checks of a contract: readable, required, ranges, allowed values, date window, unique key.

    `from_text`: the columns that were read from text, which stands beside them, and what each wants in words.
    """
    found = [*_readable(from_text or {}), *_required(contract, from_text or {}), *_ranges(contract)]
    found += [_allowed(column) for column in contract.columns if column.allowed]
    if window:
        found.append(_inside(date_column, *window))
    if contract.key:
        found.append(_unique(contract.key))
    return found + [_not_above(a, b) for a, b in contract.not_above]


def _readable(wants: Mapping[str, str]) -> Iterator[Check]:
    rules = tuple(Rule("not readable", (name,), f'"{UNREADABLE}{name}" is not null', f'"{UNREADABLE}{name}"',
                       f"write {want}") for name, want in wants.items())
    if rules:
        yield _none_failing("unreadable", rules, "Columns that their type cannot read: none of")


def _required(contract: Contract, from_text: Mapping[str, str]) -> Iterator[Check]:
    rules = tuple(
        Rule("missing", (c.name,), f'"{GIVEN if c.name in from_text else ""}{c.name}" is null',
             "cast(null as varchar)", "this column must have a value")
        for c in contract.columns if c.required
    )
    if rules:
        yield _none_failing("missing", rules, "Columns that must have a value and have none: none of")


def _none_failing(name: str, rules: tuple[Rule, ...], words: str) -> Check:
    """The names of a row's failing columns, which must be null."""
    names = ", ".join(f"case when {r.fails} then '{_text(r.column)}' end" for r in rules)
    return Check("ExpectColumnValuesToBeNull", {"column": name}, {name: f"nullif(concat_ws(', ', {names}), '')"},
                 f"{words} {', '.join(r.column for r in rules)}", rules)


def _ranges(contract: Contract) -> Iterator[Check]:
    """One check for all columns with the same limit: the least of them is not below it, the greatest not above."""
    sides = (("minimum", "least", "<", "min_value", "at least"), ("maximum", "greatest", ">", "max_value", "at most"))
    for limit_name, extreme, worse, argument, words in sides:
        groups: dict[float, list[str]] = {}
        for column in contract.columns:
            if getattr(column, limit_name) is not None:
                groups.setdefault(getattr(column, limit_name), []).append(column.name)
        for limit, names in groups.items():
            said = f"{words} {limit:g}"
            shown = f"{extreme} of {', '.join(names)}"
            values = ", ".join(f'cast("{n}" as double)' for n in names)
            yield Check(
                "ExpectColumnValuesToBeBetween", {"column": shown, argument: limit}, {shown: f"{extreme}({values})"},
                f"{said.capitalize()}: {', '.join(names)}",
                tuple(Rule("out of range", (n,), f'"{n}" {worse} {limit}', f'cast("{n}" as varchar)',
                           f"the value must be {said}") for n in names),
            )


def _allowed(column: Column) -> Check:
    listed = ", ".join(f"'{_text(value)}'" for value in column.allowed)
    said = ", ".join(column.allowed)
    rule = Rule("not an allowed value", (column.name,), f'"{column.name}" not in ({listed})',
                f'cast("{column.name}" as varchar)', f"one of: {said}")
    return Check("ExpectColumnValuesToBeInSet", {"column": column.name, "value_set": list(column.allowed)},
                 _texts((column.name,)), f"{column.name} is one of: {said}", (rule,))


def _inside(name: str, first: date, last: date) -> Check:
    rule = Rule("date outside the delivery", (name,), f"\"{name}\" not between date '{first}' and date '{last}'",
                f'cast("{name}" as varchar)',
                f"this delivery covers {first} to {last}: deliver other dates in their own night")
    shown = f"midnight of {name}"  # Great Expectations compares instants, not dates or texts
    low, high = (datetime.combine(day, time.min) for day in (first, last))
    return Check("ExpectColumnValuesToBeBetween", {"column": shown, "min_value": low, "max_value": high},
                 {shown: f'cast("{name}" as timestamp)'},
                 f"{name} lies in the delivery's dates, {first} to {last}", (rule,))


def _unique(key: tuple[str, ...]) -> Check:
    """Great Expectations passes over keys that are empty in every part, and so does the predicate."""
    parts, some = ", ".join(f'"{c}"' for c in key), ", ".join(_texts(key).values())
    rule = Rule("duplicated key", key, f"count(*) over (partition by {parts}) > 1 and coalesce({some}) is not null",
                f"concat_ws(' + ', {parts})",
                "all rows of the key are kept out, since none is known to be right: deliver one row a key")
    several = len(key) > 1
    return Check("ExpectCompoundColumnsToBeUnique" if several else "ExpectColumnValuesToBeUnique",
                 {"column_list": list(key)} if several else {"column": key[0]},
                 _texts(key), f"One row for each {', '.join(key)}", (rule,))


def _not_above(a: str, b: str) -> Check:
    rule = Rule(f"{a} above {b}", (a,), f'"{a}" > "{b}"', f'cast("{a}" as varchar)',
                "ask the source whether this is right")
    return Check(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": b, "column_B": a, "or_equal": True, "ignore_row_if": "either_value_is_missing"},
        {n: f'cast("{n}" as double)' for n in (a, b)}, f"{a} is not above {b}", (rule,), "warning",
    )


def _texts(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f'cast("{name}" as varchar)' for name in names}


def _text(text: str) -> str:
    return text.replace("'", "''")
