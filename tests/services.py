"""Real services for tests and benchmarks, on free ports: PostgreSQL as an unprivileged user, S3 by moto, Redis."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import psycopg
import pytest

from moe.settings import settings

PASSWORD = "s3cret/@:w0rd"
"""With signs that an address must encode."""


@dataclass(frozen=True)
class Postgres:
    port: int

    def url(self, database: str = "postgres", user: str = "moe_owner", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres", **how: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database, **how), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with a cluster of its own; its absence is an error."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user: dict[str, Any] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        as_user = {"user": _unprivileged(), "extra_groups": []}
        os.chown(folder, pwd.getpwnam(as_user["user"]).pw_uid, -1)
    port = free_port()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    subprocess.run([binaries / "initdb", "-D", folder / "data", "-U", "moe_owner", "--auth=scram-sha-256", "--no-sync",
                    f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"],
                   check=True, capture_output=True, cwd=folder, **as_user)
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", "",
             "-c", "fsync=off", "-c", "max_connections=200"], stdout=log, stderr=log, cwd=folder, **as_user)
    try:
        running = Postgres(port)
        _until(lambda: running.execute("select 1"), server, folder / "log")
        yield running
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(folder)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of an empty database."""
    name = f"db_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name}")
    yield name
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 service."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def bucket(s3_server: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket that keeps versions, set as this home's `s3_url` with a prefix; a client's view of it."""
    for name, value in {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests",
                        "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    found = boto3.resource("s3", endpoint_url=s3_server).create_bucket(Bucket=name)
    found.Versioning().enable()
    monkeypatch.setenv("MOE_S3_URL", f"s3://{name}/lake")
    monkeypatch.setenv("MOE_S3_ENDPOINT", s3_server)
    settings.cache_clear()
    return found


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """A Redis that keeps nothing on disk; gives its address. It is killed where the block ends."""
    program, port = shutil.which("redis-server"), port or free_port()
    assert program, "Redis is missing: apt-get install redis-server"
    with subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
                          stdout=subprocess.DEVNULL) as process:
        try:
            _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _binaries() -> Path:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "PostgreSQL is missing: apt-get install postgresql"
    return found[-1]


def _unprivileged() -> str:
    return "postgres" if "postgres" in {user.pw_name for user in pwd.getpwall()} else "nobody"


def _until(answers: Any, server: "subprocess.Popen[bytes]", log: Path | None = None) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            answers()
            return
        except (OSError, psycopg.OperationalError) as error:
            said = log.read_text() if log else ""
            assert server.poll() is None and time.monotonic() < until, f"{error}\n{said}"
            time.sleep(0.1)
