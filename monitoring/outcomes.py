"""Predictions against outcomes that have matured: calibration and deviance of the live model, week by week.

The rates that the night before a business date predicted, times the date's impressions or clicks, are set
against what was reported for it until night D. Conversions count by the share of them that is known by then
(`moe.maturity`), and only once nearly all are.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.stats import t as student

from moe import tables
from moe.asof import COVERAGE, as_of_sql
from moe.contracts import contract
from moe.maturity import shares_known
from monitoring.model import Model, Window
from monitoring.thresholds import ADS, SCORES, Outcome, Status

CORE = "core.ad_performance__ad_day"
WEEKS = 8
"Weeks of outcomes that are shown, the newest first."
JUDGED_DAYS, LEAST_DAYS = 14, 7
"Newest matured dates that the maintenance check judges: two weeks; after fewer than one it waits."
KNOWN_LEAST = 0.9
"Conversions of a date are judged once this share is known: the estimated rest can then hardly mislead."
CLICKS_AGE = 2
"Clicks are judged from this age in days on: platforms take invalid ones back within two."
RESTATED_DAYS = 40
"Deliveries before the first date that may still hold it, and that tell how outcomes mature."

# Sums are of decimals, so that they do not depend on the order of rows.
_DAYS = """
    with cells as (
        select r.*, r.night - r.business_date as age, coalesce(k.known, 1) as known
        from ({known}) as r
        left join known as k on k.platform = r.platform and k.age = r.night - r.business_date
        where r.business_date between $since and $until
    ),
    outcomes as (
        select 'click_rate' as target, platform, line_id, segment, business_date,
            sum(impressions)::double as exposure, sum(clicks)::double as observed
        from cells where $night - business_date >= {clicks_age} group by all
        union all
        select 'conversion_rate', platform, line_id, segment, business_date,
            sum(round(clicks * known * 1000)::bigint)::double / 1000, sum(conversions)::double
        from cells where known >= {least} and conversions is not null group by all
    ),
    expected as (
        select o.*,
            o.exposure * case o.target when 'click_rate' then s.click_rate else s.conversion_rate end as predicted,
            o.exposure * case o.target when 'click_rate' then a.click_rate_28d else a.conversion_rate_28d end as usual
        from outcomes as o
        inner join scores as s on s.night = o.business_date - 1 and s.line_id = o.line_id and s.segment = o.segment
        inner join ads as a on a.night = o.business_date - 1 and a.line_id = o.line_id and a.segment = o.segment
        where s.model_version = $version and o.exposure > 0
    )
    select target, platform, business_date, sum(exposure::decimal(38, 6))::double as exposure,
        sum(observed::decimal(38, 6))::double as observed, sum(predicted::decimal(38, 9))::double as predicted,
        sum(({deviance_of_predicted})::decimal(38, 9))::double as deviance,
        sum(({deviance_of_usual})::decimal(38, 9))::double as usual_deviance
    from expected group by all order by all
