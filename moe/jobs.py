"""The jobs of the platform as a literal list: what each reads, what it writes, where its work is.

A job's function takes a `Night` and its inputs by name and returns its outputs by table name; `moe.runner`
reads, checks, replaces and records. Work is named by dotted path, so that the ground floor imports no room.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

from moe.errors import MoeError
from moe.settings import Settings, settings
from moe.units import Unit


@dataclass(frozen=True)
class Night:
    """The night that a job works for: D is `date`, the last complete business day."""

    unit: Unit
    date: datetime.date
    replace: bool = False
    "A person accepts a delivery that differs from the one landed before."

    @cached_property
    def settings(self) -> Settings:
        return settings()

    @property
    def before(self) -> datetime.date:
        return self.date - datetime.timedelta(days=1)

    @property
    def decided_day(self) -> datetime.date:
        """The day whose budget this night decides."""
        return self.date + datetime.timedelta(days=1)

    @property
    def cutoff(self) -> datetime.datetime:
        """The instant up to which this night knows: the end of D, UTC."""
        return datetime.datetime.combine(self.decided_day, datetime.time.min, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Read:
    """An input: as known in the night over `days` of deliveries, those deliveries as they came, the night's
    partition, or the one before."""

    table: str
    how: Literal["as_of", "deliveries", "night", "before"] = "night"
    days: int = 1
    optional: bool = False
    "Give an empty table where the unit has no such data; otherwise the job is skipped."


@dataclass(frozen=True)
class Job:
    """One step of the night. Its outputs' partitions of the night are replaced, each in one step."""

    name: str
    call: str
    reads: dict[str, Read]
    writes: tuple[str, ...]
    engine: Literal["arrow", "spark"] = "arrow"
    history: bool = False
    "Missing earlier nights are built first."
    needs_night_before: bool = False
    "Reads its own or another job's outcome of D-1, so that nights must run in order."

    def function(self) -> Callable[..., dict[str, Any]]:
        module, _, name = self.call.partition(":")
        function: Callable[..., dict[str, Any]] = getattr(import_module(module), name)
        return function


ADS = "core.ad_performance__ad_day"
MARTS = "marts.ad_performance__line_day"

