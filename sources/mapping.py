"""Mappings: from the columns that a platform delivers to the columns of a core table.

A mapping is one YAML file: a small header, and either `columns` (core column by delivered column: enough
for a flat export) or `select` (one SQL SELECT over the delivered files, run in DuckDB).
See docs/how-to/bring-your-own-exports.md.
"""

import string
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from expectations.rules import GIVEN, reads_as
from moe.contracts import Column, Contract, contract
from moe.contracts import read as read_contract
from moe.errors import MoeError, key_faults
from moe.settings import settings
from moe.units import Source, Unit
from sources.core import mapped_terms
from sources.files import quoted
from sources.typed import typed

ROWS = ("core.ad_performance__ad_day", "core.bid_landscape__bid", "core.inventory__level_day",
        "core.web_event__event", "core.order__order", "core.override__override", "core.experiment__test",
        "core.market_signal__day", "core.criterion__campaign", "core.applied_setting__entity_day")
"""The core tables that mappings fill."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """One delivered file: its name in the delivery's folder, and its landing contract."""

    path: str = ""
    "Name in the delivery's folder; empty where the source's path is the file."
    contract: str = ""
    "Landing contract; for mappings by `columns` it follows from the core contract."
    may_be_empty: bool = False
    "A file with a header and no rows is not a fault."


class From(_Part):
    """Where a core column comes from: a delivered column, a constant, or a text composed of columns."""

    column: str | None = None
    constant: str | None = None
    compose: str | None = None
    "Text with {delivered_column}s in it."
    format: str | None = None
    "strptime format of a date or instant."
    scale: Decimal | None = None
    "Exact factor, written as text, to the column's unit: 0.000001 for micros, 0.01 for cents or percent."
    empty: tuple[str, ...] = ()
    "Texts that stand for no value."
    known_after: Annotated[int, Field(ge=0)] = 0
    "Days after the row's business date until the value is known (exports made once, long after)."
    optional: bool = False
    "A delivery may lack the column; it then has no value."

    @model_validator(mode="after")
    def _one(self) -> "From":
        if sum(v is not None for v in (self.column, self.constant, self.compose)) != 1:
            raise ValueError("give exactly one of column, constant, compose")
        return self

    @property
    def as_text(self) -> bool:
        """Whether the delivered text has to be worked on before its type can be read."""
        return bool(self.compose is not None or self.format or self.scale is not None or self.empty)


class Mapping(_Part):
    """A mapping as its file describes it."""

    description: str
    fills: str
    "The core table."
    delivery: Literal["nightly", "once"] = "nightly"
    "nightly: a folder a night; once: one file with all days, delivered row by row by its dates."
    window_days: Annotated[int, Field(ge=1)] = 1
    "Business dates that a nightly delivery covers: D and the days before."
    files: dict[str, File]
    "Delivered files by the name that `select` uses. The first is the main one: its rows are quarantined."
    date_column: str = ""
    "Core column by whose date a once-delivered export is handed over."
    ignored: tuple[str, ...] = ()
    "Delivered columns that are known and not used: no warning (mappings by columns)."
    columns: dict[str, From] | None = None
    select: str | None = None
    folder: Path

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """`clicks: Clicks` is short for `clicks: {column: Clicks}`."""
        if isinstance(raw, dict) and isinstance(raw.get("columns"), dict):
            columns = {k: {"column": v} if isinstance(v, str) else v for k, v in raw["columns"].items()}
            raw = raw | {"columns": columns}
        return raw

    @model_validator(mode="after")
    def _complete(self) -> "Mapping":
        if (self.columns is None) == (self.select is None):
            raise ValueError("give either columns or select")
        if self.delivery == "once" and (self.columns is None or not self.date_column):
            raise ValueError("an export made once needs columns and date_column")
        if not self.files:
            raise ValueError("files: name at least one")
        if self.columns is not None and len(self.files) != 1:
            raise ValueError("files: a mapping by columns reads one")
        return self

    @property
    def main(self) -> str:
        return next(iter(self.files))

    @cached_property
    def target(self) -> Contract:
        return contract(self.fills)

    @cached_property
    def known_after(self) -> tuple[int, ...]:
        """Distinct delays, the row's own day first."""
        return tuple(sorted({0, *(c.known_after for c in (self.columns or {}).values())}))

    def landing(self, source: str, file: str) -> Contract:
        """Landing contract of a delivered file: the shipped one, or the one that `columns` implies."""
        named = self.files[file].contract
        if named:
            own = self.folder / f"{named}.yml"
            return read_contract(own) if own.exists() else contract(named)
        if self.columns is None:
            raise MoeError(f"{self.folder}: file {file} names no contract", "add `contract: landing.…` to it")
        return Contract(
            name=f"landing.{source}__{file}",
            description=f"{self.description} As delivered.",
            columns=tuple(self._implied_columns(self.columns)),
            failure_share=0.01,
            ignored=self.ignored,
        )

    def _implied_columns(self, columns: dict[str, From]) -> list[Column]:
        found: dict[str, Column] = {}
        for core_name, source in columns.items():
            core = self.target.column(core_name)
            type_ = "VARCHAR" if source.as_text else core.type
            for name in [source.column] if source.column else _placeholders(source.compose or ""):
                before = found.get(name)
                if before:  # used twice: the one type if they agree, or the text
                    type_ = type_ if type_ == before.type else "VARCHAR"
                personal = core.personal or bool(before and before.personal)
                found[name] = Column(name, type_, core.description, personal=personal)
        return list(found.values())

    @cached_property
    def optional(self) -> tuple[str, ...]:
        """Delivered columns that may be lacking."""
        return tuple(s.column for s in (self.columns or {}).values() if s.optional and s.column)

    @cached_property
    def read_late(self) -> tuple[str, ...]:
        """Core columns whose type is read by the mapping, not by the landing contract."""
        return tuple(name for name, source in (self.columns or {}).items()
                     if source.as_text and self.target.column(name).type != "VARCHAR")

    def wants(self, column: str) -> str:
        """What a core column wants, in words."""
        given = (self.columns or {})[column].format
        return f"a date or instant like {given}" if given else reads_as(self.target.column(column).type)

    def sql(self) -> str:
        """The SELECT from the delivered files to the core columns, `_row` first.

        Beside a column that is read late stands its text, as `given_<column>`.
        """
        if self.select is not None:
            return self.select.strip().rstrip(";")
        assert self.columns is not None
        terms = [f"{expression(s, self.target.column(n))} as {quoted(n)}" for n, s in self.columns.items()]
        terms += [f"{_text(self.columns[n])} as {quoted(GIVEN + n)}" for n in self.read_late]
        return f"select _row,\n  {', '.join(terms)}\nfrom {quoted(self.main)}"


