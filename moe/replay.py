"""The function behind `moe replay`. The ground floor imports no room, so the work is named by dotted path."""

import csv
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

from moe.errors import MoeError

COLUMNS = ("strategy", "budget_share", "budget", "auctions", "impressions", "win_rate", "clicks", "conversions",
           "spend", "ecpc", "ecpa", "unknown")
SHOWN = ("strategy", "budget_share", "win_rate", "clicks", "conversions", "spend", "ecpc", "ecpa")


def words(text: str) -> list[str]:
    """Words between commas or spaces."""
    return text.replace(",", " ").split()


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """`ours=theirs`, each, as a mapping of names."""
    if wrong := [text for text in texts if not all(text.partition("=")[::2])]:
        raise MoeError(f"not a mapping: {', '.join(wrong)}", "write --map market_price=payprice, our name first")
    return dict(text.split("=", 1) for text in texts)


def shares(texts: Sequence[str]) -> list[Fraction]:
    """Shares such as 1/64 or 0.25."""
    try:
        return [Fraction(text) for text in texts]
    except (ValueError, ZeroDivisionError):
        raise MoeError(f"not shares: {', '.join(texts)}", "write --budgets 1/64,0.25") from None


def replay(
    log: Path, budgets: Sequence[str], strategies: Sequence[str], names: Mapping[str, str], *, first_price: bool,
    conversions: bool, **reading: Any,
) -> list[dict[str, Any]]:
    """One row a strategy and budget, with `COLUMNS` (`decisions.auctions.replay`). Raises MoeError."""
    asked, rooms = shares(budgets), import_module("decisions.auctions.replay")
    read = import_module("decisions.auctions.files").read
    auctions, judged_from = read(log, names, conversions=conversions, **reading)
    try:
        bought = rooms.replay(auctions, judged_from, [float(b) for b in asked], strategies or rooms.STRATEGIES,
                              first_price=first_price, conversions=conversions)
    except ValueError as error:
        raise MoeError(f"{log}: {error}", "correct what `moe replay --help` describes, or give a longer log") from error
    return [{name: getattr(row, name, None) for name in COLUMNS}
            | {"budget_share": str(share), "budget": row.budget_nanos / rooms.NANO}
            for row, share in zip(bought, asked * (len(bought) // len(asked)), strict=True)]


def shown(column: str, value: Any) -> str:
    """A figure for people."""
    if value is None:
        return "–"
    if column == "win_rate":
        return f"{value:.1%}"
    if column in ("ecpc", "ecpa"):
        return f"{value:,.4f}"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the figures do not say by themselves."""
    total = rows[0]["budget"] / Fraction(rows[0]["budget_share"])
    said = f"judged: {rows[0]['auctions']:,} auctions, which cost {float(total):,.2f} at second price"
    unknown = max(row["unknown"] for row in rows)
    return said + (f"; up to {unknown:,} bids met a price the log does not tell: counted as lost" if unknown else "")


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The figures as CSV. Raises MoeError where the file cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise MoeError(f"{path} cannot be written: {error.strerror}", "give --csv a folder that is there") from error
