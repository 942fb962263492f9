"""The Redis side of bringing features online: a lock, the manifest, and an index of what is there.

Values of an entity are replaced one entity at a time, so a night is claimed before its first value is written: a
process that dies in between leaves a mixture of two nights' values that no older night can overwrite, that reads
as stale where it is, and that the same or a newer night completes.
"""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import mmh3
import redis
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from moe import tables
from moe.errors import PublishError, Retriable
from moe.settings import settings

LOCK_SECONDS = 600
"Longest time that a night takes to come online, and that the lock of a host that died stays."
CHUNK = 10_000


def manifest(unit: str) -> dict[str, Any] | None:
    """What is online for a unit, or what was begun; None where nothing is."""
    with _client() as client:
        found = client.get(_name(unit))
    return json.loads(found) if found else None


@contextmanager
def locked(unit: str) -> Iterator[None]:
    """The one writer of a unit's values on this Redis. The caller holds the lock of this home's processes."""
    mine = f"{socket.gethostname()}:{settings().home}"
    with _client() as client:
        if client.get(_name(unit, "lock")) == mine.encode():  # left by a process of this home that was killed
            client.delete(_name(unit, "lock"))
        lock = client.lock(_name(unit, "lock"), timeout=LOCK_SECONDS)
        if not lock.acquire(blocking=False, token=mine):
            raise PublishError(f"another process is bringing features of {unit} online on this Redis",
                               f"wait until it ends (its lock lasts at most {LOCK_SECONDS} s), then try again")
        try:
            yield
        finally:
            lock.release()


@contextmanager
def replaced(unit: str, manifest: dict[str, Any], entities: dict[str, list[Any]]) -> Iterator[None]:
    """Claim the night; after the block has written `entities` by view, remove all others and complete the claim."""
    with _client() as client:
        client.set(_name(unit), json.dumps(manifest | {"complete": False}, sort_keys=True))
        tables.commit_point("claimed:online")
        written = {v["name"]: {_key(unit, v["keys"], entity) for entity in entities[v["name"]]}
                   for v in manifest["views"]}
        for name, keys in written.items():  # before their values, so that the index never misses one
            for chunk in _chunks(keys):
                client.sadd(_name(unit, f"keys:{name}"), *chunk)
        yield
        for v in manifest["views"]:
            index = _name(unit, f"keys:{v['name']}")
            fields = [_timestamp(v["name"]), *(bytes.fromhex(f["field"]) for f in v["features"])]
            for chunk in _chunks(set(client.smembers(index)) - written[v["name"]]):
                with client.pipeline(transaction=True) as pipe:
                    for key in chunk:
                        pipe.hdel(key, *fields)
                    pipe.srem(index, *chunk)
                    pipe.execute()
        client.set(_name(unit), json.dumps(manifest, sort_keys=True))


def field(view: str, feature: str) -> str:
    """The field of a feature in an entity's hash, in hexadecimal digits: Feast writes murmur3 of its name."""
    return mmh3.hash(f"{view}:{feature}", signed=False).to_bytes(4, "little").hex()


def _timestamp(view: str) -> bytes:
    return f"_ts:{view}".encode()


def _key(unit: str, keys: list[str], entity: dict[str, str]) -> bytes:
    message = EntityKey(join_keys=keys, entity_values=[Value(string_val=entity[key]) for key in keys])
    return bytes(serialize_entity_key(message, entity_key_serialization_version=3)) + unit.encode()


def _chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    found = list(keys)
    for start in range(0, len(found), CHUNK):
        yield found[start:start + CHUNK]


def _name(unit: str, part: str = "") -> str:
    return f"moe:online:{unit}" + (f":{part}" if part else "")


@contextmanager
def _client() -> Iterator[Any]:
    """Its own types know neither keys of bytes nor that it is no asynchronous one."""
    try:
        with redis.Redis.from_url(settings().online_store.get_secret_value()) as client:
            yield client
    except redis.ConnectionError as error:
        raise Retriable(f"the online store does not answer: {error}",
                          "start Redis, or mend MOE_ONLINE_STORE; partitions and release are as they were") from error
