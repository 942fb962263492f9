"""Mappings: from the columns that a platform delivers to the columns of a core table.

A mapping is one YAML file: a small header, and either `columns` (core column by delivered column: enough
for a flat export) or `select` (one SQL SELECT over the delivered files, run in DuckDB).
See docs/how-to/bring-your-own-exports.md.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from moe.contracts import Column, Contract, contract
from moe.contracts import read as read_contract
from moe.errors import MoeError
from moe.settings import settings
from moe.units import Source, Unit


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
    scale: str | None = None
    "Exact factor to the column's unit: 0.000001 for micros, 0.01 for cents or percent."
    empty: tuple[str, ...] = ()
    "Texts that stand for no value."
    known_after: Annotated[int, Field(ge=0)] = 0
    "Days after the row's business date until the value is known (exports made once, long after)."

    @model_validator(mode="after")
    def _one(self) -> "From":
        if sum(v is not None for v in (self.column, self.constant, self.compose)) != 1:
            raise ValueError("give exactly one of column, constant, compose")
        return self


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
        if self.columns is not None and len(self.files) != 1:
            raise ValueError("a mapping by columns reads one file")
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
            if source.column:
                text = source.format is not None or source.scale is not None
                found[source.column] = Column(
                    name=source.column,
                    # scaled and formatted values are read by the SELECT; here they only have to be numbers
                    type="DECIMAL(28,8)" if source.scale else "VARCHAR" if text else core.type,
                    description=core.description,
                    personal=core.personal,
                )
            for name in _placeholders(source.compose or ""):
                found.setdefault(name, Column(name, "VARCHAR", f"Part of {core_name}."))
        return list(found.values())

    def sql(self) -> str:
        """The SELECT from the delivered files to the core columns, `_row` first."""
        if self.select is not None:
            return self.select
        assert self.columns is not None
        terms = ",\n  ".join(f'{_expression(s, self.target.column(n))} as "{n}"' for n, s in self.columns.items())
        return f'select _row,\n  {terms}\nfrom "{self.main}"'


def _placeholders(text: str) -> list[str]:
    from string import Formatter

    return [name for _, name, _, _ in Formatter().parse(text) if name]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _expression(source: From, target: Column) -> str:
    """SQL of one core column. Delivered columns are already typed by the landing contract."""
    if source.constant is not None:
        return f"cast({_quote(source.constant)} as {target.type})"
    if source.compose is not None:
        from string import Formatter

        parts = []
        for text, name, _, _ in Formatter().parse(source.compose):
            parts += [_quote(text)] if text else []
            parts += [_name(name)] if name else []
        value = f"concat({', '.join(parts)})"
    else:
        value = _name(source.column or "")
    if source.empty:
        value = f"case when {value} not in ({', '.join(map(_quote, source.empty))}) then {value} end"
    if source.format:
        return f"cast(try_strptime({value}, {_quote(source.format)}) as {target.type})"
    if source.scale:
        return f"cast({value} * {source.scale} as {target.type})"
    return f"cast({value} as {target.type})"


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
        unknown = set(mapping.columns or {}) - {c.name for c in mapping.target.columns}
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise MoeError(f"{path}: {faults}", "see docs/how-to/bring-your-own-exports.md") from error
    except (yaml.YAMLError, TypeError) as error:
        raise MoeError(f"{path} is not a readable mapping: {error}",
                       "see docs/how-to/bring-your-own-exports.md") from error
    if unknown:
        raise MoeError(f"{path}: {mapping.fills} has no column {', '.join(sorted(unknown))}",
                       f"its columns: {', '.join(c.name for c in mapping.target.columns)}")
    return mapping
