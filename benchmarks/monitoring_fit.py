"""Thresholds that stand above what calm worlds showed, and how often worlds that they were fitted without would ask."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.monitoring_calm import LIFE, PARTS, UNCHECKED, numbers
from benchmarks.monitoring_world import ADS, SCORES, TRAFFIC
from monitoring import drift

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


def fit(calm_nights: pd.DataFrame, worlds: int) -> dict[str, Any]:
    """The content of `thresholds.yml` from what calm worlds showed."""
    groups = {key: _limit(part, str(key[2])) for key, part in calm_nights.groupby(["table", "column", "check"])}
    pooled = {key: _limit(part, str(key[1])) for key, part in calm_nights.groupby(["table", "check"])}
    columns: dict[str, dict[str, Any]] = {}
    for table in (ADS, TRAFFIC, SCORES):
        mine = columns.setdefault(table, {})
        for name in numbers(table):
            mine[name] = {check: groups[table, name, check] for check in drift.CHECKS}
            if (table, name) in PARTS:
                mine[name]["parts"] = PARTS[table, name]
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
