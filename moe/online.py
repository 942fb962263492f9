"""The function behind `moe online`. The ground floor imports no room, so the work is named by dotted path."""

from datetime import date
from importlib import import_module


def bring(unit: str, night: date) -> str:
    """Bring the unit's features as of a night online, forward only; gives a sentence that says what came."""
    entities: dict[str, int] = import_module("feature_repo.online").materialize(unit, night)
    counts = ", ".join(f"{count:,} {view}" for view, count in entities.items())
    return f"online: features of {unit} as of {night}, entities: {counts}"
