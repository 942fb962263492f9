"""Drift of single columns with Evidently: PSI over parts of the reference, and the Kolmogorov–Smirnov distance."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import kolmogorov
from scipy.stats import ks_2samp

from monitoring.thresholds import Limit

LEAST_ROWS = 10
"Fewer parts than a column's, where one would expect less than 10 rows: PSI leaps where a part is empty by chance."
PARTS = {10: "tenths", 5: "fifths"}
CHECKS = ("psi", "ks")


@dataclass(frozen=True)
class Compared:
    """A column of two samples, in any order; `of` makes one."""

    name: str
    current: pd.Series
    reference: pd.Series
    limits: dict[str, Limit]
    "Of each check that is made, for samples of these sizes; Evidently's page compares with the alert."
    parts: int = 10
    "Of equal weight, for PSI."

    @classmethod
    def of(cls, name: str, current: pd.Series, reference: pd.Series, limits: dict[str, Limit],
           parts: int = 10) -> "Compared":
        """Without nulls, and to the seven digits of a float32: noise in the last bits of a column that never
        changes is no drift, and breaks Evidently's histograms."""
        now, then = (part.dropna().astype(np.float32).astype(np.float64) for part in (current, reference))
        return cls(name, now, then, limits, parts)

    def shown(self, check: str) -> str:
        """The column's name in Evidently's report."""
        return f"{self.name} by {PARTS[self.parts]}" if check == "psi" else self.name

    @property
    def enough(self) -> bool:
        return min(len(self.current), len(self.reference)) > 0


@dataclass(frozen=True)
class Found:
    """A statistic. `p_value` of a KS distance takes rows for independent, which nights of the same lines are not."""

    column: str
    check: str
    statistic: float
    p_value: float | None


def bin_edges(compared: Compared) -> np.ndarray:
    """Upper edges of the reference's parts, all but the last, ascending; equal ones are one."""
    rows = min(len(compared.current), len(compared.reference))
    parts = int(np.clip(rows // LEAST_ROWS, 2, compared.parts))
    return np.unique(np.quantile(compared.reference, np.arange(1, parts) / parts))


def cut(compared: Compared) -> tuple[pd.Series, pd.Series]:
    """Current and reference as named parts of the reference.

    Evidently would cut the range in equal widths, where nearly all of a skewed amount falls into the first.
    """
    edges = bin_edges(compared)
    names = np.array([f"{i:02d}: up to {_short(edge)}" for i, edge in enumerate(edges, 1)]
                     + [f"{len(edges) + 1:02d}: above"])
    current, reference = (pd.Series(names[np.searchsorted(edges, values)]) for values in
                          (compared.current, compared.reference))
    return current, reference


def _short(edge: float) -> str:
    return f"{edge:,.0f}" if edge >= 1000 else f"{edge:.3g}"


def report(columns: Sequence[Compared]) -> Any:
    """Run Evidently over the columns; gives its snapshot. Samples of different columns may differ in size."""
    evidently = _evidently()
    metrics, current, reference = [], {}, {}
    for column in columns:
        for check, limit in column.limits.items():
            name = column.shown(check)
            current[name], reference[name] = cut(column) if check == "psi" else (column.current, column.reference)
            metrics.append(evidently.ValueDrift(column=name, method=METHODS[check], threshold=limit.alert))
    definition = evidently.DataDefinition(
        numerical_columns=[c.name for c in columns if "ks" in c.limits],
        categorical_columns=[c.shown("psi") for c in columns if "psi" in c.limits])
    frames = [pd.DataFrame({n: values.reset_index(drop=True) for n, values in part.items()})
              for part in (current, reference)]
    return evidently.Report(metrics).run(*(evidently.Dataset.from_pandas(f, definition) for f in frames))


def found(columns: Sequence[Compared], snapshot: Any) -> list[Found]:
    """The statistics of a snapshot, one a column and check."""
    values = {(m["config"]["column"], m["config"]["method"]): float(m["value"]) for m in snapshot.dict()["metrics"]}
    results = []
    for column in columns:
        for check in column.limits:
            statistic = values[column.shown(check), METHODS[check]]
            n, m = len(column.current), len(column.reference)
            p_value = float(kolmogorov(statistic * (n * m / (n + m)) ** 0.5)) if check == "ks" else None
            results.append(Found(column.name, check, statistic, p_value))
    return results


METHODS = {"psi": "psi", "ks": "ks_distance"}


@lru_cache(maxsize=1)
def _evidently() -> Any:
    """Evidently's names, with the KS distance registered: its own `ks` gives the p-value, which falls with the
    number of rows however small the change. Imported late, since that takes seconds; it sends nothing."""
    os.environ["DO_NOT_TRACK"] = "1"
    from types import SimpleNamespace

    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.metrics import ValueDrift

    test = StatTest("ks_distance", "Kolmogorov–Smirnov distance", [ColumnType.Numerical], default_threshold=0.1)
    register_stattest(test, _ks_distance)
    return SimpleNamespace(DataDefinition=DataDefinition, Dataset=Dataset, Report=Report, ValueDrift=ValueDrift)


def _ks_distance(reference: pd.Series, current: pd.Series, _kind: Any, threshold: float) -> tuple[float, bool]:
    """Evidently's form of a test: score, and whether it says drift."""
    distance = float(ks_2samp(reference, current, method="asymp").statistic)
    return distance, distance > threshold
