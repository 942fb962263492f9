"""Entities, feature views and the feature service of one business unit.

Built by a function, so that two units live side by side. Fields come from the contracts: a view names its
table, and every column of it that is no key, no date of a key and no timestamp is a feature.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64, PrimitiveFeastType, String
from feast.value_type import ValueType

from moe import tables
from moe.contracts import Column, contract
from moe.errors import MoeError
from moe.settings import Settings

EVENT, KNOWN = "event_at", "known_at"
"Feast's event timestamp (the cut-off of a night, never a wall clock) and its created timestamp."

ENTITIES = {"line": "line_id", "segment": "segment", "customer": "customer_id"}
"Entities and their join keys."


@dataclass(frozen=True)
class View:
    """A feature view over one table. `ttl` also bounds the join, which is an inequality join."""

    name: str
    table: str
    entities: tuple[str, ...]
    ttl: timedelta
    description: str

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(ENTITIES[name] for name in self.entities)

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(c for c in contract(self.table).columns if not c.key and c.name not in (EVENT, KNOWN))


VIEWS = (
    # One night may fail and the next still has features; older ones would be passed off as fresh.
    View("ads", "features.ads__line_segment", ("line", "segment"), timedelta(days=1),
         "What the ad platforms reported for a line and segment over the last 28 days."),
    # As far back as one partition reaches: older visits say nothing about tomorrow.
    View("traffic", "features.traffic__line_day", ("line",), timedelta(days=2),
         "Visits that a line brought to the web site on its newest day."),
    View("customers", "features.customer__customer", ("customer",), timedelta(days=1),
         "Recency, frequency and monetary value of a customer."),
)

SERVICES = {"line_performance_v1": ("ads", "traffic")}
"Feature services by name: the views that a model reads."


def view(name: str) -> View:
    return next(v for v in VIEWS if v.name == name)


def definitions(settings: Settings, unit: str, paths: Mapping[str, Path] | None = None) -> list[Any]:
    """Every Feast object of a unit, in the order in which `apply` wants them.

    `paths` are what views read in place of the unit's partitions, by the view's name.
    """
    entities = {name: Entity(name=name, join_keys=[key], value_type=ValueType.STRING)
                for name, key in ENTITIES.items()}
    paths = paths or {}
    sources = {v.name: _source(v, paths.get(v.name) or _partitions(v, settings, unit)) for v in VIEWS}
    views = {v.name: _view(v, entities, sources[v.name]) for v in VIEWS}
    services = [FeatureService(name=name, features=[views[v] for v in used])
                for name, used in SERVICES.items()]
    return [*entities.values(), *sources.values(), *views.values(), *services]


def _view(v: View, entities: dict[str, Entity], source: FileSource) -> FeatureView:
    # Keys are stated too, so that Feast infers nothing from files.
    keys = [Field(name=key, dtype=String) for key in v.keys]
    features = [Field(name=c.name, dtype=_type(v, c), description=c.description) for c in v.features]
    return FeatureView(name=v.name, entities=[entities[name] for name in v.entities], ttl=v.ttl,
                       schema=keys + features, source=source, description=v.description)


def _type(v: View, column: Column) -> PrimitiveFeastType:
    base = column.type.partition("(")[0]
    types = {"VARCHAR": String, "DOUBLE": Float64, "DECIMAL": Float64, "BIGINT": Int64, "INTEGER": Int64}
    if base not in types:
        raise MoeError(f"{v.table}.{column.name} is {column.type}, which is no feature type",
                       f"use one of {', '.join(types)} in its contract, or make it a key")
    return types[base]


def _partitions(v: View, settings: Settings, unit: str) -> Path:
    """The folder of a unit's partitions; an empty file of the same schema where the unit has none."""
    folder = tables.partition(v.table, unit, date.min).parent
    return folder if tables.nights(v.table, unit) else _empty(v, settings.feast_home / unit / "empty")


def _source(v: View, path: Path) -> FileSource:
    source = FileSource(name=f"{v.name}_partitions", path=str(path), file_format=ParquetFormat(),
                        timestamp_field=EVENT, created_timestamp_column=KNOWN)
    # Feast stamps a source with the wall clock, and equal definitions would differ from process to process.
    source.created_timestamp = source.last_updated_timestamp = None
    return source


def _empty(v: View, folder: Path) -> Path:
    path = folder / f"{v.name}.parquet"
    schema = contract(v.table).schema
    if not path.exists() or not pq.read_schema(path).equals(schema):
        temporary = tables.beside(path)
        pq.write_table(schema.empty_table(), temporary)
        temporary.replace(path)
    return path
