"""The candidates: two regressions of counts with exposure, and the shrunk rate that they must beat.

All are Poisson rates with exposure (McCullagh & Nelder 1989, ch. 6): E[events] = exposure · base · exp(f(x)),
where base is the shrunk rate of the last 28 days. So log(exposure · base) is the offset, f is a correction,
and regularisation pulls towards the baseline. Fitting events / (exposure · base) with that product as weight
has the same likelihood. Platforms report fractions of conversions, and more of them than clicks, which a
Bernoulli model cannot hold.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.calibration import NONE, Calibration
from training.dataset import IDS, FloatArray, Sample, Target, inputs

SEED = 7
LARGEST_CORRECTION = float(np.log(20.0))
"A day's rate is taken for at most 20 times, or a 20th, of its baseline: beyond that the inputs are at fault."
PRIOR_PRECISION = 30.0
"Of the regression's coefficients, on standardised features: a prior standard deviation of 0.18 in log rate."
CLIP = 4.0
"Standard deviations at which the regression's inputs end: it must not extrapolate a slope to a giant line."
TREES = {"objective": "count:poisson", "base_score": 1.0, "eta": 0.1, "max_depth": 3, "subsample": 0.8,
         "min_child_weight": 50.0, "lambda": 50.0, "tree_method": "hist", "max_bin": 64,
         "seed": SEED, "nthread": 1}
"Weights are expected events, so a leaf holds 50 of them and is shrunk as by 50 more. One thread: same bytes."
ROUNDS = 100
# Of five settings on 24 simulated worlds these lose little where the shrunk rate is all there is to know, and
# nothing where there is more: tests/model/model_world.py makes such worlds.


@dataclass(frozen=True)
class Preparation:
    """Constants of the inputs, learnt from the training dates. Also what the exported graph holds."""

    numbers: tuple[str, ...]
    names: dict[str, list[Any]]  # the values of each input that is a name or a weekday
    offset: FloatArray  # (f,) added before the logarithm
    mean: FloatArray  # (f,) of the logarithm
    deviation: FloatArray  # (f,)
    fill: FloatArray  # (f,) the value that a missing number stands for: the one of the mean logarithm

    def raw(self, columns: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        """Trees' inputs (n, f + categories): numbers as they are, NaN where missing, and ones and zeros."""
        numbers = np.column_stack([columns[name] for name in self.numbers]).astype(np.float32)
        return np.hstack([numbers, self._categories(columns).astype(np.float32)])

    def scaled(self, columns: Mapping[str, Any]) -> FloatArray:
        """The regression's inputs (n, f + categories): standardised logarithms, and ones and zeros."""
        return np.hstack([self.standardised(columns), self._categories(columns)])

    def standardised(self, columns: Mapping[str, Any]) -> FloatArray:
        """Standardised logarithms of the numbers (n, f), zero where one is missing."""
        numbers = np.column_stack([columns[name] for name in self.numbers])
        numbers = np.maximum(np.where(np.isnan(numbers), self.fill, numbers), 0.0)
        logs = (np.log(numbers + self.offset) - self.mean) / self.deviation
        return np.clip(logs, -CLIP, CLIP)

    def _categories(self, columns: Mapping[str, Any]) -> FloatArray:
        hot = [columns[name] == value for name, values in self.names.items() for value in values]
        return np.column_stack(hot).astype(np.float64)


def prepare(columns: Mapping[str, Any], ids: tuple[str, ...] = ()) -> Preparation:
    """Learn the constants from the training dates. Of `IDS`, those named are among its names."""
    kinds = inputs()
    numbers = tuple(name for name, kind in kinds.items() if kind == "double")
    # Serving reads a missing name as an empty one: neither is a value of its own.
    names: dict[str, list[Any]] = {
        name: sorted({v for v in columns[name] if isinstance(v, str) and v}) if kind == "string"
        else list(range(1, 8))
        for name, kind in kinds.items() if kind != "double" and (name not in IDS or name in ids)
    }
    values = [columns[name] for name in numbers]
    # A tenth of the usual value: zeros keep a finite logarithm, and rates and counts need no case each.
    offset = np.array([0.1 * np.median(v[v > 0]) if (v > 0).any() else 1.0 for v in values])
    logs = [np.log(np.maximum(v[~np.isnan(v)], 0.0) + o) for v, o in zip(values, offset, strict=True)]
    mean = np.array([v.mean() if len(v) else 0.0 for v in logs])
    deviation = np.array([v.std() if len(v) else 0.0 for v in logs])
    return Preparation(numbers, names, offset, mean, np.where(deviation > 1e-9, deviation, 1.0),
                       np.exp(mean) - offset)