def _placeholders(text: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(source: From) -> str:
    """SQL of a delivered text, or of one composed of several; null where it stands for no value."""
    if source.compose is not None:
        parts = []
        for text, name, _, _ in string.Formatter().parse(source.compose):
            parts += [_literal(text)] if text else []
            parts += [f"trim(cast({quoted(name)} as varchar))"] if name else []
        value = f"concat({', '.join(parts)})"
    else:
        value = f"trim(cast({quoted(source.column or '')} as varchar))"
    for empty in ("", *source.empty):
        value = f"nullif({value}, {_literal(empty)})"
    return value


def expression(source: From, target: Column, raw: bool = False) -> str:
    """SQL of one core column from landing columns, which have types, or from `raw` texts.

    What cannot be read gives null.
    """
    if source.constant is not None:
        return f"cast({_literal(source.constant)} as {target.type})"
    if not source.as_text and not raw:
        return f"cast({quoted(source.column or '')} as {target.type})"
    text = _text(source)
    if source.format:
        return f"cast(try_strptime({text}, {_literal(source.format)}) as {target.type})"
    if source.scale is not None:
        return f"cast({typed(text, 'DECIMAL(28,8)')} * {source.scale:f} as {target.type})"
    return typed(text, target.type)


def load(source: Source, unit: Unit) -> Mapping:
    """The mapping of a unit's source. Raises MoeError that names the file and each key at fault."""
    if source.mapping.endswith((".yml", ".yaml")):
        path = unit.resolve(source.mapping)
    else:
        path = settings().mappings / f"{source.mapping}.yml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in settings().mappings.glob("*.yml")))
        raise MoeError(f"unit {unit.unit}, source {source.name}: no mapping {path}",
                       f"give the path of a mapping beside the unit's file, or one of: {shipped}")
    try:
        mapping = Mapping(**yaml.safe_load(path.read_text(encoding="utf-8")), folder=path.parent)
        if mapping.fills not in ROWS:
            raise MoeError(f"{path}: fills: mappings do not fill {mapping.fills}", f"one of: {', '.join(ROWS)}")
        unknown = set(mapping.columns or {}) - {c.name for c in mapped_terms(mapping.target).columns}
        if unknown:
            raise MoeError(f"{path}: columns: {mapping.fills} has no column {', '.join(sorted(unknown))}",
                           f"a mapping gives: {', '.join(c.name for c in mapped_terms(mapping.target).columns)}")
        if mapping.delivery == "once" and mapping.date_column not in (mapping.columns or {}):
            raise MoeError(f"{path}: date_column {mapping.date_column} is not among its columns",
                           "name the core column by whose date the rows are handed over")
    except ValidationError as error:
        raise MoeError(f"{path}: {key_faults(error)}", "see docs/how-to/bring-your-own-exports.md") from error
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise MoeError(f"{path} is not a readable mapping: {error}",
                       "see docs/how-to/bring-your-own-exports.md") from error
    return mapping
