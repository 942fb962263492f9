"""The feature store of a unit, and the point-in-time join of its first feature service.

The registry is written only when the definitions change, never as a step of every night.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import ibis  # type: ignore[import-untyped]  # ships no types
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig

from feature_repo.definitions import SERVICES, definitions, view
from moe import tables
from moe.errors import MoeError
from moe.locks import exclusive
from moe.settings import settings

SERVICE = "line_performance_v1"
KEYS = tuple(dict.fromkeys(key for name in SERVICES[SERVICE] for key in view(name).keys))
"Columns of an entity row, beside `event_timestamp`."
COMMA = "\\u002c"
"A comma in a JSON string, escaped."


def repo_config(unit: str, registry: Path, online_store: dict[str, Any]) -> dict[str, Any]:
    """Feast's configuration of a unit."""
    return {
        "project": unit, "provider": "local", "registry": str(registry),
        "offline_store": {"type": "duckdb"},
        "online_store": online_store,
        "entity_key_serialization_version": 3,
    }


def online_store(unit: str) -> dict[str, Any]:
    """Feast's configuration of the unit's online store, as the settings say."""
    address = settings().online_store.get_secret_value()
    if not address:
        return {"type": "sqlite", "path": str(settings().online_file(unit))}
    return {"type": "redis", "connection_string": _connection_string(address),
            # Feast would keep the old values where the event's instant is the same, as it is for restated rows
            # and for a night that is run again; newer nights are guarded in feature_repo/online.py.
            "skip_dedup": True}


def _connection_string(address: str) -> str:
    """`redis://user:password@host:port/db` as Feast writes it: `host:port,db=0,…`, values in JSON."""
    try:
        url = urlsplit(address)
        host, port, database = url.hostname, url.port or 6379, int(url.path.removeprefix("/") or 0)
    except ValueError:
        host = None
    if not host or ":" in host or url.scheme not in ("redis", "rediss") or url.query:
        raise MoeError("the setting online_store is no address of a Redis that Feast can read",
                       "set MOE_ONLINE_STORE=redis://[user:password@]host:port/db, or leave it empty for SQLite")
    options: dict[str, Any] = {"db": database, "ssl": url.scheme == "rediss"}
    options |= {name: unquote(value) for name in ("username", "password") if (value := getattr(url, name))}
    # Feast splits at commas before it reads the values
    written = [f"{name}={json.dumps(value).replace(',', COMMA)}" for name, value in options.items()]
    return ",".join([f"{host}:{port}", *written])


def feature_store(unit: str) -> FeatureStore:
    """The unit's store, its registry as the definitions say."""
    home = settings().feast_home / unit
    home.mkdir(parents=True, exist_ok=True)
    config = repo_config(unit, home / "registry.db", online_store(unit))
    objects = definitions(settings(), unit)
    protos = b"".join(o.to_proto().SerializeToString(deterministic=True) for o in objects)
    wanted = hashlib.sha256(protos + repr(config).encode()).hexdigest()
    store = FeatureStore(repo_path=str(home), config=RepoConfig(**config))
    mark = home / "definitions.sha256"
    with exclusive(home / "registry.lock"):  # Feast rewrites its registry file in place
        if not mark.exists() or mark.read_text() != wanted:
            mark.unlink(missing_ok=True)
            store.apply(objects)
            (home / "feature_store.yaml").touch()
            (home / "feature_store.yaml").chmod(0o600)  # it may hold the password of the online store
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
    with duckdb_backend(), warnings.catch_warnings():
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
def duckdb_backend() -> Iterator[Any]:
    """A DuckDB of our own for Feast's join, in the settings' threads and folder, closed afterwards."""
    limits: dict[str, Any] = {"threads": settings().threads} if settings().threads else {}
    backend = ibis.duckdb.connect(":memory:", temp_directory=str(work_folder()), **limits)
    before, ibis.options.default_backend = ibis.options.default_backend, backend
    try:
        yield backend
    finally:
        ibis.options.default_backend = before
        backend.disconnect()


def work_folder() -> Path:
    settings().work.mkdir(parents=True, exist_ok=True)
    return settings().work
