"""What a body may hold, as types made from the live bundle: they check it, and give the OpenAPI schema.

One row is `{"features": {…}, "entity": {…}}`, a batch `{"rows": [row, …]}`. A feature of type int64 is a fact of
the asked day and must be given; any other may be missing or null, and with an entity is looked up.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serving.problems import Fault, Problem

LARGEST = 1e15
"No count, rate or amount is larger; beyond it sums overflow."
NAME_LENGTH = 200
OWN_RATES = {"click_rate": "click_rate_28d", "conversion_rate": "conversion_rate_28d"}
"The features that are a row's own historical rates: they answer where no model does."
_AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)

Values = tuple[float | int | str | None, ...]
"A row's features in the order of `Schema.names`."


class Schema:
    """The types of bodies for a bundle's features and entities; without a bundle, a row's own rates alone."""

    def __init__(self, features: Sequence[dict[str, Any]], entities: Sequence[str], batch_rows: int) -> None:
        self.names = tuple(f["name"] for f in features)
        self.known = [(n, f["name"], frozenset(f["values"])) for n, f in enumerate(features) if f.get("values")]
        self._whole = [n for n, f in enumerate(features) if f["type"] == "int64"]
        self._own = [(n, name) for n, name in enumerate(self.names) if name in entities]
        name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
        entity: Any = dict[str, name]
        if entities:
            entity = msgspec.defstruct("Entity", [(key, name) for key in entities], forbid_unknown_fields=True)
        row = msgspec.defstruct("Features", [_field(f) for f in features], kw_only=True)
        self.row = msgspec.defstruct("Row", [("features", row), ("entity", entity | None, None)],
                                     forbid_unknown_fields=True)
        rows = Annotated[list[self.row], Meta(min_length=1, max_length=batch_rows)]  # type: ignore[name-defined]
        self.batch = msgspec.defstruct("Batch", [("rows", rows)], forbid_unknown_fields=True)
        body = msgspec.defstruct(
            "Body", [("features", row | UnsetType, UNSET), ("entity", entity | None, None),
                     ("rows", rows | UnsetType, UNSET)], forbid_unknown_fields=True)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def decode(self, raw: bytes) -> tuple[bool, list[Any]]:
        """Whether a body is a batch, and its rows. Raises Problem that names row and feature at fault."""
        try:
            body = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem("malformed-json", str(error)) from error
        except RecursionError as error:
            raise Problem("malformed-json", "the body is nested too deeply") from error
        if body.rows is UNSET and body.features is not UNSET:
            return False, [body]
        if body.rows is UNSET or body.features is not UNSET or body.entity is not None:
            raise _invalid("give either `features` (and `entity`) of one row, or `rows`")
        return True, body.rows

    def values(self, row: Any) -> Values:
        """A row's features, None where missing; a key of the entity is also the feature of its name."""
        found = list(msgspec.structs.astuple(row.features))
        for n in self._whole:
            found[n] = int(found[n])
        if row.entity is not None:
            for n, key in self._own:
                found[n] = getattr(row.entity, key) if found[n] is None else found[n]
        return tuple(found)

    def entity(self, row: Any) -> dict[str, str]:
        """The keys of a row's entity."""
        return dict(row.entity) if isinstance(row.entity, dict) else msgspec.structs.asdict(row.entity)

    def fill(self, values: Values, found: dict[str, Any]) -> Values:
        """What is missing, from what was looked up."""
        return tuple(found.get(name) if value is None else value
                     for name, value in zip(self.names, values, strict=True))


def _field(feature: dict[str, Any]) -> tuple[Any, ...]:
    name, kind = feature["name"], feature["type"]
    if kind == "int64":  # 3.0 is a whole number too, for JSON Schema as for some encoders
        return name, Annotated[float, Meta(multiple_of=1, ge=-LARGEST, le=LARGEST,
                                           extra_json_schema={"type": "integer"})]
    if kind == "string":
        return name, Annotated[str, Meta(max_length=NAME_LENGTH)] | None, None
    bounds = Meta(ge=feature.get("minimum", -LARGEST), le=feature.get("maximum", LARGEST))
    return name, Annotated[float, bounds] | None, None


def _invalid(message: str) -> Problem:
    """From msgspec's "Expected `float`, got `str` - at `$.rows[3].features.clicks_7d`" to row, feature, pointer."""
    matched = _AT.fullmatch(message)
    what, path = (matched["what"], matched["path"] or "") if matched else (message, "")
    parts = re.findall(r"[^.\[\]]+", path)
    named = {"rows": "row", "features": "feature", "entity": "entity"}
    place = ", ".join(f"{named[a]} {b}" for a, b in pairwise(parts) if a in named and b not in named)
    detail = f"{place}: {what}" if place else what
    return Problem("invalid-input", detail, [Fault("".join(f"/{part}" for part in parts), what)])
