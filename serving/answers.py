"""What the service answers, as types: they are encoded, and give the OpenAPI schema."""

from typing import Literal

import msgspec

Source = Literal["model", "historical_rates"]


class Interval(msgspec.Struct, gc=False):
    """Where the true rate lies with probability `level`."""

    level: float
    lower: float
    upper: float


class Prediction(msgspec.Struct):
    """One row's rates: clicks an impression, and conversions a click (platforms may report more than one)."""

    predicted_ctr: float
    predicted_conversion_rate: float
    confidence_interval: Interval | None
    "Of predicted_ctr; null where the model states none, and for historical rates."
    conversion_rate_confidence_interval: Interval | None
    source: Source
    reason: str | None
    "Why historical rates answered; null for the model."
    warnings: list[str]


class Answer(Prediction, kw_only=True):
    """The answer to one row."""

    model_version: str | None
    "Null where historical rates answered."
    inference_time_ms: float
    request_id: str


class BatchAnswer(msgspec.Struct):
    """The answer to a batch: its rows in their order."""

    predictions: list[Prediction]
    model_version: str | None
    inference_time_ms: float
    request_id: str


class Ready(msgspec.Struct):
    """Whether requests are answered, by what, and what is wrong."""

    ready: bool
    source: Source | None
    model_version: str | None
    fault: str | None
    "Why the bundle that the pointer names does not answer."
    pointer_version: str | None
    decisions_logged: bool
