"""The function behind `moe train`: from what was known in a night to a published model bundle.

    moe train --unit advertiser --date 2026-07-15

Order: training set → fit and choose → ONNX → bundle folder → parity → MLflow → publication log → MLflow's
alias. The log is the authority; a crash before it publishes nothing, and training again mends what lacks.
"""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from feature_repo.store import SERVICE
from moe import publish
from moe.errors import PublishError
from moe.units import Unit
from serving.bundle import Bundle
from training import bundles, tracking
from training.dataset import TARGETS, columns, digest, inputs, sample, training_set
from training.evaluate import Outcome, choose, facts
from training.export import to_onnx
from training.labels import LOOKBACK_DAYS
from training.launch import network_rates
from training.models import SEED


def train(unit: Unit, night: date) -> dict[str, Any]:
    """Train on what was known in `night`, and make the model effective from that night on.

    The same data give the same version; where it is effective already, nothing moves. Raises MoeError with
    what to do where there are no features or too few rows, PublishError for a night before the live model's.
    """
    live = publish.live("model", unit.unit)
    if live and night.isoformat() < live.effective:
        raise PublishError(f"a model of {night} would be older than the live one of {live.effective}",
                           f"train for {live.effective} or a later night")
    frame = training_set(unit.unit, night)
    with threadpool_limits(1):  # sums in one order: the same data give the same bytes
        networks = network_rates(frame)
        outcomes = [choose(target, sample(frame, target), networks.get(target.name, ())) for target in TARGETS]
    model = to_onnx([outcome.rate for outcome in outcomes])
    about = _about(unit, night, frame, outcomes)
    folder = bundles.write(model, about)
    parity = bundles.check_parity(Bundle.load(folder), [o.rate for o in outcomes],
                                  columns(frame, frame["business_date"]))
    result = {"unit": unit.unit, "night": night.isoformat(), "version": folder.name, "rows": len(frame),
              **about["calibration"], **parity}
    now = publish.effective("model", unit.unit, night)
    if now and now.moved_to == folder.name:
        tracking.follow(unit.unit, folder.name)
        return {**result, "status": f"unchanged: {folder.name} is effective since {now.effective}"}
    metrics = {f"{o.rate.target.name}_{name}": value for o in outcomes for name, value in o.metrics.items()
               if np.isfinite(value)}
    params = {"night": night.isoformat(), "rows": len(frame), "seed": SEED, "lookback_days": LOOKBACK_DAYS,
              "feature_service": SERVICE, "data_digest": about["data_digest"],
              **{f"{o.rate.target.name}_winner": o.winner for o in outcomes}}
    deciles = pd.concat([o.deciles.assign(target=o.rate.target.name) for o in outcomes])
    tracking.record(unit.unit, folder.name, params, metrics | parity, deciles, model)
    publish.move("model", unit.unit, folder.name, expected=live.moved_to if live else None, effective=night,
                 who="moe train", reason=f"trained on what was known in {night}",
                 facts={o.rate.target.name: facts(o) for o in outcomes} | {"rows": len(frame)})
    tracking.follow(unit.unit, folder.name)
    return {**result, "status": f"published: effective from {night} on"}


def _about(unit: Unit, night: date, frame: pd.DataFrame, outcomes: list[Outcome]) -> dict[str, Any]:
    """bundle.json: no clock and no run id, so that a version is a function of the data."""
    return {
        "unit": unit.unit,
        "training_night": night.isoformat(),
        "feature_service": SERVICE,
        "features": [{"name": name, "type": kind} for name, kind in inputs().items()],
        "calibration": {o.rate.target.name: facts(o) for o in outcomes},
        "data_digest": digest(frame),
    }
