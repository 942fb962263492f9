"""What one night's report is made of: the tables of the night as they were published, and nothing else."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from decisions.draws import Draws


@dataclass(frozen=True)
class Period:
    """What a person set for all lines together over the month or quarter of the decided day."""

    kind: str  # monthly_total or quarterly_total
    total: Decimal
    who: str
    reason: str
    spent: Decimal | None = None
    "Of it so far, as the night counted it; None in nights that did not say."


@dataclass(frozen=True)
class ReportData:
    """The inputs of one report. Tables have the columns of their contracts; none may be changed here.

    `objective` is 'conversion_value' (amounts of `currency`) or 'conversions' (counts).
    """

    unit: str
    unit_name: str
    night: date
    currency: str
    objective: str
    release: dict[str, Any]  # the row of out.release__night
    live: dict[str, Any] | None  # {"night": date, "who", "when", "reason"}; None when nothing is live
    budgets: pa.Table  # out.budget__line
    bids: pa.Table  # out.bid__line_segment
    curves: pa.Table  # out.curve__line
    history: pa.Table  # marts.ad_performance__line_day, the last 90 days
    plan_vs_actual: pa.Table | None  # marts.plan_vs_actual__line_day
    orders: pa.Table | None  # marts.order__day
    quarantine: pa.Table  # core.quarantine__row
    warnings: pa.Table  # core.warning__finding
    steps: list[dict[str, Any]]  # the night's ledger: {"job", "status", "seconds", "reason"}
    links: dict[str, str]  # label -> relative path or URL
    limits: pa.Table | None = None  # out.limit_price__limit; None in nights from before it
    ads: pa.Table | None = None  # which ads each line covers: `decisions.report.uploads.IDENTITY`, distinct rows
    experiments: pa.Table | None = None  # out.experiment__test; None where the unit has none
    requests: pa.Table | None = None  # core.override__override: requests that are not over; None where there are none
    forecast: pa.Table | None = None  # out.forecast__day; None in nights from before it
    forecast_scores: pa.Table | None = None  # out.forecast_score__day
    past: pa.Table | None = None  # out.budget__line of past nights (`adoption`), with `live`: whether it went live
    applied: pa.Table | None = None  # out.applied__line; None where nothing told what is set on the platforms
    draws: Draws | None = None  # out.curve_draw__line
    changes: pa.Table | None = None  # out.budget_change__line_cause
    limit_costs: pa.Table | None = None  # out.limit_cost__limit
    period: Period | None = None  # the total of a month or quarter that a person set
    multipliers: pa.Table | None = None  # out.bid_multiplier__line_dimension; None in nights from before it
    criteria: pa.Table | None = None  # out.criterion__campaign; None in nights from before it
    kpis: pa.Table | None = None  # out.kpi_suitability__line; None in nights from before it
    counts: pa.Table | None = None  # out.reconciliation__line_day; None in nights from before it
    ahead: pa.Table | None = None  # out.plan__line_day; None in nights from before it
    groups: dict[str, str] = field(default_factory=dict)  # line_id -> the unit's group that it stands in
    weights: dict[str, float] = field(default_factory=dict)  # line_id -> margin × lifetime of its outcome, where not 1
    front: pa.Table | None = None  # out.front__point; None in nights from before it, empty where no lines compete

    @property
    def outcome_unit(self) -> str:
        """Unit of what platforms, curves and forecasts count."""
        if self.objective == "conversions":
            return "conversions"
        return f"{self.currency} of value" if self.weights else self.currency

    @property
    def worth_unit(self) -> str:
        """Unit of what the night makes as large as it can: outcomes, each times the margin and lifetime of its line.

        Where the unit states neither, it is the outcome's own.
        """
        if not self.weights:
            return self.outcome_unit
        return "weighted conversions" if self.objective == "conversions" else f"{self.currency} of worth"

    @property
    def counted(self) -> str:
        """What platforms, curves and forecasts count, in a word."""
        return "conversions" if self.objective == "conversions" else "value"

    @property
    def expects(self) -> str:
        """What the night expects of budgets, in a word."""
        return "worth" if self.weights else self.counted

    @property
    def live_night(self) -> date | None:
        """The night whose release is live; the publication log keeps it as ISO text."""
        night = self.live["night"] if self.live is not None else None
        return date.fromisoformat(night) if isinstance(night, str) else night

    @property
    def status(self) -> str:
        """'live', 'held' or 'candidate': what became of the night's release."""
        if self.live_night == self.night:
            return "live"
        return "held" if self.release["held"] else "candidate"
