"""API keys: a JSON file of SHA-256 hashes with an id and an expiry each. The keys themselves are kept nowhere.

A key is 256 random bits, so that a plain hash is enough: nothing can be guessed.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from serving.problems import Problem, ServingError

CHALLENGE = {"www-authenticate": 'Bearer realm="serving"'}
OPEN = "open"
"The key id of a service without keys."
MOST_DAYS = 3_650


class Key(msgspec.Struct, frozen=True):
    id: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    expires: Annotated[datetime, Meta(tz=True)]


class KeyFile(msgspec.Struct, frozen=True):
    keys: list[Key] = []


def load(path: Path) -> list[Key]:
    """The keys of a file. Raises ServingError where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyFile).keys
    except (OSError, msgspec.DecodeError) as error:
        raise ServingError(f"the key file {path} cannot be read: {error}",
                           "make it with `python -m serving keys add`, or set SERVING_OPEN=1") from error


def add(path: Path, key_id: str, days: float) -> str:
    """Make a key, keep its hash, and return the key: it is told once."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", key_id):
        raise ServingError(f"'{key_id}' is no id", "use letters, digits, dot, dash and underscore, 64 at most")
    if not 0 < days <= MOST_DAYS:
        raise ServingError(f"a key cannot hold for {days:g} days", f"give --days above 0, up to {MOST_DAYS}")
    kept = load(path) if path.exists() else []
    if any(key.id == key_id for key in kept):
        raise ServingError(f"a key {key_id} exists", "choose another id, or `python -m serving keys revoke` it first")
    made = f"moe_{secrets.token_urlsafe(32)}"
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    _save(path, [*kept, Key(key_id, hashlib.sha256(made.encode()).hexdigest(), expires)])
    return made


def revoke(path: Path, key_id: str) -> None:
    kept = load(path)
    if all(key.id != key_id for key in kept):
        raise ServingError(f"there is no key {key_id}", "`python -m serving keys list` names them")
    _save(path, [key for key in kept if key.id != key_id])


def _save(path: Path, keys: list[Key]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(KeyFile(keys))) + b"\n")
    beside.replace(path)


class Keys:
    """The keys in force. `reload` follows the file; without a file every caller is let in."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._keys: list[tuple[bytes, float, Key]] = []
        self.reload()

    def reload(self) -> None:
        """Read the file again if it changed. Raises ServingError where it cannot be read; the old keys stay."""
        if self.path is None:
            return
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            load(self.path)
            raise
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._keys = [(bytes.fromhex(k.sha256), k.expires.timestamp(), k) for k in load(self.path)]
            self._seen = seen

    def check(self, headers: dict[bytes, bytes]) -> str:
        """The id of the caller's key. Raises Problem where there is none, it is unknown, or it has expired."""
        if self.path is None:
            return OPEN
        given = headers.get(b"x-api-key")
        if given is None:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not given:
                raise Problem("no-key", "the request has no key", headers=CHALLENGE)
        digest, found = hashlib.sha256(given).digest(), None
        for kept in self._keys:  # all of them: the time does not tell which one was near
            if hmac.compare_digest(digest, kept[0]):
                found = kept
        if found is None:
            raise Problem("unknown-key", "no key like this is in force", headers=CHALLENGE)
        if found[1] <= time.time():
            raise Problem("expired-key", f"key {found[2].id} expired at {found[2].expires.isoformat()}",
                          headers=CHALLENGE)
        return found[2].id
