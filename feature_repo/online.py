"""Bringing a night's features online: SQLite or Redis by setting, never backwards.

What is online is exactly what the point-in-time join gives at the night's cut-off, so that a reader by entity gets
the values that the nightly score job reads. Feast's `materialize` alone does not give that: it knows no created
timestamp, so it would take rows that later nights restated, and it never removes what vanished. So it reads a file
of the rows known in the night, and what it did not write is removed.
"""

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureStore, RepoConfig

from feature_repo import online_redis
from feature_repo.definitions import EVENT, SERVICES, View, definitions, view
from feature_repo.store import SERVICE, cutoff, duckdb_backend, online_store, repo_config, work_folder
from moe import tables
from moe.contracts import contract
from moe.errors import MoeError, PublishError
from moe.locks import exclusive
from moe.settings import settings

FORMAT = 1
"Of the manifest: `serving.online` reads this one."
BATCH = 10_000
"Rows that Feast writes at once; by itself it makes one batch of all."
VIEWS = tuple(view(name) for name in SERVICES[SERVICE])
ONLINE_FROM = VIEWS[0].table
"A night without it has nothing to bring online; what other views lack is null."


def online_night(unit: str) -> date | None:
    """The night whose features are online, or None."""
    found = online_redis.manifest(unit) if settings().online_store else _manifest_in(settings().online_file(unit))
    return date.fromisoformat(found["night"]) if found else None


def materialize(unit: str, night: date) -> dict[str, int]:
    """Bring the features of a night online; gives the number of entities by view. A night may be repeated.

    Raises PublishError where a newer night is online, MissingInput where the night has no ad features.
    """
    tables.read(ONLINE_FROM, unit, night)
    known = {v.name: _known(v, unit, night) for v in VIEWS}
    entities = {v.name: known[v.name].group_by(list(v.keys)).aggregate([]).to_pylist() for v in VIEWS}
    with _locked(unit):
        newest = online_night(unit)
        if newest and newest > night:
            raise PublishError(f"the features of {newest} are online for {unit}, and they go forward: not {night}",
                               "older nights are read from their partitions; bring a newer night online")
        if settings().online_store:
            with online_redis.replaced(unit, _manifest(unit, night), entities):
                _fill(unit, night, known, online_store(unit))
        else:
            _replace_file(unit, night, known, entities)
    return {name: len(found) for name, found in entities.items()}


def _known(v: View, unit: str, night: date) -> pa.Table:
    """Rows of a view that were known in the night and are not too old at its cut-off."""
    files = tables.files(v.table, unit, night - v.ttl, night)
    rows = pa.concat_tables([contract(v.table).schema.empty_table(), *map(tables.read_file, files)],
                            promote_options="default")
    return rows.filter(pc.greater_equal(rows[EVENT], pa.scalar(cutoff(night) - v.ttl, rows[EVENT].type)))


def _fill(unit: str, night: date, known: dict[str, pa.Table], store: dict[str, Any]) -> None:
    """Feast's `materialize` of the rows known in the night, on a registry of its own: no run writes the unit's."""
    with TemporaryDirectory(dir=work_folder()) as folder:
        paths = {name: Path(folder) / f"{name}.parquet" for name in known}
        for name, rows in known.items():
            pq.write_table(rows, paths[name])
        config = repo_config(unit, Path(folder) / "registry.db", store)
        config["materialization"] = {"pull_latest_features": True, "online_write_batch_size": BATCH}
        feast = FeatureStore(repo_path=folder, config=RepoConfig(**config))
        with duckdb_backend(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            feast.apply(definitions(settings(), unit, paths))
            for v in VIEWS:
                feast.materialize(cutoff(night) - v.ttl, cutoff(night), feature_views=[v.name])
    tables.commit_point("filled:online")


def _replace_file(unit: str, night: date, known: dict[str, pa.Table], entities: dict[str, list[Any]]) -> None:
    """Fill a new SQLite file beside the old one, check it, and move it over: readers never see a half."""
    target = settings().online_file(unit)
    temporary = tables.beside(target)
    try:
        _fill(unit, night, known, {"type": "sqlite", "path": str(temporary)})
        manifest = _manifest(unit, night)
        with closing(sqlite3.connect(temporary)) as database:
            for v in manifest["views"]:
                count = database.execute(f'select count(distinct entity_key) from "{v["table"]}"').fetchone()[0]
                if count != len(entities[v["name"]]):
                    raise MoeError(f"{count} entities of {v['name']} came online, {len(entities[v['name']])} are known",
                                   "Feast lost rows: see feature_repo/online.py; what was online stays")
            database.execute("create table manifest (json text not null)")
            database.execute("insert into manifest values (?)", [json.dumps(manifest, sort_keys=True)])
            database.commit()
        tables.put_in_place(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _manifest(unit: str, night: date) -> dict[str, Any]:
    """What `serving.online` must know to read: the night, and where each feature of the service lies."""
    views = [{"name": v.name, "table": f"{unit}_{v.name}", "keys": sorted(v.keys),
              "ttl_seconds": int(v.ttl.total_seconds()),
              "features": [{"name": c.name, "field": online_redis.field(v.name, c.name)} for c in v.features]}
             for v in VIEWS]
    version = hashlib.sha256(json.dumps(views, sort_keys=True).encode()).hexdigest()[:16]
    return {"format": FORMAT, "project": unit, "service": SERVICE, "version": version, "views": views,
            "night": night.isoformat(), "cutoff": int(cutoff(night).timestamp()), "complete": True}


def _manifest_in(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as database:
            if not database.execute("select 1 from sqlite_master where name = 'manifest'").fetchone():
                return None  # made by `feast apply`, and empty
            found: dict[str, Any] = json.loads(database.execute("select json from manifest").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise MoeError(f"{path} cannot be read: {error}",
                       "move it away, then bring the newest night online: `moe online`") from error
    return found


@contextmanager
def _locked(unit: str) -> Iterator[None]:
    with (exclusive(settings().feast_home / unit / "online.lock"),
          online_redis.locked(unit) if settings().online_store else nullcontext()):
        yield
