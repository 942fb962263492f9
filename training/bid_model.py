"""The bid optimization model: what the clicks of a line and segment are worth, beyond what is known of the line.

A click is worth `conversion_rate · value_per_conversion`. Today's rule takes the first from its model and the second
from the line's last 28 dates. The model's target is the conversion value of a date's clicks, with the rule as its
base: E[value] = expected conversions · value_per_conversion_28d · exp(f(x)), f by gradient-boosted trees. So trees
learn where a click is worth more than the rule says, and regularisation pulls towards the rule, which is also the
candidate that they must beat (`training.evaluate.choose`).

The trees are the specification's: 100 of depth 6, rate 0.1, rows sampled at 0.8, seed 42.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from moe.errors import MoeError
from moe.settings import settings
from training.dataset import FloatArray, Sample, Target, columns, sample
from training.models import Baseline, Boosted, Rate, dispersion, prepare

VALUE = Target("value_per_conversion", "conversion_value", "expected_conversions", "value_per_conversion_28d", "value")
"Its exposure: the conversions that the conversion rate expects of a row's clicks."
SPECIFICATION: dict[str, Any] = {"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1, "subsample": 0.8,
                                 "random_state": 42}
WORKERS = 2
"Spark tasks that train together; each needs a core of the master's at the same time."

Matrix = npt.NDArray[np.float32]
Fit = Callable[[Matrix, FloatArray, FloatArray], Any]
"From inputs (n, f), targets and weights (n,) to XGBoost's booster."


@dataclass(frozen=True)
class BidOptimizationModel:
    """The specification's trees, trained in one process or on Spark workers.

    `monotone` says for each column whether the prediction may never fall (1) or rise (-1) with it.
    """

    objective: str = "count:poisson"
    base_score: float = 1.0
    "The prediction before any tree: of a correction, none."
    monotone: tuple[int, ...] = ()
    seed: int = SPECIFICATION["random_state"]
    least_weight: float = 200.0
    shrinkage: float = 200.0
    """A leaf holds at least that weight, and is shrunk as by so much more. Weights of values are conversions: of nine
    settings on six worlds of tests/model/model_world.py this one's mean deviance was the lowest."""

    @property
    def parameters(self) -> dict[str, Any]:
        open_ = {"objective": self.objective, "base_score": self.base_score, "tree_method": "hist", "max_bin": 64,
                 "min_child_weight": self.least_weight, "reg_lambda": self.shrinkage}
        constraints = {"monotone_constraints": self.monotone} if any(self.monotone) else {}
        return {**SPECIFICATION, **open_, **constraints, "random_state": self.seed}

    def fit(self, x: Matrix, target: FloatArray, weight: FloatArray) -> Any:
        """As the setting `bid_training` says. Gives XGBoost's booster."""
        where = self.fit_spark if settings().bid_training == "spark" else self.fit_local
        return where(x, target, weight)

    def fit_local(self, x: Matrix, target: FloatArray, weight: FloatArray) -> Any:
        """In this process: `x` (n, f) with NaN where missing, `target` and `weight` (n,). Equal data, equal bytes.

        Raises MoeError where there is nothing to learn from.
        """
        from xgboost import XGBRegressor

        _check(x, target, weight)
        # One thread: sums in one order.
        model = XGBRegressor(**self.parameters, n_jobs=1)
        return model.fit(x, target, sample_weight=weight).get_booster()

    def fit_spark(self, x: Matrix, target: FloatArray, weight: FloatArray) -> Any:
        """On WORKERS tasks of the Spark session, each with half of the rows; they agree on every split.

        Raises MoeError where there is nothing to learn from, or the master has fewer cores than workers.
        """
        from xgboost.spark import SparkXGBRegressor

        from moe.spark import session

        _check(x, target, weight)
        spark = session()
        if spark.sparkContext.defaultParallelism < WORKERS:
            raise MoeError(f"training on Spark needs {WORKERS} cores at the same time; "
                           f"{settings().spark_master} has {spark.sparkContext.defaultParallelism}",
                           "set MOE_SPARK_MASTER to a larger one, or MOE_BID_TRAINING=local")
        names = [f"x{i}" for i in range(x.shape[1])]
        frame = pd.DataFrame(x, columns=names).assign(target=target, weight=weight)
        model = SparkXGBRegressor(**self.parameters, features_col=names, label_col="target", weight_col="weight",
                                  num_workers=WORKERS, verbose=False)
        return model.fit(spark.createDataFrame(frame)).get_booster()


def _check(x: Matrix, target: FloatArray, weight: FloatArray) -> None:
    """Before XGBoost, which reads NaN as a number, and learns from nothing without a word."""
    remedy = "look at the target's columns in core; a unit without them trains without this model"
    if not len(x):
        raise MoeError("the bid model has no rows to learn from", remedy)
    wrong = ~np.isfinite(target) | (target < 0) | ~np.isfinite(weight) | (weight <= 0)
    if wrong.any():
        raise MoeError(f"{int(wrong.sum())} of {len(x)} rows have a target or weight that is missing, infinite or "
                       f"negative; the first is row {int(np.flatnonzero(wrong)[0])}", remedy)
    if np.ptp(target) == 0:
        raise MoeError(f"every target of the bid model is {target[0]:g}: there is nothing to learn", remedy)


def value_sample(frame: pd.DataFrame, conversion_rate: Rate) -> Sample:
    """Rows with values known; none where the unit reports no values."""
    expected = conversion_rate.predict(columns(frame, frame["business_date"])) * frame["conversion_clicks"]
    return sample(frame.assign(expected_conversions=expected), VALUE)


def rule(target: Target, train: Sample) -> Rate:
    """The value of the line's last 28 dates; the training dates' mean where it has none."""
    return Rate(target, Baseline(), float(train.events.sum() / train.exposure.sum()))


def corrected(target: Target, train: Sample, fit: Fit) -> Rate:
    """The rule times what trees learn of the training dates."""
    simple, made = rule(target, train), prepare(train.columns)
    expected = train.exposure * simple.base(train.columns)
    # A weight is in conversions: the value expected, over what one conversion adds to its variance.
    weight = expected / dispersion(train.events, expected)
    trees = fit(made.raw(train.columns), train.events / expected, weight)
    return Rate(target, Boosted(made, trees, "bid_optimization"), simple.fallback)


def value_candidates(target: Target, train: Sample) -> list[Rate]:
    """Today's rule, and the bid model's correction of it."""
    return [rule(target, train), corrected(target, train, BidOptimizationModel().fit)]
