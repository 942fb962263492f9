"""The live model: follows the publication pointer and swaps bundles under running requests.

The new bundle is loaded, verified and warmed beside the old one, which answers until one assignment puts the new
one in its place; a request keeps the one that it started with. A bundle that is absent, damaged or does not predict
is refused: the old one answers on, and every look tries again.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from serving.bundle import OUTPUTS, Bundle, BundleError
from serving.metrics import Metrics
from serving.schema import OWN_RATES, Schema

log = logging.getLogger("serving")


@dataclass(frozen=True)
class Live:
    """What answers now. `history` holds the unit's own rates by target; `fault` says why the pointer's bundle
    does not answer, and is empty where it does."""

    schema: Schema
    bundle: Bundle | None = None
    history: Mapping[str, float] | None = None
    fault: str = "no model was looked for yet"
    pointer_version: str | None = None

    @property
    def version(self) -> str | None:
        return self.bundle.version if self.bundle else None


class Facts(msgspec.Struct):
    history: dict[str, float] = {}


class Pointer(msgspec.Struct):
    """What the service reads of a publication pointer."""

    moved_to: str
    facts: Facts = msgspec.field(default_factory=Facts)


class Model:
    def __init__(self, pointer: Path, bundles: Path, batch_rows: int, metrics: Metrics) -> None:
        self._pointer, self._bundles, self._batch_rows, self._metrics = pointer, bundles, batch_rows, metrics
        own = [{"name": name, "type": "double", "minimum": 0} for name in OWN_RATES.values()]
        self.live = Live(Schema(own, (), batch_rows))

    def refresh(self) -> None:
        """Take over the bundle that the pointer names, if it is another one. Blocks: call it in a thread."""
        try:
            pointer = msgspec.json.decode(self._pointer.read_bytes(), type=Pointer)
        except (OSError, msgspec.DecodeError) as error:
            return self._refuse(None, f"the pointer {self._pointer} cannot be read: {error}", {})
        version = pointer.moved_to
        if version == self.live.version:
            self._metrics.refused.set(0)
            self.live = replace(self.live, fault="", pointer_version=version)
            return
        try:
            if not re.fullmatch(r"[0-9a-f]{16}", version):
                raise BundleError(f"the pointer names '{version}', which is no version", "publish again")
            bundle = Bundle.load(self._bundles / version)
            warm(bundle)
            _ = bundle.intervals  # read once here, so that no request meets a fault in it
            schema = Schema(bundle.about["features"], bundle.about.get("entities", ()), self._batch_rows)
        except Exception as error:  # whatever is wrong with the new bundle, the old one answers on
            message = error.message if isinstance(error, BundleError) else f"{type(error).__name__}: {error}"
            return self._refuse(version, message, pointer.facts.history)
        self._take(bundle, schema)

    def _take(self, bundle: Bundle, schema: Schema) -> None:
        old, history = self.live, bundle.about.get("history") or self.live.history
        self.live = Live(schema, bundle, history, "", bundle.version)
        self._metrics.swaps.inc()
        self._metrics.refused.set(0)
        self._metrics.model.clear()
        self._metrics.model.labels(bundle.version).set(1)
        log.info("model %s answers, after %s", bundle.version, old.version)

    def _refuse(self, version: str | None, fault: str, history: Mapping[str, float]) -> None:
        if fault != self.live.fault:
            named = "the pointer" if version is None else f"model {version}"
            log.error("%s is refused: %s; %s answers on", named, fault, self.live.version or "historical rates")
        self._metrics.refused.set(1)
        self.live = replace(self.live, fault=fault, pointer_version=version,
                            history=self.live.history or history or None)


def warm(bundle: Bundle) -> None:
    """Predict a row and a batch of nothing but missing values: the first run sets the graph up, and shows that
    it runs."""
    for rows in (1, 64):
        empty: dict[str, Any] = {"int64": [1] * rows}
        rates = bundle.predict({name: empty.get(kind, [None] * rows) for name, kind in bundle.features.items()})
        if not set(OUTPUTS) <= set(rates):
            raise BundleError(f"bundle {bundle.version} predicts {sorted(rates)}", f"it must predict {OUTPUTS}")