"""
_DEVIANCE = (
    "2 * (case when observed > 0 then observed * ln(observed / greatest({0}, 1e-12)) else 0 end - observed + {0})"
)


def by_day(connection: duckdb.DuckDBPyConnection, unit: str, night: date, model: Model) -> pd.DataFrame:
    """One row a target, platform and matured business date that the model predicted: sums over lines and segments.

    `exposure` (impressions; clicks whose conversions are known), `observed` and `predicted` events, and the
    Poisson deviance of the prediction and of the 28-day shrunk rate.
    """
    since = max(model.trained + timedelta(days=1), night - timedelta(days=7 * WEEKS + RESTATED_DAYS))
    deliveries = since - timedelta(days=RESTATED_DAYS)
    tables.scan(connection, CORE, tables.files(CORE, unit, deliveries, night)).create_view("core")
    tables.scan(connection, COVERAGE, tables.files(COVERAGE, unit, deliveries, night)).create_view("coverage")
    before = since - timedelta(days=1)
    tables.scan(connection, SCORES, tables.files(SCORES, unit, before, night)).create_view("scores")
    tables.scan(connection, ADS, tables.files(ADS, unit, before, night)).create_view("ads")
    connection.register("known", shares_known(connection, "core", "conversions"))
    sql = _DAYS.format(known=as_of_sql(contract(CORE), "core", night, deliveries, "coverage"), least=KNOWN_LEAST,
                       clicks_age=CLICKS_AGE, deviance_of_predicted=_DEVIANCE.format("predicted"),
                       deviance_of_usual=_DEVIANCE.format("usual"))
    found: pd.DataFrame = connection.sql(sql, params={
        "since": since, "until": night, "night": night, "version": model.version}).df()
    return found.assign(business_date=pd.to_datetime(found["business_date"]).dt.date)


def judged(days: pd.DataFrame, limits: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Rows of `out.monitor__outcome`: for each target, all platforms together and each alone, the newest two
    weeks, which are judged, and each week before. Platforms together end where the slowest has matured."""
    rows = []
    for target, of_target in days.groupby("target", sort=True):
        platforms = sorted(of_target["platform"].unique())
        newest = of_target.groupby("platform")["business_date"].max()
        parts = {"all": of_target[of_target["business_date"] <= newest.min()]} if len(platforms) > 1 else {}
        parts |= {name: of_target[of_target["platform"] == name] for name in platforms}
        for platform, part in parts.items():
            sums = part.drop(columns=["target", "platform"]).groupby("business_date", as_index=False).sum()
            until = sums["business_date"].max()
            for name, window in _windows(until):
                inside = sums[sums["business_date"].between(window.since, window.until)]
                if len(inside):
                    about = {"target": target, "platform": platform, "period": name,
                             "since": inside["business_date"].min(), "until": window.until}
                    rows.append(about | _measured(inside, name == "newest", limits[str(target)]))
    return rows


def _windows(until: date) -> list[tuple[str, Window]]:
    weeks = [(f"week {i + 1}", Window.ending(until - timedelta(days=7 * i), 7)) for i in range(WEEKS)]
    return [("newest", Window.ending(until, JUDGED_DAYS)), *weeks]


def _measured(days: pd.DataFrame, is_judged: bool, limits: Outcome) -> dict[str, Any]:
    """Ratio with its 95 % interval and the decay of one period; `days` has a row a date."""
    observed, predicted = float(days["observed"].sum()), float(days["predicted"].sum())
    usual = float(days["usual_deviance"].sum())
    decay = float(days["deviance"].sum()) / usual - 1 if usual else None
    ratio = predicted / observed if observed else None
    low, high = _interval(days, ratio) if ratio and len(days) > 1 else (None, None)
    calibration: Status = "waiting"
    lost: Status = "waiting"
    if is_judged and len(days) >= LEAST_DAYS and ratio:
        sure = low is not None and high is not None and not low <= 1 <= high
        calibration = limits.calibration.status(abs(float(np.log(ratio)))) if sure else "ok"
        lost = limits.decay.status(decay) if _surely_worse(days) else "ok"
    return {"dates": len(days), "exposure": float(days["exposure"].sum()), "observed": observed,
            "predicted": predicted, "predicted_over_observed": ratio, "ratio_low": low, "ratio_high": high,
            "deviance": float(days["deviance"].sum()), "deviance_of_usual_rate": usual, "decay": decay,
            "is_judged": is_judged, "calibration_status": calibration, "decay_status": lost}


def _interval(days: pd.DataFrame, ratio: float) -> tuple[float, float]:
    """95 % interval of predicted over observed: quasi-Poisson, its dispersion estimated between dates."""
    fitted = days["predicted"] / ratio
    dispersion = max(float((((days["observed"] - fitted) ** 2) / fitted).sum()) / (len(days) - 1), 1.0)
    error = float(student.ppf(0.975, len(days) - 1)) * (dispersion / float(days["observed"].sum())) ** 0.5
    return ratio * float(np.exp(-error)), ratio * float(np.exp(error))


def _surely_worse(days: pd.DataFrame) -> bool:
    """Whether the model's deviance exceeds the shrunk rate's by two standard errors over dates."""
    worse = days["deviance"] - days["usual_deviance"]
    return bool(worse.mean() > 2 * worse.std(ddof=1) / len(worse) ** 0.5)
