"""What bundle.json tells the service beside the graph: its inputs, the unit's own rates, the intervals."""

from typing import Any

import pandas as pd

from feature_repo.definitions import SERVICES, view
from feature_repo.store import KEYS, SERVICE
from moe.contracts import contract
from training.dataset import ADS, TARGETS, inputs, sample
from training.evaluate import Outcome
from training.intervals import LEVEL


def facts(frame: pd.DataFrame, outcomes: list[Outcome]) -> dict[str, Any]:
    """`features` with bounds and known names, `entities`, `history` and `intervals`, for a training set."""
    bounds: dict[str, Any] = {o.rate.target.name: o.interval for o in outcomes}
    return {"features": _features(frame), "entities": list(KEYS), "history": history(frame),
            "intervals": {"level": LEVEL, **bounds}}


def history(frame: pd.DataFrame) -> dict[str, float]:
    """The unit's rates over a training set: what the service falls back to. A rate without exposure is left out."""
    samples = {target.name: sample(frame, target) for target in TARGETS}
    return {name: float(s.events.sum() / s.exposure.sum()) for name, s in samples.items() if len(s.exposure)}


def _features(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """By input: name, type, the contract's bounds, and the names (or weekdays) that training saw."""
    described = {c.name: c for name in SERVICES[SERVICE] for c in view(name).features}
    described["segment"] = contract(ADS).column("segment")
    found: list[dict[str, Any]] = []
    for name, kind in inputs().items():
        entry: dict[str, Any] = {"name": name, "type": kind}
        if kind == "string":
            entry["values"] = sorted({v for v in frame[name] if isinstance(v, str)})
        elif kind == "int64":
            entry["values"] = list(range(1, 8))
        column = described.get(name)
        bounds = {"minimum": column.minimum, "maximum": column.maximum} if column else {}
        found.append(entry | {end: value for end, value in bounds.items() if value is not None})
    return found
