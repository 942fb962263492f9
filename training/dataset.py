"""The training set: labels with the features that were known the night before, and its split by time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from moe import tables
from moe.contracts import contract
from moe.errors import MoeError
from moe.units import option
from training.labels import ADS as CORE
from training.labels import labels

ADS = "features.ads__line_segment"
MIN_DATES, MIN_ROWS = 7, 100
"Fewer dates cannot be split by time; fewer rows than this say less than the shrunk rates do."

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A rate: events by exposure. `baseline` is the feature that the ad jobs already estimate it by.

    A value (`kind`) is a rate too: an amount by the conversions expected.
    """

    name: str
    events: str
    exposure: str
    baseline: str
    kind: str = "rate"


TARGETS = (
    Target("click_rate", "clicks", "impressions", "click_rate_28d"),
    Target("conversion_rate", "conversions", "conversion_clicks", "conversion_rate_28d"),
)

IDS = ("line_id",)
"Names of so many values that only the network's embeddings hold them; the other candidates leave them alone."

PARTS = ("train", "choose", "report")
"Dates in order of time: the oldest fit, later ones choose and calibrate, the latest only measure."


def inputs() -> dict[str, str]:
    """What the model reads, with types: line and segment, the day's ISO weekday, and the service's features."""
    from feature_repo.definitions import SERVICES, view  # Feast takes seconds, and the network's workers need none
    from feature_repo.store import SERVICE

    service = [c for name in SERVICES[SERVICE] for c in view(name).features]
    keys = [contract(ADS).column(name) for name in (*IDS, "segment")]
    kinds = {c.name: "string" if c.type == "VARCHAR" else "double" for c in (*keys, *service)}
    return {**kinds, "weekday": "int64"}


def columns(frame: pd.DataFrame, days: "pd.Series[Any]") -> dict[str, Any]:
    """The model's inputs as arrays of n values, for rates on `days`: NaN or None where nothing is known."""
    with_day = frame.assign(weekday=pd.to_datetime(days).dt.dayofweek.to_numpy() + 1)
    return {name: with_day[name].to_numpy(dtype=np.float64, na_value=np.nan) if kind == "double"
            else with_day[name].to_numpy(dtype=np.int64 if kind == "int64" else object)
            for name, kind in inputs().items()}


@dataclass(frozen=True)
class Sample:
    """Rows of one target with exposure: inputs, events and exposure of shape (n,), and each row's date."""

    columns: Mapping[str, Any]
    events: FloatArray
    exposure: FloatArray
    dates: npt.NDArray[np.datetime64]

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Sample":
        return Sample({name: values[chosen] for name, values in self.columns.items()},
                      self.events[chosen], self.exposure[chosen], self.dates[chosen])

    def split(self) -> dict[str, "Sample"]:
        """By date: 70 % of them to train, 15 % each (at least one) to choose and to report."""
        days = np.unique(self.dates)
        late = max(1, round(0.15 * len(days)))
        bounds = (days[-2 * late], days[-late])
        part = np.searchsorted(np.array(bounds), self.dates, side="right")
        return {name: self.where(part == i) for i, name in enumerate(PARTS)}


def training_set(unit: str, night: date) -> pd.DataFrame:
    """Labels as known in `night`, with features as known when the night before each business date ended.

    Rows whose line and segment had no ad features then are left out: the nightly score has none such.
    A young or small unit has few rows, or none: `training.evaluate.choose` then keeps to the shrunk rate. Raises
    MoeError where there would be enough rows, and the features of their nights are missing.
    """
    from feature_repo.store import cutoff, training_features

    build = f"`moe run land ads --unit {option(unit)} --date {night}`, which builds the earlier nights too"
    delivered = [n for n in tables.nights(CORE, unit) if n <= night]
    if not delivered:
        raise MoeError(f"unit {unit} has no reported rows by {night}", f"run {build}")
    found = labels(unit, night)
    at = pd.to_datetime(found["business_date"]).dt.tz_localize("UTC")
    # The features of a date are those of the night before it, and a store's first night has none before.
    found = found.assign(event_timestamp=at)[at >= cutoff(delivered[0])]
    joined = training_features(unit, found.reset_index(drop=True))
    joined = joined[joined["platform"].notna()].reset_index(drop=True)
    if enough(found) and not enough(joined):
        raise MoeError(
            f"unit {unit} has features for {len(joined)} of {len(found)} rows on {joined['business_date'].nunique()} "
            f"dates by {night}, fewer than {MIN_ROWS} on {MIN_DATES}", f"run {build}")
    return joined


def enough(frame: pd.DataFrame) -> bool:
    """Whether there is something to learn from."""
    return frame["business_date"].nunique() >= MIN_DATES and len(frame) >= MIN_ROWS


def known(frame: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The rows that `sample` takes."""
    return frame[frame[target.events].notna() & (frame[target.exposure] > 0)]


def sample(frame: pd.DataFrame, target: Target) -> Sample:
    """The rows of a training set with a target's events known, and exposure.

    Conversions on a date without clicks (after a view, or late) have no rate a click, and are left out.
    """
    rows = known(frame, target)
    return Sample(columns(rows, rows["business_date"]), rows[target.events].to_numpy(np.float64),
                  rows[target.exposure].to_numpy(np.float64), rows["business_date"].to_numpy("datetime64[D]"))


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a training set's values."""
    return hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
