"""Business units: an advertiser with its sources, budget-line grain, currency, totals, bounds and caps."""

from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from moe.errors import MoeError, key_faults
from moe.settings import settings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_FILES: dict[str, Path] = {}
"Files of the units that this process loaded."

Dimension = Literal["platform", "account_id", "campaign_id", "ad_group_id", "ad_id", "placement", "region"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """One source of a unit: a mapping, and where its deliveries lie."""

    name: Name
    mapping: str
    "A name under sources/mappings/, or a path relative to the unit's file."
    path: str
    "Folder or file; may name `{deliveries}`, `{test_data}` and, for nightly deliveries, `{night}`."
    late: Literal["wait", "go_on", "hold"] = "wait"
    "What a night does when the delivery is not there."
    click_window_days: Annotated[int, Field(ge=1, le=90)] = 30
    "Days after a click in which the ad account, by its own setting, counts an order as that click's."


class Rate(_Part):
    """What one unit of a foreign currency is worth in the unit's currency, from a business date on."""

    currency: Currency
    since: date
    rate: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=8)]


class Group(_Part):
    """Lines and smaller groups whose spend has limits together, in the unit's budget."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    lines: tuple[str, ...] = ()
    "Ids or names of budget lines, `*` for any text: `google_ads / *`."
    parent: str | None = None
    floor: Amount | None = None
    cap: Amount | None = None
    share_low: Annotated[float, Field(ge=0, le=1)] | None = None
    share_high: Annotated[float, Field(ge=0, le=1)] | None = None
    share_of: Literal["total", "parent"] = "total"


class Budget(_Part):
    """The daily total and what may move in one night."""

    total: Amount
    line_floor: Amount = Decimal(0)
    line_cap: Amount | None = None
    max_step: Annotated[float, Field(gt=0, le=10)] = 0.2
    "Largest change of a line in one night, as a share of the night before."
    least_step: Amount = Decimal(5)
    "A change of this amount is always allowed, so that a line at zero can start."
    groups: tuple[Group, ...] = ()
    "A tree of groups with limits of their own, such as a platform's or a region's."


class Bids(_Part):
    floor: Annotated[Decimal, Field(ge=0)] = Decimal("0.01")
    cap: Annotated[Decimal, Field(gt=0)]
    forbidden: tuple[str, ...] = ()
    "Segments that policy allows no bid for."


class Unit(_Part):
    """A business unit as its `unit.yml` describes it."""

    unit: Name
    name: str
    time_zone: str = "UTC"
    "Of the ad accounts' days, as an IANA name."
    currency: Currency
    rates: tuple[Rate, ...] = ()
    first_night: date
    line: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    "Grain of the budget line."
    line_excluded: tuple[str, ...] = ()
    "Budget lines that never get a budget, beside `unplaced`."
    objective: Literal["conversion_value", "conversions"] = "conversion_value"
    budget: Budget
    bids: Bids
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    simulated: bool = False
    "The shipped simulator writes this unit's deliveries."
    folder: Path
    "Folder of the unit's file: relative paths start here."

    @model_validator(mode="after")
    def _consistent(self) -> "Unit":
        names = [source.name for source in self.sources]
        if repeated := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"sources: {', '.join(repeated)} named twice: a source's name is part of its tables")
        dated = [(rate.currency, rate.since) for rate in self.rates]
        if len(set(dated)) < len(dated):
            raise ValueError("rates: two for one currency and date")
        if self.time_zone not in available_timezones():
            raise ValueError(f"time_zone: {self.time_zone} is no IANA time zone, such as Europe/Berlin")
        if self.currency in {rate.currency for rate in self.rates}:
            raise ValueError(f"rates: {self.currency} is the unit's own currency")
        return self

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.sources)

    def resolve(self, path: str, night: date | None = None) -> Path:
        """A path of the unit's file with its placeholders filled in."""
        known = {"deliveries": str(settings().deliveries), "test_data": str(settings().test_data)}
        if night is not None:
            known["night"] = night.isoformat()
        try:
            filled = path.format(**known)
        except (KeyError, ValueError, IndexError) as error:
            raise MoeError(f"unit {self.unit}: path {path} has an unknown placeholder: {error}",
                           f"known here: {', '.join(known)}") from error
        return (self.folder / filled).resolve()


def unit_file(name_or_path: str) -> Path:
    """The file of a unit named, or given as a path. Raises MoeError where there is none."""
    if name_or_path.endswith((".yml", ".yaml")) or "/" in name_or_path:
        path = Path(name_or_path).expanduser().resolve()
    else:
        path = settings().shipped_units / name_or_path / "unit.yml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.parent.name for p in settings().shipped_units.glob("*/unit.yml")))
        raise MoeError(f"no unit file {path}", f"give the path of a unit.yml, or one of: {shipped}")
    return path


def load_unit(name_or_path: str) -> Unit:
    """Read a unit. Raises MoeError that names the file and each key at fault."""
    path = unit_file(name_or_path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        unit = Unit(**raw, folder=path.parent)
    except ValidationError as error:
        raise MoeError(f"{path}: {key_faults(error)}", "see docs/how-to/bring-your-own-exports.md") from error
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise MoeError(f"{path} is not a readable unit file: {error}",
                       "see docs/how-to/bring-your-own-exports.md") from error
    _FILES[unit.unit] = path
    return unit


def option(unit: str) -> str:
    """What a person gives `--unit` for a unit: its name where it is shipped, else the path of its file."""
    path = _FILES.get(unit)
    return unit if path is None or path == settings().shipped_units / unit / "unit.yml" else str(path)
