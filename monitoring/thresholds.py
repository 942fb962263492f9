"""The thresholds of every column, from `thresholds.yml`, which `python -m benchmarks.monitoring --thresholds` wrote."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict
from scipy.stats import chi2

ADS, TRAFFIC = "features.ads__line_segment", "features.traffic__line_day"
SCORES = "features.score__line_segment"
FILE = Path(__file__).parent / "thresholds.yml"

Status = Literal["ok", "warn", "alert", "waiting"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limit(_Part):
    """Above `warn` worth a look, above `alert` worth a retrain request once it lasts; `calm_median` and
    `calm_largest` are what calm nights showed."""

    warn: float
    alert: float
    calm_median: float | None = None
    calm_largest: float | None = None

    def status(self, value: float | None) -> Status:
        if value is None:
            return "waiting"
        return "alert" if value > self.alert else "warn" if value > self.warn else "ok"


class Column(_Part):
    """One column's limits by check; `unchecked` says why there is none for its distribution."""

    psi: Limit | None = None
    ks: Limit | None = None
    parts: Literal[5, 10] = 10
    "Of equal weight, into which PSI cuts the reference."
    unchecked: str = ""


class Outcome(_Part):
    """One rate's limits: `calibration` of the absolute logarithm of predicted over observed, `decay` of the model's
    deviance over the 28-day shrunk rate's, less 1."""

    calibration: Limit
    decay: Limit


class Measured(_Part):
    """How the numbers came to be."""

    command: str
    worlds: int
    nights: int
    current_rows: int
    reference_rows: int
    rule: str


class Thresholds(_Part):
    measured: Measured
    nights_in_a_row: int
    "An alert on a column counts once it has lasted as many nights."
    oldest_model_days: int
    missing: Limit
    "Of the share of lines and segments without a value, above the reference's."
    late_days: Limit
    "Of the newest date that a source delivered, above its oldest in the reference nights."
    absent_nights: Limit
    "Of the last nights, those without the table's partition."
    outcomes: dict[str, Outcome]
    columns: dict[str, dict[str, Column]]


@lru_cache(maxsize=1)
def thresholds() -> Thresholds:
    return Thresholds(**yaml.safe_load(FILE.read_text(encoding="utf-8")))


def for_size(limit: Limit, check: str, current_rows: int, reference_rows: int, measured: Measured,
             parts: int = 10) -> Limit:
    """A limit for samples smaller than those that it was measured on: both statistics rise by chance alone.

    With B parts PSI is about (1/n + 1/m) χ²(B − 1) where nothing changed (Yurdakul 2018, Statistical Properties
    of Population Stability Index), KS about √(1/n + 1/m) times Kolmogorov's variable (Smirnov 1939). The limit
    rises by the growth of their 99.9 % points; larger samples keep it, since the drift of calm
    months does not shrink with rows.
    """
    here = 1 / max(current_rows, 1) + 1 / max(reference_rows, 1)
    there = 1 / measured.current_rows + 1 / measured.reference_rows
    more = float(chi2.ppf(0.999, parts - 1)) * (here - there) if check == "psi" else 1.95 * (here**0.5 - there**0.5)
    return limit.model_copy(update={"warn": limit.warn + max(more, 0.0), "alert": limit.alert + max(more, 0.0)})
