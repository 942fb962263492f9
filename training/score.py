"""The nightly job `score`: tomorrow's rates and values of every line and segment, by the model of the night."""

from typing import Any

import pandas as pd
import pyarrow as pa

from feature_repo.store import KEYS, night_features
from moe import publish
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import option
from serving.bundle import Bundle, BundleError
from training import landscape
from training.bid_model import VALUE
from training.dataset import columns

SCORES = "features.score__line_segment"


def score(night: Night) -> dict[str, pa.Table]:
    """One row a line and segment of the night, for the next day; and what bids win, where the unit tells.

    Raises MoeError where no model holds in the night, or a bundle, its own or that of the bid's curves, is missing or
    damaged.
    """
    unit, train = night.unit.unit, f"moe train --unit {option(night.unit.unit)} --date {night.date}"
    entry = publish.effective("model", unit, night.date)
    if entry is None:
        raise MoeError(f"no model of unit {unit} holds in the night of {night.date}", f"run `{train}` first")
    features = night_features(unit, night.date)
    try:
        bundle = Bundle.load(night.settings.bundles / entry.moved_to)
        predicted = bundle.predict(columns(features, _days(features, night)))
    except BundleError as error:
        raise MoeError(f"model {entry.moved_to} of unit {unit}: {error.message}",
                       f"copy its folder back from where it was made, or run `{train}`") from error
    scores: dict[str, Any] = {key: features[key].to_numpy(dtype=object) for key in KEYS}
    values = {VALUE.name: predicted.get(VALUE.name, pa.nulls(len(features)))}
    version = pa.repeat(bundle.version, len(features))
    return {SCORES: pa.table(scores | predicted | values | {"model_version": version}),
            landscape.RESPONSE: landscape.response(night, features)}


def _days(features: pd.DataFrame, night: Night) -> "pd.Series[Any]":
    return pd.Series(pd.Timestamp(night.decided_day), index=features.index)
