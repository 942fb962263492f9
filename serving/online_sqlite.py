"""The reader of a SQLite file, which is replaced as a whole: another file under its name is opened anew."""

import sqlite3
from pathlib import Path

from serving.feast_format import value
from serving.online import BRING, Found, Manifest, OnlineError, Reader, read_manifest

KEYS_A_QUERY = 5_000
"A view and query: SQLite binds at most 32,766 values."


class SqliteReader(Reader):
    """Features by entity from a file."""

    def __init__(self, path: Path, project: str) -> None:
        self.path, self.project = path, project
        self._opened: tuple[tuple[int, int], sqlite3.Connection, Manifest] | None = None
        self.manifest()

    def manifest(self) -> Manifest:
        return self._open()[1]

    def _open(self) -> tuple[sqlite3.Connection, Manifest]:
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if self._opened is None or self._opened[0] != stamp:
                connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
                (text,) = connection.execute("select json from manifest").fetchone()
                self._opened = stamp, connection, read_manifest(text, self.project)
        except (OSError, sqlite3.Error) as error:
            raise OnlineError(f"{self.path} is no online store: {error}", BRING) from error
        return self._opened[1:]

    def _find(self, manifest: Manifest, wanted: list[list[bytes]]) -> list[Found] | None:
        connection, now = self._open()
        if now is not manifest:
            return None
        columns = [{name: place for place, name in enumerate(view.features)} for view in manifest.views]
        found: list[Found] = [{} for _ in wanted]
        try:
            for start in range(0, max(map(len, wanted)), KEYS_A_QUERY):
                chunk = [keys[start:start + KEYS_A_QUERY] for keys in wanted]
                sql = " union all ".join(
                    f'select {i}, entity_key, feature_name, value from "{view.table}" '
                    f"where entity_key in ({','.join('?' * len(keys))})"
                    for i, (view, keys) in enumerate(zip(manifest.views, chunk, strict=True)))
                for i, key, name, blob in connection.execute(sql, [key for keys in chunk for key in keys]):
                    if name in columns[i]:
                        found[i].setdefault(key, [None] * len(columns[i]))[columns[i][name]] = value(blob)
        except sqlite3.Error as error:
            raise OnlineError(f"{self.path} cannot be read: {error}", BRING) from error
        return found