class Correction(Protocol):
    """f(x): the logarithm of a rate over its baseline."""

    @property
    def name(self) -> str: ...

    def log_factor(self, columns: Mapping[str, Any]) -> FloatArray:
        """Shape (n,)."""


@dataclass(frozen=True)
class Baseline:
    """The 28-day shrunk rate of line × segment as it is."""

    name: str = "baseline"

    def log_factor(self, columns: Mapping[str, Any]) -> FloatArray:
        return np.zeros(len(next(iter(columns.values()))))


@dataclass(frozen=True)
class Regression:
    """Poisson regression with a normal prior on its coefficients."""

    preparation: Preparation
    coefficients: FloatArray
    intercept: float
    name: str = "regression"

    def log_factor(self, columns: Mapping[str, Any]) -> FloatArray:
        return self.preparation.scaled(columns) @ self.coefficients + self.intercept


@dataclass(frozen=True)
class Boosted:
    """Gradient-boosted trees with Poisson loss. `trees` are XGBoost's own, as its JSON model has them."""

    preparation: Preparation
    booster: Any
    name: str = "xgboost"

    def log_factor(self, columns: Mapping[str, Any]) -> FloatArray:
        margin = self.booster.inplace_predict(self.preparation.raw(columns), predict_type="margin")
        return np.asarray(margin, dtype=np.float64)

    @property
    def trees(self) -> list[dict[str, Any]]:
        model = json.loads(self.booster.save_raw("json").decode())
        found: list[dict[str, Any]] = model["learner"]["gradient_booster"]["model"]["trees"]
        return found


@dataclass(frozen=True)
class Rate:
    """A target's model: base · exp(correction), calibrated."""

    target: Target
    correction: Correction
    fallback: float
    "The base where a row has none above zero: the mean rate of the training dates."
    calibration: Calibration = NONE

    def base(self, columns: Mapping[str, Any]) -> FloatArray:
        rate = columns[self.target.baseline]
        return np.where(rate > 0, rate, self.fallback)

    def predict(self, columns: Mapping[str, Any]) -> FloatArray:
        """Shape (n,)."""
        log_factor = np.clip(self.correction.log_factor(columns), -LARGEST_CORRECTION, LARGEST_CORRECTION)
        return self.calibration.apply(self.base(columns) * np.exp(log_factor))


@dataclass(frozen=True)
class Monotone:
    """A curve that never falls with an input: a share, or `scale` times an exponential."""

    target: Target
    correction: Boosted
    scale: float
    is_share: bool

    def predict(self, columns: Mapping[str, Any]) -> FloatArray:
        """Shape (n,)."""
        margin = self.correction.log_factor(columns)
        return 1.0 / (1.0 + np.exp(-margin)) if self.is_share else self.scale * np.exp(margin)


def candidates(target: Target, train: Sample) -> list[Rate]:
    """The candidates fitted on the training dates, the simplest first."""
    import xgboost as xgb
    from sklearn.linear_model import PoissonRegressor

    baseline = Rate(target, Baseline(), float(train.events.sum() / train.exposure.sum()))
    expected = train.exposure * baseline.base(train.columns)
    spread = dispersion(train.events, expected)
    ratio, weight = train.events / expected, expected / spread
    made = prepare(train.columns)

    linear = PoissonRegressor(alpha=PRIOR_PRECISION / weight.sum(), solver="newton-cholesky", max_iter=100)
    linear.fit(made.scaled(train.columns), ratio, sample_weight=weight)
    trees = xgb.train(TREES, xgb.DMatrix(made.raw(train.columns), ratio, weight=weight), ROUNDS)
    corrections = (Regression(made, linear.coef_, float(linear.intercept_)), Boosted(made, trees))
    return [baseline, *(Rate(target, correction, baseline.fallback) for correction in corrections)]


def dispersion(events: FloatArray, expected: FloatArray) -> float:
    """Pearson's variance over mean once the level is right, at least 1 (as above, ch. 6.2.3)."""
    level = expected * (events.sum() / expected.sum())
    return max(1.0, float(np.mean((events - level) ** 2 / level)))
