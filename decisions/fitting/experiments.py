"""Lift and geo tests: what a change of spend did, measured by somebody who chose it by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.carry import LAGS
from decisions.fitting.history import History
from decisions.fitting.model import Days, Spec, common, evaluate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Experiment:
    """One test of one line: what `spend_test` a day brought above `spend_control` a day from `start` to `end`.

    Both spends are those of the whole line (a test on part of its regions or people is scaled up to it before), the
    outcome is the sum of the test's days, and `standard_error` is of that sum. Raises ValueError on a bad row.
    """

    experiment_id: str
    line_id: str
    start: date
    end: date
    spend_test: float
    spend_control: float
    incremental_outcome: float
    standard_error: float

    def __post_init__(self) -> None:
        problem = None
        if self.end < self.start:
            problem = f"it ends on {self.end}, before it starts on {self.start}: correct the dates"
        for name in ("spend_test", "spend_control"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                problem = f"{name} is {value}: give the amount a day, a number that is not negative"
        if self.spend_test == self.spend_control:
            problem = f"both arms spend {self.spend_test} a day: it says nothing of the curve, leave it out"
        if not math.isfinite(self.incremental_outcome):
            problem = f"incremental_outcome is {self.incremental_outcome}: give test minus control over all its days"
        if not (math.isfinite(self.standard_error) and self.standard_error > 0):
            problem = f"standard_error is {self.standard_error}: give one above 0, a result without error is no result"
        if problem is not None:
            raise ValueError(f"experiment {self.experiment_id}: {problem}")


def from_rows(rows: Iterable[Mapping[str, Any]], objective: str) -> tuple[Experiment, ...]:
    """The experiments among rows of core.experiment__test that counted `objective`. A missing number is NaN, so that
    its row is refused by name."""

    def number(row: Mapping[str, Any], column: str) -> float:
        return math.nan if row[column] is None else float(row[column])

    return tuple(
        Experiment(str(r["experiment_id"]), str(r["line_id"]), r["start_date"], r["end_date"], number(r, "spend_test"),
                   number(r, "spend_control"), number(r, "incremental_outcome"), number(r, "standard_error"))
        for r in rows if r["objective"] == objective
    )


@dataclass(frozen=True, eq=False)
class Tests:
    """The experiments of a channel in the form of the model: the arms side by side, test first."""

    arms: Days  # 2E columns
    inside: FloatArray  # (T, E) 1 on the test's days
    line: IntArray  # (E,)
    outcome: FloatArray  # (E,)
    variance: FloatArray  # (E,)


def check(experiments: Sequence[Experiment], history: History) -> None:
    """Raise ValueError for an unknown line, dates outside the history, or the same test twice."""
    last = history.first_day + timedelta(days=history.days - 1)
    seen = set()
    for e in experiments:
        if e.line_id not in history.line_ids:
            raise ValueError(f"experiment {e.experiment_id}: line {e.line_id!r} is unknown: correct line_id, or leave "
                             "the experiment out once its line is gone")
        if e.start < history.first_day or e.end > last:
            raise ValueError(f"experiment {e.experiment_id}: {e.start} to {e.end} is not within the data, "
                             f"{history.first_day} to {last}: fit a longer history or leave it out")
        if e.experiment_id in seen:
            raise ValueError(f"experiment {e.experiment_id} is there twice: keep one row")
        seen.add(e.experiment_id)


def arrange(experiments: Sequence[Experiment], history: History) -> Tests:
    """The experiments on lines of `history`, in order of their ids; both arms share the spend before the test."""
    mine = sorted((e for e in experiments if e.line_id in set(history.line_ids)), key=lambda e: e.experiment_id)
    line = np.array([history.line_ids.index(e.line_id) for e in mine], dtype=np.int64)
    both = np.tile(line, 2)
    spend = history.with_past()[:, both]
    inside = np.zeros((history.days, len(mine)))
    for at, e in enumerate(mine):
        first, end = (e.start - history.first_day).days, (e.end - history.first_day).days + 1
        inside[first:end, at] = 1
        spend[LAGS - 1 + first : LAGS - 1 + end, at] = e.spend_test
        spend[LAGS - 1 + first : LAGS - 1 + end, at + len(mine)] = e.spend_control
    arms = Days(both, spend, history.typical[both], common(history), history.signals[:, both], 0.0)
    return Tests(arms, inside, line, np.array([e.incremental_outcome for e in mine]),
                 np.array([e.standard_error for e in mine]) ** 2)


def differences(spec: Spec, theta: FloatArray, tests: Tests, demand: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the curves `theta` (n, P) expect each test to bring (E,), and its derivatives (E, p) by the line's active
    parameters. `demand` (T,) is what the lines share on each day."""
    count = len(tests.line)
    mean, jac = evaluate(spec, theta, tests.arms)
    mean = mean * demand[:, None] * np.tile(tests.inside, 2)
    change = (mean[..., None] * jac).sum(axis=0)
    return mean[:, :count].sum(axis=0) - mean[:, count:].sum(axis=0), change[:count] - change[count:]
