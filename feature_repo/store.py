"""The feature store of a unit, and the point-in-time join of its first feature service.

The registry is written only when the definitions change, never as a step of every night.
"""

import fcntl
import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import ibis  # type: ignore[import-untyped]  # ships no types
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig

from feature_repo.definitions import SERVICES, definitions, view
from moe import tables
from moe.errors import MoeError
from moe.settings import settings

SERVICE = "line_performance_v1"
KEYS = tuple(dict.fromkeys(key for name in SERVICES[SERVICE] for key in view(name).keys))
"Columns of an entity row, beside `event_timestamp`."


def feature_store(unit: str) -> FeatureStore:
    """The unit's store, its registry as the definitions say."""
    home = settings().feast_home / unit
    home.mkdir(parents=True, exist_ok=True)
    config = {
        "project": unit, "provider": "local", "registry": str(home / "registry.db"),
        "offline_store": {"type": "duckdb"},
        "online_store": {"type": "sqlite", "path": str(home / "online.db")},
        "entity_key_serialization_version": 3,
    }
    objects = definitions(settings(), unit)
    protos = b"".join(o.to_proto().SerializeToString(deterministic=True) for o in objects)
    wanted = hashlib.sha256(protos + repr(config).encode()).hexdigest()
    store = FeatureStore(repo_path=str(home), config=RepoConfig(**config))
    mark = home / "definitions.sha256"
    with (home / "registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Feast rewrites its registry file in place
        if not mark.exists() or mark.read_text() != wanted:
            mark.unlink(missing_ok=True)
            store.apply(objects)
            (home / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            mark.write_text(wanted)
    return store


def training_features(unit: str, entity_rows: pd.DataFrame) -> pd.DataFrame:
    """Features as they were known at each row's instant, joined to the rows in their order.

    `entity_rows` has `line_id`, `segment`, `event_timestamp` (UTC) and any other columns, which come back
    too. Where nothing was known the features are null; no row is lost. Values with `known_at` after a row's
    instant are not seen, nor are older ones than the view's time to live.
    """
    names = [c.name for v in SERVICES[SERVICE] for c in view(v).features]
    if entity_rows.empty:
        return entity_rows.assign(**dict.fromkeys(names))
    rows = entity_rows.assign(
        event_timestamp=entity_rows["event_timestamp"].astype("datetime64[us, UTC]"),  # not ns: DuckDB fails
        _row=range(len(entity_rows)),
    )
    store = feature_store(unit)
    with _duckdb(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # renamed calls between DuckDB and ibis, nothing for a person to do
        job = store.get_historical_features(rows, features=store.get_feature_service(SERVICE),
                                            filter_by_created_timestamp=True)
        joined: pd.DataFrame = job.to_df().sort_values("_row", ignore_index=True)
    if not joined["_row"].equals(rows["_row"].reset_index(drop=True)):
        raise MoeError(f"the feature join of unit {unit} gave {len(joined)} rows for {len(rows)}",
                       "the offline store must be DuckDB (others drop rows): see feature_repo/store.py")
    return joined[[*entity_rows.columns, *names]]


def night_features(unit: str, night: date) -> pd.DataFrame:
    """Features of every line and segment of the night, as known at its cut-off: `KEYS` and the features.

    Raises MissingInput where the night has no ad features.
    """
    keys = tables.read(view("ads").table, unit, night).select(list(KEYS)).to_pandas()
    return training_features(unit, keys.assign(event_timestamp=cutoff(night))).drop(columns="event_timestamp")


def cutoff(night: date) -> pd.Timestamp:
    """The instant up to which a night knows: the end of its business day, UTC (as `Night.cutoff`)."""
    return pd.Timestamp(datetime.combine(night + timedelta(days=1), time.min), tz="UTC").as_unit("us")


@contextmanager
def _duckdb() -> Iterator[Any]:
    """A DuckDB of our own for Feast's join, in the settings' threads and folder, closed afterwards."""
    limits: dict[str, Any] = {"threads": settings().threads} if settings().threads else {}
    backend = ibis.duckdb.connect(":memory:", temp_directory=str(_work()), **limits)
    before, ibis.options.default_backend = ibis.options.default_backend, backend
    try:
        yield backend
    finally:
        ibis.options.default_backend = before
        backend.disconnect()


def _work() -> Path:
    settings().work.mkdir(parents=True, exist_ok=True)
    return settings().work
