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
from moe.preferences import Interaction, ProductLines, RiskChoice
from moe.settings import settings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_FILES: dict[str, Path] = {}
"Files of the units that this process loaded."

TAKEN = {"expected", "so_far", "naive", "seasonal_naive"}
"Names in out.forecast__day that no scenario may have."

Dimension = Literal["platform", "account_id", "campaign_id", "ad_group_id", "ad_id", "placement", "region"]
BETWEEN = " · "
"Stands between the dimensions of a budget line's name."
UNPLACED = "unplaced"
"The line of what lacks a dimension."


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


class LineTerms(_Part):
    """What is true of some budget lines alone. Of several terms that name a line, the first counts."""

    lines: Annotated[tuple[str, ...], Field(min_length=1)]
    "Ids or names, `*` for any text."
    minimum: Amount = Decimal(0)
    "The line spends nothing, or this a day at least."
    margin: Annotated[float, Field(gt=0, le=1)] = 1.0
    "Share of the line's value that is left after the cost of what is sold."
    lifetime: Annotated[float, Field(gt=0, le=100)] = 1.0
    "What a customer of the line brings in all, in multiples of the first value."


class Target(_Part):
    """A total that follows what money returns, between a low and a high one a day."""

    kind: Literal["cost_per_conversion", "return_on_spend", "marginal_return", "profit"]
    value: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)] | None = None
    "What to reach; a profit is as large as it can be and has none."
    low: Amount
    high: Amount

    @model_validator(mode="after")
    def _consistent(self) -> "Target":
        if (self.value is None) != (self.kind == "profit"):
            raise ValueError(f"a target of kind {self.kind} {'has no' if self.kind == 'profit' else 'needs a'} value")
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Hold(_Part):
    """When the budgets in force stay although every rule is kept (`decisions.hold`)."""

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    "Tonight's budgets go live only where they beat those in force with at least this probability."
    regret: Annotated[float, Field(ge=0)] = 0.01
    "And where what changing may lose is on average at most this share of a day's value."


class Budget(_Part):
    """The daily total and what may move in one night."""

    total: Amount
    "A day's total where no total of a month or quarter is entered and no target is set."
    horizon: Annotated[int, Field(ge=1, le=31)] = 7
    "Days that are planned together; the first is tomorrow."
    pacing: Annotated[float, Field(ge=0, le=1)] = 0.0
    "How far a day may lie from the even pace of a month's or quarter's total, as a share of it."
    delivery: Literal["report", "hold_total"] = "report"
    "Whether what platforms may spend above their daily budgets is told, or may not carry a month over its total."
    target: Target | None = None
    explore: Annotated[float, Field(ge=0, le=10)] | None = 0.5
    "How far a budget may rise above the largest spend that the data support, as a share of it; none: no such limit."
    terms: tuple[LineTerms, ...] = ()
    line_floor: Amount = Decimal(0)
    line_cap: Amount | None = None
    max_step: Annotated[float, Field(gt=0, le=10)] = 0.2
    "Largest change of a line in one night, as a share of the night before."
    least_step: Amount = Decimal(5)
    "A change of this amount is always allowed, so that a line at zero can start."
    groups: tuple[Group, ...] = ()
    "A tree of groups with limits of their own, such as a platform's or a region's."
    hold: Hold = Hold()
    risk: RiskChoice = RiskChoice()
    interactions: tuple[Interaction, ...] = ()
    "Lines whose spend works for others too, or against them."
    product_lines: ProductLines | None = None
    "Lines whose outcomes compete for the total."

    @model_validator(mode="after")
    def _consistent(self) -> "Budget":
        if self.line_cap is not None and self.line_floor > self.line_cap:
            raise ValueError(f"line_floor {self.line_floor} is above line_cap {self.line_cap}")
        for group in self.groups:
            if group.floor is not None and group.cap is not None and group.floor > group.cap:
                raise ValueError(f"groups: the floor {group.floor} of {group.name} is above its cap {group.cap}")
        return self


class Bids(_Part):
    floor: Annotated[Decimal, Field(ge=0)] = Decimal("0.01")
    cap: Annotated[Decimal, Field(gt=0)]
    forbidden: tuple[str, ...] = ()
    "Segments that policy allows no bid for."
    auction: Literal["second_price", "first_price"] = "second_price"
    "First price: bids are shaded where bid landscapes tell what a lower bid wins."
    cost_per_conversion: Annotated[Decimal, Field(gt=0)] | None = None
    "Largest mean cost of a conversion that a line's bids are held to, night by night."


class Scenario(_Part):
    """Something that may happen to the market, as the forecast plays it out with budgets held."""

    name: Name
    title: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    demand: Annotated[float, Field(gt=-1, le=10)] = 0.0
    "Change of the outcome of the same spend: -0.2 is 20 % less."
    price: Annotated[float, Field(gt=-1, le=10)] = 0.0
    "Change of what a click costs."
    first_day: Annotated[int, Field(ge=1, le=28)] = 1
    "Day ahead on which it begins; 1 is the day that the night decides."
    days: Annotated[int, Field(ge=1)] = 28


class Unit(_Part):
    """A business unit as its `unit.yml` describes it."""

    unit: Name
    name: str
    time_zone: str = "UTC"
    "Of the ad accounts: hour blocks are its hours."
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
    scenarios: tuple[Scenario, ...] | None = None
    "Of the forecast; the shipped ones (`decisions/forecast/scenarios.py`) where none are named."
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
        named = [scenario.name for scenario in self.scenarios or ()]
        if len(set(named)) < len(named) or TAKEN & set(named):
            raise ValueError(f"scenarios: each needs a name of its own, and none of {', '.join(sorted(TAKEN))}")
        dated = [(rate.currency, rate.since) for rate in self.rates]
        if len(set(dated)) < len(dated):
            raise ValueError("rates: two for one currency and date")
        target = self.budget.target
        counted = {"cost_per_conversion": "conversions", "return_on_spend": "conversion_value",
                   "profit": "conversion_value"}.get(target.kind if target else "", self.objective)  # fmt: skip
        if target is not None and counted != self.objective:
            raise ValueError(f"budget: target: {target.kind} needs the objective {counted}, not {self.objective}")
        if self.time_zone not in available_timezones():
            raise ValueError(f"time_zone: {self.time_zone} is none: give one such as America/New_York")
        if self.currency in {rate.currency for rate in self.rates}:
            raise ValueError(f"rates: {self.currency} is the unit's own currency")
        return self

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.sources)

    def funds(self, line_id: str) -> bool:
        """Whether a line can have a budget at all."""
        return line_id != UNPLACED and line_id not in self.line_excluded

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
        if not isinstance(raw, dict):
            raise MoeError(f"{path} holds no keys", "see docs/how-to/bring-your-own-exports.md for what it needs")
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
