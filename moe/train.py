"""The function behind `moe train`. The ground floor imports no room, so the work is named by dotted path."""

from datetime import date
from importlib import import_module
from typing import Any

from moe.units import Unit


def train(unit: Unit, night: date) -> dict[str, Any]:
    """Train the unit's model as of a night, and make it effective from that night on."""
    result: dict[str, Any] = import_module("training.train").train(unit, night)
    return result
