"""The job `curves`: fit the response of every budget line from what was known in the night."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decisions import draws, signals
from decisions.calibration import Ground, chosen
from decisions.curves import Curves
from decisions.fitting import SIMPLE, Experiment, Fitted, History, fit
from decisions.fitting import history as known_days
from decisions.fitting.simple import as_curves
from decisions.jobs.reported import shares_reported
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import option

FIT_DAYS = 180
"""Business dates that are fitted: all that the marts hold. A budget that is kept steady teaches nothing, so the days on
which it moved are what a curve is known by, old as they are."""
DEMAND_DAYS = 31
"""Days ahead whose demand is written down: a month's plan needs no more."""
LEAST_KNOWN = 0.01
"""A day of which less is known says nothing, and is not fitted: projecting it would only add noise."""


def curves(
    night: Night, history: pa.Table, deliveries: pa.Table, experiments: pa.Table, market: pa.Table
) -> dict[str, pa.Table]:
    """Curves by budget line, and what became of each experiment: `history` is marts.ad_performance__line_day,
    `deliveries` core as delivered, `experiments` and `market` (core.market_signal__day) as of the night."""
    objective = night.unit.objective
    since = night.date - timedelta(days=FIT_DAYS - 1)
    rows = [r for r in history.to_pylist() if night.unit.funds(r["line_id"]) and r["business_date"] >= since]
    names = {r["line_id"]: r["line_name"] for r in sorted(rows, key=lambda r: r["business_date"])}
    platforms = {r["line_id"]: r["platform"] for r in rows}
    reported = shares_reported(deliveries, objective)
    share = [reported.get((r["platform"], (night.date - r["business_date"]).days), 1.0) for r in rows]
    outcome = np.array([np.nan if r[objective] is None or known < LEAST_KNOWN else float(r[objective]) / known
                        for r, known in zip(rows, share, strict=True)])
    days = [r["business_date"] for r in rows]
    first, last = min(days, default=night.date), max(days, default=night.date)
    ahead = (night.date - last).days + DEMAND_DAYS
    _, shown = signals.panel(market.to_pylist(), first, last, ahead)
    try:
        known = known_days(
            [(line, line, platform) for line, platform in sorted(platforms.items())],
            [r["line_id"] for r in rows],
            days,
            np.array([np.nan if r["spend"] is None else float(r["spend"]) for r in rows]),
            outcome,
            known=share,
            clicks=np.array([np.nan if r["clicks"] is None else float(r["clicks"]) for r in rows]),
            signals=signals.of_rows(shown, first, days),
        )
        observed = _fit(known)
    except ValueError as error:
        raise MoeError(f"no curve can be fitted for {night.unit.unit} in the night of {night.date}: {error}",
                       f"check `moe show marts.ad_performance__line_day --unit {option(night.unit.unit)}`; a first "
                       "night needs days whose conversions are known") from error
    tests, told = _experiments(experiments, known, night)
    fitted = _fit(known, tests) if tests else observed
    return {
        "out.curve__line": as_table(fitted, observed, names, objective),
        "out.curve_draw__line": draws.as_table(draws.draws(fitted)),
        "out.demand__line_day": _demand(fitted, night, shown[known.days :]),
        "out.experiment__test": told,
    }


def _fit(known: History, tests: tuple[Experiment, ...] = ()) -> Fitted:
    return fit(known, tests, specs=dict.fromkeys(known.channels, SIMPLE))


def _experiments(table: pa.Table, known: History, night: Night) -> tuple[tuple[Experiment, ...], pa.Table]:
    last = known.first_day + timedelta(days=known.days - 1)
    ground = Ground(night.date, night.unit.objective, known.line_ids, known.first_day, last,
                    night.unit.funds)
    try:
        return chosen(table.to_pylist(), ground)
    except ValueError as error:
        raise MoeError(f"experiments of {night.unit.unit}: {error}",
                       "mend the row in the unit's experiments file, or withdraw it by `until` "
                       "(docs/how-to/test-with-experiments.md); the live release stays") from error


def _demand(fitted: Fitted, night: Night, ahead: NDArray[np.float64]) -> pa.Table:
    """Rows of out.demand__line_day, from the day that the night decides on; signals `ahead` (days, q)."""
    factor, lines = fitted.season(len(ahead), signals=ahead)[-DEMAND_DAYS:], len(fitted.line_ids)
    return pa.table({
        "line_id": list(fitted.line_ids) * DEMAND_DAYS,
        "business_date": [night.decided_day + timedelta(days=t) for t in range(DEMAND_DAYS) for _ in range(lines)],
        "factor": factor.ravel(),
    })


def as_table(fitted: Fitted, observed: Fitted, names: dict[str, str], objective: str) -> pa.Table:
    """Rows of out.curve__line; `observed` is the fit without experiments. The curves' covariance is of
    (log a/k, log k), the table's of (log a, log k)."""
    made, before, untested = as_curves(fitted), as_curves(observed), ~fitted.calibrated
    slope, both, half = made.cov[:, 0, 0], made.cov[:, 0, 1], made.cov[:, 1, 1]
    return pa.table({
        "line_id": fitted.line_ids,
        "line_name": [names[line] for line in fitted.line_ids],
        "objective": [objective] * len(fitted.line_ids),
        "ceiling": made.a,
        "half_saturation": made.k,
        "typical_spend": made.typical_spend,
        "spend_low": made.spend_low,
        "spend_high": made.spend_high,
        "days_observed": made.days_observed,
        "log_ceiling_variance": slope + 2 * both + half,
        "log_half_saturation_variance": half,
        "log_covariance": both + half,
        "dispersion": fitted.dispersion,
        "evidence": fitted.evidence,
        "ceiling_before": pa.array(before.a, mask=untested),
        "half_saturation_before": pa.array(before.k, mask=untested),
    })


def from_table(table: pa.Table) -> Curves:
    """The curves of out.curve__line, in its order."""
    column = {name: table.column(name).to_numpy() for name in table.column_names if name not in ("unit", "night")}
    half = column["log_half_saturation_variance"]
    both = column["log_covariance"] - half
    slope = column["log_ceiling_variance"] - 2 * both - half
    cov = np.stack([np.stack([slope, both], axis=-1), np.stack([both, half], axis=-1)], axis=-2)
    return Curves(
        a=column["ceiling"], k=column["half_saturation"], cov=cov, days_observed=column["days_observed"],
        spend_low=column["spend_low"], spend_high=column["spend_high"], typical_spend=column["typical_spend"],
    )
