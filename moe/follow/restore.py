"""A store from S3: what a machine needs that has none, checked by SHA-256. It replaces nothing."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from moe import publish, tables
from moe.errors import MissingInput, MoeError
from moe.follow.bucket import Bucket, sha256, told
from moe.follow.s3 import AT_ONCE, shown
from moe.settings import settings

FOLDERS = ("store", "bundles", "reports")


def restore(unit: str, dry_run: bool = False, bundle_only: bool = False) -> str:
    """Fetch a unit's files and publication logs; gives a sentence. With `bundle_only`, the live bundle alone.

    Raises MissingInput where S3 holds nothing of the unit, MoeError where a file here differs (nothing is replaced)
    or what arrives is not what the pointer object names.
    """
    with told():
        bucket = Bucket()
        there = shown(bucket, unit)
        if there.etag is None:
            raise MissingInput(f"{settings().s3_url} holds nothing of {unit}", "see MOE_S3_URL, and `moe follow`")
        wanted = {name: digest for name, digest in there.files.items()
                  if not bundle_only or name.startswith(f"bundles/{there.bundle}/")}
        if not wanted:
            raise MissingInput(f"{settings().s3_url} holds no bundle of {unit}", "`moe train`, then `moe follow`")
        missing = {name: digest for name, digest in wanted.items() if not _have(name, digest)}
        if not dry_run:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(partial(_fetch, bucket), missing.items()))
            if not bundle_only:
                for kind, entries in there.models.items():
                    if entries:
                        publish.take_over(kind, unit, entries)
                publish.take_over("release", unit, there.releases)  # last: what it names is here
    what = f"bundle {there.bundle}" if bundle_only else f"{unit}, live {there.releases[-1].moved_to}"
    return f"{'would fetch' if dry_run else 'fetched'} {len(missing)} of {len(wanted)} files: {what}"


def _have(name: str, digest: str) -> bool:
    path = _place(name)
    if not path.exists():
        return False
    if sha256(path) == digest:
        return True
    raise MoeError(f"{path} is here already, with other content; nothing was fetched",
                   "restore into an empty store: set MOE_HOME to a new folder")


def _place(name: str) -> Path:
    path = (settings().home / name).resolve()
    if not any(path.is_relative_to(settings().home / folder) for folder in FOLDERS):
        raise MoeError(f"{settings().s3_url} names a file outside a store: {name}; nothing was fetched",
                       "find out who wrote its live/….json")
    return path


def _fetch(bucket: Bucket, named: tuple[str, str]) -> None:
    name, digest = named
    target = _place(name)
    temporary = tables.beside(target)
    bucket.fetch(name, temporary)
    if sha256(temporary) != digest:
        temporary.unlink()
        raise MoeError(f"{settings().s3_url}/{name} is not the file that live/….json names",
                       "a night may be following just now; if not, `moe follow` from the store that it came from")
    tables.put_in_place(temporary, target)
