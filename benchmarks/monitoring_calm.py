"""What monitoring shows on simulated worlds: calm nights, the thresholds that stand above them, and false alarms.

Every world has a model that `moe train` trained in its 30th night, and is followed for the six weeks that a model
may live. Between training and then the simulator's season goes from its lowest to its highest.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from benchmarks.monitoring_world import ADS, SCORES, TRAFFIC, Change, Nights, train
from moe import runner, tables
from moe.contracts import contract
from moe.jobs import find
from moe.settings import settings
from monitoring import availability, drift, outcomes, seen
from monitoring.model import CURRENT_NIGHTS, Model, Window
from monitoring.thresholds import Limit, Outcome

TRAINED, LIFE = 29, 42
"The night of the first model (as `moe nightly` has it), and the nights that a model may live."
IN_A_ROW = 3
DEVIATIONS = {"decay": 4}
"Standard deviations from the mean to an alert, where not 3: of 16 worlds three passed 3 of the others in decay."
LEAST = {"psi": 0.1, "ks": 0.1, "missing": 0.05, "calibration": 0.05, "decay": 0.02}
"Alerts need at least this, however calm a column is: a PSI below 0.1 is no change that matters (Siddiqi 2006)."
RULE = """Of each calm world the largest value that lasted as many nights as an alert must (for calibration and decay,
whose two weeks overlap, the largest); of the logarithms of these over the worlds (of decay plus 1) the mean
plus one standard deviation to warn and plus three to alert (four for decay); and at least 0.1 for PSI and
KS, 0.05 for a missing share and for calibration, 0.02 for decay. A day late or a night absent warns, two
alert.""".replace("\n", " ")
UNCHECKED = {
    (ADS, "platform"): "text with as many rows a platform every night",
    (ADS, "days_active_28d"): "counts up while a store is young and stays at 28 afterwards",
}


@contextmanager
def home() -> Iterator[Path]:
    """A home of its own for one world."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOE_HOME"] = folder
        settings.cache_clear()
        tables._database.cache_clear()
        yield Path(folder)
        settings.cache_clear()


def world(seed: int, change: Change | None = None) -> tuple[Nights, Model]:
    """A world's nights up to the end of its model's life."""
    nights = Nights(seed, f"w{seed}", change or Change()).write(TRAINED)
    with redirect_stdout(sys.stderr):
        version = train(nights, TRAINED)
    nights.write(TRAINED + LIFE)
    nights.score(TRAINED, TRAINED + LIFE, version)
    return nights, Model(version, nights.night(TRAINED))


def plain(column: drift.Compared) -> dict[str, float]:
    """The same statistics by numpy and scipy alone: the peer."""
    edges = drift.bin_edges(column)
    now, then = (np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
                 for values in (column.current, column.reference))
    now, then = (np.where(share == 0, 0.0001, share) for share in (now, then))  # as Evidently has it
    return {"psi": float(((then - now) * np.log(then / now)).sum()),
            "ks": float(ks_2samp(column.reference, column.current, method="asymp").statistic)}


def calm(seed: int) -> pd.DataFrame:
    """Every statistic of every night of a calm world's model: table, column, check, night, statistic, rows."""
    with home():
        nights, model = world(seed)
        return pd.DataFrame([row for age in range(1, LIFE + 1) for row in _night(nights, model, TRAINED + age)])


def _night(nights: Nights, model: Model, index: int) -> Iterator[dict[str, Any]]:
    current = Window.ending(nights.night(index), CURRENT_NIGHTS)
    with tables.connect() as connection:
        seen.register(connection, nights.name, model.reference, model.first_scores, current)
        pairs = {None: model.reference}
        if current.until >= model.first_scores.until:
            pairs[model.version] = model.first_scores
        for version, reference in pairs.items():
            now, then = (seen.sample(connection, w, version).df() for w in (current, reference))
            for table in (SCORES,) if version else (ADS, TRAFFIC):
                for name in numbers(table):
                    one = drift.Compared.of(name, now[name], then[name], {})
                    for check, value in plain(one).items():
                        yield {"table": table, "column": name, "check": check, "night": index, "statistic": value,
                               "current": len(one.current), "reference": len(one.reference)}
        names = {t: tuple(numbers(t)) for t in (ADS, TRAFFIC)}
        for found in availability.missing(connection, names, model.reference, Window(current.until, current.until)):
            yield {"table": "*", "column": f"{found.table}.{found.column}", "check": "missing", "night": index,
                   "statistic": found.statistic}
    with tables.connect() as connection:
        days = outcomes.by_day(connection, nights.name, nights.night(index), model)
    limit = Limit(warn=0, alert=0)
    limits = dict.fromkeys(("click_rate", "conversion_rate"), Outcome(calibration=limit, decay=limit))
    for row in outcomes.judged(days, limits):
        if row["calibration_status"] != "waiting":
            about = {"table": row["target"], "column": row["platform"], "night": index}
            yield about | {"check": "calibration", "statistic": abs(np.log(row["predicted_over_observed"]))}
            yield about | {"check": "decay", "statistic": row["decay"]}


def numbers(table: str) -> list[str]:
    """The columns of a table that are compared."""
    return [c.name for c in contract(table).columns
            if c.type in ("DOUBLE", "BIGINT") and (table, c.name) not in UNCHECKED]