NIGHT: tuple[Job, ...] = (
    Job(
        "land",
        "sources.land:land",
        reads={},
        writes=(),  # the tables that the unit's mappings fill, and those below
        history=True,
    ),
    Job(
        "sessions",
        "spark_jobs.sessions:sessions",
        reads={"events": Read("core.web_event__event", "as_of", days=4)},
        writes=("features.session__session",),
        engine="spark",
        history=True,
    ),
    Job(
        "traffic",
        "spark_jobs.traffic:traffic",
        reads={"sessions": Read("features.session__session"), "ads": Read(ADS, "as_of", days=28)},
        writes=("features.traffic__line_day",),
        engine="spark",
        history=True,
    ),
    Job(
        "hours",
        "spark_jobs.hours:hours",
        reads={
            "sessions": Read("features.session__session", "deliveries", days=8),
            "ads": Read(ADS, "as_of", days=28),
        },
        writes=("features.hour_traffic__line_block",),
        engine="spark",
        history=True,
    ),
    Job(
        "customers",
        "spark_jobs.customers:customers",
        reads={"orders": Read("core.order__order", "as_of", days=365)},
        writes=("features.customer__customer",),
        engine="spark",
        history=True,
    ),
    Job(
        "ads",
        "spark_jobs.ads:ads",
        reads={"ads": Read(ADS, "as_of", days=60)},
        writes=("features.ads__line_segment",),
        engine="spark",
        history=True,
    ),
    Job(
        "marts",
        "moe.marts:marts",
        reads={},
        writes=("marts.ad_performance__line_day", "marts.order__day", "marts.plan_vs_actual__line_day",
                "marts.reconciliation__line_day"),
        needs_night_before=True,
    ),
    Job(
        "score",
        "training.score:score",
        reads={},
        writes=("features.score__line_segment", "features.bid_response__line_segment_bid"),
    ),
    Job(
        "curves",
        "decisions.jobs.curves:curves",
        reads={
            "history": Read(MARTS),
            "deliveries": Read(ADS, "deliveries", days=90),
            "experiments": Read("core.experiment__test", "as_of", days=3650, optional=True),
            "market": Read("core.market_signal__day", "as_of", days=3650, optional=True),
        },
        writes=("out.curve__line", "out.curve_draw__line", "out.demand__line_day", "out.experiment__test"),
    ),
    Job(
        "allocate",
        "decisions.jobs.allocate:allocate",
        reads={
            "history": Read(MARTS),
            "curves": Read("out.curve__line"),
            "before": Read("out.budget__line", "before", optional=True),
            "overrides": Read("core.override__override", "as_of", days=3650, optional=True),
            "demand": Read("out.demand__line_day", optional=True),
            "past": Read("out.budget__line", "before", days=92, optional=True),
            "drawn": Read("out.curve_draw__line", optional=True),
        },
        writes=("out.budget__line", "out.plan__line_day", "out.allocation__night", "out.limit_price__limit",
                "out.front__point"),
        needs_night_before=True,
    ),
    Job(
        "explain",
        "decisions.jobs.explain:explain",
        reads={
            "budgets": Read("out.budget__line"),
            "history": Read(MARTS),
            "curves": Read("out.curve__line"),
            "before": Read("out.budget__line", "before", optional=True),
            "curves_before": Read("out.curve__line", "before", optional=True),
            "overrides": Read("core.override__override", "as_of", days=3650, optional=True),
            "demand": Read("out.demand__line_day", optional=True),
            "demand_before": Read("out.demand__line_day", "before", optional=True),
            "past": Read("out.budget__line", "before", days=92, optional=True),
            "drawn": Read("out.curve_draw__line", optional=True),
        },
        writes=("out.budget_change__line_cause", "out.limit_cost__limit"),
        needs_night_before=True,
    ),
    Job(
        "bid",
        "decisions.jobs.bid:bid",
        reads={
            "budgets": Read("out.budget__line"),
            "scores": Read("features.score__line_segment"),
            "ads": Read("features.ads__line_segment"),
            "history": Read(MARTS),
            "response": Read("features.bid_response__line_segment_bid", optional=True),
            "pace": Read("out.bid_pace__line", "before", optional=True),
            "plan": Read("marts.plan_vs_actual__line_day", optional=True),
            "released": Read("out.release__night", "before", optional=True),
            "settings": Read("out.applied__line", "before", optional=True),
        },
        writes=("out.bid__line_segment", "out.bid_pace__line"),
        needs_night_before=True,
    ),
    Job(
        "multipliers",
        "decisions.jobs.multipliers:multipliers",
        reads={
            "bids": Read("out.bid__line_segment"),
            "budgets": Read("out.budget__line"),
            "hours": Read("features.hour_traffic__line_block", "deliveries", days=42, optional=True),
            "ads": Read(ADS, "as_of", days=60),
            "inventory": Read("core.inventory__level_day", "as_of", days=60, optional=True),
            "before": Read("out.bid_multiplier__line_dimension", "before", optional=True),
        },
        writes=("out.bid_multiplier__line_dimension",),
        needs_night_before=True,
    ),
    Job(
        "forecast",
        "decisions.jobs.forecast:forecast",
        reads={
            "history": Read(MARTS),
            "deliveries": Read(ADS, "deliveries", days=90),
            "curves": Read("out.curve__line"),
            "drawn": Read("out.curve_draw__line"),
            "demand": Read("out.demand__line_day"),
            "budgets": Read("out.budget__line"),
            "plans": Read("marts.plan_vs_actual__line_day", "deliveries", days=90, optional=True),
            "published": Read("out.forecast__day", "deliveries", days=90, optional=True),
        },
        writes=("out.forecast__day", "out.forecast_score__day"),
        needs_night_before=True,
    ),
    Job(
        "release",
        "decisions.jobs.release:release",
        reads={
            "budgets": Read("out.budget__line"),
            "curves": Read("out.curve__line"),
            "drawn": Read("out.curve_draw__line"),
            "past_budgets": Read("out.budget__line", "deliveries", days=29, optional=True),
            "past_releases": Read("out.release__night", "deliveries", days=29, optional=True),
            "allocation": Read("out.allocation__night"),
            "bids": Read("out.bid__line_segment"),
            "scores": Read("features.score__line_segment"),
            "warnings": Read("core.warning__finding"),
            "multipliers": Read("out.bid_multiplier__line_dimension", optional=True),
            "demand": Read("out.demand__line_day", optional=True),
            "front": Read("out.front__point", optional=True),
        },
        writes=("out.release__night",),
        needs_night_before=True,
    ),
    Job(
        "reconcile",
        "decisions.jobs.reconcile:reconcile",
        reads={
            "counts": Read("marts.reconciliation__line_day"),
            "history": Read(MARTS),
            "curves": Read("out.curve__line"),
            "demand": Read("out.demand__line_day", "deliveries", days=29, optional=True),
            "deliveries": Read(ADS, "deliveries", days=90),
        },
        writes=("out.reconciliation__line_day",),
        needs_night_before=True,
    ),
    Job(
        "applied",
        "decisions.jobs.applied:applied",
        reads={
            "settings": Read("core.applied_setting__entity_day", "as_of", days=14),
            "actual": Read("marts.plan_vs_actual__line_day", optional=True),
        },
        writes=("out.applied__line",),
        needs_night_before=True,
    ),
    Job(
        "criteria",
        "decisions.jobs.criteria:criteria",
        reads={
            "history": Read(MARTS),
            "deliveries": Read(ADS, "deliveries", days=90),
            "traffic": Read("features.traffic__line_day", "deliveries", days=90, optional=True),
            "said": Read("core.criterion__campaign", "as_of", days=3650, optional=True),
        },
        writes=("out.kpi_suitability__line", "out.criterion__campaign"),
    ),
    Job("docs", "expectations.docs:docs", reads={}, writes=()),
    Job(
        "report",
        "decisions.jobs.report:report",
        reads={"overrides": Read("core.override__override", "as_of", days=3650, optional=True)},
        writes=(),
        needs_night_before=True,
    ),
)
"""One night, in order. The last two write pages, not tables."""

LEARN: tuple[Job, ...] = (Job("train", "training.train:train", reads={}, writes=("out.challenger__night",)),)
"""Jobs of the weekly training."""

WATCH: tuple[Job, ...] = (
    Job(
        "monitor",
        "monitoring.job:monitor",
        reads={
            "scores": Read("features.score__line_segment"),
            "before": Read("out.monitor__column", "before", optional=True),
            "request_before": Read("out.retrain_request__night", "before", optional=True),
        },
        writes=("out.monitor__column", "out.monitor__outcome", "out.retrain_request__night"),
        needs_night_before=True,
    ),
)
"""Jobs that look at a night once it is scored, and decide nothing of it."""

JOBS = (*NIGHT, *LEARN, *WATCH)
BY_NAME = {job.name: job for job in JOBS}


def find(names: list[str]) -> list[Job]:
    """Jobs by name, in the order in which they run; `night` stands for all of a night."""
    for name in names:
        if name not in BY_NAME and name != "night":
            raise MoeError(f"there is no job {name}", f"one of: night, {', '.join(BY_NAME)}")
    return [job for job in JOBS if job.name in names or ("night" in names and job in NIGHT)]
