"""What one night's report is made of: the tables of the night as they were published, and nothing else."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa


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
    past: pa.Table | None = None  # out.budget__line of past nights (`adoption`), with `live`: whether it went live

    counts: pa.Table | None = None  # out.reconciliation__line_day; None in nights from before it

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
