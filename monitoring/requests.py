"""Whether a retrain request waits for an answer."""

from dataclasses import dataclass
from datetime import date

from moe import publish, tables
from moe.units import Unit

TABLE = "out.retrain_request__night"


@dataclass(frozen=True)
class Request:
    """An open request: the night that filed it, the model that it speaks of, and why, one reason a line."""

    filed: date
    model_version: str
    reasons: str


def open_request(unit: Unit, night: date) -> Request | None:
    """The request that is open in a night: filed by then, and its model is still the one that holds.

    A request is answered by another model becoming effective. One whose training gave the same or a worse
    model stays open; it is filed again two weeks later.
    """
    nights = [n for n in tables.nights(TABLE, unit.unit) if n <= night]
    if not nights:
        return None
    newest = tables.read(TABLE, unit.unit, nights[-1]).to_pylist()[0]
    held = publish.effective("model", unit.unit, night)
    if newest["open_since"] is None or held is None or held.moved_to != newest["model_version"]:
        return None
    filed = tables.read(TABLE, unit.unit, newest["open_since"]).to_pylist()[0]
    return Request(newest["open_since"], newest["model_version"], filed["reasons"])
