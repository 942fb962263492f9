"""Features by entity from the online store, as the serving process reads them: no Feast, none of the project's code.

What lies there is Feast's own format: in SQLite a table a view with a row a feature, in Redis a hash an entity.
Which views, keys and features there are stands in a manifest beside the values. Features on demand (the weekday of
the decided day) are not stored: the request names them, and the model's graph transforms them (`serving.bundle`).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from serving.feast_format import Value, entity_key

FORMAT = 1
"The manifest that this code reads."
BRING = "bring a night online: `moe online --unit <unit> --date <night>`, and give the address that it prints"

Found = dict[bytes, list[Value]]
"Features of a view by entity key."


class OnlineError(Exception):
    """A store that does not answer or is none. `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  What to do: {remedy}")
        self.message = message
        self.remedy = remedy


class EntityError(OnlineError):
    """An entity that lacks a key: the fault of whoever asked."""


@dataclass(frozen=True)
class View:
    """A feature view as it lies in the store."""

    name: str
    table: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    fields: tuple[bytes, ...]
    "Of an entity's hash in Redis: one a feature, then the instant of the values."
    oldest: int
    "Values from before this instant (seconds since 1970, UTC) are too old."


@dataclass(frozen=True)
class Manifest:
    """What is online. `about` has the night, the project, and the version of the definitions."""

    about: dict[str, Any]
    views: tuple[View, ...]


class Reader(ABC):
    """Reads features by entity. Threads may share one."""

    @abstractmethod
    def manifest(self) -> Manifest:
        """What is online now."""

    @abstractmethod
    def _find(self, manifest: Manifest, wanted: list[list[bytes]]) -> list[Found] | None:
        """Features by entity key, a view at a time; None where something else came online meanwhile."""

    def read(self, entities: Sequence[dict[str, str]]) -> list[dict[str, Value]]:
        """The features of each entity by name, None where nothing is known or what is known is too old.

        Every entity names its keys (`line_id`, `segment`). Raises OnlineError where the store does not answer.
        """
        manifest = self.manifest()
        keys = [[_key(view, entity) for entity in entities] for view in manifest.views]
        try:
            found = self._find(manifest, [list(dict.fromkeys(of_view)) for of_view in keys])
        except ValueError as error:
            raise OnlineError(f"a value online cannot be read: {error}", BRING) from error
        if found is None:
            return self.read(entities)
        rows: list[dict[str, Value]] = [{} for _ in entities]
        for view, of_view, values in zip(manifest.views, keys, found, strict=True):
            unknown: list[Value] = [None] * len(view.features)
            for row, key in zip(rows, of_view, strict=True):
                row.update(zip(view.features, values.get(key, unknown), strict=True))
        return rows


def open_reader(address: str) -> Reader:
    """A reader of `sqlite:////path/online.db?project=<unit>` or `redis://[user:password@]host:port/0?project=<unit>`.

    Raises OnlineError where no store answers there, or nothing of the project is online.
    """
    url = urlsplit(address)
    project = parse_qs(url.query).get("project", [""])[0]
    with suppress(ValueError):  # of an address that the client does not take
        if project and url.scheme == "sqlite" and not url.netloc:
            from serving.online_sqlite import SqliteReader

            return SqliteReader(Path(unquote(url.path.removeprefix("/"))), project)
        if project and url.scheme in ("redis", "rediss"):
            from serving.online_redis import RedisReader  # only where there is a Redis is its client needed

            return RedisReader(url._replace(query="").geturl(), project)
    raise OnlineError("this is no address of an online store",
                      "give sqlite:////path/online.db?project=<unit> or redis://host:port/0?project=<unit>")


def read_manifest(text: str | bytes, project: str) -> Manifest:
    """The manifest of a project's values. Raises OnlineError where it is another's, or of another format."""
    try:
        about = json.loads(text)
        held = about["project"], about["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise OnlineError("the store has no manifest that can be read", BRING) from error
    if held != (project, FORMAT):
        raise OnlineError(f"the store holds {held[0]} in format {held[1]}, not {project} in format {FORMAT}", BRING)
    views = tuple(
        View(view["name"], view["table"], tuple(view["keys"]), tuple(f["name"] for f in view["features"]),
             (*(bytes.fromhex(f["field"]) for f in view["features"]), f"_ts:{view['name']}".encode()),
             about["cutoff"] - view["ttl_seconds"])
        for view in about.pop("views"))
    return Manifest(about, views)


def _key(view: View, entity: dict[str, str]) -> bytes:
    missing = [name for name in view.keys if not isinstance(entity.get(name), str)]
    if missing:
        raise EntityError(f"the entity {entity} lacks {', '.join(missing)}", "give each key as text")
    return entity_key(view.keys, [entity[name] for name in view.keys])
