"""The model that a night's scores come from, and the nights that monitoring compares."""

import json
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from moe.errors import MoeError
from moe.runner import Skip
from moe.settings import settings

REFERENCE_NIGHTS, CURRENT_NIGHTS = 14, 7
"""Whole weeks, so that weekdays weigh alike. Two of them before training: in a store that just began, the 7-day
sums of the nights before are still growing."""


@dataclass(frozen=True)
class Window:
    """Nights since..until, both included."""

    since: date
    until: date

    @classmethod
    def ending(cls, until: date, nights: int) -> "Window":
        return cls(until - timedelta(days=nights - 1), until)

    @property
    def nights(self) -> int:
        return (self.until - self.since).days + 1


@dataclass(frozen=True)
class Model:
    """A version with the night up to which it knew the past."""

    version: str
    trained: date

    @property
    def reference(self) -> Window:
        """The newest nights whose features it learned from."""
        return Window.ending(self.trained, REFERENCE_NIGHTS)

    @property
    def first_scores(self) -> Window:
        """Its own first scores: those of earlier nights are another model's."""
        return Window(self.trained, self.trained + timedelta(days=REFERENCE_NIGHTS - 1))


def model_of(scores: pa.Table) -> Model:
    """The model that a night was scored with.

    Raises Skip where no line was scored: a unit without ads for 28 days. MoeError where the bundle is not here.
    The scores say it, not the publication log: a model that became live since would change what a night knew.
    """
    if not scores.num_rows:
        raise Skip("no line was scored in the night, so that there is nothing to compare")
    version = str(scores["model_version"][0].as_py())
    path = settings().bundles / version / "bundle.json"
    if not path.exists():
        raise MoeError(f"the bundle of model {version} is not under {settings().bundles}",
                       "copy its folder back from where it was made, or train again (`moe train`) and score again")
    return Model(version, date.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["training_night"]))
