"""Objects of S3 with conditional writes and checksums (boto3; credentials and region by its own chain)."""

import base64
import hashlib
import mimetypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from moe.errors import MoeError, Retriable
from moe.follow.live import Live
from moe.settings import settings

LOST = {"PreconditionFailed", "ConditionalRequestConflict"}
"What S3 answers where the condition does not hold (412), or another write is under way (409)."
ABSENT = {"404", "NoSuchKey"}
PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Seen:
    """An object as it stood when we looked."""

    etag: str
    sha256: str
    "In hexadecimal; empty where another program wrote it without one."
    move: int
    history: str
    "How many moves its writer's publication log held, and their hash."


class Bucket:
    """The bucket and prefix of `s3_url`. Names are paths under the store's home."""

    def __init__(self, seconds: int = 10, tries: int = 4) -> None:
        if not settings().s3_url:
            raise MoeError("no S3 is set", "set MOE_S3_URL=s3://bucket/prefix: docs/how-to/use-postgres-and-s3.md")
        endpoint = settings().s3_endpoint or None
        self.name, self.prefix = settings().s3_bucket, settings().s3_prefix
        self.client = boto3.client("s3", endpoint_url=endpoint, config=Config(
            connect_timeout=seconds, read_timeout=60, retries={"mode": "standard", "max_attempts": tries},
            s3={"addressing_style": "path" if endpoint else "auto"}))

    def look(self, name: str) -> Seen | None:
        try:
            found = self.client.head_object(Bucket=self.name, Key=self.prefix + name, ChecksumMode="ENABLED")
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            raise
        sha256, writer = base64.b64decode(found.get("ChecksumSHA256", "")).hex(), found["Metadata"]
        return Seen(found["ETag"], sha256, int(writer.get("move", "0")), writer.get("history", ""))

    def put(self, name: str, body: bytes | IO[bytes], sha256: str, writer: Live, etag: str | None) -> bool:
        """Write where the object still is what we saw: `etag`, or none. False, and nothing written, where not.

        S3 computes SHA-256 itself and refuses other bytes.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        kind = PARQUET if name.endswith(".parquet") else mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            self.client.put_object(
                Bucket=self.name, Key=self.prefix + name, Body=body, ContentType=kind, ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                Metadata={"move": str(len(writer.moves)), "history": writer.history()},
                **condition)
        except ClientError as error:
            if _code(error) in LOST or (etag and _code(error) in ABSENT):
                return False
            raise
        return True

    def get(self, name: str) -> tuple[str, bytes] | None:
        """ETag and content, or None."""
        try:
            found = self.client.get_object(Bucket=self.name, Key=self.prefix + name)
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            raise
        return found["ETag"], found["Body"].read()

    def fetch(self, name: str, path: Path) -> None:
        self.client.download_file(self.name, self.prefix + name, os.fspath(path))

    def delete(self, name: str) -> None:
        """Delete what we see; one that is gone already is no error."""
        if seen := self.look(name):
            self.client.delete_object(Bucket=self.name, Key=self.prefix + name, IfMatch=seen.etag)

    def reach(self) -> None:
        self.client.head_bucket(Bucket=self.name)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


@contextmanager
def told() -> Iterator[None]:
    """S3's errors as ours: what another try may mend, and what a person must."""
    where = f"{settings().s3_url}" + f" at {settings().s3_endpoint}" * bool(settings().s3_endpoint)
    try:
        yield
    except NoCredentialsError as error:
        raise MoeError(f"{where}: {error}", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role "
                                            "of the machine: boto3's own chain") from error
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or _code(error) in {"SlowDown", *LOST}:
            raise Retriable(f"{where}: {error}", "try again later") from error
        raise MoeError(f"{where}: {error}", "check that the bucket is there and what this user may do in it: "
                                            "docs/how-to/use-postgres-and-s3.md") from error
    except BotoCoreError as error:
        raise Retriable(f"{where}: {error}", "check that it can be reached (`moe doctor`)") from error
