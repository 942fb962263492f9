"""The job `train`: from what was known in a night to a challenger.

Training set → fit and choose → ONNX → bundle folder → parity → MLflow → partition of the night. It moves nothing
that is live: `training.promote` does. A crash leaves the night without a challenger, and training again mends it.
"""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from feature_repo.store import SERVICE
from moe.jobs import Night
from serving.bundle import Bundle
from training import bundles, served, tracking
from training.bid_model import VALUE, value_candidates, value_sample
from training.dataset import TARGETS, columns, digest, sample, training_set
from training.evaluate import Outcome, choose, facts
from training.export import to_onnx
from training.labels import LOOKBACK_DAYS
from training.launch import network_rates
from training.models import SEED

CHALLENGERS = "out.challenger__night"


def train(night: Night) -> dict[str, pa.Table]:
    """Train on what was known in the night: a challenger, with its bundle in place and its run in MLflow.

    The same data give the same version. Raises MoeError with what to do where features are missing.
    """
    unit = night.unit.unit
    frame = training_set(unit, night.date)
    with threadpool_limits(1):  # sums in one order: the same data give the same bytes
        networks = network_rates(frame)
        outcomes = [choose(target, sample(frame, target), others=networks.get(target.name, ())) for target in TARGETS]
        valued = value_sample(frame, outcomes[1].rate)
        if len(valued.events):
            outcomes.append(choose(VALUE, valued, value_candidates))
    model = to_onnx([outcome.rate for outcome in outcomes])
    about = _about(night, frame, outcomes)
    folder = bundles.write(model, about)
    parity = bundles.check_parity(Bundle.load(folder), [o.rate for o in outcomes],
                                  columns(frame, frame["business_date"]))
    metrics = {f"{o.rate.target.name}_{name}": value for o in outcomes for name, value in o.metrics.items()
               if np.isfinite(value)}
    params = {"night": night.date.isoformat(), "rows": len(frame), "seed": SEED, "lookback_days": LOOKBACK_DAYS,
              "feature_service": SERVICE, "data_digest": about["data_digest"],
              **{f"{o.rate.target.name}_winner": o.winner for o in outcomes}}
    tracking.record(unit, folder.name, params, metrics | parity, {
        "calibration": _by_target(outcomes, lambda o: o.deciles),
        "candidates": _by_target(outcomes, lambda o: o.candidates),
        "reasons": _by_target(outcomes, lambda o: pd.DataFrame({"said": [o.said]}))}, model)
    learnt = any(outcome.metrics for outcome in outcomes)
    said = {**about["calibration"], **parity, "rows": len(frame), "learnt": learnt,
            "history": about["history"]}
    return {CHALLENGERS: pa.table({
        "model_version": [folder.name], "learnt": [learnt], "rows": [len(frame)],
        "held_out_from": pa.array([about["held_out_from"] and date.fromisoformat(about["held_out_from"])], pa.date32()),
        "facts": [json.dumps(said, sort_keys=True)]})}


def _by_target(outcomes: list[Outcome], part: Callable[[Outcome], pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([part(outcome).assign(target=outcome.rate.target.name) for outcome in outcomes])


def _held_out_from(outcomes: list[Outcome]) -> str | None:
    """The first date that neither fitted nor calibrated any of the rates."""
    found = [outcome.held_out_from for outcome in outcomes if outcome.held_out_from]
    return max(found) if found else None


def _about(night: Night, frame: pd.DataFrame, outcomes: list[Outcome]) -> dict[str, Any]:
    """bundle.json: no clock and no run id, so that a version is a function of the data."""
    return {
        "unit": night.unit.unit,
        "training_night": night.date.isoformat(),
        "held_out_from": _held_out_from(outcomes),
        "feature_service": SERVICE,
        "calibration": {o.rate.target.name: facts(o) for o in outcomes},
        "data_digest": digest(frame),
        **served.facts(frame, outcomes),
    }