def fit(calm_nights: pd.DataFrame, worlds: int) -> dict[str, Any]:
    """The content of `thresholds.yml` from what calm worlds showed."""
    groups = {key: _limit(part, str(key[2])) for key, part in calm_nights.groupby(["table", "column", "check"])}
    pooled = {key: _limit(part, str(key[1])) for key, part in calm_nights.groupby(["table", "check"])}
    columns: dict[str, dict[str, Any]] = {}
    for table in (ADS, TRAFFIC, SCORES):
        mine = columns.setdefault(table, {})
        for name in numbers(table):
            mine[name] = {check: groups[table, name, check] for check in drift.CHECKS}
        mine |= {name: {"unchecked": why} for (of, name), why in UNCHECKED.items() if of == table}
    sizes = calm_nights[["current", "reference"]].dropna().median().astype(int)
    return {
        "measured": {
            "command": f"python -m benchmarks.monitoring --thresholds --worlds {worlds}", "worlds": worlds,
            "nights": LIFE, "current_rows": int(sizes["current"]), "reference_rows": int(sizes["reference"]),
            "rule": RULE},
        "nights_in_a_row": IN_A_ROW, "oldest_model_days": LIFE,
        "missing": pooled["*", "missing"], "late_days": {"warn": 0.5, "alert": 1.5},
        "absent_nights": {"warn": 0.5, "alert": 1.5},
        "outcomes": {target: {check: pooled[target, check] for check in ("calibration", "decay")}
                     for target in ("click_rate", "conversion_rate")},
        "columns": columns}


def held_out(calm_nights: pd.DataFrame, folds: int = 4) -> tuple[int, int]:
    """Worlds that would ask for a model under thresholds fitted without them, and worlds in all.

    An upper bound: PSI and KS of a column may have alerted in different nights, and intervals are left out.
    """
    seeds, asked = sorted(calm_nights["seed"].unique()), set[int]()
    for fold in range(folds):
        out = calm_nights["seed"].isin(seeds[fold::folds])
        for by in (["table", "column", "check"], ["table", "check"]):
            known, alerts = dict(list(calm_nights[~out].groupby(by))), Counter[tuple[str, str, int]]()
            for key, part in calm_nights[out].groupby(by):
                check = str(key[-1])
                if (check in drift.CHECKS) == ("column" in by):
                    largest = _lasting(part, check)
                    above = largest[largest > _limit(known[key], check)["alert"]].index
                    alerts.update((str(key[0]), str(key[1]), int(seed)) for seed in above)
            needed = len(drift.CHECKS) if "column" in by else 1
            asked |= {seed for (_, _, seed), count in alerts.items() if count >= needed}
    return len(asked), len(seeds)


def _lasting(rows: pd.DataFrame, check: str) -> "pd.Series[float]":
    """By world, the largest value of any column that lasted as long as an alert must."""
    nights = 1 if check in ("calibration", "decay") else IN_A_ROW
    worst = rows.sort_values("night").groupby(["seed", "column"])["statistic"].apply(
        lambda values: values.rolling(nights).min().max())
    largest: pd.Series[float] = worst.groupby(level="seed").max()
    return largest


def _limit(rows: pd.DataFrame, check: str) -> dict[str, float]:
    """Limits of one check from its values by world, column and night."""
    largest = _lasting(rows, check)
    ratio = 1.0 if check == "decay" else 0.0  # decay is a ratio less 1, and may be below 0
    logs = np.log(np.maximum(largest + ratio, 1e-6))
    warn, alert = (np.exp(logs.mean() + k * logs.std()) - ratio for k in (1, DEVIATIONS.get(check, 3)))
    alert = max(float(alert), LEAST[check])
    warn = min(max(float(warn), LEAST[check] / 2), alert)
    return {"warn": round(warn, 3), "alert": round(alert, 3),
            "calm_median": round(float(rows["statistic"].median()), 3),
            "calm_largest": round(float(rows["statistic"].max()), 3)}


@contextmanager
def without_evidently() -> Iterator[None]:
    """The job with `plain` in Evidently's place, which draws every column: a test shows that their numbers agree."""
    def found(columns: list[drift.Compared], _snapshot: Any) -> list[drift.Found]:
        return [drift.Found(c.name, check, value, None) for c in columns for check, value in plain(c).items()]

    drawn = mock.Mock(get_html_str=lambda as_iframe: "")
    with mock.patch.object(drift, "report", lambda _: drawn), mock.patch.object(drift, "found", found):
        yield


def watched(seed: int, change: Change | None = None, until: int = TRAINED + LIFE) -> list[dict[str, Any]]:
    """The rows of `out.retrain_request__night` of a world whose every night the job `monitor` looked at."""
    with home(), without_evidently():
        nights, _ = world(seed, change)
        dates = [nights.night(index) for index in range(TRAINED, until + 1)]
        runner.run(find(["monitor"]), nights.unit, dates)
        return [row for d in dates for row in tables.read("out.retrain_request__night", nights.name, d).to_pylist()]


CHANGED = TRAINED + 15
SCENARIOS = {
    "calm": None,
    "conversions fall by 40 %": Change(CHANGED, conversions=0.6),
    "clicks cost 50 % more": Change(CHANGED, price=1.5),
    "bounce rate rises by 0.2": Change(CHANGED, bounces=0.2),
    "impressions and clicks double": Change(CHANGED, volume=2.0),
    "the site stops delivering": Change(CHANGED, traffic=False),
}
