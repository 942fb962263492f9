"""The store of a unit in S3: partitions, bundles, reports, and one object that says what is live.

    <prefix>/store/<layer>/<table>/<unit>/<night>.parquet   replaced where If-Match finds what we saw
    <prefix>/bundles/<version>/…                            written once (If-None-Match): its name is its hash
    <prefix>/reports/<unit>/<night>/…                       as the partitions
    <prefix>/reports/evidently/…                            the script that all units' monitoring pages refer to
    <prefix>/live/<unit>.json                               moved last, by compare and swap

The last one holds the publication logs and the SHA-256 of every file, so that what is fetched can be checked.
Landing stays here: it alone holds personal values as they were delivered.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from moe import publish, tables
from moe.errors import MoeError, Retriable
from moe.follow.bucket import Bucket, sha256, told
from moe.follow.live import Live, live, other_store
from moe.settings import settings
from moe.tables import commit_point

AT_ONCE = 8
"Uploads side by side; boto3 keeps 10 connections."
TRIES = 3


@dataclass(frozen=True)
class Shown:
    """`live/<unit>.json` as it was read; empty where there is none yet."""

    etag: str | None = None
    body: bytes = b""
    releases: list[publish.Entry] = field(default_factory=list)
    models: dict[publish.Kind, list[publish.Entry]] = field(default_factory=dict)
    "By kind; an object of an older release of this package lacks `bid_model`."
    bundle: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    "SHA-256 by path under the store's home."


def follow(unit: str, dry_run: bool = False) -> str:
    """Make S3 equal to what this store holds of a unit, then its pointer to the pointer; gives a sentence.

    Raises Retriable where S3 does not answer or another writer came first, MoeError where another store writes
    there. Files that this store no longer has stay, see `prune`.
    """
    with told():
        bucket = Bucket()
        seen = shown(bucket, unit)
        now = live(unit)  # after S3's, so that this store's own moves are never missing in it
        tables.read("out.release__night", unit, now.night)  # raises where the live night itself is not here
        _refuse_other(now, seen)
        here = files(unit)
        digests = {name: sha256(path) for name, path in here.items()}
        new = [name for name in here if seen.files.get(name) != digests[name]]
        left = len(seen.files.keys() - here.keys())
        if not dry_run:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                digests |= zip(new, pool.map(partial(_send, bucket, now), new), strict=True)
            commit_point("sent:s3")
            _move(bucket, now, seen, seen.files | digests)
            commit_point("moved:s3")
    was = seen.releases[-1].moved_to if seen.releases else "nothing"
    stay = f"; {left} that are no longer here stay: moe follow --prune" if left else ""
    return f"{'would go ' * dry_run}{was} → {now.night}, {len(new)} of {len(here)} files new or changed{stay}"


def prune(unit: str, dry_run: bool) -> list[str]:
    """Delete from S3 what retention or erasure took from this store; gives the paths."""
    with told():
        bucket = Bucket()
        seen, now = shown(bucket, unit), live(unit)
        _refuse_other(now, seen)
        gone = sorted(seen.files.keys() - files(unit).keys())
        if gone and not dry_run:
            for name in gone:
                bucket.delete(name)
            _move(bucket, now, seen, {name: digest for name, digest in seen.files.items() if name not in gone})
    return gone


def files(unit: str) -> dict[str, Path]:
    """What follows, by its path under the home: all tables but landing, the bundles that were live, the reports with
    the script that they refer to."""
    found = [tables.partition(table, unit, night) for table in tables.tables() if not table.startswith("landing.")
             for night in tables.nights(table, unit)]
    versions = {entry.moved_to for kind in publish.MODELS for entry in publish.log(kind, unit)}
    folders = [settings().bundles / version for version in versions]
    for folder in (*folders, settings().reports / unit, settings().monitoring_library):
        found += [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(settings().home).as_posix(): path for path in sorted(found)}


def shown(bucket: Bucket, unit: str) -> Shown:
    """What S3 says is live."""
    found = bucket.get(f"live/{unit}.json")
    if found is None:
        return Shown()
    told_there = json.loads(found[1])
    releases = [publish.Entry(**entry) for entry in told_there["log"]["release"]]
    models = {kind: [publish.Entry(**entry) for entry in told_there["log"].get(kind, [])] for kind in publish.MODELS}
    return Shown(*found, releases, models, told_there["bundle"], told_there["files"])


def _refuse_other(now: Live, seen: Shown) -> None:
    if list(now.moves[: len(seen.releases)]) != seen.releases:
        raise other_store(settings().s3_url, now, len(seen.releases))


def _send(bucket: Bucket, now: Live, name: str) -> str:
    """Make one object equal to a file; gives its digest. What is there already is not sent again."""
    with (settings().home / name).open("rb") as file:  # of a file that is replaced meanwhile, the one content
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        for _ in range(TRIES):
            there = bucket.look(name)
            if there and there.sha256 == digest:
                return digest
            if there and name.startswith("bundles/"):
                raise MoeError(f"{settings().s3_url}/{name} is not what its name, a hash, says; it was left as it is",
                               "find out who wrote it; delete it there and follow again")
            if there and not now.knows(there.move, there.history):
                break
            file.seek(0)
            if bucket.put(name, file, digest, now, there.etag if there else None):
                return digest
    raise Retriable(f"{settings().s3_url}/{name}: another writer came first; nothing of it was overwritten",
                    "try again when it is done")


def _move(bucket: Bucket, now: Live, seen: Shown, digests: dict[str, str]) -> None:
    """Swap the pointer object, if it is still the one that we saw."""
    model = publish.effective("model", now.unit, now.night)
    logs = {"release": [asdict(entry) for entry in now.moves],
            **{kind: [asdict(entry) for entry in publish.log(kind, now.unit)] for kind in publish.MODELS}}
    body = json.dumps({"unit": now.unit, "night": now.night.isoformat(), "move": len(now.moves),
                       "bundle": model.moved_to if model else None, "files": digests, "log": logs},
                      indent=1, sort_keys=True).encode()
    name = f"live/{now.unit}.json"
    if body == seen.body or bucket.put(name, body, hashlib.sha256(body).hexdigest(), now, seen.etag):
        return
    there = bucket.get(name)
    if there is None or there[1] != body:  # equal where our own write came through and its answer was lost
        raise Retriable(f"{settings().s3_url}/{name}: another writer moved it since we looked; it was not overwritten",
                        "try again: what is there is looked at anew")
