"""The functions behind `moe train` and `moe model`. The ground floor imports no room: work is named by dotted path."""

import json
from datetime import date
from importlib import import_module
from typing import Any

from moe import publish, runner, tables
from moe.errors import PublishError
from moe.jobs import find
from moe.units import Unit


def train(unit: Unit, night: date, who: str = "moe train") -> dict[str, Any]:
    """Train a challenger as of a night; the unit's first one becomes champion at once. Gives what was measured.

    Raises PublishError for a night before the champion's: no model could hold from there on.
    """
    live = publish.live("model", unit.unit)
    if live and night.isoformat() < live.effective:
        raise PublishError(f"a model of {night} would be older than the live one of {live.effective}",
                           f"train for {live.effective} or a later night; nights before have the models of the log")
    runner.run(find(["train"]), unit, [night])
    row = tables.read("out.challenger__night", unit.unit, night).to_pylist()[0]
    result: dict[str, Any] = {"unit": unit.unit, "night": night.isoformat(), "version": row["model_version"],
                              **json.loads(row["facts"])}
    if live and live.moved_to == row["model_version"]:
        import_module("training.tracking").follow(unit.unit, live.moved_to)  # which its move may not have reached
        return result | {"status": f"unchanged: champion since the night of {live.effective}"}
    if live and live.facts.get("learnt", True):
        return result | {"status": "challenger: `moe model promote` compares it with the champion"}
    verdict = promote(unit, night, who=who, reason=f"first model, trained on what was known in {night}")
    return result | {"status": verdict["said"], "bid_response": verdict["bid_response"]}


def promote(unit: Unit, night: date, **how: Any) -> dict[str, Any]:
    """Let the newest challenger take over where it earns it (`training.promote`)."""
    verdict: dict[str, Any] = import_module("training.promote").promote(unit, night, **how).facts()
    return verdict


def rollback(unit: Unit, version: str, **how: Any) -> str:
    """Make an earlier champion champion again, from the next night on."""
    return str(import_module("training.promote").rollback(unit, version, **how))
