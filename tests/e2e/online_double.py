"""Starts the service with a reader of an online store that is written here: one SQLite table of JSON.

It stands in for `serving.online` alone, whose own tests read what Feast wrote; the service is the real one.
"""

import json
import runpy
import sqlite3
import sys
import types
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class OnlineError(Exception):
    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


class EntityError(OnlineError):
    """An entity that lacks a key."""


class Reader:
    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
        try:
            with sqlite3.connect(f"file:{self._path}?mode=ro", uri=True) as store:
                rows = [store.execute("select features from online where line_id = ? and segment = ?",
                                      (e["line_id"], e["segment"])).fetchone() for e in entities]
        except sqlite3.Error as error:
            raise OnlineError(f"the store {self._path} does not answer: {error}", "bring a night online") from error
        except KeyError as error:
            raise EntityError(f"the entity lacks {error}", "give each key") from error
        return [json.loads(row[0]) if row else {} for row in rows]


def write(path: Path, rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """A store with some entities' features; its address."""
    with sqlite3.connect(path) as store:
        store.execute("create table online (line_id, segment, features)")
        store.executemany("insert into online values (?, ?, ?)", [(*key, json.dumps(f)) for key, f in rows.items()])
    return f"sqlite:///{path}?project=shop"


if __name__ == "__main__":
    online = types.ModuleType("serving.online")
    online.__dict__.update(OnlineError=OnlineError, EntityError=EntityError,
                           open_reader=lambda address: Reader(urlsplit(address).path.removeprefix("/")))
    sys.modules["serving.online"] = online
    sys.argv = ["serving"]
    runpy.run_module("serving", run_name="__main__")
